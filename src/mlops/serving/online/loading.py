"""A version becomes a live model: mirrored, its files compared with their anchor, with a signature, and warm."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlops.db import Database
from mlops.db.failures import explained
from mlops.domain.canonical import one_line
from mlops.domain.model_uri import uri_of
from mlops.errors import MlopsError, ModelNotFound, Refused
from mlops.serving.online.scored import Scorer
from mlops.tracking.aliases import PointedVersion
from mlops.tracking.artifacts.checked import Signature, anchor_of, load_sized, signature_in
from mlops.tracking.artifacts.example import example_of
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import ModelVersion, resolve
from mlops.tracking.scoring import ScoringError
from mlops.tracking.store import Store

__all__ = ["LiveModel", "Loader", "ScorerOf"]

THREADS = 2
"""In which models are loaded. MLflow's part of it is done one at a time; the rest is reading and comparing files."""
RESIDENT = 3
"""Bytes of memory for each byte of a model's files. Measured on the ten kinds of ours, LightGBM of 20 to 1,000 trees,
ridge regression and a random forest (skops): 0.6 to 2.9."""
JSON = "application/json"
ScorerOf = Callable[[Any], Scorer]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LiveModel:
    """A loaded version that answers requests for as long as somebody holds it.

    `label` is `demand/3`, for a header. `signature` names what it takes and gives, `memory` is an estimate in bytes,
    `loaded_at` an aware time; `seconds` is how long loading took.
    """

    version: ModelVersion
    version_id: int
    label: bytes
    scorer: Scorer
    signature: Signature
    loaded_at: datetime
    memory: int
    seconds: float


class Loader:
    """Loads versions in a few threads of its own; who asks for one that is being loaded waits for the same."""

    def __init__(self, database: Database, store: Store, scorer_of: ScorerOf) -> None:
        self._database, self._store, self._scorer_of = database, store, scorer_of
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="load model")
        self._lock = threading.Lock()
        self._loading: dict[tuple[str, int, datetime], Future[LiveModel]] = {}

    def begin(self, pointed: PointedVersion) -> "Future[LiveModel]":
        """Load a version.

        The future raises ModelNotFound and Refused with what is wrong with it, DatabaseUnavailable when nothing is
        known of it because the registry or the database does not answer.
        """
        key = (pointed.name, pointed.version, pointed.created_at)
        with self._lock:
            loading = self._loading.get(key)
            if loading is None:
                loading = self._loading[key] = self._pool.submit(self._load, *key)
            return loading

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, name: str, number: int, created_at: datetime) -> LiveModel:
        uri = uri_of(name, number)
        try:
            version = resolve(self._store, uri)
            if version.created_at != created_at:
                raise ModelNotFound(f"{uri} is another version since {version.created_at:%Y-%m-%d %H:%M} UTC")
            return self._loaded(version)
        except Exception as error:
            known = explained(error)
            if known is not None:
                raise known from error
            log.debug("loading %s failed", uri, exc_info=True)
            # a library may raise anything about a file that it can't read
            raise Refused(f"{uri} is not loaded: {one_line(f'{type(error).__name__}: {error}')}") from error
        finally:
            with self._lock:
                self._loading.pop((name, number, created_at), None)

    def _loaded(self, version: ModelVersion) -> LiveModel:
        began = time.monotonic()
        version_id = self._mirrored(version)
        model, size = load_sized(self._database, version)
        signature = signature_in(model.metadata.signature)
        if not signature:
            raise Refused(
                f"{version.uri} is not served: it has no signature, so nobody can say which requests fit it; log it"
                " again with one (mlflow.models.infer_signature) and register that"
            )
        scorer = self._scorer_of(model)
        _warm(version, model, scorer)
        seconds = time.monotonic() - began
        label = f"{version.name}/{version.version}".encode("latin-1", "replace")
        return LiveModel(version, version_id, label, scorer, signature, datetime.now(UTC), RESIDENT * size, seconds)

    def _mirrored(self, version: ModelVersion) -> int:
        """The version's number in the mirror; the bridge runs when it is not there yet."""
        try:
            return anchor_of(self._database, version).version_id
        except ModelNotFound:
            sync(self._store, self._database, foreign=False)
            return anchor_of(self._database, version).version_id


def _warm(version: ModelVersion, model: Any, scorer: Scorer) -> None:
    """Let it answer a first request; Refused when it fails on the one that it was logged with.

    What it refuses with a reason of its own, as covariates that the example lacks, is an answer, too.
    """
    warm = getattr(scorer, "warm", None)
    if warm is not None:
        try:
            warm()
        except MlopsError:
            log.debug("%s can't be asked without its inputs", version.uri, exc_info=True)
    example = example_of(model)
    if example is None:
        return
    try:
        if scorer.inline(example.body, JSON) is None:
            scorer.score(example.body, JSON)
    except ScoringError as error:
        if example.given and error.unexpected is not None:
            why = one_line(f"{type(error.unexpected).__name__}: {error.unexpected}")
            raise Refused(f"{version.uri} is not served: it fails on its own input example: {why}") from error
        log.debug("%s does not answer its first request", version.uri, exc_info=True)
