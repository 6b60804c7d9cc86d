"""Archived months are read as if they were in the database, by the same rule of what was known when, or not at all."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from pandas.testing import assert_frame_equal

from mlops.db import Database
from mlops.db.archive import read as archived
from mlops.db.archive import restore
from mlops.db.statements import OBSERVED, named_blocks
from mlops.db.upkeep import agree, maintain
from mlops.errors import Refused
from mlops.feature_store import build, online
from mlops.features import FeatureSet, Selection, feature, lag, rolling_mean
from mlops.series import export, read, seasonality

KEPT_FROM = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
FIRST = pd.Timestamp(KEPT_FROM) - pd.DateOffset(months=30)
"""Of the observations; the oldest six months are archived."""
BORDER = (pd.Timestamp(KEPT_FROM) - pd.DateOffset(months=24)).to_pydatetime()
LONG_BEFORE, BEFORE, AFTER = (BORDER + timedelta(days=days) for days in (-130, -100, 100))
FILL = """
insert into analytics.series (metric_type, route_id)
select case when i = 7 then 'collection_count' else 'collection_weight' end, 'R' || i from generate_series(1, 7) i;
select analytics.ensure_partitions(%(first)s::timestamptz, now());
select analytics.ensure_partitions(%(first)s::timestamptz, now(), 'analytics.time_series_revisions');
insert into analytics.time_series_metrics (series_id, observed_at, value, value_lower, quality_score, recorded_at)
select s, t, 100 + s + 10 * sin(date_part('doy', t) / 58) + 5 * date_part('isodow', t),
       case when s = 2 then 1 / 3.0 end, case when s = 3 then 0.5 else 1 end, t + interval '6 hours'
  from generate_series(%(first)s::timestamptz, now(), interval '1 day') t, unnest(array[1, 2, 3, 4, 5, 7]) s
 where s < 5 or t < %(border)s - interval '40 days';
-- corrected a month later (series 1), long after the border (series 2), and one that came late at all
with corrected as (
    update analytics.time_series_metrics m
       set value = value + 7,
           recorded_at = case when series_id = 1 then observed_at else %(border)s + interval '50 days' end
                         + interval '40 days'
     where series_id in (1, 2) and date_part('day', observed_at) in (3, 9)
       and observed_at < %(border)s + interval '30 days'
    returning series_id, observed_at, value, recorded_at)
insert into analytics.time_series_revisions (series_id, observed_at, value, recorded_at, superseded_at)
select series_id, observed_at, value - 7, observed_at + interval '6 hours', recorded_at from corrected;
update analytics.time_series_metrics set recorded_at = %(border)s + interval '200 days'
 where series_id = 3 and observed_at >= %(border)s - interval '9 days'
   and observed_at < %(border)s - interval '8 days';
select analytics.mark_dirty(array_agg(series_id), '-infinity', 'infinity') from analytics.series"""
SUMS = (
    *(f"analytics.{name}" for name in ("daily_metrics_summary", "operational_metrics_aggregates")),
    *(f"analytics.{name}" for name in ("route_performance_summary", "seasonal_patterns")),
    "analytics.aggregate_values('route', 'month', 'collection_weight', '2000-01-01', '2100-01-01')",
)
"""What reports read; it stays whole."""
FEATURES = FeatureSet(
    "routes",
    Selection("collection_weight", "daily"),
    tuple(
        feature(name, transformation=what, source="collection_weight", owner="tests", description="")
        for name, what in {"week_ago": lag(7), "mean_of_four_weeks": rolling_mean(28)}.items()
    ),
)


@dataclass(frozen=True)
class Kept:
    """What was read before the oldest months were archived and dropped, and how to read it again."""

    database: Database
    folder: Path
    before: dict[str, Any]


def read_all(database: Database, folder: Path) -> dict[str, Any]:
    """Everything that is learned from history."""
    found: dict[str, Any] = {}
    for name, as_of in {"now": None, "before": BEFORE, "between": BORDER + timedelta(days=50), "after": AFTER}.items():
        found[f"history, {name}"] = read.history(database, metric_type="collection_weight", as_of=as_of)
        found[f"history of two, {name}"] = read.history(database, series_ids=[2, 3], as_of=as_of, start=LONG_BEFORE)
        found[f"features, {name}"] = build.build(database, FEATURES, as_of or datetime.now(UTC)).frame
        found[f"next rows, {name}"] = online.next_rows(database, FEATURES, as_of or datetime.now(UTC))
    found["history since"] = read.history(database, series_ids=[1, 3], as_of=AFTER, start=BORDER + timedelta(days=9))
    found["history of one"] = read.history(database, series_ids=[1], as_of=AFTER)
    found["list"] = read.list_series(database).round({"quality": 12})
    found["show"] = [read.show_series(database, number) for number in (1, 3, 5)]
    found["ended"] = read.ended(database, "collection_count")
    export.export_series(database, folder / "all.parquet")
    found["export"] = pd.read_parquet(folder / "all.parquet")
    seasonality.store_profiles(database)
    with psycopg.connect(database.url) as connection:
        found["seasonality"] = connection.execute("select seasonality from analytics.series order by 1").fetchall()
        connection.execute("select count(*) from analytics.refresh_predictive_views(true)")
        for name in SUMS:
            rows = connection.execute(f"select to_jsonb(t) - 'refreshed_at' from {name} t").fetchall()
            frame = pd.DataFrame([row[0] for row in rows]).round(6)  # sums of the same numbers, in any order
            key = [column for column in frame.columns if frame[column].dtype != "float64"]
            found[f"sums of {name}"] = frame.sort_values(key, ignore_index=True, key=lambda one: one.astype(str))
    return found


@pytest.fixture(scope="module")
def kept(new_database: Callable[..., Any], migrated: str, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("archived")
    with new_database("archived", template=migrated) as (_, url):
        with psycopg.connect(url, options="-ctimezone=UTC") as connection:
            for statement in FILL.split(";\n"):
                connection.execute(statement % {"first": f"'{FIRST}'", "border": f"'{BORDER}'::timestamptz"})
        database = Database(url)
        before = read_all(database, folder)
        assert not maintain(database, folder / "archive").failed
        agree(database, ["analytics.time_series_metrics"])
        done = maintain(database, folder / "archive")
        assert not done.failed
        assert done.border == archived.Border(BORDER, 12)
        yield Kept(database, folder, before)
        database.close()


def test_whatever_is_learned_from_history_is_equal_after_its_months_were_archived(kept: Kept):
    with psycopg.connect(kept.database.url) as connection:
        first = connection.execute("select min(observed_at) from analytics.time_series_metrics").fetchone()
    assert first == (BORDER,)
    after = read_all(kept.database, kept.folder)
    for name, was in kept.before.items():
        if isinstance(was, pd.DataFrame):
            assert len(was), name
            assert_frame_equal(after[name], was, check_exact=True, obj=name)
        else:
            assert after[name] == was, name


def test_corrections_in_archived_months_stand_as_they_were_known(kept: Kept):
    corrected = {name: kept.before[f"history, {name}"] for name in ("between", "after", "now")}
    sums = {name: one[one["ds"] < BEFORE.replace(tzinfo=None)]["y"].sum() for name, one in corrected.items()}
    assert sums["between"] < sums["after"] == sums["now"], "the fixture corrects archived days later than the cutoff"


def test_a_start_after_the_border_opens_no_archive(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archived, "_verified", None)
    since = BORDER + timedelta(days=1)
    assert len(read.history(kept.database, series_ids=[1], start=since))
    with kept.database.transaction() as transaction:
        archived.read_archived(transaction, [1], start=since, as_of=datetime.now(UTC))
        assert not transaction.reads_archives


def test_only_the_rows_of_the_chosen_series_and_times_are_copied(kept: Kept):
    with kept.database.transaction() as transaction:
        archived.read_archived(transaction, [1, 4], start=BEFORE, end=BEFORE + timedelta(days=9))
        transaction.read_archives()
        archived.read_archived(transaction, [2, 4], start=BEFORE, end=BEFORE + timedelta(days=9))
        with transaction.cursor() as cursor:
            rows = cursor.execute("select series_id, count(*) from pg_temp.archived_metrics group by 1").fetchall()
    assert sorted(rows) == [(2, 10), (4, 10)]


def test_a_file_is_compared_with_its_checksum_once_in_a_process(kept: Kept, monkeypatch: pytest.MonkeyPatch):
    hashed = []
    digest = archived.hashlib.file_digest
    monkeypatch.setattr(archived.hashlib, "file_digest", lambda *some: hashed.append(some[0].name) or digest(*some))
    monkeypatch.setattr(archived, "VERIFIED", set())
    for _ in range(2):
        read.history(kept.database, series_ids=[1])
    assert len(hashed) == len(set(hashed)) == 12


def files(kept: Kept) -> list[Path]:
    return sorted((kept.folder / "archive").glob("time_series_metrics_*.parquet"))


@pytest.mark.parametrize("what", ["missing", "altered"])
def test_a_missing_or_altered_archive_is_refused_told_by_maintenance_and_forgotten_once_it_is_back(
    kept: Kept, what: str
):
    path = files(kept)[2]
    content, times = path.read_bytes(), path.stat()
    if what == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    says = "can't be read: No such file" if what == "missing" else "was altered: its sha256 is"
    problems = "select problem from analytics.archived_months where problem is not null"
    try:
        with pytest.raises(Refused, match=f"{says}.*nothing was computed"):
            read.history(kept.database, series_ids=[1])
        assert len(read.history(kept.database, series_ids=[1], start=AFTER)), "nothing of the file is needed"
        with psycopg.connect(kept.database.url) as connection:
            connection.execute("update analytics.partition_archives set verified_at = now() - interval '40 days'")
        (act,) = [act for act in maintain(kept.database, kept.folder / "archive").acts if act.act == "verify"]
        assert says in str(act)
        with psycopg.connect(kept.database.url) as connection:
            assert says in connection.execute(problems).fetchone()[0]
        assert maintain(kept.database, kept.folder / "archive").failed, "told until it is back"
    finally:
        path.write_bytes(content)
    assert not maintain(kept.database, kept.folder / "archive").failed
    with psycopg.connect(kept.database.url) as connection:
        assert connection.execute(problems).fetchall() == []


def test_every_archive_is_verified_within_thirty_days_of_nightly_runs(kept: Kept):
    """Time passes by setting the stamps back."""
    night = """update analytics.partition_archives
                  set archived_at = archived_at - interval '1 day', verified_at = verified_at - interval '1 day'"""
    oldest = "select max(now() - coalesce(verified_at, archived_at)) from analytics.archived_months"
    per_night = []
    with psycopg.connect(kept.database.url, autocommit=True) as connection:
        connection.execute("update analytics.partition_archives set archived_at = now(), verified_at = null")
        for _ in range(40):
            connection.execute(night)
            with kept.database.transaction() as transaction:
                due = transaction.rows("archives_to_verify", of=archived.UnverifiedArchive)
            per_night.append(len(due))
            for one in due:
                archived.verify_archive(kept.database, one)
            assert connection.execute(oldest).fetchone()[0] < timedelta(days=30)
    assert max(per_night) == 3
    assert sum(per_night) >= 12


def somebody_waits(database: Database) -> bool:
    waiting = """select 1 from pg_locks l join pg_database d on d.oid = l.database
                  where not granted and datname = current_database()"""
    with psycopg.connect(database.url) as connection:
        return bool(connection.execute(waiting).fetchall())


@pytest.mark.parametrize("change", ["dropped", "restored"])
def test_a_month_is_not_changed_under_a_reader_who_knows_where_it_is(kept: Kept, change: str):
    """Between looking and reading it would be read nowhere, or twice."""
    oldest, end = files(kept)[0], FIRST + pd.DateOffset(months=1) - pd.Timedelta("1us")

    def of_the_month(found: pd.DataFrame) -> list[float]:
        return found[found["ds"] <= end.tz_localize(None)]["y"].tolist()

    rows = of_the_month(kept.before["history of one"])

    def drop() -> None:
        with psycopg.connect(kept.database.url) as connection:
            connection.execute(
                "update analytics.partition_archives set restored_until = now() where restored_at < now()"
            )
            connection.execute("select * from analytics.drop_old_partitions()")

    if change == "dropped":
        restore(kept.database, oldest)
    work = drop if change == "dropped" else lambda: restore(kept.database, oldest)
    with ThreadPoolExecutor(1) as pool:
        with kept.database.transaction() as transaction:
            archived.read_archived(transaction, [1], end=end.to_pydatetime())
            other = pool.submit(work)
            while not somebody_waits(kept.database):
                assert not other.done(), other.result()
            found = transaction.frame("history", series_ids=[1], as_of=AFTER, start=None)
        other.result(timeout=60)
    assert of_the_month(found) == of_the_month(read.history(kept.database, series_ids=[1], as_of=AFTER)) == rows


def test_a_restored_month_is_read_from_the_database(kept: Kept, tmp_path: Path):
    oldest = files(kept)[0]
    restore(kept.database, oldest)
    hidden = oldest.rename(tmp_path / "hidden.parquet")
    try:
        after = read.history(kept.database, metric_type="collection_weight", as_of=AFTER)
    finally:
        hidden.rename(oldest)
    assert_frame_equal(after, kept.before["history, after"], check_exact=True)


ACROSS = {
    "history",
    "feature_history",
    "feature_newest_observations",
    "profile_values",
    "export_observations",
    "newest_of_series",
    "series_show",
    "months_behind_prediction",
    "lost_observations",
    "count_corrected_since",
}
WITHIN = {
    **dict.fromkeys(
        [
            "rescore",
            "rescore_lock",
        ],
        "writes, and an archived month takes nothing until it is restored",
    ),
    "series_page": "counts what is in the database, as the list of all series does",
    "anomalies_page": "shows scores of what is in the database; archived months keep theirs in their files",
    "series_list": "counts what is in the database, and is added to what archives.extents() counts",
    "profile_due": "asks for newer observations than a profile has seen, which are archived last",
    "silent_series": "looks back some weeks from the time that it is about",
    "create_archived_tables": "puts archived months beside the tables",
    "first_ingest_claim": "asks whether there is any observation; a series that an archive may hold has had some",
    "first_ingests": "asks whether there is any observation; a series that an archive may hold has had some",
    "newest_by_granularity": "asks for the newest observation, archived last; read.ended() asks archives if need be",
    "preview_edit": "a decision about archived months is refused",
    "ingest_around": "scores arriving rows by those before them; rows of an archived month are refused",
    "freshest_predictions": "the naive beside forecasts that are kept as long as observations",
    "weekly_accuracy": "the naive beside forecasts that are kept as long as observations",
    "wanted_series_clocks": "a zone that comes late fits archived hours as it fits those that are there",
    "match_totals": "asks for values in the four weeks after a forecast, long before their month is old",
    "match_weeks": "asks for values in the four weeks after a forecast, long before their month is old",
    "series_of_whole_places": "asks for any observation; one that is archived whole is nobody's newest measurement",
    "match_outcomes": "matches when outcomes arrive, long before their month is old",
    "analyze_tables": "samples all tables",
}


def test_every_query_that_reads_observations_reads_archived_months_or_says_why_not():
    asks = {name for name, block in named_blocks().items() if OBSERVED.search(block.text)}
    assert asks == ACROSS | WITHIN.keys()
