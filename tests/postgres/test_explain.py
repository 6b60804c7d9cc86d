"""Every query that reads a partitioned table opens few partitions and uses their indexes; explained on real rows.

A new query belongs into one of the tables below when it names a partitioned table or calls a function of ours;
the first test fails until it does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from mlops.db import Database
from mlops.db.statements import named_blocks, statement

PARTITIONED = re.compile(
    r"time_series_metrics|time_series_revisions|daily_metrics_summary|model_prediction_results|analytics\.time_series\b"
    r"|analytics\.\w+\("
)
MONTHS, SERIES = 8, 100
FIRST, NOW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 8, 31, tzinfo=UTC)
FEW = [3, 41, 77]
WASTED = 0.9
"""A scan of a whole partition is wasteful when it throws more than this share of what it reads away."""


@dataclass(frozen=True)
class Read:
    """Parameters to explain a query with, and the most months of a table that it may open; `why` when that is all."""

    parameters: dict[str, Any] = field(default_factory=dict)
    months: int = MONTHS
    why: str = ""
    before: str = ""
    """Statements that make the temporary tables of the query."""


SPANS = f"""
create temporary table spans on commit drop as
select unnest(array{FEW}::bigint[]) as series_id, timestamptz '2024-06-10' as first_at,
       timestamptz '2024-06-12' as last_at, 56 as look_back;
analyze spans"""
BY_KEY = ";\nset local enable_hashjoin = off;\nset local enable_mergejoin = off"
"""What the program sets before it stores scores (`scores_by_key`)."""
SCORES = f"""
create temporary table scores on commit drop as
select series_id, observed_at, quality_score / 2 as quality_score, is_anomaly, anomaly_score
  from analytics.time_series_metrics
 where series_id = any (array{FEW}) and observed_at between '2024-06-10' and '2024-06-12';
analyze scores"""
SERVED = """
insert into analytics.model_aliases (model_id, alias, version_id)
select model_id, 'champion', version_id from analytics.model_versions"""
CHECKED = """;
insert into analytics.evidently_snapshots (version_id, as_of, snapshot)
select version_id, timestamptz '2024-08-26', '{}' from analytics.model_versions"""
KNOWN = """
update analytics.model_prediction_results set outcome_recorded_at = target_at
 where version_id = 1 and outcome is not null and target_at >= '2024-07-01' and target_at < '2024-08-01'"""
MATCHED = named_blocks()["create_matched_predictions"].text
TOTALS = f"""{MATCHED};
update analytics.series set total = true where series_id = 100;
insert into analytics.forecast_parts (version_id, series_id, cutoff, parts)
select distinct version_id, series_id, cutoff, array{FEW}::bigint[]
  from analytics.model_prediction_results where series_id = 100;
update analytics.model_prediction_results set parts = 3, outcome = null, outcome_recorded_at = null, matched_at = null
 where series_id = 100"""
WEEKS = f"{TOTALS}; update analytics.series set granularity = 'weekly', weeks_of = 3 where series_id = 100"
ALL = "the question has no time range; each month is asked by its index"
BY_ID = "an id says nothing about its month; each is asked by its index"
SEASON = {"cycle": timedelta(days=7), "steps": 7}
SOME_FORECASTS = {
    "version_ids": [1],
    "series_ids": FEW,
    "start": datetime(2024, 6, 3, tzinfo=UTC),
    "end_at": datetime(2024, 7, 8, tzinfo=UTC),
    "cutoff_from": datetime(2024, 6, 3, tzinfo=UTC),
    "cutoff_to": datetime(2024, 6, 10, tzinfo=UTC),
    "as_of": NOW,
}
READS = {
    "aggregate_values": Read(
        {
            "by": "route",
            "grain": "week",
            "metric_type": "collection_weight",
            "start": date(2024, 3, 1),
            "end": date(2024, 5, 1),
            "ids": ["R3", "R41"],
            "area": None,
            "tenant_id": None,
        },
        months=4,  # what is to be expected is told from half a year before, of which two months are there
    ),
    "daily_values": Read({"series_ids": FEW, "start": date(2024, 3, 1), "end": date(2024, 5, 1)}, months=2),
    "profile_values": Read({"series_ids": FEW}, why=ALL),
    "history": Read(
        {
            "series_ids": FEW,
            "metric_type": None,
            "granularity": None,
            "labels": None,
            "as_of": NOW,
            "start": NOW - timedelta(days=40),
        },
        why="what was recorded later than as_of is looked for in all months of the chosen series",
    ),
    "feature_history": Read({"series_ids": FEW, "as_of": NOW, "start": NOW - timedelta(days=40)}, months=2),
    "first_ingest_claim": Read(
        {"series_ids": FEW, "sha256": "f"},
        why="any observation will do, whenever it was; the oldest month is asked first",
    ),
    "first_ingests": Read(
        {"sha256": "f"},
        why="any observation will do, whenever it was; the oldest month is asked first",
        before="insert into analytics.first_ingests (series_id, sha256) values (1, 'f')",
    ),
    "newest_by_granularity": Read(
        {"metric_type": None, "granularity": None}, why="a series may have ended at any time"
    ),
    "edits_behind_prediction": Read({"prediction_id": 1}, why=BY_ID),
    "preview_edit": Read(
        {"series_ids": FEW, "first": datetime(2024, 6, 1, tzinfo=UTC), "until": datetime(2024, 8, 1, tzinfo=UTC)},
        months=2,
    ),
    "lost_observations": Read(
        {
            "series_ids": FEW,
            "times": [datetime(2024, 6, day, tzinfo=UTC) for day in (10, 11, 12)],
            "first": datetime(2024, 6, 10, tzinfo=UTC),
            "last": datetime(2024, 6, 12, tzinfo=UTC),
            "as_of": NOW,
        },
        months=1,
    ),
    "count_corrected_since": Read(
        {
            "series_ids": FEW,
            "as_of": NOW,
            "first": datetime(2024, 6, 10, tzinfo=UTC),
            "last": datetime(2024, 6, 12, tzinfo=UTC),
        },
        months=1,
        before="select analytics.ensure_partitions('2024-01-01', '2024-08-31', 'analytics.time_series_revisions')",
    ),
    "feature_newest_observations": Read({"series_ids": FEW, "as_of": NOW}, why="a series may have ended at any time"),
    "latest_values": Read({"series_ids": FEW}, months=1),
    "newest_of_series": Read({"series_id": 41, "most": 10}, months=1),
    "series_show": Read({"series_id": 41}, why=ALL),
    "export_observations": Read({"series_ids": FEW}, why=ALL),
    "ingest_around": Read(months=2, before=SPANS),
    "rescore": Read(months=1, before=SCORES + BY_KEY),
    "rescore_lock": Read(months=1, before=SCORES + BY_KEY),
    "freshest_predictions": Read(
        {"version_id": 1, "as_of": NOW, "start": NOW - timedelta(weeks=13), **SEASON},
        why="the naive of a forecast lies a horizon before it, which may be any",
    ),
    "forecast_span": Read({"version_id": 1, "as_of": NOW}, why="the newest issue may be for any target"),
    "served_versions": Read({"as_of": NOW}, months=3, before=SERVED.replace("champion", "challenger")),
    "silent_series": Read({"series_ids": FEW, "as_of": NOW, "start": NOW - timedelta(days=60)}, months=3),
    "freshest_judged_predictions": Read(
        {"version_id": 1, "as_of": NOW, "end_at": NOW}
        | dict.fromkeys(("start", "issued_from"), NOW - timedelta(days=42)),
        months=3,
    ),
    "review_waiting": Read({"version_ids": [1], "as_of": NOW}, why="the whole life of one version"),
    "review_accuracy": Read({"version_ids": [1], "as_of": datetime(2024, 8, 1, tzinfo=UTC)}, months=3, before=KNOWN),
    "review_impact": Read(
        {"model_ids": [1], "granularities": ["daily"], "as_of": NOW}, why="34 weeks, if monthly", before=SERVED
    ),
    "review_challengers": Read({"champions": [1], "challengers": [1], "as_of": NOW}, months=2),
    "review_largest": Read({"model_id": 1, "as_of": NOW, "start": NOW - timedelta(days=28)}, months=2, before=SERVED),
    "review_totals": Read(
        {"model_id": 1, "as_of": NOW, "start": NOW - timedelta(days=28), "summed": True}, months=2, before=SERVED
    ),
    "weekly_accuracy": Read(
        {"name": "weight", "as_of": NOW, **SEASON}, why="every week of a model's life", before=SERVED
    ),
    "count_waiting_predictions": Read({"as_of": NOW}, why="a prediction may wait since any time"),
    "match_outcomes": Read({"as_of": NOW}, why="a correction may concern any time", before=MATCHED),
    "match_totals": Read({"as_of": NOW}, why="a total may wait since any time", before=TOTALS),
    "match_weeks": Read({"as_of": NOW}, why="a total may wait since any time", before=WEEKS),
    "trace_prediction": Read({"prediction_id": 7}, why=BY_ID),
    "months_behind_prediction": Read({"prediction_id": 7}, why=BY_ID),
    "newest_prediction": Read(why="each month is asked by its index for its largest"),
    "impact_forecasts": Read({"version_ids": [1], "since": NOW - timedelta(days=28), "as_of": NOW}, months=2),
    "export_requests": Read({"version_ids": [1], "since": NOW - timedelta(days=28)}, months=2),
    "model_health": Read({"as_of": NOW}, months=2, before=SERVED),
    "evidently_checks": Read({"as_of": NOW}, months=2, before=SERVED + CHECKED),
    "update_monitoring_alerts": Read(
        {
            "as_of": NOW,
            "document": {
                "limits": {"health_below": 60, "overdue_days": 8, "labels_missing_days": 14},
                "owners": {"default": "ops"},
            },
        },
        months=2,
        before=SERVED,
    ),
    "open_alerts": Read(
        {
            "as_of": NOW,
            "document": {
                "limits": {"health_below": 60, "overdue_days": 8, "labels_missing_days": 14},
                "owners": {"default": "ops"},
            },
        },
        months=2,
        before=SERVED,
    ),
    "list_alerts": Read(
        {
            "as_of": NOW,
            "everything": True,
            "document": {
                "limits": {"health_below": 60, "overdue_days": 8, "labels_missing_days": 14},
                "owners": {"default": "ops"},
            },
        },
        months=2,
        before=SERVED,
    ),
    "profile_due": Read(
        {"version": 2, "days": 28},
        before="""update analytics.series set seasonality = '{"version": 2, "to": "2024-07-20T00:00:00Z"}'""",
        months=1,
    ),
    "forecast_newest": Read({"version_ids": [1, 2], "as_of": NOW}, months=4),
    "forecast_list": Read(SOME_FORECASTS, months=2),
    "forecast_rows": Read(SOME_FORECASTS, months=2),
    "newest_issue": Read({"name": "weight"}, why="the newest issue may be for any target"),
}
VIEWS = {
    "forecasts by target_at": (
        "select series, day, model, y_hat, status, freshest from analytics.forecasts"
        " where target_at >= '2024-05-01Z' and target_at < '2024-06-01Z' and customer_id = 'C3' and model = 'weight'",
        1,
    ),
    "forecasts by local day": ("select * from analytics.forecasts_between('2024-05-02', '2024-05-31')", 1),
    "forecasts by a parameter": (
        "select status, count(*) from analytics.forecasts"
        " where target_at >= timestamptz '2024-07-01Z' + interval '1 day'"
        " and target_at < timestamptz '2024-07-01Z' + interval '8 days' group by 1",
        1,
    ),
    "arrivals by observed_at": (
        "select day, count(*) filter (where late), sum(corrections), max(batch_id) from analytics.arrivals"
        " where observed_at >= '2024-03-01Z' and observed_at < '2024-03-08Z' and route_id = 'R3' group by 1",
        1,
    ),
    "time_series by observed_at": (
        "select day, sum(value) from analytics.time_series where observed_at >= '2024-03-01Z'"
        " and observed_at < '2024-04-01Z' and route_id = 'R3' group by 1",
        1,
    ),
    "values as of a time": (
        "select day, sum(value) from analytics.values_as_of('2024-08-31Z', 'collection_weight', '{3,41}',"
        " '2024-03-01Z', '2024-05-01Z') group by 1",
        2,
    ),
    "values as of a time with their quality": (
        "select * from analytics.values_as_of('2024-08-31Z', p_series_ids => '{3}', p_from => '2024-02-01Z',"
        " p_to => '2024-03-01Z')",
        2,
    ),
}
"""What analysts ask of the views over partitioned tables, and the most months of a table that are opened for it."""
READ_ALL = {
    "preview_edit": "forecasts have no index by series alone; only PostgreSQL 18 skips in theirs; a person asks once",
    "series_list": "counts everything there is",
    "weekly_accuracy": "judges every forecast of a model; another model's are in the same months",
}
ELSEWHERE = {
    "series_page": "counts by the index of a series; see tests/web/api",
    "anomalies_page": "reads the newest first, a page of them; see tests/web/api",
    "forecasts_page": "reads a page of the chosen versions; see tests/web/api",
    "series_of_version": "names series, by the index of a version; see tests/web/api",
    "paired_days": "reads what two versions forecast by their index; see test_live_comparisons",
    "store_forecast_outcomes": "writes by the keys of the arriving rows; see test_feedback",
    "refused_scoring_outcomes": "looks for the requests of arriving rows by their ids; see test_feedback",
    "refused_scoring_feedback": "looks for the requests of arriving rows by their ids; see test_feedback",
    "names_of_series": "names series, reads no partition",
    "series_with_all_names": "names series, reads no partition",
    "names_of_selected_series": "names series, reads no partition",
    "review_findings": "names series, reads no partition",
    "findings_of_recommendation": "names series, reads no partition",
    "observations_kept_from": "looks for the newest month that has rows; see test_partitions",
    "retention": "asks each old month for one row; see test_partitions",
    "agree_to_retention": "asks each old month for one row; see test_partitions",
    "withdraw_retention": "writes an agreement, reads no partition",
    "partition_policies": "asks each old month for one row; see test_partitions",
    "mark_month_for_summary": "reads the series of one month; see test_maintain",
    "create_feature_build": "makes a table, reads none; see test_feature_store",
    "attach_feature_build": "attaches a partition, reads the rows of that build alone",
    "drop_feature_build": "drops the rows of one build",
    "point_feature_set_view": "makes a view, reads the list of builds",
    "check_system_health": "opens the newest month only; see test_health",
    "refresh_predictive_views": "the refresh; see test_rollup and test_views",
    "ensure_partitions": "makes partitions, reads none",
    "ensure_months": "makes partitions, reads none",
    "create_detached_month": "makes a table, reads none",
    "attach_month": "attaches a partition, reads the rows of that month alone",
    "months_with_partitions": "reads the catalogue",
    "archived_observation_months": "reads the list of archives",
    "archive_files": "reads the list of archives",
    "update_registry_alerts": "asks the gates of promotions, no partition",
    "archived_months_between": "reads the list of archives",
    "newest_archived_until": "reads the list of archives",
    "create_archived_tables": "makes tables and views, reads none",
    "attach_archive": "attaches a partition, reads the rows of that month alone",
    "table_content": "reads the rows of one month alone",
    "analyze_tables": "samples all tables",
    "drop_old_partitions": "drops months; reads those to see that their archives hold them",
    "list_partitions": "reads the catalogue",
    "make_partitions_ahead": "makes partitions, reads none",
    "create_matched_predictions": "takes the columns, reads no row",
    "create_staged_predictions": "takes the columns, reads no row",
    "store_predictions": "writes by the primary key",
    "prepare_arriving": "makes a temporary table, reads none",
    "merge_arriving": "merges by the primary key; see test_a_merge_reads_what_its_rows_meet",
    "hold_series": "locks the parents, reads series by their id",
    "mark_spans_dirty": "marks spans, reads series by their id",
    "edit_observations": "asks each month by its own name, by the primary key; see test_series_edits",
    "lock_prediction_table": "locks the parent, reads none",
    "wanted_series_clocks": "reads whole the series that get a time zone, by the primary key; see test_ingest",
    "series_of_whole_places": "asks whether there is any observation, of the few series that may be their own total",
    "unknown_time_zones": "asks a function about names, reads no table",
}


@pytest.fixture(scope="module")
def filled(new_database: Any, migrated: str) -> Iterator[Database]:
    """Eight months of hours of 100 series with their summary, and weekly forecasts of two versions, analysed."""
    with new_database("explain", template=migrated) as (_, url):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("set timezone = 'UTC'")
            for command in (FILL % {"series": SERIES}).split(";\n"):
                connection.execute(command)
        database = Database(url)
        yield database
        database.close()


FILL = """
select analytics.ensure_partitions('2024-01-01', '2024-08-31', parent::regclass)
  from unnest('{analytics.time_series_metrics,analytics.model_prediction_results}'::text[]) parent;
insert into analytics.series (metric_type, granularity, customer_id, route_id)
select 'collection_weight', 'hourly', 'C' || i, 'R' || i from generate_series(1, %(series)s) i;
insert into analytics.time_series_metrics (series_id, observed_at, value, quality_score, recorded_at)
select series_id, at, 50 + 10 * random(), 1, at
  from generate_series('2024-01-01'::timestamptz, '2024-08-31', interval '1 hour') at,
       generate_series(1, %(series)s) series_id;
analyze analytics.time_series_metrics;
select analytics.mark_dirty(array_agg(series_id), '2024-01-01', '2024-08-31') from analytics.series;
insert into analytics.registered_models (name, created_at) values ('weight', now()), ('other', now());
insert into analytics.model_versions (model_id, name, version, created_at, status, lineage_state)
select model_id, name, 1, now(), 'READY', 'complete' from analytics.registered_models;
insert into analytics.model_prediction_results
       (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat, outcome, outcome_recorded_at, matched_at)
select version_id, series_id, cutoff, cutoff, cutoff + horizon * interval '1 day', horizon, 55,
       case when cutoff < '2024-08-01' then 56 end,
       case when cutoff < '2024-08-01' then now() end, case when cutoff < '2024-08-01' then now() end
  from analytics.model_versions, generate_series(1, %(series)s) series_id,
       generate_series('2024-01-01'::timestamptz, '2024-08-02', interval '7 days') cutoff,
       generate_series(1, 28) horizon;
select count(*) from analytics.refresh_predictive_views();
vacuum analyze
"""


def test_every_query_that_touches_a_partitioned_table_is_explained_or_excused():
    touching = {name for name, block in named_blocks().items() if PARTITIONED.search(block.text)}
    known = READS.keys() | READ_ALL.keys() | ELSEWHERE.keys()
    assert touching - known == set(), "add these to READS, or say in READ_ALL or ELSEWHERE why not"
    assert known - named_blocks().keys() == set(), "these are gone"


@pytest.mark.parametrize("query", READS)
def test_it_opens_only_the_months_it_is_asked_about(filled: Database, query: str):
    read = READS[query]
    opened: dict[str, set[str]] = {}
    for scan in scans(filled, query):
        table, _, month = scan["Relation Name"].rpartition("_p")
        opened.setdefault(table, set()).add(month)
    assert opened, "it reads a partitioned table"
    assert all(len(months) <= read.months for months in opened.values()), opened
    assert (read.months < MONTHS) != bool(read.why), "say why when it may open all months"


@pytest.mark.parametrize("query", [name for name in READS if name not in READ_ALL])
def test_it_reads_no_partition_whole_to_throw_most_of_it_away(filled: Database, query: str):
    for scan in scans(filled, query):
        if scan["Node Type"] in ("Seq Scan", "Parallel Seq Scan"):
            kept, dropped = scan["Actual Rows"], scan.get("Rows Removed by Filter", 0)
            assert dropped <= WASTED * (kept + dropped), scan


@pytest.mark.parametrize("question", VIEWS)
def test_a_view_opens_only_the_months_it_is_asked_about(filled: Database, question: str):
    query, most = VIEWS[question]
    with psycopg.connect(filled.url) as connection:
        plan = connection.execute("explain (analyze, format json) " + query).fetchone()[0]
    opened: dict[str, set[str]] = {}
    for scan in of_partitions(plan):
        table, _, month = scan["Relation Name"].rpartition("_p")
        opened.setdefault(table, set()).add(month)
        if scan["Node Type"] in ("Seq Scan", "Parallel Seq Scan"):
            kept, dropped = scan["Actual Rows"], scan.get("Rows Removed by Filter", 0)
            assert dropped <= WASTED * (kept + dropped), scan
    assert opened
    assert all(len(months) <= most for months in opened.values()), opened


def test_a_merge_reads_what_its_rows_meet(filled: Database):
    arriving = f"""
insert into pg_temp.arriving (series_id, observed_at, value, quality_score)
select series_id, observed_at, value + 1, 0.5 from analytics.time_series_metrics
 where series_id = any (array{FEW}) and observed_at between '2024-06-10' and '2024-06-12'"""
    read = """
select relname, coalesce(seq_scan, 0), coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables
 where relname ~ '^time_series_metrics_p' and coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0"""
    with psycopg.connect(filled.url) as connection:
        connection.execute("select analytics.prepare_arriving()")
        count = connection.execute(arriving).rowcount
        before = {name: (scans, rows) for name, scans, rows in connection.execute(read)}
        assert connection.execute("select * from analytics.merge_arriving()").fetchone() == (0, count)
        after = {name: (scans, rows) for name, scans, rows in connection.execute(read)}
        connection.rollback()
    (scans, rows), (scans_before, rows_before) = (
        after["time_series_metrics_p2024_06"],
        before["time_series_metrics_p2024_06"],
    )
    assert after.keys() == {"time_series_metrics_p2024_06"}
    assert scans == scans_before, "no month is read whole"
    assert rows - rows_before <= 8 * count, "each row is looked up a few times, and nothing else"


def scans(database: Database, query: str) -> list[dict[str, Any]]:
    """The scans of partitions that were really made."""
    with database.transaction() as transaction:
        for command in filter(None, READS[query].before.split(";\n")):
            transaction._connection.exec_driver_sql(command)
        explain = sa.text("explain (analyze, format json) " + str(statement(query)))
        plan = transaction._connection.execute(explain, READS[query].parameters).scalar()
        transaction._connection.rollback()
    return of_partitions(plan)


def of_partitions(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        node
        for node in nodes(plan[0]["Plan"])
        if re.search(r"_p\d{4}_\d\d$", node.get("Relation Name", "")) and node["Actual Loops"] > 0
    ]


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)
