"""What is kept for ever can't be emptied, as a whole or by its months, whenever these were made."""

import psycopg
import pytest

from mlops.db import Database

KEPT = {
    "ingest_batches",
    "model_anchors",
    "model_aliases",
    "model_feature_store",
    "model_prediction_results",
    "model_versions",
    "partition_archives",
    "partition_log",
    "promotions",
    "recommendation_decisions",
    "registered_model_names",
    "observation_edits",
    "registered_models",
    "retraining_recommendations",
    "scoring_feedback",
    "scoring_gaps",
    "scoring_outcomes",
    "scoring_requests",
    "time_series_revisions",
}
REFUSAL = r"is kept for ever|stand as they were recorded"
PROMISES = r"never (rewritten|a row lost|deleted)|append-only"
"""Words of a table's comment by which it belongs among them."""


def refusing(database: Database) -> set[str]:
    with psycopg.connect(database.url) as connection:
        rows = connection.execute(
            "select c.relname from pg_trigger t join pg_class c on c.oid = t.tgrelid"
            " where t.tgname in ('refuse_truncate', 'keep_record') and not c.relispartition"
        )
        return {name for (name,) in rows}


def test_every_table_that_is_kept_for_ever_refuses_truncate(database: Database):
    assert refusing(database) == KEPT
    with psycopg.connect(database.url, autocommit=True) as connection:
        for table in sorted(KEPT):
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=REFUSAL):
                connection.execute(f"truncate analytics.{table} cascade")
        promised = connection.execute(
            "select relname from pg_class where relnamespace = 'analytics'::regnamespace and relkind in ('r', 'p')"
            " and obj_description(oid) ~* %s and relname <> 'time_series_metrics'",
            [PROMISES],
        )
        assert {name for (name,) in promised} <= KEPT


@pytest.mark.parametrize("table", ["time_series_revisions", "model_prediction_results", "scoring_requests"])
def test_a_month_that_is_made_later_refuses_it_too(database: Database, table: str):
    with psycopg.connect(database.url, autocommit=True) as connection:
        for day in ("2021-05-01", "2021-06-30"):
            connection.execute("select analytics.create_monthly_partition(%s, %s)", [day, f"analytics.{table}"])
        months = connection.execute("select partition from analytics.month_partitions(%s)", [f"analytics.{table}"])
        found = [month for (month,) in months]
        assert len(found) >= 2
        for month in found:
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is kept for ever"):
                connection.execute(f"truncate {month}")
