"""A model of a file: its lineage names the file, it is forecast with one, and what needs the database says so."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlflow
from mlops.config import Settings
from mlops.db import Database
from mlops.tracking.store import open_store

DAYS, AHEAD = 330, 14
COVARIATES = ["promotion", "sky", "town"]
TRAINED = (
    *(part for name in COVARIATES for part in ("--covariate", name)),
    "--country",
    "DE",
    "--horizon",
    AHEAD,
    "--name",
    "shop",
)
SMALL = ("--set", "weeks=2", "--set", "trees=20")


@pytest.fixture
def template(with_mlflow: str) -> str:
    """Nothing is trained yet."""
    return with_mlflow


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three daily shops that sell more on days of promotion, and less under rain; both are known two weeks ahead."""
    ds = pd.date_range("2022-01-03", periods=DAYS + AHEAD)
    parts = []
    for number in range(3):
        promotion = ((ds.dayofyear * 3 + number) % 11 == 0).astype(int)
        y = 100 * (number + 1) * (1 + 0.3 * (ds.dayofweek < 5)) * (1 + 0.5 * promotion) * (1 + 0.01 * (ds.day % 5))
        sky = np.where((ds.dayofyear * 5 + number) % 7 == 0, "rain, wind", "clear")
        y = np.where(ds >= ds[DAYS], np.nan, y * np.where(sky == "clear", 1, 0.7))
        columns = {"promotion": promotion, "sky": sky, "town": ("Kiel", "Kiel", "Ulm")[number]}
        parts.append(pd.DataFrame({"series_id": f"shop {number}", "ds": ds, "y": y} | columns))
    path = tmp_path_factory.mktemp("shops") / "ahead.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def past(file: Path) -> Path:
    """The same shops without the days ahead."""
    days = pd.read_csv(file)
    path = file.with_name("shops.csv")
    days[days["y"].notna()].to_csv(path, index=False)
    return path


@pytest.fixture
def trained(mlops, home: Settings, past: Path) -> dict[str, Any]:
    """What training said."""
    code, out, err = mlops("train", "lightgbm", "--file", past, *TRAINED, *SMALL, "--json")
    assert code == 0, err
    return json.loads(out)


def of_shop(database: Database) -> dict[str, Any]:
    """The anchored lineage."""
    with database.transaction() as transaction:
        row = transaction.one("live_version", name="shop", version=1)
    assert row is not None
    return row["lineage"]


def test_the_lineage_of_a_model_of_a_file_names_the_file_and_no_series_of_the_database(
    mlops, home: Settings, routes: Database, past: Path, trained: dict[str, Any]
):
    with routes.transaction() as transaction:
        [row] = transaction.rows("list_versions")
    lineage = of_shop(routes)
    assert row["lineage_state"] == "complete"
    digest = hashlib.sha256(past.read_bytes()).hexdigest()
    assert lineage["source"] == {"file": "shops.csv", "sha256": digest, "granularity": "daily", "series": 3}
    assert not {"selection", "series"} & set(lineage)
    assert lineage["features"] == {}
    assert lineage["recipe"]["covariates"] == COVARIATES
    assert lineage["recipe"]["horizon"] == AHEAD
    assert lineage["trained_to"].startswith("2022-11-28")
    assert trained["metrics"]["wape"] < trained["metrics"]["wape_naive"]
    store = open_store(home, home.database_url or "")
    run = store.client.get_run(store.client.get_model_version("shop", "1").run_id)
    assert run.data.params["file"] == "shops.csv"
    said = mlops("registry", "lineage", "models:/shop/1")[1]
    assert "shops.csv, daily, 3 series; not in the database" in said


def test_a_model_of_a_file_is_forecast_with_a_file_and_nothing_is_stored(
    mlops, routes: Database, file: Path, past: Path, trained: dict[str, Any], tmp_path: Path
):
    code, _, err = mlops("predict", "models:/shop/1")
    assert code == 1
    assert "was trained on the file shops.csv" in err
    assert (
        "pass --file FILE with their newest values (series_id, ds, y, promotion, sky, town; in rows of the steps ahead"
        in err
    )
    code, out, _ = mlops("predict", "models:/shop/1", "--file", file, "--output", tmp_path / "ahead.parquet")
    assert code == 0
    assert "42 forecasts of 3 series from 2022-11-28 by models:/shop/1; none is stored" in out
    written = pd.read_parquet(tmp_path / "ahead.parquet")
    assert list(written["name"].unique()) == ["shop 0", "shop 1", "shop 2"]
    assert written["ds"].min() == pd.Timestamp("2022-11-29", tz="UTC")
    with routes.transaction() as transaction:
        stored = transaction.one("forecast_span", version_id=1, as_of=pd.Timestamp.now("UTC").to_pydatetime())
    assert set((stored or {}).values()) == {None}
    model = mlflow.pyfunc.load_model("models:/shop/1")
    asked = model.predict(pd.read_csv(file, parse_dates=["ds"]).astype({"promotion": float}))
    assert asked["y_hat"].to_numpy() == pytest.approx(written["y_hat"].to_numpy()), "as any client of MLflow asks"
    code, _, err = mlops("predict", "models:/shop/1", "--file", past)
    assert code == 1
    assert "covariate 'promotion' is not known for every series and step until 2022-12-12" in err
    code, out, _ = mlops("explain", "models:/shop/1", "--file", file, "--series", "shop 1", "--date", "2022-11-29")
    assert code == 0
    assert out.startswith("shop 1, 2022-11-29")


@pytest.mark.parametrize(
    "arguments",
    [
        ("registry", "promote", "models:/shop/1", "--reason", "new"),
        ("registry", "reproduce", "models:/shop/1"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_what_needs_the_series_in_the_database_says_so(mlops, home, trained, arguments: tuple[str, ...]):
    code, _, err = mlops(*arguments)
    assert code == 1
    assert "it was trained on the file shops.csv, whose series are not in the database" in err


def test_what_gates_refuse_is_offered_by_force_only(mlops, home, past):
    code, out, _ = mlops("train", "naive", "--file", past, "--name", "plain")
    assert (code, "make it champion" in out) == (0, False)
    assert "all the same: mlops registry promote models:/plain/1 --force --reason 'WHY'" in out


def test_a_champion_of_a_file_is_not_watched_and_its_review_says_why(mlops, home, trained):
    assert mlops("registry", "promote", "models:/shop/1", "--reason", "new", "--force")[0] == 0
    code, out, _ = mlops("monitor", "run")
    assert code == 0
    assert "it was trained on the file shops.csv, whose series are not in the database" in out
    code, _, err = mlops("retrain", "1")
    assert code == 1
    assert "trained on the file" in err


def test_values_of_days_that_were_not_over_are_not_learned_from(mlops, routes: Database, file: Path):
    part = ("--as-of", "2022-10-01T12:00+00:00")
    code, out, err = mlops("train", "average", "--file", file, *TRAINED, "--set", "weeks=2", *part, "--json")
    assert code == 0, err
    assert "177 values are left out: their steps were not over by 2022-10-01 12:00 UTC" in json.loads(out)["notes"][0]
    lineage = of_shop(routes)
    assert lineage["trained_to"].startswith("2022-09-30")


def test_columns_of_a_file_are_not_asked_of_the_database(mlops, home):
    for command in ("train", "backtest", "tune"):
        code, _, err = mlops(command, "lightgbm", "--covariate", "price")
        assert code in (1, 2)
        assert "--covariate price names a column of a file" in err
