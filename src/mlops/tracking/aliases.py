"""What aliases mean now, asked of the registry itself again and again, and cheaply."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException

from mlops.db import Database
from mlops.db.failures import one_sentence
from mlops.db.snapshot import open_snapshot
from mlops.errors import DatabaseUnavailable
from mlops.tracking.registry import ABSENT
from mlops.tracking.store import Store

__all__ = ["AliasReader", "Aliases", "PointedVersion", "alias_reader"]

SQL_SECONDS, API_SECONDS = 0.25, 0.5
"""How often to ask: docs/decisions/0031-hot-swap.md has what it costs."""
PAGE = 1000
"""Models in one answer of the API; chosen, not measured."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PointedVersion:
    """An alias and the version that it means; `created_at` (to the ms) tells it from one that had its number before."""

    name: str
    alias: str
    version: int
    created_at: datetime


Aliases = dict[tuple[str, str], PointedVersion]
"""By name and alias."""


class AliasReader(Protocol):
    """A registry that is asked what its aliases mean, every so many seconds."""

    every_seconds: float

    def read(self) -> Aliases:
        """All aliases as they are now; DatabaseUnavailable when the registry does not answer."""

    def close(self) -> None:
        """Give the connection back."""


def alias_reader(store: Store) -> AliasReader:
    """Reads a store's aliases by SQL where its tables can be reached, else by MLflow's API."""
    workspaces = bool(MLFLOW_ENABLE_WORKSPACES.get())  # type: ignore[no-untyped-call]
    if store.uri.startswith("postgres") and not workspaces:
        with open_snapshot(store.uri) as tables:
            if tables.one("registry_tables_known") == (True,):
                return QueryReader(store.uri)
    return ApiReader(store)


class QueryReader:
    """A registry whose tables can be reached; one connection stays open."""

    every_seconds = SQL_SECONDS

    def __init__(self, uri: str) -> None:
        self._database = Database(uri, pinned=False)  # the address says in which schema MLflow's tables are

    def read(self) -> Aliases:
        """All aliases as they are now."""
        try:
            with self._database.transaction() as transaction:
                rows = transaction.rows("registry_aliases", of=PointedVersion)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            raise DatabaseUnavailable(f"the registry can't be read: {one_sentence(error)}") from error
        return {(row.name, row.alias): row for row in rows}

    def close(self) -> None:
        """Give the connection back."""
        self._database.close()


class ApiReader:
    """A registry that only its API leads to, which does not say when the version of an alias was made."""

    every_seconds = API_SECONDS

    def __init__(self, store: Store) -> None:
        self._client = store.client
        self._known: dict[tuple[str, int, str, int], PointedVersion] = {}

    def read(self) -> Aliases:
        """All aliases as they are now."""
        try:
            known = {
                (model.name, model.creation_timestamp, alias, int(version)): None
                for model in self._models()
                for alias, version in model.aliases.items()
            }
            pointed = {key: self._known.get(key) or self._pointed(*key) for key in known}
        except (MlflowException, OSError) as error:
            raise DatabaseUnavailable(f"the registry can't be read: {one_sentence(error)}") from error
        self._known = {key: version for key, version in pointed.items() if version is not None}
        return {(version.name, version.alias): version for version in self._known.values()}

    def close(self) -> None:
        """Nothing is open."""

    def _models(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_registered_models(max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _pointed(self, name: str, _made: int, alias: str, version: int) -> PointedVersion | None:
        """None when the version has gone since."""
        try:
            created = self._client.get_model_version(name, str(version)).creation_timestamp
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise
            return None
        return PointedVersion(name, alias, version, EPOCH + timedelta(milliseconds=int(created)))
