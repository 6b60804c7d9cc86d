"""Profiles of stored series: written once, and again only when something has changed."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest

from mlops.db import Database
from mlops.series import seasonality
from mlops.series.ingest import ingest
from mlops.series.seasonality import store_profiles


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
