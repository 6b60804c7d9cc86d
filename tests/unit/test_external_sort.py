"""Rows on disk: nothing is lost on the way, and what is there twice is taken once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.series.parsing import external_sort
from mlops.series.parsing.external_sort import ROW, ExternalSort, RunFile, deduplicate

ENTRIES = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 5), st.sampled_from([1.0, 2.0]), st.sampled_from([np.nan, 3.0])),
    max_size=60,
)


def records(entries: list[tuple[int, int, float, float]]) -> np.ndarray:
    rows = np.zeros(len(entries), dtype=ROW)
    rows["value_lower"] = rows["value_upper"] = rows["quality_score"] = np.nan
    for line, (key, day, value, upper) in enumerate(entries):
        rows[line]["key"], rows[line]["line"], rows[line]["value"] = key, line, value
        rows[line]["at"], rows[line]["value_upper"] = (
            np.datetime64("2024-01-01", "us") + np.timedelta64(day, "D"),
            upper,
        )
    return rows


@settings(max_examples=examples(60), deadline=None)
@given(chunks=st.lists(ENTRIES, max_size=5), batch_rows=st.integers(1, 50))
def test_batches_hold_every_row_once_sorted_and_no_series_is_in_two(chunks, batch_rows, monkeypatch_module):
    monkeypatch_module.setattr(external_sort, "BATCH_ROWS", batch_rows)
    lines, seen = 0, []
    with ExternalSort() as sort:
        for chunk in chunks:
            rows = records(chunk)
            rows["line"] += lines
            lines += len(rows)
            if len(rows):
                sort.add(rows)
        batches = [batch.copy() for batch in sort.batches()]
    for batch in batches:
        order = np.lexsort((batch["line"], batch["at"], batch["key"]))
        assert order.tolist() == list(range(len(batch)))
        seen.append(set(batch["key"].tolist()))
    assert sorted(line for batch in batches for line in batch["line"]) == list(range(lines))
    assert len(set().union(*seen)) == sum(map(len, seen))


@settings(max_examples=examples(80), deadline=None)
@given(ENTRIES)
def test_each_series_and_time_is_taken_once_unless_its_rows_disagree(entries):
    rows = records(entries)
    rows = rows[np.lexsort((rows["line"], rows["at"], rows["key"]))]
    kept, others = deduplicate(rows)
    sayings: dict[tuple[int, int], set[tuple[float, str]]] = {}
    for key, day, value, upper in entries:
        sayings.setdefault((key, day), set()).add((value, str(upper)))
    agreed = [place for place, said in sayings.items() if len(said) == 1]
    assert len(kept) == len(agreed)
    assert len(kept) + others.repeated + len(others.disagreeing) == len(entries)
    assert {int(key) for key in others.disagreeing["key"]} == {key for key, day in sayings if (key, day) not in agreed}


def test_a_run_file_gives_back_what_was_put_or_a_part_of_it(tmp_path):
    rows = records([(1, 1, 1.0, 2.0), (2, 1, 1.0, 2.0), (3, 1, 1.0, 2.0)])
    with RunFile(tmp_path) as runs:
        assert [runs.put(rows), runs.put(rows[:1])] == [0, 1]
        assert runs.get(0).tobytes() == rows.tobytes()
        assert runs.get(0, slice(1, 2))["key"].tolist() == [2]
        assert len(runs) == 2
        assert list(tmp_path.iterdir()) == [], "the file has no name, so nothing is left behind"


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch
