"""Whether the files of models are there; looked for in a thread, for a store that is away takes minutes to say so."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException

import mlflow
from mlops.db import Database
from mlops.domain.alerts import Look
from mlops.tracking.artifacts.checked import MODEL_FILE
from mlops.tracking.artifacts.verify import AnchoredVersion, verify_version
from mlops.tracking.store import Store

__all__ = ["Look", "Looking", "look", "look_within"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CheckedVersion(AnchoredVersion):
    """A version that an alias points to, or that was found changed; `due` says to compare it with its anchor."""

    due: bool


def look(store: Store, database: Database) -> Iterator[Look]:
    """At the files of every version with an alias; a store that does not answer says nothing and is asked once only.

    Once an hour those of champions are compared with their lineage, too; what comes of it is in the mirror.
    """
    with database.transaction() as transaction:
        versions = transaction.rows("versions_to_check", of=CheckedVersion)
    silent: set[tuple[str, str]] = set()
    for version in versions:
        try:
            place = str(store.client.get_model_version_download_uri(version.name, str(version.version)))
        except MlflowException:  # gone since it was mirrored
            continue
        host = urlsplit(place)[:2]
        if host in silent:
            continue
        there = _there(store, place)
        if there is None:
            silent.add(host)
        else:
            yield Look(version.version_id, place, there)
            if there and version.due:
                verify_version(database, version)


def look_within(store: Store, database: Database, seconds: float) -> list[Look]:
    """What can be seen within so many seconds."""
    looks: list[Look] = []

    def run() -> None:
        looks.extend(look(store, database))

    thread = threading.Thread(target=run, name="look at model files", daemon=True)
    thread.start()
    thread.join(seconds)
    return list(looks)


class Looking:
    """Looks again and again while somebody asks, one look at a time; `changed` is called when one saw something new."""

    def __init__(
        self, look: Callable[[], Iterator[Look]], changed: Callable[[], None], *, every_seconds: float
    ) -> None:
        self._look, self._changed, self._every = look, changed, every_seconds
        self._thread: threading.Thread | None = None
        self._began, self._aliases, self._seen = -every_seconds, dict[str, int](), list[Look]()

    def seen(self, aliases: Mapping[str, int]) -> list[Look]:
        """What the last look saw; another one begins when that is old, or when the aliases are others now."""
        due = dict(aliases) != self._aliases or time.monotonic() - self._began >= self._every
        if due and (self._thread is None or not self._thread.is_alive()):
            self._aliases, self._began = dict(aliases), time.monotonic()
            self._thread = threading.Thread(target=self._run, name="look at model files", daemon=True)
            self._thread.start()
        return self._seen

    def _run(self) -> None:
        try:
            looks = list(self._look())
        except Exception:
            log.debug("a look at model files failed", exc_info=True)
            return
        before, self._seen = self._seen, looks
        if looks != before:
            self._changed()


def _there(store: Store, place: str) -> bool | None:
    try:
        listed = mlflow.artifacts.list_artifacts(artifact_uri=place, tracking_uri=store.uri)
    except MlflowException as error:
        return False if error.error_code == "RESOURCE_DOES_NOT_EXIST" else None
    except Exception:
        log.debug("%s can't be looked at", place, exc_info=True)  # each artifact store has errors of its own
        return None
    return any(file.path.rpartition("/")[2] == MODEL_FILE for file in listed)
