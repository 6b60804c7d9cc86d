"""What influences a series from outside is written by the SQL door and found by an index."""

import psycopg
import pytest

from mlops.db import Database

SAY = "select analytics.series_for('collection_weight', route_id => 'R1', external_factors => %s)"


@pytest.fixture
def sql(database: Database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield connection


def test_what_is_named_joins_what_is_known_and_a_null_takes_it_away(sql: psycopg.Connection):
    known = "select external_factors from analytics.series"
    steps = [
        ('{"near": "school"}', {"near": "school"}),
        ('{"region": "NZ"}', {"near": "school", "region": "NZ"}),
        (None, {"near": "school", "region": "NZ"}),
        ('{"near": null}', {"region": "NZ"}),
    ]
    for said, becomes in steps:
        sql.execute(SAY, [said])
        assert sql.execute(known).fetchall() == [(becomes,)]


def test_what_is_no_object_is_refused(sql: psycopg.Connection):
    with pytest.raises(psycopg.errors.CheckViolation, match="external_factors"):
        sql.execute(SAY, ["[1]"])


@pytest.mark.parametrize(
    ("column", "asked"),
    [("external_factors", '{"region": "r7"}'), ("seasonality", '{"seasons": {"week": {"found": true}}}')],
)
def test_series_are_found_by_the_index(sql: psycopg.Connection, column: str, asked: str):
    sql.execute(
        "insert into analytics.series (metric_type, site_id, external_factors, seasonality)"
        " select 'collection_weight', i::text, jsonb_build_object('region', 'r' || i % 200),"
        "        jsonb_build_object('seasons', jsonb_build_object('week', jsonb_build_object('found', i % 200 = 7)))"
        "   from generate_series(1, 10000) i"
    )
    sql.execute("analyze analytics.series")
    question = f"from analytics.series where {column} @> '{asked}'"
    assert sql.execute(f"select count(*) {question}").fetchone() == (50,)
    plan = "\n".join(row[0] for row in sql.execute(f"explain select series_id {question}"))
    assert f"series_{column}" in plan


def test_observations_of_such_series_are_asked_for_by_the_view(sql: psycopg.Connection):
    for site, near in (("A", "school"), ("B", "park")):
        number = sql.execute(
            "select analytics.series_for('collection_weight', site_id => %s, external_factors => jsonb_build_object("
            "'near', %s::text))",
            [site, near],
        ).fetchone()[0]
        sql.execute(
            "insert into analytics.time_series_staging (series_id, observed_at, value) values (%s, '2024-01-01Z', 1)",
            [number],
        )
    asked = 'select site_id from analytics.time_series where external_factors @> \'{"near": "school"}\''
    assert sql.execute(asked).fetchall() == [("A",)]
