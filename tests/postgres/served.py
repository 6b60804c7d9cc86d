"""Models that are served, put into a database: daily values, a champion, five weeks of forecasts, a check."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from mlops.policy import Policy

NOW = datetime(2024, 6, 3, tzinfo=UTC)
"""The Monday on which these models are looked at; every day before it has ended."""
DAY = timedelta(days=1)


FORECASTS = """
insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at, horizon,
       y_hat, lo_80, hi_80, lo_95, hi_95, outcome, outcome_recorded_at, matched_at)
select %(version)s, s, at - interval '1 day', at - interval '1 day', at, 1, y_hat,
       y_hat - reach, y_hat + reach, y_hat - reach * 2, y_hat + reach * 2,
       case when known then y end, case when known then at + interval '1 day' end, case when known then now() end
  from unnest(%(series)s::bigint[]) s,
       generate_series(%(until)s - make_interval(days => %(days)s), %(until)s, interval '1 day') at
 cross join lateral (select case when date_part('doy', at)::int %% 2 = 0 then 90 else 110 end as y,
                            at < %(labelled)s as known) o
 cross join lateral (select y * (1 + %(off)s) as y_hat,
                            y * case when date_part('doy', at)::int %% 5 = 0 then 0.01 else %(width)s end as reach) f
    on conflict do nothing
"""


def priced(policy: Policy) -> Policy:
    """The policy with prices that are somebody's: those that ship are placeholders, and no money is told by them."""
    return replace(policy, costs=replace(policy.costs, currency="EUR"))


class Served:
    """Puts models, forecasts, checks and outcomes into a database; each method may be called again."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        connection.execute(
            "select analytics.ensure_partitions('2024-01-01', '2024-07-31', parent::regclass)"
            " from unnest('{analytics.time_series_metrics,analytics.model_prediction_results}'::text[]) parent"
        )

    def one(self, query: str, *values: object) -> Any:
        found = self.connection.execute(query, values or None)
        return found.fetchone()[0] if found.description else None

    def series(self, count: int = 3) -> list[int]:
        """Series that alternate between 90 and 110 by day, so that last week's same day is 20 away."""
        ids = [
            self.one(
                "insert into analytics.series (metric_type, site_id)"
                " select 'collection_weight', 'S' || count(*) from analytics.series returning series_id"
            )
            for _ in range(count)
        ]
        self.connection.execute(
            "insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)"
            " select s, at, case when date_part('doy', at)::int %% 2 = 0 then 90 else 110 end, at + interval '1 day'"
            " from unnest(%s::bigint[]) s,"
            " generate_series('2024-03-01'::timestamptz, '2024-06-02', interval '1 day') at",
            [ids],
        )
        return ids

    def model(self, name: str = "demand", alias: str = "champion", **columns: Any) -> int:
        """A version that `alias` points to since March; its id."""
        values = {
            "as_of": NOW - 60 * DAY,
            "metrics": json.dumps({"wape": 0.10}),
            "lineage": json.dumps({"selection": {"granularity": "daily"}, "recipe": {"owner": "data science"}}),
            "lineage_state": "complete",
            "run_state": "there",
            "lineage_read_at": NOW - 60 * DAY,
        } | columns
        model_id = self.one(
            "with made as (insert into analytics.registered_models (name, created_at) select %s, '2024-01-01+00'"
            " where not exists (select from analytics.registered_models where name = %s) returning model_id)"
            " select model_id from made union all select model_id from analytics.registered_models where name = %s",
            *[name] * 3,
        )
        version_id = self.one(
            f"insert into analytics.model_versions (model_id, name, version, created_at, status, {', '.join(values)})"
            " select %s, %s, 1 + count(*), '2024-03-01+00', 'READY'" + ", %s" * len(values) + ""
            " from analytics.model_versions where model_id = %s returning version_id",
            model_id,
            name,
            *values.values(),
            model_id,
        )
        self.one(
            "insert into analytics.model_aliases values (%s, %s, %s, '2024-03-01+00')", model_id, alias, version_id
        )
        return version_id

    def forecasts(
        self,
        version_id: int,
        series: list[int],
        *,
        off: float = 0.10,
        until: datetime = NOW + 3 * DAY,
        labelled_until: datetime = NOW,
        days: int = 35,
        width: float = 0.15,
    ) -> None:
        """One forecast a day, issued the day before, `off` times the outcome away; four of five inside the interval."""
        self.connection.execute(
            FORECASTS,
            {
                "version": version_id,
                "series": series,
                "until": until,
                "days": days,
                "labelled": labelled_until,
                "off": off,
                "width": width,
            },
        )

    def check(
        self, version_id: int, action: str = "none", *, at: datetime = NOW, drifted: int = 0, faults: int = 0
    ) -> int:
        """A check: three findings about the model, three about the data, the naive; its recommendation's id."""
        for kind, broken in (("concept", drifted), ("data", faults)):
            self.connection.execute(
                "insert into analytics.model_performance_tracking (version_id, as_of, window_start, window_end, kind,"
                " subject, statistic, threshold, drifted) select %s, %s, %s, %s, %s, n::text, 1, 1, n <= %s"
                " from generate_series(1, 3) n",
                [version_id, at, at - 7 * DAY, at, kind, broken],
            )
        self.connection.execute(
            "insert into analytics.model_performance_tracking (version_id, as_of, window_start, window_end, kind,"
            " subject, statistic, threshold, drifted, detail) values (%s, %s, %s, %s, 'performance', 'naive', -3, 2.5,"
            " false, 'over the last 28 days the error is 0.50 times that of the seasonal naive')",
            [version_id, at, at - 7 * DAY, at],
        )
        return self.one(
            "insert into analytics.retraining_recommendations (version_id, as_of, action, reasons, evidence,"
            " rule_version, rollback_version_id) values (%s, %s, %s, '{the error doubled}', '{}', '1', %s)"
            " returning recommendation_id",
            version_id,
            at,
            action,
            self.model(alias="earlier") if action == "rollback" else None,
        )

    def healthy(self, name: str = "demand", **columns: Any) -> int:
        """A champion to which nothing is wrong."""
        version_id = self.model(name, **columns)
        self.forecasts(version_id, self.series())
        self.check(version_id)
        return version_id
