"""Files into a real Postgres: once, whole or not at all, and as it was known at a time."""

import json
import string
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.campaign import examples
from tests.retention import newest_is_today

from mlops.db import Database
from mlops.db.retry import retrying
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import BadInput, MlopsError, NothingToDo, UnknownName
from mlops.series import ingest as ingest_module
from mlops.series.export import export_series
from mlops.series.ingest import ingest
from mlops.series.load import Load, Stored
from mlops.series.metrics import add_metric_type
from mlops.series.quality import score
from mlops.series.read import history, list_series, show_series
from mlops.series.seasonality import store_profiles
from mlops.series.store import Months

START = pd.Timestamp("2024-01-30", tz="UTC")


@pytest.fixture
def template(migrated: str) -> str:
    """Commands on series need no MLflow."""
    return migrated


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a CSV in the long format: dicts over a daily weight at site a."""

    def make(*rows: dict[str, object], name: str = "f.csv") -> Path:
        common = {"metric_type": "collection_weight", "observed_at": "2024-01-31T00:00:00Z", "value": 10}
        frame = pd.DataFrame([common | {"site_id": "a"} | row for row in rows])
        frame.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return make


def daily(values: Sequence[float], site: str = "a", start: pd.Timestamp = START) -> list[dict[str, object]]:
    days = pd.date_range(start, periods=len(values)).strftime("%Y-%m-%dT00:00:00Z")
    return [{"observed_at": day, "value": value, "site_id": site} for day, value in zip(days, values, strict=True)]


def ask(database: Database, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url) as connection:
        return connection.execute(query).fetchall()


def contents(database: Database) -> list[Any]:
    """Every stored row with the place where it is written, so that a needless write shows too."""
    return [
        ask(
            database, f"select t.tableoid::regclass::text, t.ctid::text, t.xmin::text, t::text from analytics.{table} t"
        )
        for table in ("series", "time_series_metrics", "time_series_revisions", "refused_rows")
    ]


def stored(database: Database) -> list[tuple[str, float]]:
    query = "select site_id, value from analytics.time_series order by site_id, observed_at"
    return [(site, value) for site, value in ask(database, query)]


def counts(report: Any) -> tuple[int, int, int, int, int]:
    return report.read, report.inserted, report.corrected, report.unchanged, report.refused


# once


def test_a_file_is_stored_and_reported(database: Database, write):
    report = ingest(database, write(*daily([1, 2, 3]), *daily([4], site="b")))
    assert counts(report) == (4, 4, 0, 0, 0)
    assert report.status == "stored"
    assert stored(database) == [("a", 1), ("a", 2), ("a", 3), ("b", 4)]
    batch = ask(database, "select batch_id, source, adapter, status, read, inserted from analytics.ingest_batches")
    assert batch == [(report.batch_id, report.source, "long", "stored", 4, 4)]


def test_the_same_file_again_writes_nothing(database: Database, write):
    file = write(*daily([1, 2, 3]))
    ingest(database, file)
    before = contents(database)
    assert counts(ingest(database, file)) == (3, 0, 0, 3, 0)
    assert contents(database) == before
    assert ask(database, "select count(*) from analytics.ingest_batches") == [(2,)]


ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.sampled_from([0, 1, 2, 5e9]), st.sampled_from(["", "0.5"])),
    min_size=1,
    max_size=30,
)


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_ingesting_twice_is_ingesting_once(database: Database, write, rows: list[tuple[str, int, float, str]]):
    file = write(
        *(
            {"site_id": site, "observed_at": f"{START + timedelta(days=day):%Y-%m-%dT00:00:00Z}", "value": value}
            | {"quality_score": quality}
            for site, day, value, quality in rows
        )
    )
    first = ingest(database, file, on_error="quarantine")
    before = contents(database)
    second = ingest(database, file, on_error="quarantine")
    assert contents(database) == before
    assert (second.inserted, second.corrected, second.refused) == (0, 0, first.refused)
    for report in (first, second):
        if report.status != "refused":
            assert report.read == report.inserted + report.corrected + report.unchanged + report.refused


def test_a_row_that_is_there_twice_is_taken_once(database: Database, write):
    report = ingest(database, write({}, {}, {}))
    assert counts(report) == (3, 1, 0, 2, 0)
    assert report.notes[0] == "2 rows repeat another row of the file and were taken once"


def test_places_and_labels_tell_series_apart_and_their_writing_does_not(database: Database, write):
    file = write(
        {"labels": '{"a": 1, "b": 2.0}'},
        {"labels": '{"b":2,"a":1}', "observed_at": "2024-02-01T00:00:00Z"},
        {"labels": '{"a": 2}'},
        {"site_id": None},
        {"site_id": None, "route_id": "a"},
        {"granularity": "monthly", "observed_at": "2024-01-01T00:00:00Z"},
        {"tenant_id": 2},
    )
    assert counts(ingest(database, file))[:2] == (7, 7)
    found = list_series(database)
    assert len(found) == 6
    assert found["observations"].tolist().count(2) == 1


def test_two_files_about_the_same_days_at_the_same_time_lose_nothing(database: Database, write):
    sites = [f"s{number}" for number in range(20)]
    files = [
        write(*(row for site in order for row in daily([value] * 60, site)), name=f"{value}.csv")
        for value, order in ((1, sites), (2, sites[::-1]), (3, sites))
    ]
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda file: ingest(database, file), files))
    assert sum(report.inserted for report in reports) == 1200
    assert sum(report.inserted + report.corrected + report.unchanged for report in reports) == 3600
    assert ask(database, "select count(*) from analytics.time_series_metrics") == [(1200,)]
    corrected = sum(report.corrected for report in reports)
    assert ask(database, "select count(*) from analytics.time_series_revisions") == [(corrected,)]


def test_a_deadlock_is_done_again_and_other_errors_are_not():
    attempts = []

    def work(error: Exception) -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise error
        return len(attempts)

    assert retrying(lambda: work(psycopg.errors.DeadlockDetected()), wait_seconds=0) == 3
    attempts.clear()
    with pytest.raises(psycopg.errors.UniqueViolation):
        retrying(lambda: work(psycopg.errors.UniqueViolation()), wait_seconds=0)


# whole or not at all

BAD_ROWS = {
    "wrong type": ({"value": "ten"}, "column value: found 'ten'; that is not a number; write it like 12.5"),
    "far future": (
        {"observed_at": "9999-12-31T00:00:00Z"},
        "column observed_at: found '9999-12-31T00:00:00Z'; the time is outside",
    ),
    "naive time": ({"observed_at": "2024-01-31T06:00:00"}, "the time has no zone; write it like 2024-01-31T00:00:00Z"),
    "undeclared metric type": ({"metric_type": "colection_weight"}, "not declared; did you mean 'collection_weight'"),
    "negative weight": (
        {"value": -5},
        "found '-5'; the value is outside the bounds of collection_weight (0 to no limit)",
    ),
    "no granularity of ours": ({"granularity": "6h"}, "expected one of 15min (15min)"),
    "labels that are no object": ({"labels": "[]"}, "labels are a JSON object"),
    "a name that no index can hold": ({"route_id": "x" * 3000}, "a name has at most 200 bytes"),
    "a character that Postgres can't hold": ({"route_id": "x\0y"}, "a name can't hold the character NUL"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_refuses_the_file_or_only_itself(case: str, database: Database, write):
    change, reason = BAD_ROWS[case]
    file = write({"observed_at": "2024-01-30T00:00:00Z"}, change)
    report = ingest(database, file)
    assert (counts(report), report.status) == ((2, 0, 0, 0, 1), "refused")
    assert stored(database) == []
    assert str(report.reasons[0]).startswith(f"{file}, line 3, column ")
    assert reason in str(report.reasons[0])

    report = ingest(database, file, on_error="quarantine")
    assert (counts(report), report.status) == ((2, 1, 0, 0, 1), "partly stored")
    assert stored(database) == [("a", 10)]
    assert len(ask(database, "select line, reason, raw from analytics.refused_rows")) == 1, "told once"


def test_names_and_labels_of_the_longest_allowed_size_fit_into_the_index(database: Database, write):
    letters = np.random.default_rng(1).choice(list(string.ascii_letters), (5, 200))
    places = ("customer_id", "route_id", "vehicle_id", "driver_id", "site_id")
    labels = json.dumps(dict.fromkeys(string.ascii_letters + string.digits, 7), ensure_ascii=False)
    names = {place: "".join(row) for place, row in zip(places, letters, strict=True)}
    assert ingest(database, write(names | {"labels": labels})).inserted == 1


def test_a_file_of_bad_rows_only_is_refused_in_quarantine_too(database: Database, write):
    report = ingest(database, write({"value": "x"}), on_error="quarantine")
    assert (report.status, report.refused) == ("refused", 1)


def test_rows_that_disagree_are_all_refused_and_name_each_other(database: Database, write):
    rows = [{"value": 1}, {"value": 2}, {"value": 1}, {"value": 7, "observed_at": "2024-02-01T00:00:00Z"}]
    report = ingest(database, write(*rows), on_error="quarantine")
    assert counts(report) == (4, 1, 0, 0, 3)
    assert stored(database) == [("a", 7)]
    assert [reason.line for reason in report.reasons] == [2, 3, 4]
    assert {reason.reason for reason in report.reasons} == {
        "lines 2 (1), 3 (2), 4 (1) disagree about the same series and time; keep one of them"
    }
    assert ingest(database, write(*rows)).status == "refused"


def test_rows_disagree_across_chunks_too(database: Database, write, monkeypatch):
    monkeypatch.setattr("mlops.series.adapters.long.BLOCK_BYTES", 256)
    report = ingest(database, write(*daily(range(1, 50)), *daily([99])), on_error="quarantine")
    assert counts(report) == (50, 48, 0, 0, 2)
    assert [reason.line for reason in report.reasons] == [2, 51]


def test_a_file_that_ends_in_the_middle_of_a_line_is_refused(database: Database, write):
    file = write({}, {"observed_at": "2024-02-01T00:00:00Z"})
    file.write_bytes(file.read_bytes()[:-20])
    report = ingest(database, file)
    assert report.status == "refused"
    assert "line 3: found" in str(report.reasons[0])
    assert "the file ends in the middle of it; send the whole file" in str(report.reasons[0])


def test_a_last_line_without_an_end_is_taken_with_a_note(database: Database, write):
    file = write({})
    file.write_bytes(file.read_bytes().rstrip())
    report = ingest(database, file)
    assert report.inserted == 1
    assert report.notes[0].startswith("line 2 has no line end")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a header"),
        ("metric_type,observed_at,value\n", "holds no rows, only a header"),
        (
            "metric_type,observed_at,valeu\nrevenue,2024-01-31T00:00:00Z,1\n",
            "column 'value' is missing (is 'valeu' meant?)",
        ),
        (
            "metric_type,observed_at,value,sitte_id\nrevenue,2024-01-31T00:00:00Z,1,a\n",
            "unknown column 'sitte_id'; did you mean 'site_id'?",
        ),
        ("metric_type,value\nrevenue,1\n", "column 'observed_at' is missing"),
    ],
    ids=["empty", "header only", "misspelt column", "unknown column", "missing column"],
)
def test_a_file_that_is_not_the_long_format_is_refused_and_recorded(
    text: str, message: str, database: Database, tmp_path: Path
):
    file = tmp_path / "f.csv"
    file.write_text(text)
    for _ in range(2):
        with pytest.raises(BadInput, match=r"f\.csv") as refused:
            ingest(database, file)
        assert message in str(refused.value)
    assert ask(database, "select status, read from analytics.ingest_batches") == [("refused", 0)] * 2
    assert len(ask(database, "select from analytics.refused_rows")) == 1


# time: a step begins by the clock of its series, always on the same weekday


def hourly(stamps: Sequence[str], **columns: object) -> list[dict[str, object]]:
    common = {"metric_type": "route_duration", "granularity": "hourly", "value": 5}
    return [common | {"observed_at": stamp} | columns for stamp in stamps]


def zones(database: Database) -> list[tuple[Any, ...]]:
    return ask(database, "select time_zone, anchor from analytics.series order by series_id")


def days(database: Database) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url) as connection:
        connection.execute("select analytics.refresh_daily_summary()")
    return ask(database, "select day::text, observations from analytics.daily_metrics_summary order by day")


def test_hours_of_a_half_hour_zone_are_taken_and_get_their_zone_when_it_is_named(database: Database, write):
    offset = write(*hourly([f"2024-01-01T{hour:02}:00:00+05:30" for hour in range(24)]), name="offset.csv")
    local = write(*hourly([f"2024-01-01T{hour:02}:00:00" for hour in range(24)]), name="local.csv")
    assert counts(ingest(database, offset)) == (24, 24, 0, 0, 0)
    assert zones(database) == [("UTC", 1800)]
    assert len(days(database)) == 2
    other = write(*hourly(["2024-01-02T00:00:00Z"]), name="other.csv")
    [reason] = ingest(database, other).reasons
    assert "begin at :30, and this one at :00; name the zone" in str(reason)
    assert counts(ingest(database, local, timezone="Asia/Kolkata")) == (24, 0, 0, 24, 0)
    assert zones(database) == [("Asia/Kolkata", 0)]
    assert days(database) == [("2024-01-01", 24)]
    again = write(*hourly(["2024-01-01T18:30:00Z"], time_zone="Asia/Kolkata"), name="again.csv")
    assert counts(ingest(database, again)) == (1, 1, 0, 0, 0)


def test_hours_in_utc_are_full_by_the_clock_that_is_stored_of_their_series(database: Database, write):
    local = write(*hourly(["2024-01-01T00:00:00"]))
    assert ingest(database, local, timezone="Asia/Kathmandu").inserted == 1
    in_utc = write(*hourly(["2023-12-31T19:15:00Z"]), name="utc.csv")
    assert ingest(database, in_utc).inserted == 1
    report = ingest(database, write(*hourly(["2023-12-31T20:00:00Z"])))
    assert "begin at :00 by the clock of Asia/Kathmandu, and this one at :45" in str(report.reasons[0])


def test_a_zone_other_than_the_stored_one_is_refused_with_both(database: Database, write):
    file = write(*hourly(["2024-01-01T00:00:00"]))
    ingest(database, file, timezone="Europe/Berlin")
    report = ingest(database, file, timezone="Europe/Paris")
    assert report.status == "refused"
    assert "the series is of Europe/Berlin, and the file says Europe/Paris" in str(report.reasons[0])
    assert zones(database) == [("Europe/Berlin", 0)]
    both = [
        *hourly(["2024-01-02T00:00:00"], time_zone="Europe/Berlin"),
        *hourly(["2024-01-03"], time_zone="Asia/Tokyo"),
    ]
    report = ingest(database, write(*both), on_error="quarantine")
    assert counts(report) == (2, 1, 0, 0, 1)
    assert "the file says Europe/Berlin and Asia/Tokyo for the same series" in str(report.reasons[0])


def test_a_zone_by_whose_clock_the_stored_hours_are_not_full_is_refused(database: Database, write):
    ingest(database, write(*hourly(["2024-01-01T00:00:00Z"])))
    report = ingest(database, write(*hourly(["2024-01-02T00:00:00"])), timezone="Asia/Kolkata")
    assert "that of 2024-01-01T00:00 UTC would be at 05:30" in str(report.reasons[0])
    assert zones(database) == [("UTC", 0)]


def test_a_series_that_gets_its_zone_later_is_summarised_and_scored_anew(database: Database, write):
    ingest(database, write(*hourly(["2024-07-01T03:00:00Z", "2024-07-01T05:00:00Z"])))
    assert days(database) == [("2024-07-01", 2)]
    report = ingest(database, write(*hourly(["2024-07-01T02:00:00"])), timezone="America/New_York")
    assert counts(report) == (1, 1, 0, 0, 0)
    assert days(database) == [("2024-06-30", 1), ("2024-07-01", 2)]
    assert ask(database, "select count(*) from analytics.unscored") == [(1,)]


@pytest.mark.parametrize(
    ("granularity", "first", "other", "words"),
    [
        ("weekly", "2024-01-07", "2024-01-15", "the weeks of this series begin on a Sun, and this is a Mon"),
        ("quarterly", "2024-02-01", "2024-04-01", "begin in Feb or May or Aug or Nov, and this one in Jan or Apr"),
        ("yearly", "2023-07-01", "2024-01-01", "its steps begin in Jul, and this one in Jan"),
    ],
)
def test_a_series_keeps_its_weekday_and_its_month(database: Database, write, granularity, first, other, words):
    rows = [{"granularity": granularity, "observed_at": f"{day}T00:00:00Z"} for day in (first, other)]
    report = ingest(database, write(*rows), on_error="quarantine")
    assert counts(report) == (2, 1, 0, 0, 1)
    assert words in str(report.reasons[0])
    report = ingest(database, write(rows[1]))
    assert report.status == "refused"
    assert words in str(report.reasons[0])
    assert "line 2, column observed_at: found '" + other in str(report.reasons[0])


def test_a_clock_that_somebody_else_tells_meanwhile_is_not_overridden(database: Database, write, monkeypatch):
    rows = [{"granularity": "weekly", "observed_at": f"{day}T00:00:00Z"} for day in ("2024-01-07", "2024-01-15")]
    first, second = (write(row, name=f"{place}.csv") for place, row in enumerate(rows))
    looked = ingest_module.clocks_of

    def overtaken(*given: Any) -> Any:
        found = looked(*given)
        monkeypatch.setattr(ingest_module, "clocks_of", looked)
        ingest(database, second)
        return found

    monkeypatch.setattr(ingest_module, "clocks_of", overtaken)
    with pytest.raises(BadInput, match="another clock meanwhile; nothing was stored, send it again"):
        ingest(database, first)
    assert "begin on a Mon, and this is a Sun" in str(ingest(database, first).reasons[0])


def test_weeks_of_several_series_may_begin_on_different_weekdays(database: Database, write):
    weeks = [(site, start) for site, start in (("a", "2024-01-01"), ("b", "2024-01-06"), ("c", "2024-01-07"))]
    rows = [
        {"granularity": "W", "site_id": site, "observed_at": f"{at:%Y-%m-%dT00:00:00Z}"}
        for site, start in weeks
        for at in pd.date_range(start, periods=10, freq="7D")
    ]
    assert counts(ingest(database, write(*rows))) == (30, 30, 0, 0, 0)
    assert ask(database, "select granularity, anchor / 86400 from analytics.series order by site_id") == [
        ("weekly", 0), ("weekly", 5), ("weekly", 6),
    ]  # fmt: skip


def test_a_file_labelled_at_the_end_is_turned(database: Database, write):
    rows = [{"granularity": "ME", "observed_at": f"2024-{month}"} for month in ("01-31", "02-29")]
    assert ingest(database, write(*rows), timezone="America/New_York").status == "refused"
    report = ingest(database, write(*rows), timezone="America/New_York", stamp="end")
    assert report.inserted == 2
    query = "select granularity, time_zone, (observed_at at time zone 'UTC')::date::text from analytics.time_series"
    assert ask(database, f"{query} order by 3") == [
        ("monthly", "America/New_York", "2024-01-01"), ("monthly", "America/New_York", "2024-02-01"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", GRANULARITIES)
def test_every_granularity_is_stored_scored_exported_and_taken_again(database: Database, write, name: str):
    step = GRANULARITIES[name]
    rows = [
        {"granularity": name, "observed_at": f"{at.astype('datetime64[s]')}Z", "value": 5 + place % 7, "site_id": site}
        for site in "ab"
        for place, at in enumerate(step.after(np.datetime64("1980-01-01", "us"), 40))
    ]
    file = write(*rows)
    assert counts(ingest(database, file, timezone="Europe/Berlin", known_at="observed")) == (80, 80, 0, 0, 0)
    assert store_profiles(database) == {"series": 2, "written": 2}
    assert len(days(database)) > 0
    out = file.with_name("out.csv")
    assert export_series(database, out) == 80
    assert pd.read_csv(out)["time_zone"].eq("Europe/Berlin").all()
    assert counts(ingest(database, out)) == (80, 0, 0, 80, 0)


def test_misuse_is_refused_before_anything_is_read(database: Database, write):
    file = write({})
    with pytest.raises(BadInput, match=r"nowhere\.csv: no such file"):
        ingest(database, file.with_name("nowhere.csv"))
    with pytest.raises(UnknownName, match="unknown adapter 'lang'; did you mean 'long'"):
        ingest(database, file, adapter="lang")
    with pytest.raises(BadInput, match="'Mars/North' is not a time zone"):
        ingest(database, file, timezone="Mars/North")
    assert ask(database, "select from analytics.ingest_batches") == []


def test_an_interrupted_file_leaves_nothing(database: Database, write):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(database, write(*daily([1, 2, 3])), progress=interrupt)
    assert contents(database) == [[], [], [], []]


def test_only_months_that_occur_get_a_partition(database: Database, write):
    days = ("1999-12-31", "2024-03-01", "2024-03-31")
    ingest(database, write(*({"observed_at": f"{day}T00:00:00Z"} for day in days)))
    parent = "'analytics.time_series_metrics'::regclass"
    query = f"select inhrelid::regclass::text from pg_inherits where inhparent = {parent} order by 1"
    assert [name[-7:] for (name,) in ask(database, query)] == ["1999_12", "2024_03"]


# as it was known


def test_a_correction_becomes_a_revision_and_the_old_value_can_be_asked(database: Database, write):
    ingest(database, write(*daily([1, 2, 3])), known_at="now")
    before = datetime.now(UTC)
    report = ingest(database, write(*daily([1, 20])))
    assert counts(report) == (2, 0, 1, 1, 0)
    assert history(database, as_of=before)["y"].tolist() == [1, 2, 3]
    assert history(database)["y"].tolist() == [1, 20, 3]
    assert history(database, as_of=before - timedelta(days=1)).empty
    [(old, recorded, superseded)] = ask(
        database, "select value, recorded_at, superseded_at from analytics.time_series_revisions"
    )
    assert old == 2
    assert recorded < before < superseded
    [(series_id,)] = ask(database, "select series_id from analytics.series")
    assert show_series(database, series_id).corrections == 1


def test_every_value_of_a_day_that_was_corrected_again_and_again_can_be_asked(database: Database, write):
    moments = []
    for value in (1, 2, 3, 1):
        ingest(database, write({"value": value}))
        moments.append(datetime.now(UTC))
    assert [history(database, as_of=moment)["y"].tolist() for moment in moments] == [[1], [2], [3], [1]]


def test_what_a_file_leaves_out_is_not_a_correction(database: Database, write):
    ingest(database, write({"value_lower": 5, "value_upper": 15, "quality_score": 0.25}))
    assert ingest(database, write({})).unchanged == 1
    assert ingest(database, write({"value_upper": 16, "quality_score": 0.25})).corrected == 1
    query = "select value_lower, value_upper, quality_score from analytics.time_series_metrics"
    assert ask(database, query) == [(5, 16, 0.25)]
    assert ingest(database, write({"value": 100})).corrected == 1
    assert ask(database, query)[0][:2] == (None, None), "the bounds were those of the old value"


@pytest.mark.parametrize(
    ("granularity", "observed", "known"),
    [
        ("hourly", "2024-01-31T05:00:00Z", "2024-01-31T06:00:00Z"),
        ("daily", "2024-01-31T00:00:00Z", "2024-02-01T00:00:00Z"),
        ("weekly", "2024-01-29T00:00:00Z", "2024-02-05T00:00:00Z"),
        ("monthly", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
    ],
)
def test_a_history_to_be_replayed_became_known_when_its_periods_ended(
    granularity: str, observed: str, known: str, database: Database, write
):
    ingest(database, write({"granularity": granularity, "observed_at": observed}), known_at="observed")
    moment = datetime.fromisoformat(known)
    assert history(database, as_of=moment - timedelta(seconds=1)).empty
    assert len(history(database, as_of=moment)) == 1


def test_a_correction_of_a_replayed_history_became_known_now(database: Database, write):
    for value in (1, 2):
        start = datetime.now(UTC)
        ingest(database, write({"value": value}), known_at="observed")
    assert history(database, as_of=start)["y"].tolist() == [1]
    assert history(database)["y"].tolist() == [2]


def recorded(database: Database) -> list[tuple[Any, ...]]:
    """Site, day, and the day on which each observation became known, or "now"."""
    return ask(
        database,
        "select site_id, observed_at::date::text,"
        " case when recorded_at > now() - interval '1 hour' then 'now' else recorded_at::date::text end"
        " from analytics.time_series_metrics join analytics.series using (series_id) order by 1, 2",
    )


def interrupted(database: Database, file: Path, after: int) -> None:
    """Ingest a file, interrupted when so many of its batches are stored."""
    part = Load._part

    def some(self: Load, sha256: str, done: dict[str, Stored], months: Months, number: int) -> tuple[int, Stored]:
        if number >= after:
            raise KeyboardInterrupt
        return part(self, sha256, done, months, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Load, "_part", some)
        with pytest.raises(KeyboardInterrupt):
            ingest(database, file)


def test_the_first_file_of_a_series_is_its_history_and_says_so(database: Database, write):
    report = ingest(database, write(*daily([1, 2])))
    assert recorded(database) == [("a", "2024-01-30", "2024-01-31"), ("a", "2024-01-31", "2024-02-01")]
    assert (report.backdated, report.backdated_until, report.late) == (2, datetime(2024, 2, 1, tzinfo=UTC), 0)
    assert report.notes == (
        "2 new rows count as known since their period ended, the last on 2024-02-01, being the first of their series"
        " (--known-at now: all became known now)",
    ), "a history that ended long ago is kept as long as one that ends today"
    newest_is_today(database.url)
    assert ingest(database, write(*daily([2], "b"))).notes[1:] == (
        "all of that is older than the 24 months before the newest data that the database keeps: `mlops db maintain`"
        " moves it to archive files, where monitoring and SQL do not see it; to keep it: mlops db retention"
        " time_series_metrics --for-ever",
    )
    with psycopg.connect(database.url) as connection:
        connection.execute("update analytics.partition_policy set keep_months = null")
    assert len(ingest(database, write(*daily([3], "c"))).notes) == 1


def test_what_follows_the_first_file_of_a_series_is_late_and_so_it_is_told(database: Database, write):
    ingest(database, write(*daily([1])))
    report = ingest(database, write(*daily([5, 2]), *daily([3], "b")))  # a correction, a late row, another series
    assert recorded(database) == [
        ("a", "2024-01-30", "now"),
        ("a", "2024-01-31", "now"),
        ("b", "2024-01-30", "2024-01-31"),
    ]
    assert (report.corrected, report.backdated, report.late) == (1, 1, 1)
    assert any("mlops series redate --metric-type collection_weight" in note for note in report.notes)


def test_of_a_first_file_nothing_is_known_before_it_is_sent(database: Database, write):
    today = pd.Timestamp.now("UTC").normalize()
    report = ingest(database, write(*daily([1, 2], start=today - pd.Timedelta(days=1))))
    assert report.backdated == 1  # of today's value the period is not over
    assert ask(database, "select bool_and(recorded_at <= now()) from analytics.time_series_metrics") == [(True,)]


def test_known_now_overrides_the_history_of_a_first_file_and_can_not_be_changed_by_sending_it_again(
    database: Database, write
):
    file = write(*daily([1, 2]))
    assert ingest(database, file, known_at="now").backdated == 0
    again = ingest(database, file, known_at="observed")
    assert counts(again) == (2, 0, 0, 2, 0)
    assert "mlops series redate" in again.notes[0]
    assert {when for _, _, when in recorded(database)} == {"now"}


@pytest.mark.parametrize("stored", [0, 1])
def test_an_interrupted_first_file_is_stored_as_if_nothing_had_happened(database: Database, write, monkeypatch, stored):
    monkeypatch.setattr("mlops.series.parsing.external_sort.BATCH_ROWS", 2)
    monkeypatch.setattr("mlops.series.parsing.external_sort.BLOCK_BITS", 0)
    file = write(*daily([1, 2]), *daily([3, 4], "b"))
    interrupted(database, file, after=stored)
    assert len(recorded(database)) == 2 * stored
    report = ingest(database, file)
    assert (report.inserted, report.backdated, report.backdated_until) == (4, 4, datetime(2024, 2, 1, tzinfo=UTC))
    assert "now" not in {when for _, _, when in recorded(database)}
    assert ask(database, "select count(*) from analytics.first_ingests") == [(0,)]


def test_another_file_that_comes_first_is_the_first(database: Database, write):
    left = write(*daily([1, 2]), name="left.csv")
    interrupted(database, left, after=0)
    assert ingest(database, write(*daily([1]), name="other.csv")).backdated == 1
    report = ingest(database, left)
    assert (report.inserted, report.backdated, report.late) == (1, 0, 1)


@pytest.mark.parametrize("known_at", ["now", "observed"])
def test_what_was_dated_by_choice_came_first_too(database: Database, write, known_at: str):
    left = write(*daily([1, 2]), name="left.csv")
    interrupted(database, left, after=0)
    ingest(database, write(*daily([1]), name="other.csv"), known_at=known_at)
    report = ingest(database, left)
    assert (report.inserted, report.backdated, report.late) == (1, 0, 1)
    assert ask(database, "select count(*) from analytics.first_ingests") == [(0,)]


def test_two_first_files_at_the_same_time_are_both_the_history(database: Database, write):
    files = [write(*daily(values), name=f"{len(values)}.csv") for values in ([1, 2], [1, 2, 3])]
    gate = Barrier(2)

    def send(file: Path) -> Any:
        gate.wait()
        return ingest(database, file)

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(send, files))
    assert sum(report.inserted for report in reports) == 3
    assert ask(database, "select count(*) from analytics.time_series_revisions") == [(0,)]
    assert ask(database, "select count(*) from analytics.first_ingests") == [(0,)]


# plain files, metric types, refusals by kind


def plain(path: Path, days: pd.DatetimeIndex, series: str = "NN5-001", written: str = "%Y-%m-%d") -> Path:
    frame = pd.DataFrame({"series_id": series, "ds": days.strftime(written), "y": range(len(days))})
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("freq", ["D", "W-MON", "MS"])
def test_a_plain_file_is_stored_by_its_id_with_the_steps_that_it_shows(database: Database, tmp_path: Path, freq: str):
    file = plain(tmp_path / "f.csv", pd.date_range("1996-03-18", periods=30, freq=freq))
    report = ingest(database, file, metric_type="revenue", timezone="Europe/London")
    step = {"D": "daily", "W-MON": "weekly", "MS": "monthly"}[freq]
    found = list_series(database).iloc[0]
    assert (found["labels"], found["granularity"], found["observations"]) == ({"series": "NN5-001"}, step, 30)
    assert (report.backdated, found["time_zone"]) == (30, "Europe/London")
    assert any(f"the steps are {step}" in note for note in report.notes)
    assert ingest(database, file, metric_type="revenue").unchanged == 30


def test_days_that_are_written_day_first_are_refused_and_show_no_steps(database: Database, tmp_path: Path):
    file = plain(tmp_path / "f.csv", pd.date_range("1996-03-18", periods=9), written="%d.%m.%Y")
    report = ingest(database, file, metric_type="revenue")
    assert (report.refused, report.notes) == (9, ())
    assert "write the year first, like 2024-01-31" in report.kinds[0].reason


def test_a_day_needs_no_zone_and_an_hour_does(database: Database, tmp_path: Path):
    days = plain(tmp_path / "f.csv", pd.date_range("2024-01-01", periods=9), written="%Y-%m-%d %H:%M:%S")
    assert ingest(database, days, metric_type="revenue").inserted == 9
    hours = plain(tmp_path / "h.csv", pd.date_range("2024-01-01", periods=9, freq="h"), written="%Y-%m-%d %H:%M:%S")
    report = ingest(database, hours, metric_type="revenue")
    assert report.refused == 9
    assert "--timezone UTC" in report.kinds[0].reason


def test_what_a_plain_file_does_not_say_is_asked_for(database: Database, tmp_path: Path):
    file = plain(tmp_path / "f.csv", pd.date_range("2024-01-01", periods=9))
    with pytest.raises(BadInput, match=r"does not say what is measured; name it: --metric-type NAME \(declared are"):
        ingest(database, file)
    with pytest.raises(UnknownName, match="did you mean 'revenue'"):
        ingest(database, file, metric_type="revenu")
    single = plain(tmp_path / "one.csv", pd.date_range("2024-01-01", periods=1))
    with pytest.raises(BadInput, match="--granularity"):
        ingest(database, single, metric_type="revenue")
    assert ingest(database, single, metric_type="revenue", granularity="D").inserted == 1


def test_of_a_file_of_several_metric_types_one_is_taken_and_a_row_that_names_none_is_refused(
    database: Database, tmp_path: Path
):
    kinds = ["collection_weight", "collection_weight", "revenue", None]
    stamps = pd.date_range("2024-01-01", periods=4).strftime("%Y-%m-%d")
    rows = pd.DataFrame({"metric_type": kinds, "observed_at": stamps, "value": 1.0, "site_id": "a"})
    rows.to_csv(tmp_path / "f.csv", index=False)
    found = ingest(database, tmp_path / "f.csv", metric_type="collection_weight", on_error="quarantine")
    assert (found.inserted, found.refused) == (2, 1)
    assert [(row.line, row.column) for row in found.reasons] == [(5, "metric_type")]
    assert "rows of other metric types were left out: 1 of revenue" in found.notes
    rows.dropna().to_csv(tmp_path / "g.csv", index=False)
    with pytest.raises(BadInput, match="holds no row of fuel_consumption; its metric types are collection_weight"):
        ingest(database, tmp_path / "g.csv", metric_type="fuel_consumption")


def test_a_row_of_a_plain_file_without_a_series_is_refused(database: Database, tmp_path: Path):
    file = plain(tmp_path / "f.csv", pd.date_range("2024-01-01", periods=9))
    file.write_text(file.read_text() + ",2024-01-10,5\n")
    report = ingest(database, file, metric_type="revenue", on_error="quarantine")
    assert (report.read, report.inserted, report.refused) == (10, 9, 1)
    assert report.kinds[0].column == "series_id"


def test_the_adapter_is_told_from_the_columns(database: Database, tmp_path: Path):
    path = tmp_path / "waste.csv"
    path.write_text(
        "load_id,report_date,load_type,load_time,load_weight,dropoff_site,route_type,route_number\n"
        "1,2020-01-02 00:00:00,BULK,2020-01-02 02:30:00,1000,EAST,BULK,BU05\n"
    )
    assert ingest(database, path).inserted == 2
    assert ask(database, "select adapter from analytics.ingest_batches") == [("austin",)]


def test_refused_rows_are_told_by_reason_with_the_lines_that_they_span(database: Database, write):
    rows = [{"value": -1 - number, "site_id": f"s{number}"} for number in range(50)]
    report = ingest(database, write({"metric_type": "wait"}, *rows, {"value": "x"}, {"site_id": "fine"}))
    assert [(kind.rows, kind.column, kind.first_line, kind.last_line) for kind in report.kinds] == [
        (50, "value", 3, 52),
        (1, "metric_type", 2, 2),
        (1, "value", 53, 53),
    ]
    assert str(report.kinds[0]) == (
        "50 rows, lines 3 to 52, column value: found '-1' in line 3; the value is outside the bounds of"
        " collection_weight (0 to no limit); correct it, or the bounds in analytics.metric_types"
    )
    assert "mlops series metric add wait --unit UNIT" in report.kinds[1].reason
    assert ask(database, "select count(*) from analytics.refused_rows") == [(52,)]


def test_rows_that_disagree_are_one_kind(database: Database, write):
    rows = [{"value": number, "site_id": f"s{number // 2}"} for number in range(20)]
    report = ingest(database, write(*rows))
    assert [kind.rows for kind in report.kinds] == [20]


def test_a_metric_type_is_one_command_and_the_same_again_changes_nothing(home, mlops, write):
    wait = ("series", "metric", "add", "waiting_time", "--unit", "minutes", "--aggregate", "mean", "--min-value", "0")
    assert mlops(*wait)[:2] == (0, "waiting_time (minutes) is declared\n")
    assert mlops(*wait)[:2] == (0, "waiting_time (minutes) was declared so already; nothing was changed\n")
    code, _, said = mlops(*wait[:5], "hours", *wait[6:])
    assert (code, "is there with unit minutes, not hours; nothing was changed" in said) == (1, True)
    assert mlops("series", "ingest", write({"metric_type": "waiting_time"}))[0] == 0
    [found] = [one for one in json.loads(mlops("series", "metric", "list", "--json")[1]) if one["series"]]
    assert (found["name"], found["unit"], found["aggregate"], found["absence"]) == (
        "waiting_time",
        "minutes",
        "mean",
        "nothing",
    )


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("Waiting Time", {"unit": "min"}, "such as waiting_time"),
        ("waiting_time", {"unit": " "}, "has a unit"),
        ("waiting_time", {"unit": "min", "aggregate": "avg"}, "unknown aggregate 'avg'"),
        ("waiting_time", {"unit": "min", "min_value": 2, "max_value": 1}, "must be below"),
        ("waiting_time", {"unit": "min", "min_value": float("nan")}, "finite"),
    ],
)
def test_what_can_not_be_a_metric_type_is_refused(database: Database, name: str, options: dict[str, Any], words: str):
    with pytest.raises(MlopsError, match=words):
        add_metric_type(database, name, **options)


def test_nothing_is_known_before_it_is_sent_not_even_a_plan(database: Database, write):
    tomorrow = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT00:00:00Z}"
    ingest(database, write({"observed_at": tomorrow}), known_at="observed")
    assert len(history(database)) == 1


def test_history_selects_series_by_what_they_are(database: Database, write):
    ingest(
        database,
        write(
            {"labels": '{"stream": "paper", "depot": 1}', "value": 1},
            {"labels": '{"stream": "glass"}', "value": 2},
            {"metric_type": "revenue", "value": 3},
            {"granularity": "hourly", "value": 4},
        ),
    )
    assert history(database, labels={"stream": "paper"})["y"].tolist() == [1]
    assert history(database, metric_type="revenue")["y"].tolist() == [3]
    assert history(database, granularity="hourly")["y"].tolist() == [4]
    assert history(database, series_ids=[]).empty
    assert history(database, start=datetime(2024, 2, 1, tzinfo=UTC)).empty
    assert history(database)["ds"].dtype == "datetime64[ns]"


# quality


def outage() -> np.ndarray:
    y = 100 + np.random.default_rng(4).normal(0, 10, 150)
    y[70:115] = 0
    y[40] = 900
    return y.round(3)


def test_scores_are_those_of_the_whole_history_however_it_arrives(database: Database, write):
    y = outage()
    for begin in range(0, 150, 25):
        ingest(database, write(*daily(y[begin : begin + 25], start=START + timedelta(days=begin))))
    found = history(database)
    expected = score(found)
    assert set(expected) == {0, 0.5, 1}
    assert found["quality_score"].tolist() == expected.tolist()
    assert ingest(database, write(*daily([*y[:80], 55]))).corrected == 1
    corrected = history(database)
    assert corrected["quality_score"].tolist() == score(corrected).tolist()


def test_a_score_that_rests_on_what_was_recorded_later_is_not_known(database: Database, write):
    ingest(database, write(*daily([1, 2, 3, 4])))
    moment = datetime.now(UTC)
    ingest(database, write({"observed_at": "2024-02-01T00:00:00Z", "value": 30}))
    found = history(database, as_of=moment)
    assert found["y"].tolist() == [1, 2, 3, 4]
    assert found["quality_score"].notna().tolist() == [True, True, False, False]


def test_a_score_that_the_file_brings_is_kept(database: Database, write):
    file = write(*({**row, "quality_score": 0.75} for row in daily(outage())))
    ingest(database, file)
    assert set(history(database)["quality_score"]) == {0.75}
    assert ingest(database, file).unchanged == 150


# adapters and commands


def test_auckland_and_austin_are_stored_once(database: Database, shared_data: Path):
    austin = shared_data / "austin_load_sample" / "austin_load_sample.csv.gz"
    for by in ("stream", "route"):
        first, again = (ingest(database, austin, adapter="austin", by=by) for _ in range(2))
        assert (first.status, first.inserted, again.unchanged) == ("stored", first.read, first.read)
    auckland = ingest(
        database, shared_data / "auckland_ped" / "hourly_counts.csv.gz", adapter="auckland", known_at="observed"
    )
    assert (auckland.status, auckland.inserted) == ("stored", 50_870)
    assert len(list_series(database, "customer_activity")) == 21


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_what_is_exported_can_be_ingested_elsewhere_and_is_the_same(name: str, home, mlops, database: Database, write):
    from mlops.cli.context import database as commands_database

    odd = {"labels": '{"stream": "a, \\"b\\" ö"}', "customer_id": "007", "value": 0.1 + 0.2, "value_lower": 1e-12}
    file = write(*daily(outage()), odd, {"granularity": "hourly", "observed_at": "2024-01-31T05:00:00Z"})
    ingest(commands_database(), file)
    out = file.with_name(name)
    code, printed, _ = mlops("series", "export", out, "--json")
    assert (code, json.loads(printed)["rows"]) == (0, 152)
    assert ingest(commands_database(), out).unchanged == 152
    assert ingest(database, out).inserted == 152
    names = "tenant_id, metric_type, granularity, customer_id, site_id, labels::text, observed_at, value, value_lower"
    query = f"select {names}, quality_score from analytics.time_series order by 3, 4, 5, 7"
    assert ask(database, query) == ask(commands_database(), query)


def test_export_refuses_what_is_not_there(database: Database, write, tmp_path: Path):
    with pytest.raises(NothingToDo, match="there is no series"):
        export_series(database, tmp_path / "f.csv")
    ingest(database, write({}))
    with pytest.raises(UnknownName, match="unknown series '77'"):
        export_series(database, tmp_path / "x.csv", series_ids=[77])
    with pytest.raises(BadInput, match=r"must end in \.csv, \.csv\.gz, \.parquet"):
        export_series(database, tmp_path / "x.xlsx")
    with pytest.raises(BadInput, match="can't be written"):
        export_series(database, tmp_path / "no" / "x.csv")
    assert not list(tmp_path.glob("x*"))


def test_the_commands_ingest_list_and_show(home, mlops, write):
    file = write(*daily([1, 2, 2]))
    assert mlops("series", "list")[:2] == (0, "there is no series yet; bring data in with `mlops series ingest FILE`\n")
    assert mlops("series", "list", "--metric-type", "revenue")[1].startswith("there is no series of revenue yet")
    code, printed, _ = mlops("series", "ingest", file, "--json")
    assert (code, json.loads(printed)["inserted"]) == (0, 3)
    code, printed, _ = mlops("series", "list", "--json")
    [found] = json.loads(printed)
    assert (found["site_id"], found["observations"], found["last"]) == ("a", 3, "2024-02-01T00:00:00")
    assert "collection_weight daily" in mlops("series", "list")[1]
    code, printed, _ = mlops("series", "show", found["series_id"])
    assert code == 0
    assert "3 observations, 2024-01-30 to 2024-02-01, 0 corrections" in printed
    assert mlops("series", "show", 999)[0] == 1


def test_a_refused_row_makes_the_command_exit_1(home, mlops, write):
    file = write({}, {"value": -5})
    for choice in ("refuse", "quarantine"):
        code, printed, _ = mlops("series", "ingest", file, "--on-error", choice)
        assert code == 1
        assert "line 3, column value: found '-5'" in printed.replace("\n", " ")
    assert mlops("series", "ingest", file.with_name("nowhere.csv"))[0] == 2


@pytest.mark.parametrize("there", [False, True], ids=["new", "there already, without a zone"])
@pytest.mark.parametrize("order", [1, -1])
def test_of_two_writers_that_name_a_series_two_zones_at_once_one_is_refused(
    database: Database, write, order: int, there: bool
):
    zones = ["Europe/Berlin", "America/New_York"][::order]
    if there:
        ingest(database, write({"granularity": "hourly", "observed_at": "2023-12-01T00:00:00Z"}, name="utc.csv"))
    hours = [f"2024-01-0{day}T{hour:02}:00:00" for day in range(1, 5) for hour in range(24)]
    files = [
        write(*({"granularity": "hourly", "observed_at": at} for at in hours), name=f"{place}.csv")
        for place in range(len(zones))
    ]
    together = Barrier(len(zones))

    def one(zone: str, file: Path) -> str:
        together.wait()
        try:
            return ingest(database, file, timezone=zone).status
        except BadInput as error:
            return str(error)

    with ThreadPoolExecutor(len(zones)) as pool:
        said = list(pool.map(one, zones, files))
    taken = [zone for zone, status in zip(zones, said, strict=True) if status == "stored"]
    assert len(taken) == 1, said
    query = (
        "select s.time_zone, count(*)::int from analytics.series s join analytics.time_series_metrics using (series_id)"
    )
    assert ask(database, f"{query} group by 1") == [(taken[0], len(hours) + there)]
