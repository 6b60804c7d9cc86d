"""Every block of the documentation runs, in a place that is prepared for its page."""

import base64
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from tests.mlflow.places import ELSEWHERE, PLACES
from tests.pages import PROMPT, ROOT, RUN, Shell, blocks, run_python, run_sql, run_transcript

import mlflow
from mlops import parallel
from mlops.cli.output import console
from mlops.config import Settings
from mlops.db import Database
from mlops.domain.signature import sign
from mlops.feature_store import offline
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store
from mlops.training import Trained


def complete_in_the_mirror(database: Database, store: Store, name: str) -> None:
    sync(store, database)
    with database.transaction() as transaction:
        row = transaction.one("live_version", name=name, version=1)
    assert row is not None
    assert (row["lineage_state"], row["lineage_problem"]) == ("complete", None)


def call_log(log: Callable[..., Any], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"series_id": 1, "ds": pd.date_range("2019-01-01", periods=50), "load": random.random(50)})
    frame = frame.assign(y=2 * frame["load"])
    log(database, LinearRegression().fit(frame[["load"]], frame["y"]), frame, "of mine")
    complete_in_the_mirror(database, store, "my model")
    code, _, err = mlops("predict", "models:/my model/1")
    assert code == 1
    assert "was not trained by `mlops train`, so it is not known how its inputs are made" in err


def call_rows(rows: Callable[..., Any], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    now, stored = rows(database)
    pd.testing.assert_frame_equal(now, stored[stored["series_id"] <= 3])


def call_train(train: Callable[..., Any], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    train(database)
    complete_in_the_mirror(database, store, "my model")
    assert offline.builds(database, "demand_daily")[0].used_by == ["my model/1"]
    store.client.set_registered_model_alias("my model", "champion", "1")
    for command in (("predict", "models:/my model@champion"), ("explain", "models:/my model@champion")):
        code, _, err = mlops(*command)
        assert code == 1
        assert "was not trained by `mlops train`, so it is not known how its inputs are made" in err


def call_inputs(inputs: Callable[..., Any], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    assert list(inputs(database, [1, 2])["series_id"]) == [1, 2]


def call_is_ours(is_ours: Callable[..., bool], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    secret = base64.b64encode(b"ours").decode()
    signed = sign(secret, "1", "2", b"{}")
    headers = {"webhook-id": "1", "webhook-timestamp": "2", "webhook-signature": signed}
    assert is_ours(secret, headers, b"{}")
    assert not is_ours(secret, headers, b"[]")


def call_total(total: Callable[..., float], database: Database, store: Store, mlops: Callable[..., Any]) -> None:
    found = parallel.jobs(total, [slice(0, 500), slice(500, 1000)], shared=np.arange(1000.0))
    assert sum(result for _, result in found) == np.arange(1000.0).sum()


CALLS = {
    "log": call_log,
    "rows": call_rows,
    "train": call_train,
    "inputs": call_inputs,
    "is_ours": call_is_ours,
    "total": call_total,
}
"""How each function that a page defines is called; one that is not here fails."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a checkout's parts that pages name, and what the place puts there."""
    for part in ("src", "training", "monitoring", "serving", "MLproject"):
        (tmp_path / part).symlink_to(ROOT / part)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PLACES)
def test_every_block_of_a_page_runs(
    page: str, routes: Database, store: Store, champion: Trained, home: Settings, mlops, folder: Path, monkeypatch
):
    monkeypatch.setattr(console, "_width", 200)
    place = PLACES[page]
    place.prepare(routes, store, folder)
    shell = Shell(mlops, place, monkeypatch)
    names = place.names(routes, folder)
    ways = {
        "sh": shell.script,
        "console": partial(run_transcript, routes, shell),
        "": partial(run_transcript, routes, shell),
        "sql": partial(run_sql, routes, place.elsewhere),
        "python": partial(run_python, folder, names, place.elsewhere),
    }
    for line, language, code in blocks(page):
        if language in ways:
            try:
                for name in ways[language](code) or ():
                    mlflow.set_experiment(experiment_id=store.experiment("pages"))
                    CALLS[name](names[name], routes, store, mlops)
            except Exception as error:
                raise AssertionError(f"{page}, line {line}:\n{code}") from error


def test_every_page_with_something_to_run_has_a_place():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    run = {
        str(page.relative_to(ROOT))
        for page in pages
        for _, language, code in blocks(str(page.relative_to(ROOT)))
        if language in RUN or PROMPT.match(code)
    }
    assert run == {*PLACES, *ELSEWHERE}


@pytest.mark.parametrize("page", PLACES)
def test_what_is_not_run_of_a_page_is_there(page: str):
    lines = [PROMPT.sub("", line) for *_, code in blocks(page) for line in code.splitlines()]
    for start in PLACES[page].elsewhere:
        assert any(line.startswith(start) for line in lines), start
    for long in PLACES[page].shorter:
        assert any(long in line for line in lines), long
