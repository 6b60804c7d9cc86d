"""The place that each page of the documentation runs in: what is stored, which files lie in the working folder."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression
from tests.pages import Place

import mlflow
from mlops.analytics.refresh import refresh_views
from mlops.db import Database
from mlops.monitoring.weekly.job import run_checks
from mlops.policy import read_policy
from mlops.project import POLICY, create, policy_file
from mlops.series.ingest import ingest
from mlops.serving import outcomes
from mlops.serving.predict import predict
from mlops.tracking.store import Store
from mlops.training import TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.spec import params_file

__all__ = ["ELSEWHERE", "PLACES"]

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)


def nothing(database: Database, store: Store, folder: Path) -> None:
    """The routes and the champion of every place of tests/mlflow, and no more."""


def with_a_prediction(database: Database, store: Store, folder: Path) -> None:
    """A prediction is stored."""
    predict(database, store, "models:/demand@champion", as_of=NEW_YEAR, horizon=1)


def until_today(database: Database, store: Store, folder: Path) -> None:
    """The routes that the champion was trained on are observed until now."""
    observe(database, folder, "2020-04-01")


def with_weeks_of_forecasts(database: Database, store: Store, folder: Path) -> None:
    """The same, and the last five weeks were forecast and have their outcomes."""
    until_today(database, store, folder)
    now = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
    for week in range(6, 1, -1):
        predict(database, store, "models:/demand@champion", as_of=now - timedelta(weeks=week), decompose=week < 3)
    outcomes.match(database, now)


def with_a_better_challenger(database: Database, store: Store, folder: Path) -> None:
    """The challenger is better than the champion, and a supplier's model is registered."""
    spec = TrainingSpec.from_toml(params_file("lightgbm"), {"weeks": "14", "country": "US"}, as_of=NEW_YEAR)
    worse = train(replace(spec, kind="naive", params={}), database, store)
    promote(database, store, worse.version.uri, "to be replaced", margin=0.02, force=True)
    store.client.set_registered_model_alias("demand", "challenger", "1")
    x = pd.DataFrame({"load": [1.0, 2.0, 3.0]})
    mlflow.set_experiment(experiment_id=store.experiment("tonnage"))
    mlflow.sklearn.log_model(
        LinearRegression().fit(x, x["load"]),
        name="model",
        signature=infer_signature(x, np.ones(3)),
        pip_requirements=[],
        registered_model_name="tonnage",
    )


def with_routes_until_today(database: Database, store: Store, folder: Path) -> None:
    """The routes are observed until now: what is collected and how full containers are."""
    observe(database, folder, "2024-01-01", "container_fill_level")


def observe(database: Database, folder: Path, first: str, *more: str) -> None:
    """Ingest what is collected on the four routes each day from the first one until today, and more metric types."""
    days = pd.date_range(first, datetime.now(UTC).replace(tzinfo=None), freq="D")
    value = 100 + 10 * (days.dayofweek == 0) + days.dayofyear / 10
    parts = [pd.DataFrame({"observed_at": days, "value": value * one, "route_id": f"R{one}"}) for one in range(1, 5)]
    weight = pd.concat(parts).assign(metric_type="collection_weight")
    frame = pd.concat([weight, *(weight.assign(metric_type=one, value=weight["value"] % 90) for one in more)])
    frame["observed_at"] = frame["observed_at"].dt.strftime("%Y-%m-%dT00:00:00Z")
    frame.to_csv(folder / "routes.csv", index=False)
    ingest(database, folder / "routes.csv", known_at="observed")


def with_files_to_ingest(database: Database, store: Store, folder: Path) -> None:
    """Files as others send them: the long format, a plain one, and Austin's loads."""
    machines = pd.DataFrame({"series_id": "NN5-001", "ds": pd.date_range("1996-03-18", periods=9), "y": range(9)})
    machines.to_csv(folder / "atms.csv", index=False)
    loads = pd.DataFrame(
        {
            "metric_type": "collection_weight",
            "observed_at": pd.date_range("2026-10-30", periods=3, freq="D").strftime("%Y-%m-%dT00:00:00Z"),
            "value": [5120.5, 4980.0, 5230.0],
            "route_id": "R12",
        }
    )
    loads.to_csv(folder / "loads.csv", index=False)
    loads.to_csv(folder / "years.csv.gz", index=False)
    loads.assign(observed_at=pd.to_datetime(loads["observed_at"])).to_parquet(folder / "loads.parquet", index=False)
    days = pd.date_range("2015-01-01", periods=3, freq="D").strftime("%Y-%m-%d")
    waste = pd.DataFrame({"report_date": days, "load_type": "GARBAGE COLLECTIONS", "load_weight": [9000.0, 100.5, 7]})
    waste.assign(load_time=days, dropoff_site="TDS", route_type="GARBAGE", route_number="G1", load_id=range(3)).to_csv(
        folder / "waste.csv.gz", index=False
    )


def with_the_numbers_of_the_page(database: Database, store: Store, folder: Path) -> None:
    """Series are numbered as those of the page, and summarised."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("select setval(pg_get_serial_sequence('analytics.series', 'series_id'), 15)")
    days = pd.date_range("2024-01-01", "2026-01-31", freq="D")
    parts = [
        pd.DataFrame({"observed_at": days, "value": 100.0 + days.dayofweek, "route_id": f"R{n}"}).assign(
            customer_id=f"C{n}"
        )
        for n in (1, 2, 3)
    ]
    frame = pd.concat(parts).assign(metric_type="collection_weight")
    frame["observed_at"] = frame["observed_at"].dt.strftime("%Y-%m-%dT00:00:00Z")
    frame.to_csv(folder / "routes.csv", index=False)
    ingest(database, folder / "routes.csv", known_at="observed")
    refresh_views(database)


def with_sales(database: Database, store: Store, folder: Path) -> None:
    """A file of series that are not in the database."""
    random, ds = np.random.default_rng(5), pd.date_range("2024-01-01", periods=420)
    weekday = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.4])[ds.dayofweek]
    parts = [
        pd.DataFrame({"series_id": name, "ds": ds, "y": 100 * weekday * random.normal(1, 0.06, len(ds))})
        for name in ("north", "south")
    ]
    sales = pd.concat(parts).assign(region=lambda one: one["series_id"], format="large", price=10.0)
    sales.to_csv(folder / "sales.csv", index=False)


def with_sales_ahead(database: Database, store: Store, folder: Path) -> None:
    """The same, and a row for each day ahead: what is planned stands there, and `y` is empty."""
    with_sales(database, store, folder)
    known = pd.read_csv(folder / "sales.csv")
    ahead = pd.date_range(known["ds"].max(), periods=29, inclusive="right").strftime("%Y-%m-%d")
    last = known.groupby("series_id").tail(1).drop(columns=["ds", "y"])
    planned = last.merge(pd.DataFrame({"ds": ahead}), how="cross")
    pd.concat([known, planned]).to_csv(folder / "sales.csv", index=False)


def with_events(database: Database, store: Store, folder: Path) -> None:
    """Calendars of the team's own days, and days to come."""
    until_today(database, store, folder)
    soon = (datetime.now(UTC) + timedelta(days=3)).date()
    (folder / "events.csv").write_text("event,first,last,announced\nstrike,2019-09-04,2019-09-05,2019-08-28\n")
    (folder / "changed.csv").write_text(f"event,first,last,announced\nstrike,{soon},,\n")


def with_a_role(database: Database, store: Store, folder: Path) -> None:
    """A role that is to retain; roles are the server's, so that another test may have made it."""
    with psycopg.connect(database.url, autocommit=True) as connection, suppress(psycopg.errors.DuplicateObject):
        connection.execute("create role operator")


def with_a_channel(database: Database, store: Store, folder: Path) -> None:
    """A project whose policy tells the channel `ops`."""
    for part in ("training", "monitoring", "serving", "MLproject"):
        (folder / part).unlink()
    create(folder)
    with (folder / POLICY).open("a") as policy:
        policy.write('\n[alerts.channels.ops]\nkind = "file"\npath = "alerts.jsonl"\n')


def with_a_snapshot(database: Database, store: Store, folder: Path) -> None:
    """A check is on record, and Evidently's snapshot of it lies in the folder."""
    with_weeks_of_forecasts(database, store, folder)
    run_checks(database, store, read_policy(policy_file()), datetime.now(UTC))
    with psycopg.connect(database.url) as connection:
        ((snapshot,),) = connection.execute("select snapshot::text from analytics.evidently_snapshots").fetchall()
    (folder / "2026-11-23.json").write_text(snapshot)


def frames(database: Database, folder: Path) -> dict[str, Any]:
    """A frame to fit on, the newer one to forecast from, one with other names, and one with covariates of text."""
    if not (folder / "sales.csv").exists():
        with_sales(database, None, folder)  # type: ignore[arg-type]  it needs no store
    newer = pd.read_csv(folder / "sales.csv", parse_dates=["ds"])[["series_id", "ds", "y"]].dropna()
    frame = newer[newer["ds"] < "2025-02-01"]
    sales = frame.rename(columns={"series_id": "shop", "ds": "date", "y": "units"})
    weather = {0: "dry", 1: "rain", 2: "snow"}
    seen = newer.assign(weather=(newer["ds"].dt.day % 3).map(weather))
    shops = seen[newer["ds"] < "2025-02-01"].assign(area=frame["series_id"].map({"north": 80, "south": 140}))
    ahead = seen.loc[newer["ds"] >= "2025-02-01", ["series_id", "ds", "weather"]]
    return {"newer": newer, "frame": frame, "sales": sales, "shops": shops, "ahead": ahead}


def frames_of_events(database: Database, folder: Path) -> dict[str, Any]:
    """The same, what is planned for a column of the file, and a model that has learned from it."""
    frame = frames(database, folder)["frame"].assign(price=10.0)
    ahead = pd.date_range("2025-02-01", periods=14)
    planned = pd.concat(pd.DataFrame({"series_id": one, "ds": ahead, "price": 9.0}) for one in ("north", "south"))
    return {"frame": frame, "planned": planned}


def shops(database: Database, folder: Path) -> dict[str, Any]:
    """Sales of three shops, the week after them, and the promotions that are planned."""
    random, ds = np.random.default_rng(6), pd.date_range("2024-01-01", periods=321)
    parts = []
    for name in ("north", "south", "west"):
        promotion = (random.random(len(ds)) < 0.2).astype(float)
        y = 100 * (1 + 0.1 * ds.dayofweek) * (1 + 0.2 * promotion) * random.normal(1, 0.06, len(ds))
        parts.append(pd.DataFrame({"series_id": name, "ds": ds, "y": y, "promotion": promotion}))
    frame, newest = pd.concat(parts, ignore_index=True), ds[299]
    return {
        "sales": frame[frame["ds"] <= newest],
        "new_week": frame[(frame["ds"] > newest) & (frame["ds"] <= ds[306])],
        "planned": frame.loc[frame["ds"] > newest, ["series_id", "ds", "promotion"]],
    }


def groups(database: Database, folder: Path) -> dict[str, Any]:
    """The same, and how the series are summed."""
    named = pd.DataFrame({"series_id": ["north", "south"], "city": ["a", "a"]})
    return frames(database, folder) | {"groups": named}


PROJECT_RUNS = {"mlflow run": "tests/projects/test_mlflow_run.py"}
PLACES: dict[str, Place] = {
    "docs/data-format.md": Place(with_files_to_ingest),
    "docs/how-to/alerts.md": Place(with_a_channel),
    "docs/how-to/backtest-a-monitor.md": Place(
        nothing,
        {
            "mlops monitor backtest models": "minutes; tests/mlflow/test_replay_model.py replays a model",
            "mlops monitor backtest --file": "half a minute; tests/unit/test_replay.py replays a file by this command",
        },
    ),
    "docs/how-to/backtest.md": Place(with_sales, PROJECT_RUNS, shorter={"--origins 4": "--origins 1"}),
    "docs/how-to/beside-other-libraries.md": Place(nothing, {}, shops),
    "docs/how-to/clusters.md": Place(
        nothing,
        {
            "make .venv/dev": "it installs",
            "dask ": "tests/unit/test_parallel.py starts a scheduler and workers",
            "export MLOPS_PARALLEL": "as above",
            "mlops backtest": "it is a command of docs/how-to/backtest.md, on a cluster that is not there",
            "export DASK_": "it needs certificates",
            "for side in": "it needs certificates",
            "done": "as above",
        },
        lambda *_: {"array": np.arange(1000.0)},
    ),
    "docs/how-to/events.md": Place(with_events, {}, frames_of_events),
    "docs/how-to/evidently.md": Place(with_a_snapshot, {"mlops review --evidently --serve": "it serves until Ctrl-C"}),
    "docs/how-to/explain.md": Place(with_weeks_of_forecasts, {}, frames),
    "docs/how-to/exports.md": Place(
        with_routes_until_today,
        {
            "pip install": "it installs",
            "mlops registry export-lineage https": "tests/mlflow/test_openlineage.py posts to a server of its own",
            "feast ": "Feast is no dependency; tests/postgres/test_feast.py holds what is written against its schema",
            "import pandas": "as above",
        },
    ),
    "docs/how-to/feature-quality.md": Place(with_weeks_of_forecasts),
    "docs/how-to/features.md": Place(with_routes_until_today),
    "docs/how-to/forecast.md": Place(
        with_sales_ahead, {}, frames, {"mlops train auto --country NZ": "mlops train auto --set weeks=2 --country NZ"}
    ),
    "docs/how-to/health.md": Place(nothing),
    "docs/how-to/ingest.md": Place(with_files_to_ingest),
    "docs/how-to/keys.md": Place(
        nothing,
        {
            "curl": "tests/web/test_access.py asks over HTTP",
            "mlops keys revoke": "tests/postgres/test_keys.py revokes keys that it has made",
        },
    ),
    "docs/how-to/maintenance.md": Place(
        nothing,
        {
            "systemctl": "it needs systemd",
            "journalctl": "it needs systemd",
            "select cron.": "it needs the extension pg_cron",
        },
    ),
    "docs/how-to/mlflow.md": Place(nothing, {"mlflow ui": "it serves until Ctrl-C"}),
    "docs/how-to/model-health.md": Place(with_weeks_of_forecasts),
    "docs/how-to/monitor.md": Place(
        with_weeks_of_forecasts, PROJECT_RUNS | {"python monitoring/weekly_review.py": "tests/mlflow/test_rooms.py"}
    ),
    "docs/how-to/partitions-and-retention.md": Place(
        with_a_role,
        {
            "mlops db restore-archive": "tests/postgres/test_archive.py brings months back",
            "select analytics.create_monthly_partition('2024-10-01')": "as above: the month was archived",
        },
    ),
    "docs/how-to/project.md": Place(
        nothing, {"pip install": "it installs", "git init": "it is no part of this program"}
    ),
    "docs/how-to/promote.md": Place(with_a_better_challenger),
    "docs/how-to/prophet.md": Place(until_today, {"python -m benchmarks": "a benchmark: minutes"}),
    "docs/how-to/quality-and-anomalies.md": Place(nothing),
    "docs/how-to/reading.md": Place(with_the_numbers_of_the_page),
    "docs/how-to/recommendations.md": Place(
        nothing,
        {
            f"mlops {command}": "tests/mlflow/test_recommendations.py and test_acting.py decide and act"
            for command in (
                "recommendations show",
                "recommendations accept",
                "recommendations dismiss",
                "recommendations snooze",
                "retrain",
            )
        },
    ),
    "docs/how-to/reconcile.md": Place(with_sales, {}, groups),
    "docs/how-to/registry-bridge.md": Place(nothing),
    "docs/how-to/registry-watch.md": Place(
        nothing,
        {
            "mlops registry sync --watch": "tests/mlflow/test_watch.py watches until it is stopped",
            "MLFLOW_TRACKING_URI=https": "tests/mlflow/test_watch.py, with an MLflow server",
        },
    ),
    "docs/how-to/rollups-and-views.md": Place(nothing),
    "docs/how-to/serving.md": Place(
        nothing,
        {
            "curl": "tests/mlflow/test_sample_requests.py",
            "cp serving/": "it needs root",
            "nginx -t": "tests/web/test_serving_files.py runs nginx",
            "systemctl": "it needs systemd",
        },
    ),
    "docs/how-to/simulate.md": Place(
        nothing, shorter={"--customers 400 --routes 40 --years 3": "--customers 10 --routes 2 --years 1"}
    ),
    "docs/how-to/sql.md": Place(nothing),
    "docs/how-to/tuning.md": Place(
        until_today, PROJECT_RUNS, shorter={"--seconds 120": "--trials 1 --origins 2", "--origins 12": "--origins 1"}
    ),
    "docs/how-to/weekly-review.md": Place(with_weeks_of_forecasts),
    "docs/lineage.md": Place(with_a_prediction),
    "docs/operations.md": Place(
        with_weeks_of_forecasts,
        {
            "mlops db start": "the tests' own server runs; tests/postgres/test_embedded.py starts others",
            "mlops db stop": "as above",
            "export MLOPS_DATABASE_URL": "as above",
        },
    ),
}
"""The pages that run, by their paths; those of ELSEWHERE don't."""

ELSEWHERE = {
    "README.md": "tests/projects/test_first_hour.py",
    "docs/benchmarks.md": "benchmarks: hours",
    "docs/how-to/migrate.md": "tests/postgres/test_online_migration.py",
    "docs/how-to/questions.md": "tests/mlflow/test_questions.py",
    "docs/tutorial.md": "tests/projects/test_tutorial.py",
}
