"""A series is silent by its own rhythm, and by what was known at the time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from tests.checks import as_champion

from mlops.db import Database
from mlops.monitoring.weekly.history import ForecastSpan
from mlops.monitoring.weekly.staleness import staleness

NOW = datetime(2024, 6, 3, tzinfo=UTC)
DAY = timedelta(days=1)
RHYTHMS = {
    "daily": ("1 day", "true", "1 day"),
    "weekdays": ("1 day", "date_part('isodow', at) < 6", "1 day"),
    "weekly": ("7 days", "true", "1 day"),
    "daily, ten days late": ("1 day", "true", "10 days"),
}
"""A step, the days that count, and how late an observation is recorded."""


@pytest.fixture
def connection(database: Database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "select analytics.ensure_partitions('2023-10-01', '2024-08-31', 'analytics.time_series_metrics')"
        )
        yield connection


def series(connection: psycopg.Connection[Any], rhythm: str, until: datetime) -> int:
    """A series that sent its last observation for the day before `until`; its id."""
    step, counts, late = RHYTHMS[rhythm]
    number = connection.execute(
        "insert into analytics.series (metric_type, site_id) select 'collection_weight', 'S' || count(*)"
        " from analytics.series returning series_id"
    ).fetchone()[0]
    connection.execute(
        "insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)"
        f" select %s, at, 1, at + %s::interval from generate_series('2023-11-06'::timestamptz, %s - interval '1 day',"
        f" %s::interval) at where {counts}",
        [number, late, until, step],
    )
    return number


def found(database: Database, ids: list[int], as_of: datetime = NOW, *, until: datetime | None = NOW) -> dict[str, str]:
    """The drifted findings by subject."""
    lineage = {"selection": {"granularity": "daily"}, "series": ids}
    version = as_champion(1, lineage=lineage, alias_since=NOW - 9 * DAY)
    span = ForecastSpan(until, until, until)
    return {one.subject: one.detail for one in staleness(database, version, span, as_of) if one.drifted}


@pytest.mark.parametrize(
    ("rhythm", "quiet_days", "silent_days"),
    [("daily", 3, 5), ("weekdays", 9, 12), ("weekly", 20, 30), ("daily, ten days late", 12, 14)],
)
def test_each_series_is_silent_by_its_own_rhythm(
    database: Database, connection: psycopg.Connection[Any], rhythm: str, quiet_days: int, silent_days: int
):
    ids = [series(connection, "daily", NOW), series(connection, rhythm, NOW - 0 * DAY)]
    last = connection.execute(
        "select max(observed_at) from analytics.time_series_metrics where series_id = %s and recorded_at <= %s",
        [ids[1], NOW],
    ).fetchone()[0]
    connection.execute(
        "delete from analytics.time_series_metrics where series_id = %s and observed_at > %s", [ids[1], last]
    )
    other = series(connection, "daily", NOW + 60 * DAY)
    for days, wanted in ((quiet_days, set()), (silent_days, {str(ids[1])})):
        as_of = last + days * DAY
        assert set(found(database, [ids[1], other], as_of, until=as_of)) == wanted, days


def test_a_feed_that_sends_only_what_is_useless_is_silent(database: Database, connection: psycopg.Connection[Any]):
    ids = [series(connection, "daily", NOW) for _ in range(2)]
    connection.execute(
        "update analytics.time_series_metrics set quality_score = 0 where series_id = %s and observed_at >= %s",
        [ids[0], NOW - 20 * DAY],
    )
    assert list(found(database, ids)) == [str(ids[0])]


def test_what_came_later_was_not_known_then(database: Database, connection: psycopg.Connection[Any]):
    number, other = series(connection, "daily", NOW), series(connection, "daily", NOW)
    connection.execute(
        "update analytics.time_series_metrics set recorded_at = %s where series_id = %s and observed_at >= %s",
        [NOW + DAY, number, NOW - 10 * DAY],
    )
    assert list(found(database, [number, other])) == [str(number)]
    assert found(database, [number, other], NOW + DAY, until=NOW + DAY) == {}


def test_a_series_that_ended_long_ago_and_one_that_has_hardly_begun_are_no_faults(
    database: Database, connection: psycopg.Connection[Any]
):
    ended, fresh = series(connection, "daily", NOW - 130 * DAY), series(connection, "daily", NOW)
    connection.execute(
        "delete from analytics.time_series_metrics where series_id = %s and (observed_at < %s or observed_at > %s)",
        [fresh, NOW - 30 * DAY, NOW - 26 * DAY],
    )
    assert found(database, [ended, fresh, series(connection, "daily", NOW)]) == {}


def test_forecasts_that_end_two_steps_ago_are_a_fault_and_so_is_a_champion_that_never_forecast(
    database: Database, connection: psycopg.Connection[Any]
):
    ids = [series(connection, "daily", NOW)]
    assert found(database, ids, until=NOW - 2 * DAY) == {}
    ended = found(database, ids, until=NOW - 3 * DAY)["forecasts"]
    assert ended.startswith("no forecasts since 2024-05-31 00:00; the newest was issued on 2024-05-31 00:00 UTC: run")
    assert ended.endswith("run mlops predict models:/demand@champion")
    assert "although it is served since 2024-05-25" in found(database, ids, until=None)["forecasts"]
