"""What arrived rows change of what is stored."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.domain.granularity import GRANULARITIES
from mlops.domain.metric_types import METRIC_TYPES
from mlops.series.diff import AROUND, SeriesFacts, diff
from mlops.series.parsing.external_sort import ROW
from mlops.series.scoring import Thresholds

NOW = np.datetime64("2026-11-25T12:00", "us")
START = np.datetime64("2024-01-01", "us")
DAY = np.timedelta64(1, "D")
IDS = np.array([10, 20, 30])


def facts(granularity: str = "daily") -> SeriesFacts:
    kinds = [granularity] * len(IDS)
    thresholds = Thresholds.of([METRIC_TYPES["collection_weight"]] * len(IDS), kinds)
    return SeriesFacts(IDS, np.array(kinds, dtype=object), thresholds)


def arrived(entries: dict[tuple[int, int], dict[str, float]]) -> np.ndarray:
    rows = np.zeros(len(entries), dtype=ROW)
    for name in ("value_lower", "value_upper", "quality_score"):
        rows[name] = np.nan
    for row, ((series, day), figures) in zip(rows, sorted(entries.items()), strict=True):
        row["key"], row["at"] = series, START + day * DAY
        for name, figure in figures.items():
            row[name] = figure
    return rows


def stored(entries: dict[tuple[int, int], dict[str, float]]) -> dict[str, np.ndarray]:
    rows = arrived(entries)
    found = {name: rows[name] for name in AROUND if name in rows.dtype.names}
    found["series_id"], found["observed_at"] = IDS[rows["key"]], rows["at"]
    found["quality_score"] = np.where(np.isnan(rows["quality_score"]), np.float32(1), rows["quality_score"])
    return {name: column.astype(AROUND[name]) for name, column in found.items()}


def judged(new, old=None, **options):
    rows = arrived(new)
    return diff(rows, IDS[rows["key"]], facts(), stored(old or {}), NOW, **options)


def places(columns) -> list[tuple[int, int]]:
    days = ((columns["observed_at"] - START) / DAY).astype(int)
    return sorted(zip(columns["series_id"].tolist(), days.tolist(), strict=True))


FIGURES = st.builds(lambda value: {"value": value}, st.sampled_from([1.0, 2.0, 50.0]))
ENTRIES = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 90)), FIGURES, min_size=1, max_size=60)


@settings(max_examples=examples(60), deadline=None)
@given(new=ENTRIES, old=ENTRIES)
def test_every_row_is_new_or_a_correction_or_the_same(new, old):
    found = judged(new, old)
    assert places(found.new) == sorted((int(IDS[s]), d) for s, d in new if (s, d) not in old)
    differing = sorted((int(IDS[s]), d) for (s, d), row in new.items() if (s, d) in old and old[s, d] != row)
    assert places(found.changed) == differing
    assert not set(places(found.rescored)) & set(places(found.changed) + places(found.new))


@settings(max_examples=examples(40), deadline=None)
@given(ENTRIES)
def test_what_is_stored_already_changes_nothing(rows):
    found = judged(rows, rows)
    assert [len(part["series_id"]) for part in (found.new, found.changed, found.rescored)] == [0] * 3


def test_new_rows_lie_by_series_and_time():
    found = judged({(series, day): {"value": 1.0} for day in (80, 0, 40) for series in range(3)})
    assert found.new["series_id"].tolist() == [10] * 3 + [20] * 3 + [30] * 3
    assert found.new["observed_at"].tolist() == [(START + day * DAY).item() for day in (0, 40, 80)] * 3


def test_bounds_that_are_left_out_stay_with_the_same_value_and_go_with_another():
    old = {(0, 0): {"value": 1.0, "value_lower": 0.5}, (0, 1): {"value": 1.0, "value_lower": 0.5}}
    found = judged({(0, 0): {"value": 1.0, "value_upper": 2.0}, (0, 1): {"value": 3.0}}, old)
    assert found.changed["value_lower"].tolist()[0] == 0.5
    assert np.isnan(found.changed["value_lower"][1])


def test_a_late_row_that_fills_a_gap_is_less_trusted_and_a_history_brought_in_whole_is_not():
    days = {(0, day): {"value": 100.0 + day % 7} for day in range(60)}
    late = {(0, 50): days.pop((0, 50))}
    assert judged(late, days).new["quality_score"][0] < 0.9
    assert judged({(0, 60): {"value": 100.0}}, days).new["quality_score"][0] == pytest.approx(1, abs=0.05)
    assert (judged(days).new["quality_score"][:50] == 1).all()


HOURS = {"15min": 0.25, "30min": 0.5, "hourly": 1, "daily": 24, "business_daily": 24, "weekly": 168}
HOURS |= {"monthly": 744, "quarterly": 91 * 24, "yearly": 366 * 24}


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_replayed_rows_became_known_when_their_period_ended(granularity: str):
    rows = arrived({(0, 0): {"value": 1.0}})
    found = diff(rows, IDS[:1], facts(granularity), stored({}), NOW, replayed=True)
    assert found.new["recorded_at"][0] == START + np.timedelta64(int(HOURS[granularity] * 60), "m")
    planned = arrived({(0, 5000): {"value": 1.0}})
    assert diff(planned, IDS[:1], facts(), stored({}), NOW, replayed=True).new["recorded_at"][0] == NOW


def test_a_correction_scores_the_rows_after_it_anew():
    y = np.random.default_rng(1).normal(100, 10, 40)
    old = {(0, day): {"value": y[day]} for day in range(40)}
    for day in (38, 39):
        old[0, day] = {"value": 0.0, "quality_score": 1.0}
    found = judged({(0, 37): {"value": 0.0}}, old)
    assert places(found.rescored)[-1] == (10, 39)
    assert found.rescored["quality_score"][-1] == 0, "three zeros in a row are a flat line now"


def test_scores_that_a_file_brings_stand():
    found = judged({(0, day): {"value": 0.0, "quality_score": 0.25} for day in range(40)})
    assert set(found.new["quality_score"].tolist()) == {0.25}
