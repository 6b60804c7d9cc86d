"""A training is the same whatever the process: its hash seed, its threads, the order of its rows."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from mlops.arrays import Floats
from mlops.feature_store.digest import digest
from mlops.forecasting.naive import SeasonalNaive
from mlops.monitoring.replay.model import _freshest
from mlops.panels.panel import Panel

TRAINING = """
import hashlib, json, sys, tempfile
from pathlib import Path

import pandas as pd

from mlops.feature_store.digest import digest, fingerprint
from mlops import forecaster

frame = pd.read_parquet(sys.argv[1]).sample(frac=1, random_state=int(sys.argv[2]))
settings = {"lightgbm": {"trees": 10}}
model = forecaster("auto")(freq="D", country="US", horizon=7, settings=settings).fit(frame)
with tempfile.TemporaryDirectory() as name:
    model.save(Path(name))
    files = {
        str(path.relative_to(name)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(name).rglob("*"))
        if path.is_file()
    }
odd = pd.DataFrame({"x": [{"a", "b", "c"}, frozenset({"one", "two", "three"}), [{"x", "y", "z"}]]})
print(json.dumps([fingerprint(frame).facts, files, digest(model.predict(7)), digest(odd)], sort_keys=True))
"""


def test_a_training_is_the_same_under_any_hash_seed_number_of_threads_and_order_of_rows(
    weekly_pattern: pd.DataFrame, tmp_path
):
    weekly_pattern.to_parquet(tmp_path / "series.parquet")
    trained = []
    for seed, threads in (("1", "1"), ("2", "4")):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        environment |= {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-c", TRAINING, str(tmp_path / "series.parquet"), seed]
        trained.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    one, other = (process.communicate()[0] for process in trained)
    assert [process.returncode for process in trained] == [0, 0]
    assert one == other


def test_of_equally_fresh_forecasts_the_order_stays():
    """More than sixteen of them: fewer are sorted stably on every processor."""
    rows = pd.DataFrame(
        {"series_id": range(200, 0, -1), "ds": pd.Timestamp("2020-01-02"), "cutoff": pd.Timestamp("2020-01-01")}
    )
    older = rows.assign(cutoff=pd.Timestamp("2019-12-01"))
    assert _freshest(pd.concat([rows, older]))["series_id"].tolist() == rows["series_id"].tolist()


@pytest.mark.parametrize(("one", "other"), [({1}, {2}), ({1}, frozenset({1})), ({1, 2}, {1}), ({1}, {"1"})], ids=str)
def test_sets_are_told_apart(one: object, other: object):
    first, second = (pd.DataFrame({"x": pd.Series([value], dtype=object)}) for value in (one, other))
    assert digest(first) != digest(second)


class Watching(SeasonalNaive):
    """Counts the threads on which it works."""

    def _fit(self, panel: Panel) -> None:
        super()._fit(panel)
        self.threads = [_threads()]

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        self.threads.append(_threads())
        return super()._predict(panel, horizon)


def test_a_model_is_fitted_and_forecasts_on_one_thread_however_many_there_are():
    """The sums of a threaded BLAS depend on their number: a model fitted elsewhere would have other last digits."""
    ds = pd.date_range("2024-01-01", periods=60)
    frame = pd.DataFrame({"series_id": 1, "ds": ds, "y": np.arange(60.0)})
    with threadpool_limits(2):
        model = Watching(freq="D", country=None).fit(frame)
        model.predict(7)
    assert len(model.threads) > 1
    assert set(model.threads) == {1}


def _threads() -> int:
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
