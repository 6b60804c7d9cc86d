"""Versions as `mlops train` logged them once, each packed with inputs and answers of that day; how to make one and ask.

An archive of the folder `logged` holds `model/`, the folder that MLflow stored, `history.csv` (newer observations),
`ahead.csv` (covariates that are known ahead) and `answers.json`. Nothing of it is ever renewed because code has
changed: it is what users have in their stores.
"""

import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset
from tests.mlflow.logged.cases import CASES, Case
from threadpoolctl import threadpool_info

import mlflow
from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.granularity import labels_ends
from mlops.domain.lineage import LINEAGE_KEY, Lineage, parse_lineage
from mlops.forecasting import load, what_if
from mlops.forecasting.base import Forecaster
from mlops.series.ingest import ingest
from mlops.tracking.artifacts.checked import digests, fetch
from mlops.tracking.artifacts.model_card import MODEL_FILE, model_card
from mlops.tracking.bridge.sync import register_version
from mlops.tracking.environment import environment
from mlops.tracking.registry import ModelVersion
from mlops.tracking.runs import Logged
from mlops.tracking.store import Store
from mlops.training import TrainingSpec, train

__all__ = ["CODE", "FOLDER", "FORECASTER", "SUFFIX", "Kept", "archive", "make", "place", "unpack"]

FOLDER = Path(__file__).with_name("logged")
CODE = FOLDER / "code"
"""The code files that models were ever logged with, by the first eight digits of their SHA-256."""
SUFFIX = ".tar.xz"
"""Of an archive."""
FORECASTER = "artifacts/forecaster"
"""Where its files lie in a model."""
NEWER, AHEAD = 6, 6
"""Steps that were observed after the training, and steps after these; chosen, not measured: as small as tells all."""


@dataclass(frozen=True)
class Kept:
    """A version that was logged once, unpacked into a folder."""

    name: str
    folder: Path

    @property
    def model(self) -> Path:
        """The folder that MLflow stored."""
        return self.folder / "model"

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What answers.json says: `tags` of the version, digests of its `files`, `place`, and `answers` by question."""
        found: dict[str, Any] = json.loads((self.folder / "answers.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def lineage_text(self) -> str:
        """The document that the model carries."""
        return str(model_card(self.model)["metadata"][LINEAGE_KEY])

    @property
    def lineage(self) -> Lineage:
        """The same as the product's own object."""
        document = parse_lineage(self.lineage_text)
        for name in ("as_of", "trained_from", "trained_to"):
            document[name] = datetime.fromisoformat(document[name])
        if "selection" in document:
            document |= {"selection": Selection(**document["selection"]), "series": tuple(document["series"])}
        return Lineage(**document)

    def forecaster(self) -> Forecaster:
        """The forecaster itself, read anew."""
        return load(self.model / FORECASTER)

    def registered(self, store: Store, database: Database) -> ModelVersion:
        """Bring the folder as it is into a store, registered and anchored as on the day on which it was logged."""
        run = store.client.create_run(store.experiment(self.name))
        made = store.client.create_logged_model(run.info.experiment_id, self.name, source_run_id=run.info.run_id)
        store.client.log_model_artifacts(made.model_id, str(self.model))
        store.client.finalize_logged_model(made.model_id, "READY")
        logged = Logged(run.info.run_id, f"models:/{made.model_id}", self.lineage, self.facts["files"], {})
        return register_version(store, database, self.name, logged, self.facts["tags"])

    def answers(self, model: Any) -> dict[str, dict[str, Any]]:
        """What a loaded model (MLflow's pyfunc) answers to every question that can be asked of it."""
        inside = model.unwrap_python_model()
        told = _Told(
            model,
            inside.forecaster,
            list(inside.names.values()) if hasattr(inside, "names") else inside.forecaster.known.tolist(),
            *(self._frame(name, inside.forecaster) for name in ("history", "ahead")),
        )
        asked = {name: ask for name, ask in QUESTIONS.items() if told.can_answer(name)}
        return {name: written(ask(told)) for name, ask in asked.items()}

    def _frame(self, name: str, forecaster: Forecaster) -> pd.DataFrame:
        frame = pd.read_csv(self.folder / f"{name}.csv", parse_dates=["ds"])
        return frame.astype({"series_id": forecaster.known.dtype})


@dataclass(frozen=True)
class _Told:
    """Whom is asked, and what with: `history` to the newest step, and `ahead` what is known of the steps after it."""

    model: Any
    forecaster: Forecaster
    called: list[Any]
    history: pd.DataFrame
    ahead: pd.DataFrame

    @property
    def series(self) -> pd.DataFrame:
        return pd.DataFrame({"series_id": self.called})

    @property
    def frame(self) -> pd.DataFrame:
        """All in one, as MLflow takes it."""
        return pd.concat([self.history, self.ahead], ignore_index=True) if self.future is not None else self.history

    @property
    def future(self) -> pd.DataFrame | None:
        return self.ahead if self.forecaster.covariates else None

    @property
    def given(self) -> dict[str, Any]:
        return {"history": self.history, "future": self.future}

    def can_answer(self, question: str) -> bool:
        """Without a row of the steps ahead a model with covariates can't; other events need some, others values."""
        if question.startswith("by name"):
            return not self.forecaster.covariates
        if question == "other covariates":
            return bool(self.forecaster.covariates)
        if question == "other events":
            return bool(self.forecaster.calendar.events)
        if question == "genuine Prophet":
            return self.forecaster.kind == "prophet"
        return question != "importance" or bool(self.forecaster.importance())


def _other_events(told: _Told) -> pd.DataFrame:
    """Forecasts if the fair took place on all days ahead."""
    first, last = (f"{told.ahead['ds'].agg(which):%Y-%m-%d}" for which in ("min", "max"))
    return what_if(told.forecaster, AHEAD, **told.given, events=[{"name": "fair", "first": first, "last": last}])


def _other_covariates(told: _Told) -> pd.DataFrame:
    """Forecasts if there was a promotion on all days ahead."""
    changed = told.ahead[["series_id", "ds"]].assign(promotion=1.0)
    return what_if(told.forecaster, AHEAD, **told.given, changed=changed)


def _genuine(told: _Told) -> pd.DataFrame:
    """Slope and offset of the trend of each series, as `prophet.Prophet` has them; Stan's come out of JSON."""
    models = {series: told.forecaster.model(series) for series in told.forecaster.known}  # type: ignore[attr-defined]
    return pd.DataFrame({series: [float(one.params[name].item()) for name in "km"] for series, one in models.items()})


def _updated(told: _Told) -> pd.DataFrame:
    """Forecasts after the newer rows were taken."""
    return told.forecaster.update(told.history, overwrite=True).predict(AHEAD, future=told.future)


QUESTIONS: dict[str, Callable[[_Told], pd.DataFrame]] = {
    "by name": lambda told: told.model.predict(told.series),
    "by name, other levels": lambda told: told.model.predict(told.series, params={"horizon": 3, "levels": [50, 90]}),
    "by name, components": lambda told: told.model.predict(told.series, params={"decompose": True}),
    "newer history": lambda told: told.model.predict(told.frame, params={"horizon": AHEAD}),
    "newer history, other levels, components": lambda told: told.model.predict(
        told.frame, params={"horizon": AHEAD, "levels": [60], "decompose": True}
    ),
    "explained": lambda told: told.forecaster.explain(3, **told.given),
    "other events": _other_events,
    "other covariates": _other_covariates,
    "importance": lambda told: pd.DataFrame(told.forecaster.importance().items(), columns=["feature", "share"]),
    "genuine Prophet": _genuine,
    "updated": _updated,
}
"""The last one changes the forecaster that it asks."""


def written(frame: pd.DataFrame) -> dict[str, Any]:
    """A frame as JSON says it without loss: a list of values by column, times as text."""
    return {name: [_plain(value) for value in frame[name].tolist()] for name in frame.columns}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def place() -> dict[str, Any]:
    """What decides how numbers are rounded: the machine, its instructions, and all libraries but this one."""
    here = environment()
    numeric = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    blas = sorted({one.get("architecture", "") for one in threadpool_info() if one["user_api"] == "blas"})
    return {
        "machine": {name: here[name] for name in ("python", "platform", "processor", "threads")},
        "instructions": {"numpy": numeric, "blas": blas, "libc": platform.libc_ver()[1]},
        "libraries": {name: version for name, version in here["distributions"].items() if name != "mlops"},
    }


def archive(name: str) -> Path:
    """Where the archive of a case lies."""
    return FOLDER / f"{name}{SUFFIX}"


def unpack(path: Path, folder: Path) -> Kept:
    """The version of an archive."""
    with tarfile.open(path) as packed:
        packed.extractall(folder, filter="data")
    return Kept(path.name.removesuffix(SUFFIX), folder)


def make(name: str, database: Database, store: Store) -> None:
    """Train the model of a case as `mlops train` does, ask it everything, and pack it with the answers."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder, inputs = Path(temporary) / "kept", Path(temporary) / "routes.csv"
        folder.mkdir()
        version = _trained(name, case, case.frame(0, case.steps), inputs, database, store)
        fetch(version, folder / "model")
        kept = Kept(name, folder)
        _without_places(kept.model)
        newest = case.steps + NEWER
        history, ahead = case.frame(0, newest), case.frame(newest, newest + AHEAD).drop(columns="y")
        for file, frame in {"history": history, "ahead": ahead}.items():
            frame["series_id"] = frame["series_id"].map(_ids(kept))
            frame.to_csv(folder / f"{file}.csv", index=False)
        answers = kept.answers(mlflow.pyfunc.load_model(str(kept.model)))
        facts = {"tags": dict(version.tags), "files": digests(kept.model), "place": place(), "answers": answers}
        (folder / "answers.json").write_text(json.dumps(facts), encoding="utf-8")
        _pack(folder, archive(name))


def _trained(
    name: str, case: Case, frame: pd.DataFrame, inputs: Path, database: Database, store: Store
) -> ModelVersion:
    if case.metric_type:
        stored = frame.rename(columns={"series_id": "route_id", "ds": "observed_at", "y": "value"})
        stored["observed_at"] = stored["observed_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        stored.assign(metric_type=case.metric_type, granularity=case.granularity).to_csv(inputs, index=False)
        assert ingest(database, inputs, known_at="observed").inserted == len(frame)
    else:
        said = frame["ds"] + to_offset(case.granularity) if labels_ends(case.granularity) else frame["ds"]
        frame.assign(ds=said).to_csv(inputs, index=False)
    spec = TrainingSpec(
        name=name,
        kind=case.kind,
        owner="tests",
        metric_type=case.metric_type,
        granularity=case.granularity,
        country=case.country,
        horizon=case.horizon,
        params=dict(case.params),
        backtest_weeks=2,
        refit_every=2,
        as_of=(frame["ds"].max() + to_offset(case.alias) + timedelta(days=1)).to_pydatetime().replace(tzinfo=UTC),
        events=[dict(event) for event in case.events],
        covariates=case.covariates,
        file=None if case.metric_type else inputs,
    )
    return train(spec, database, store).version


def _ids(kept: Kept) -> dict[str, Any]:
    """The model's id of each series by its name."""
    named = kept.model / FORECASTER / "names.json"
    if named.is_file():
        return {called: series for series, called in json.loads(named.read_text(encoding="utf-8"))}
    return {series: series for series in kept.forecaster().known}


def _without_places(model: Path) -> None:
    """Leave of each folder of this machine that MLflow wrote into MLmodel the last name; nobody goes there."""
    path, card = model / MODEL_FILE, model_card(model)
    function = card["flavors"]["python_function"]
    written = [one["uri"] for one in function["artifacts"].values()]
    text = path.read_text(encoding="utf-8")
    for one in (*written, function["model_code_path"], card["artifact_path"]):
        text = text.replace(f": {one}\n", f": {Path(one).name}\n")
    path.write_text(text, encoding="utf-8")


def _pack(folder: Path, path: Path) -> None:
    """The files of a folder without owner and time: the same files are the same archive."""
    with tarfile.open(path, "w:xz", preset=9) as packed:
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            content = file.read_bytes()
            entry = tarfile.TarInfo(file.relative_to(folder).as_posix())
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
