"""A model out of a store that anybody may write to: brought here once, compared with its anchor, and loaded from here.

Nothing of a model is read as code or as a pickle before its files are found to be those that were anchored in Postgres
when the version was first recorded. They are loaded from the folder that was compared, so nobody can change them in
between. And no code is run but that which came with a release of this package, whatever the anchor says.
"""

import hashlib
import os
import re
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature

import mlflow
from mlops.db import Database
from mlops.domain.canonical import JsonObject, one_line
from mlops.domain.lineage import changed_files
from mlops.errors import MlopsError, ModelNotFound, Refused
from mlops.tracking.alerts import review
from mlops.tracking.artifacts.model_card import MODEL_FILE, mlflow_model, model_card
from mlops.tracking.registry import ModelVersion

__all__ = [
    "ARTIFACTS",
    "MODEL_FILE",
    "RELEASED",
    "Anchor",
    "Signature",
    "anchor_of",
    "changed",
    "checked_files",
    "digests",
    "fetch",
    "foreign_library",
    "load_from",
    "load_model",
    "load_refusal",
    "load_sized",
    "signature_in",
    "signature_of",
    "why_not_loaded",
]

RELEASED = {
    "44fba3a715b8d344b41a939bf72704b0dac86aee0daef4cff43ebd81a6c36dc6": "0.1.0, the first that was logged",
    "60860627e69ca2bbd7def08864c4bd6c4e936999f2d1f00f6ae1a1488219dbd3": "0.1.0, before components",
    "f599eceecaf0e1825f1cea19b8d97c6a475fbb05e6c19742bf696165efeaae9b": "0.1.0, before levels and names",
    "bbc64e7121b28b99fb7cb1e78a952f9fa298d5528e2e2fc459787d938ea5c69e": "0.1.0",
}
"""The code files that our models were ever logged with, by SHA-256: the only code out of a model's folder that we run.

MLflow copies `pyfunc.py` into each model and executes that copy, so whoever can write into the folder of a model could
have any code run by whoever loads it. A test compares the newest with the file itself: when that changes, its digest is
added here at the end with the version of this package, and the older ones stay, so that older models load.
"""
ARTIFACTS = "artifacts"
"""MLflow's name for the files that a model is made of."""
LEFT_BEHIND = "registered_model_meta"
"""Written by MLflow into what it downloads, in a store of files into the model itself."""
CACHE = "__pycache__"
PICKLE = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"
OUR_LOADERS = ("mlflow.pyfunc.loaders.code_model", "mlflow.pyfunc.model")
Signature = dict[str, dict[str, str]]
ALONE = threading.Lock()
"""MLflow loads one at a time: what it may unpickle is a variable of the process, a model from code one of MLflow's."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What is anchored of a version (None where nothing is), and what is known of its lineage.

    `altered` says what of its metrics and tags is other by now; `decided` whether somebody has decided to promote it.
    """

    version_id: int
    lineage_sha256: str | None
    lineage_state: str
    lineage_problem: str | None
    altered: str | None
    files: dict[str, str] | None
    metrics: dict[str, float] | None
    tags: dict[str, str] | None
    anchored_by: str | None
    decided: bool


def checked_files(database: Database, version: ModelVersion, folder: Path, *, undecided: bool = False) -> Path:
    """Bring a version's model into an empty folder; where it lies there, its files compared with their anchor.

    Raises ModelNotFound when it can't be read. Raises Refused when a file is another one than was anchored, which is
    recorded and opens an alert; when nothing is anchored; and for a version that no training here has anchored, unless
    somebody has decided to promote it (or `undecided`, for who is about to decide).
    """
    anchor = anchor_of(database, version)
    if anchor.anchored_by == "sync" and not (undecided or anchor.decided):
        why = anchor.lineage_problem or "no training here has made it"
        raise Refused(
            f"{version.uri} is not loaded: {why}; if you trust it, put that on record with"
            f" `mlops registry promote {version.uri}`"
        )
    if anchor.files is None:
        why = anchor.lineage_problem or "nothing was recorded of its files"
        raise Refused(f"{version.uri} is not loaded: {why}; `mlops registry sync` reads what was not read yet")
    model = fetch(version, folder)
    problem = next(changed(anchor.files, digests(model)), None)
    if problem is not None:
        with database.transaction() as transaction:
            transaction.run("set_version_verified", version_id=anchor.version_id, problem=f"its file {problem}")
        review(database, [])  # opens the alert about it
        raise Refused(
            f"{version.uri} is not loaded: its file {problem}; nothing of it was run; bring its files back from a"
            f" backup, or another version: `mlops registry rollback {version.name}`"
        )
    return model


def load_model(database: Database, version: ModelVersion, *, undecided: bool = False) -> Any:
    """The model as MLflow's pyfunc, from a folder of its own that goes when the model does.

    Raises what `checked_files` and `load_from` raise.
    """
    return load_sized(database, version, undecided=undecided)[0]


def load_sized(database: Database, version: ModelVersion, *, undecided: bool = False) -> tuple[Any, int]:
    """The same, and how many bytes its files have."""
    folder = tempfile.TemporaryDirectory(prefix="mlops-model-")
    try:
        model = checked_files(database, version, Path(folder.name), undecided=undecided)
        size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
        loaded = load_from(model, version)
    except BaseException:
        folder.cleanup()
        raise
    weakref.finalize(loaded, folder.cleanup)
    return loaded, size


def load_from(model: Path, version: ModelVersion) -> Any:
    """The model in a folder that `checked_files` returned, as MLflow's pyfunc, with unpickling forbidden.

    Raises Refused, before anything is run, for a model that brings code of its own or a pickle.
    """
    why = load_refusal(model)
    if why is not None:
        raise Refused(f"{version.uri} is not loaded: {why}; nothing of it was run")
    try:
        # MLflow takes skops for a pickle, for a model may list types to trust; `refusal` has compared these with ours
        with ALONE, _deserialization(allowed=_function(model)[1].get("loader_module") == SKLEARN):
            return mlflow.pyfunc.load_model(str(model), suppress_warnings=True)  # nobody hears them, and they take time
    except (MlflowException, OSError) as error:
        raise ModelNotFound(f"{version.uri} is registered, but its files can't be read: {error}") from error


def why_not_loaded(database: Database, version: ModelVersion) -> str | None:
    """Why a version that is to be decided on can't be loaded; None when it can."""
    try:
        load_model(database, version, undecided=True)
    except MlopsError as error:
        return one_line(str(error))
    except Exception as error:  # noqa: BLE001  a library may raise anything about a file that it can't read
        return one_line(f"{type(error).__name__}: {error}")
    return None


def anchor_of(database: Database, version: ModelVersion) -> Anchor:
    """The anchor of a version and the state of its lineage; `files` is None when nothing is anchored.

    Raises ModelNotFound for a version that is not in the mirror: name, number and time of creation are what it is.
    """
    with database.transaction() as transaction:
        anchor = transaction.one(
            "version_anchor",
            of=Anchor,
            name=version.name,
            version=version.version,
            created_at=version.created_at,
        )
    if anchor is None:
        raise ModelNotFound(f"{version.uri} is not in the mirror; run `mlops registry sync`")
    return anchor


def fetch(version: ModelVersion, folder: Path) -> Path:
    """Bring a version's model into an empty folder as it is now; where it lies there. ModelNotFound if it can't be."""
    try:
        model = Path(mlflow.artifacts.download_artifacts(version.uri, dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        raise ModelNotFound(f"{version.uri} is registered, but its files can't be read: {error}") from error
    for cache in [*model.rglob(CACHE)]:  # Python would run what lies there instead of the file beside it
        shutil.rmtree(cache)
    (model / LEFT_BEHIND).unlink(missing_ok=True)
    return model


def digests(model: Path) -> dict[str, str]:
    """SHA-256 of every file of a model by its path, but for what MLflow and Python leave behind."""
    paths = sorted(path for path in model.rglob("*") if path.is_file() and CACHE not in path.parts)
    named = {path.relative_to(model).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    named.pop(LEFT_BEHIND, None)
    return named


def changed(anchored: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each file that is not as it was anchored; both are digests by path.

    Versions of before whole models were anchored have those of the code and the artifacts, or none.
    """
    if not anchored:
        return iter(())
    if MODEL_FILE not in anchored:
        code_or_artifact = re.compile(rf"{ARTIFACTS}/.*|[^/]*\.py", re.DOTALL)
        now = {path: digest for path, digest in now.items() if code_or_artifact.fullmatch(path)}
    return changed_files(anchored, now)


def load_refusal(model: Path) -> str | None:
    """Why a model in a folder is not to be loaded: it would run code, or unpickle. None when nothing of it does.

    Code is run only when it is that of a release, which reads artifacts without pickle. Of other models those are
    loaded whose library reads a format that runs nothing.
    """
    try:
        flavors, function = _function(model)
    except (OSError, ValueError, TypeError, LookupError, RecursionError, yaml.YAMLError) as error:
        return f"its {MODEL_FILE} tells no flavour python_function ({one_line(f'{type(error).__name__}: {error}')})"
    if function.get("code"):
        return f"it brings code of its own ({one_line(repr(function['code']))})"
    loader = function.get("loader_module")
    if loader in OUR_LOADERS:
        return _refusal_of_code(model, function)
    if loader in FORMATS:
        library = dict(flavors.get(loader.removeprefix("mlflow.")) or {})
        for place in (
            part.get(name) for part in (function, library) for name in ("data", "model_path", "pickled_model")
        ):
            if Path(str(place)).name != str(place):  # another file would be read than those that were compared
                return f"its data {one_line(repr(place))} are not beside its {MODEL_FILE}"
        return FORMATS[loader](library)
    return f"its loader {one_line(repr(loader))} may run code or unpickle"


def foreign_library(database: Database, version: ModelVersion) -> str | None:
    """Whose model a version is that was not made here, as `lightgbm`; None when its code is ours, or is not known."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            loader = _function(_model_file(database, version, folder))[1].get("loader_module")
        except (MlopsError, MlflowException, OSError, ValueError, TypeError, LookupError, yaml.YAMLError):
            return None
    return str(loader).removeprefix("mlflow.") if loader in FORMATS else None


def signature_of(database: Database, version: ModelVersion) -> Signature:
    """What a model takes and gives: `required` and `optional` inputs, `outputs`, `params`, by name.

    Empty when it has none, or when its MLmodel can't be read or is not the one that was anchored. What has no name, as
    the columns of an array, is known by its place.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            signature = mlflow_model(_model_file(database, version, folder)).signature
        except (MlopsError, MlflowException, OSError, ValueError, TypeError, LookupError, yaml.YAMLError):
            return {}
    return signature_in(signature)


def signature_in(signature: ModelSignature | None) -> Signature:
    """The same of a signature of MLflow's; empty where there is none, or none of inputs."""
    if signature is None or signature.inputs is None:
        return {}
    columns = [_column(column, place) for place, column in enumerate(signature.inputs.inputs)]
    given = [
        _column(column, place) for place, column in enumerate(signature.outputs.inputs if signature.outputs else ())
    ]
    return {
        "required": {name: kind for name, kind, required in columns if required},
        "optional": {name: kind for name, kind, required in columns if not required},
        "outputs": {name: kind for name, kind, _ in given},
        "params": {param.name: str(param.dtype) for param in (signature.params.params if signature.params else ())},
    }


def _model_file(database: Database, version: ModelVersion, folder: str) -> Path:
    """Bring a version's MLmodel into a folder, which is returned; Refused when it is not the one that was anchored."""
    said = anchor_of(database, version).files or {}
    path = Path(mlflow.artifacts.download_artifacts(f"{version.uri}/{MODEL_FILE}", dst_path=folder))
    if said.get(MODEL_FILE) not in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
        raise Refused(f"the {MODEL_FILE} of {version.uri} is not the one that was anchored")
    return path.parent


def _function(model: Path) -> tuple[JsonObject, JsonObject]:
    """The flavours of a model in a folder, and that by which MLflow's pyfunc loads it."""
    flavors = dict(model_card(model)["flavors"])
    return flavors, dict(flavors["python_function"])


def _refusal_of_code(model: Path, function: JsonObject) -> str | None:
    """Of a model from code: it has to be a file of a release, which reads the artifacts that lie in their place."""
    said = function.get("model_code_path")
    if not isinstance(said, str) or function.get("data") or function.get("python_model"):
        return "it is a pickled Python model"
    code = model / Path(said).name
    digest = hashlib.sha256(code.read_bytes()).hexdigest() if code.is_file() else None
    if digest not in RELEASED:
        return f"its code {code.name} ({digest[:12] if digest else 'not there'}…) is of no release of mlops"
    places = function.get("artifacts")
    if not isinstance(places, dict) or any(
        not isinstance(place, dict) or place.get("path") != f"{ARTIFACTS}/{name}" for name, place in places.items()
    ):
        return f"its artifacts are not those in its folder {ARTIFACTS}"
    return None


def _of_lightgbm(library: JsonObject) -> str | None:
    kind = library.get("model_class", "lightgbm.basic.Booster")
    return None if kind == "lightgbm.basic.Booster" else f"its {one_line(repr(kind))} is pickled"


def _of_xgboost(library: JsonObject) -> str | None:
    kind = library.get("model_class", "xgboost.core.Booster")
    return None if kind in XGBOOST else f"its class {one_line(repr(kind))} is none of XGBoost"


def _of_sklearn(library: JsonObject) -> str | None:
    if library.get("serialization_format") != "skops":
        return "its scikit-learn model is pickled; MLflow writes one without by serialization_format='skops'"
    asked = library.get("skops_trusted_types") or []
    unknown = [kind for kind in asked if kind not in TRUSTED] if isinstance(asked, list) else [asked]
    return f"it wants the types {one_line(repr(unknown))} to be trusted, which may run code" if unknown else None


SKLEARN = "mlflow.sklearn"
KINDS = ("Model", "Regressor", "Classifier", "Ranker", "RFRegressor", "RFClassifier")
XGBOOST = frozenset({"xgboost.core.Booster", *(f"xgboost.sklearn.XGB{kind}" for kind in KINDS)})
TRUSTED = frozenset(
    {
        "numpy.dtype",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.tree._tree.Tree",
    }
)
"""Types that skops does not know and that only hold numbers; whatever else a model wants trusted is refused."""
FORMATS: dict[str, Callable[[JsonObject], str | None]] = {
    "mlflow.lightgbm": _of_lightgbm,
    "mlflow.prophet": lambda _: None,
    SKLEARN: _of_sklearn,
    "mlflow.xgboost": _of_xgboost,
}
"""Loaders of MLflow that read a format which runs nothing (text, JSON), with what has to hold of their flavour."""


@contextmanager
def _deserialization(*, allowed: bool) -> Iterator[None]:
    before = os.environ.get(PICKLE)
    os.environ[PICKLE] = "true" if allowed else "false"
    try:
        yield
    finally:
        del os.environ[PICKLE]
        if before is not None:
            os.environ[PICKLE] = before


def _column(column: Any, place: int) -> tuple[str, str, bool]:
    kind = str(getattr(column.type, "name", column.type))
    return column.name or str(place), kind, bool(getattr(column, "required", True))
