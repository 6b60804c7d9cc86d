"""Views say what their tables say, are made anew only when those changed, and fail alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import psycopg
import pytest

from mlops.analytics.refresh import refresh_views
from mlops.db import Database

VIEWS = [
    "customer_behavior_summary",
    "route_performance_summary",
    "seasonal_patterns",
    "model_accuracy_summary",
    "feature_usage_summary",
]


def ask(database: Database, query: str, *parameters: Any) -> list[Any]:
    with psycopg.connect(database.url) as connection:
        done = connection.execute(query, parameters or None)
        return done.fetchall() if done.description else []


@pytest.fixture
def company(database: Database) -> Database:
    """Two routes and customers with 26 months of days: 1 kg, 3 on Saturdays and Sundays, the last quarter doubled."""
    ask(database, "select analytics.ensure_partitions('2022-01-01Z', '2024-02-29Z')")
    for metric, value in (
        ("collection_weight", 1),
        ("route_distance", 0.5),
        ("collection_count", 9),
        ("missed_collections", 1),
    ):
        for number in (1, 2):
            ask(
                database,
                f"""with made as (
                       insert into analytics.series (metric_type, customer_id, route_id)
                       values ('{metric}', 'C{number}', 'R{number}')
                       returning series_id
                   )
                   insert into analytics.time_series_metrics (series_id, observed_at, value, quality_score)
                   select series_id, day, {value} * case when date_part('isodow', day) > 5 then 3 else 1 end
                                           * case when day >= '2023-12-01Z' then 2 else 1 end, 1
                     from made, generate_series('2022-01-01Z', '2024-02-29Z', interval '1 day') day""",
            )
    ask(database, "select analytics.mark_dirty(array_agg(series_id), '2022-01-01', '2024-02-29') from analytics.series")
    ask(database, "insert into analytics.customers (customer_id, name, segment) values ('C1', 'Market hall', 'trade')")
    return database


@pytest.fixture
def modelled(company: Database) -> Database:
    """A champion with forecasts for three weeks: 10 % too high, and the days they were for."""
    ask(
        company,
        """insert into analytics.registered_models (name, created_at) values ('weight', now());
           insert into analytics.model_versions (model_id, name, version, created_at, kind, status,
                                                 lineage_state)
           select model_id, 'weight', n, now(), 'lightgbm', 'READY', 'complete'
             from analytics.registered_models, generate_series(1, 2) n;
           insert into analytics.model_aliases (model_id, alias, version_id)
           select model_id, 'champion', version_id from analytics.model_versions where version = 2;
           insert into analytics.model_feature_store (name, version, definition_sha256, definition, dtype, entity,
                                                      granularity, source_metric_types, transformation, owner,
                                                      description)
           select 'lag_7', n, n::text, '{}', 'float64', 'series', 'daily', '{collection_weight}', 'lag',
                  'team', 'a week ago'
             from generate_series(1, 2) n;
           insert into analytics.model_version_features (version_id, feature_id, importance)
           select v.version_id, f.feature_id, 0.2 * v.version
             from analytics.model_versions v, analytics.model_feature_store f where f.version = 2;
           select analytics.ensure_partitions('2024-01-01Z', '2024-02-01Z', 'analytics.model_prediction_results');
           insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at, horizon,
                       y_hat, lo_80, hi_80, lo_95, hi_95, outcome, outcome_recorded_at, matched_at)
           select v.version_id, m.series_id, '2024-01-08Z', '2024-01-08Z', m.observed_at,
                  date_part('day', m.observed_at - '2024-01-08Z'),
                  1.1 * m.value, m.value, 2 * m.value, m.value, 3 * m.value, m.value, now(), now()
             from analytics.model_versions v, analytics.time_series_metrics m join analytics.series s using (series_id)
            where v.version = 2 and s.metric_type = 'collection_weight' and m.observed_at > '2024-01-08Z'
              and m.observed_at < '2024-01-29Z'""",
    )
    return company


def made_anew(database: Database, **options: bool) -> list[str]:
    return [step.view_name for step in refresh_views(database, **options) if step.refreshed]


def test_a_view_is_made_anew_when_what_it_rests_on_changed_and_else_not(modelled: Database):
    everything = ["daily_metrics_summary", "monthly_aggregates", *VIEWS]
    assert made_anew(modelled) == everything
    assert made_anew(modelled) == []
    ask(modelled, "update analytics.customers set segment = 'public'")
    assert made_anew(modelled) == ["customer_behavior_summary"]
    ask(modelled, "update analytics.model_aliases set valid_to = now()")
    assert made_anew(modelled) == ["feature_usage_summary"]
    ask(modelled, "update analytics.model_prediction_results set feedback = '{}'")
    assert made_anew(modelled) == ["model_accuracy_summary"]
    ask(modelled, "select analytics.mark_dirty('{1}', '2024-01-01', '2024-01-01')")
    assert made_anew(modelled) == []
    ask(
        modelled,
        "update analytics.time_series_metrics set value = 9 where series_id = 1 and observed_at = '2024-01-01Z'",
    )
    ask(modelled, "select analytics.mark_dirty('{1}', '2024-01-01', '2024-01-01')")
    assert made_anew(modelled) == [name for name in everything if name != "feature_usage_summary"]
    assert made_anew(modelled, force=True) == VIEWS


def test_every_refresh_leaves_its_freshness(modelled: Database):
    refresh_views(modelled)
    found = ask(
        modelled,
        """select view_name, rows from analytics.view_freshness
            where refreshed_at is not null and seconds > 0 and stale_since is null and error is null
            order by position""",
    )
    assert [name for name, _ in found][2:] == VIEWS
    assert {name: rows for name, rows in found if name in VIEWS} == {
        view: ask(modelled, f"select count(*) from analytics.{view}")[0][0] for view in VIEWS
    }


def test_a_rolled_back_change_makes_nothing_stale(company: Database):
    refresh_views(company)
    with psycopg.connect(company.url) as connection:
        connection.execute("update analytics.customers set segment = 'public'")
        connection.rollback()
    assert made_anew(company) == []


def test_a_change_that_commits_during_a_refresh_is_seen_by_the_next(company: Database):
    refresh_views(company)
    with psycopg.connect(company.url) as writer:
        writer.execute("update analytics.customers set segment = 'public' where customer_id = 'C1'")
        assert made_anew(company) == []
        writer.commit()
    assert made_anew(company) == ["customer_behavior_summary"]


def test_one_failing_view_says_why_and_stops_no_other(company: Database):
    ask(
        company,
        "create materialized view analytics.broken as select 1 / (select count(*) from analytics.customers) as n",
    )
    ask(
        company,
        "insert into analytics.view_freshness (view_name, position, sources) values ('broken', 25, '{customers}')",
    )
    refresh_views(company)
    ask(company, "delete from analytics.customers")
    steps = {step.view_name: step for step in refresh_views(company)}
    assert steps["broken"].refreshed is False
    assert steps["customer_behavior_summary"].refreshed is True
    assert ask(
        company, "select error, stale_since is not null from analytics.view_freshness where view_name = 'broken'"
    ) == [("division by zero", True)]
    ask(company, "insert into analytics.customers (customer_id) values ('C9')")
    assert "broken" in made_anew(company)
    assert ask(
        company, "select error, failed_at, stale_since from analytics.view_freshness where view_name = 'broken'"
    ) == [(None, None, None)]


def test_two_refreshes_at_once_do_the_work_once(company: Database):
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: made_anew(company), range(2)))
    assert sorted(map(len, done)) == [0, 7]


def test_readers_are_not_blocked_by_a_refresh(company: Database):
    refresh_views(company)
    with psycopg.connect(company.url) as refresher:
        refresher.execute("select * from analytics.refresh_predictive_views(true)")
        for view in (*VIEWS, "daily_metrics_summary", "customer_behavior_aggregates"):
            ask(company, f"set lock_timeout = '30s'; select count(*) from analytics.{view}")


def test_every_source_of_a_view_notes_its_changes(database: Database):
    by_refresh = {
        *("dirty_days", "dirty_months", "daily_metrics_summary"),
        *("customer_behavior_aggregates", "operational_metrics_aggregates"),
    }
    sources = {source for (source,) in ask(database, "select unnest(sources) from analytics.view_freshness")}
    noting = ask(database, "select tgrelid::regclass::text from pg_trigger where tgname = 'mark_source'")
    assert {f"analytics.{source}" for source in sources - by_refresh} <= {table for (table,) in noting}


def test_a_view_of_ones_own_is_kept_fresh_too(company: Database):
    ask(company, "create materialized view analytics.names as select customer_id, name from analytics.customers")
    ask(
        company,
        "insert into analytics.view_freshness (view_name, position, sources) values ('names', 99, '{customers}')",
    )
    refresh_views(company)
    ask(company, "update analytics.customers set name = 'Fish hall' where customer_id = 'C1'")
    assert made_anew(company) == ["customer_behavior_summary", "names"]
    assert ask(company, "select name from analytics.names where customer_id = 'C1'") == [("Fish hall",)]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_a_unique_index_and_a_comment(database: Database, view: str):
    assert ask(database, "select analytics.refreshes_concurrently(%s)", view) == [(True,)]
    assert len(ask(database, f"select obj_description('analytics.{view}'::regclass)")[0][0]) > 50


def test_customers_say_how_much_and_where_it_is_going(company: Database):
    refresh_views(company)
    row = ask(
        company,
        """select name, segment, first_month, last_day, months, days, year_change, quarter_change, quality, unit
             from analytics.customer_behavior_summary where customer_id = 'C1' and metric_type = 'collection_weight'""",
    )[0]
    assert row[:6] == ("Market hall", "trade", date(2022, 1, 1), date(2024, 2, 29), 26, 790)
    assert row[6] == pytest.approx(1, abs=0.03)
    assert row[7] == pytest.approx(1, abs=0.03)
    assert row[8:] == (1.0, "kg")
    total = ask(
        company, "select sum(value) from analytics.daily_metrics_summary where series_id = 1 and day >= '2023-03-01'"
    )
    assert (
        ask(
            company,
            """select year_total from analytics.customer_behavior_summary
                where customer_id = 'C1' and metric_type = 'collection_weight'""",
        )
        == total
    )


def test_routes_say_what_a_kilometre_brings(company: Database):
    refresh_views(company)
    found = ask(
        company,
        "select route_id, kg_per_km, missed_share, fuel_litres from analytics.route_performance_summary order by 1",
    )
    assert found == [("R1", 2.0, 0.1, None), ("R2", 2.0, 0.1, None)]


def test_seasons_say_which_weekdays_are_large(company: Database):
    refresh_views(company)
    found = ask(
        company,
        """select position, index, difference, days from analytics.seasonal_patterns
            where series_id = 1 and season = 'weekday' order by position""",
    )
    assert [row[0] for row in found] == [1, 2, 3, 4, 5, 6, 7]
    assert sum(row[3] for row in found) == 790
    assert found[5][1] / found[0][1] == pytest.approx(3, rel=0.05)
    assert sum(row[2] * row[3] for row in found) == pytest.approx(0, abs=1e-9)
    assert ask(
        company, "select count(*) from analytics.seasonal_patterns where series_id = 1 and season = 'month'"
    ) == [(12,)]


def test_models_say_how_good_they_were_week_by_week_and_by_horizon(modelled: Database):
    refresh_views(modelled)
    found = ask(
        modelled,
        """select version, week, horizon, sum(forecasts), sum(error_sum) / sum(outcome_sum), max(bias),
                  min(coverage_80), min(coverage_95), sum(forecasts_naive), max(error_to_naive)
             from analytics.model_accuracy_summary where not total
            group by version, week, horizon order by week, horizon""",
    )
    assert ask(modelled, "select distinct route_id from analytics.model_accuracy_summary order by 1") == [
        ("R1",),
        ("R2",),
    ]
    assert [row[1:4] for row in found] == [
        (date(2024, 1, 8), "1-7", 12),
        (date(2024, 1, 15), "1-7", 2),
        (date(2024, 1, 15), "8-14", 12),
        (date(2024, 1, 22), "15-28", 12),
        (date(2024, 1, 22), "8-14", 2),
    ]
    for row in found:
        assert row[4:6] == pytest.approx((0.1, 0.1))
        assert row[6:9] == (1.0, 1.0, row[3])
    assert all(row[9] is None for row in found), "the seasonal naive of a series without noise is never wrong"


def test_features_say_who_uses_them(modelled: Database):
    refresh_views(modelled)
    assert ask(
        modelled,
        """select version, newest, versions, live_versions, champions, models, champion_models,
                  round(importance::numeric, 3)::float8
             from analytics.feature_usage_summary order by version""",
    ) == [(1, False, 0, 0, 0, [], [], None), (2, True, 2, 2, 1, ["weight"], ["weight"], 0.3)]
    ask(modelled, "update analytics.model_versions set deleted_at = now() where version = 2")
    refresh_views(modelled)
    assert ask(
        modelled, "select versions, live_versions, champions from analytics.feature_usage_summary where version = 2"
    ) == [(2, 1, 0)]
