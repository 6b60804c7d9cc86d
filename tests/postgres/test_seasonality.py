"""Profiles of stored series: written once, and again only when something has changed."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest

from mlops.analytics.refresh import refresh_views
from mlops.db import Database
from mlops.series import seasonality
from mlops.series.ingest import ingest
from mlops.series.seasonality import store_due, store_profiles


@pytest.fixture
def template(migrated: str) -> str:
    """Commands on series need no MLflow."""
    return migrated


@pytest.fixture
def weekly_routes(database: Database, tmp_path: Path) -> Database:
    """Two routes of 60 weeks that are heaviest on Fridays, and one of four days."""
    ds = pd.date_range("2023-01-02", periods=420)
    value = np.where(ds.dayofweek == 4, 200, 100) + np.random.default_rng(1).normal(0, 5, 420)
    frames = [pd.DataFrame({"observed_at": ds[:n].strftime("%FT00:00:00Z"), "value": value[:n]}) for n in (420, 420, 4)]
    rows = pd.concat([frame.assign(route_id=f"R{number}") for number, frame in enumerate(frames)])
    rows.assign(metric_type="collection_weight").to_csv(tmp_path / "routes.csv", index=False)
    ingest(database, tmp_path / "routes.csv")
    return database


def stored(database: Database) -> list[dict]:
    with psycopg.connect(database.url) as connection:
        rows = connection.execute("select seasonality from analytics.series order by route_id").fetchall()
    return [row[0] for row in rows]


def test_a_profile_says_when_a_series_peaks_and_what_it_rests_on(weekly_routes: Database):
    assert store_profiles(weekly_routes) == {"series": 3, "written": 3}
    first, _, short = stored(weekly_routes)
    assert first["seasons"]["week"]["found"]
    assert first["seasons"]["week"]["peak"] == 4
    assert (first["observations"], first["from"], first["to"]) == (420, "2023-01-02T00:00:00Z", "2024-02-25T00:00:00Z")
    assert first["as_of"].endswith("+00:00")
    assert (short["observations"], short["seasons"]) == (4, {})


def test_an_unchanged_profile_is_not_written_again(weekly_routes: Database, tmp_path: Path):
    store_profiles(weekly_routes)
    assert store_profiles(weekly_routes) == {"series": 3, "written": 0}
    row = {"metric_type": "collection_weight", "route_id": "R2", "observed_at": "2023-01-06T00:00:00Z", "value": 7}
    pd.DataFrame([row]).to_csv(tmp_path / "one.csv", index=False)
    ingest(weekly_routes, tmp_path / "one.csv")
    assert store_profiles(weekly_routes) == {"series": 3, "written": 1}


def test_a_profile_does_not_depend_on_the_series_read_with_it(weekly_routes: Database, monkeypatch: pytest.MonkeyPatch):
    store_profiles(weekly_routes)
    monkeypatch.setattr(seasonality, "MOST_AT_ONCE", 1)
    assert store_profiles(weekly_routes) == {"series": 3, "written": 0}


def test_only_seasons_of_the_metric_type_are_looked_for(weekly_routes: Database):
    with psycopg.connect(weekly_routes.url) as connection:
        connection.execute("update analytics.metric_types set seasons = '{month}' where name = 'collection_weight'")
    store_profiles(weekly_routes)
    assert list(stored(weekly_routes)[0]["seasons"]) == ["month"]


def test_a_profile_is_due_once_in_four_weeks_of_data(weekly_routes: Database, tmp_path: Path):
    assert (store_due(weekly_routes), store_due(weekly_routes)) == (3, 0)
    for days, due in ((27, 0), (28, 1)):
        at = pd.Timestamp("2024-02-25") + pd.Timedelta(days=days)
        row = {"metric_type": "collection_weight", "route_id": "R1", "observed_at": f"{at:%F}T00:00:00Z", "value": 7}
        pd.DataFrame([row]).to_csv(tmp_path / "one.csv", index=False)
        ingest(weekly_routes, tmp_path / "one.csv")
        assert store_due(weekly_routes) == due
    with psycopg.connect(weekly_routes.url) as connection:
        connection.execute("""update analytics.series set seasonality = seasonality || '{"version": 1}'""")
    assert store_due(weekly_routes) == 3


def test_a_pattern_says_how_strong_it_is_and_needs_two_cycles(database: Database, tmp_path: Path):
    """A season of half of the variance, white noise, five weeks, 13 days and one day."""
    ds, random = pd.date_range("2022-01-03", periods=800), np.random.default_rng(3)
    season = 50.0 * (ds.dayofweek == 4)
    values = {"half": 100 + season + random.normal(0, season.std(), 800), "noise": 100 + random.normal(0, 9, 800)}
    values |= {f"{days} days": values["half"][:days] for days in (35, 28, 13, 1)}
    parts = [pd.DataFrame({"series_id": name, "ds": ds[: len(one)], "y": one}) for name, one in values.items()]
    pd.concat(parts).to_csv(tmp_path / "patterns.csv", index=False)
    ingest(database, tmp_path / "patterns.csv", metric_type="collection_weight", granularity="daily")
    assert store_due(database) == 6
    refresh_views(database)
    with psycopg.connect(database.url) as connection:
        rows = connection.execute(
            "select analytics.series_name(s), season, count(*), count(distinct strength), max(strength), bool_or(found)"
            "  from analytics.seasonal_patterns p join analytics.series s using (series_id) group by 1, 2"
        ).fetchall()
    found = {(name, season): tuple(figures) for name, season, *figures in rows}
    assert {key: one[:2] for key, one in found.items()} == {
        ("half", "weekday"): (7, 1),
        ("half", "month"): (12, 1),
        ("noise", "weekday"): (7, 1),
        ("noise", "month"): (12, 1),
        ("35 days", "weekday"): (7, 1),
        ("28 days", "weekday"): (7, 0),
    }
    assert {key for key, one in found.items() if one[3]} == {("half", "weekday"), ("35 days", "weekday")}
    assert found["28 days", "weekday"][3] is None
    assert found["half", "weekday"][2] == pytest.approx(0.5, abs=0.07)
    assert found["noise", "weekday"][2] == pytest.approx(0, abs=0.03)
    assert max(found[name, "month"][2] for name in ("half", "noise")) < 0.03
    with psycopg.connect(database.url) as connection:
        stale = "select stale_since is not null from analytics.view_freshness where view_name = 'seasonal_patterns'"
        connection.execute("update analytics.series set seasonality = null")
        connection.execute("select count(*) from analytics.refresh_predictive_views()")
        nulls = connection.execute("select count(strength) from analytics.seasonal_patterns").fetchone()
        assert (nulls, connection.execute(stale).fetchone()) == ((0,), (False,)), "a view that follows its profiles"


def test_the_sql_of_the_page_runs(weekly_routes: Database):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "quality-and-anomalies.md").read_text()
    store_profiles(weekly_routes)
    with psycopg.connect(weekly_routes.url) as connection:
        for block in re.findall(r"```sql\n(.*?)```", page, re.DOTALL):
            connection.execute(block)


def test_nothing_stored_has_no_profiles(database: Database):
    assert store_profiles(database, metric_type="revenue") == {"series": 0, "written": 0}


def test_the_command_tells_how_many_it_wrote(home: object, mlops: Callable[..., tuple[int, str, str]]):
    code, out, _ = mlops("series", "profile", "--metric-type", "revenue", "--json")
    assert (code, json.loads(out)) == (0, {"series": 0, "written": 0})
