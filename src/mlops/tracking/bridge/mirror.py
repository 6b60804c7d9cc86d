"""What the mirror in Postgres says of versions: which there are, who was champion, what they came from and led to."""

from datetime import UTC
from typing import Any

from mlops.db import Database
from mlops.db.archived import read_archived
from mlops.errors import ModelNotFound, NothingToDo, UnknownName
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store

__all__ = ["alias_history", "lineage_of", "trace", "versions"]


def versions(database: Database) -> list[dict[str, Any]]:
    """The versions in the mirror with their aliases, as the query `list_versions` gives them."""
    with database.transaction() as transaction:
        return transaction.rows("list_versions")


def alias_history(database: Database, name: str) -> list[dict[str, Any]]:
    """Every time of a model's aliases with the decision behind it, newest first; UnknownName where it had none."""
    with database.transaction() as transaction:
        rows = transaction.rows("promotion_history", name=name)
        if not rows:
            known = {row["name"] for row in transaction.rows("list_versions")}
            raise UnknownName("model with an alias", name, known, stored=True)
    return rows


def lineage_of(database: Database, store: Store, uri: str) -> dict[str, Any]:
    """What a live version was made from, with its `features`; the mirror is brought up to date first."""
    version = resolve(store, uri)
    sync(store, database, foreign=False)
    with database.transaction() as transaction:
        row = transaction.one("lineage_of_version", name=version.name, version=version.version)
        features = transaction.rows("lineage_features", name=version.name, version=version.version)
    if row is None:
        raise ModelNotFound(f"{uri} is not in the mirror; run `mlops registry sync`")
    return row | {"features": features}


def trace(database: Database, prediction_id: int) -> dict[str, Any]:
    """A stored prediction with its version, the `months` of its raw observations and their `edits`, and what followed.

    Months in archives are read there. NothingToDo where there is no such prediction.
    """
    with database.transaction() as transaction:
        traced = transaction.one("trace_prediction", prediction_id=prediction_id)
        if traced is None:
            newest = transaction.value("newest_prediction")
            there = f"the newest is {newest}" if newest else "none is stored; make some with `mlops predict URI`"
            raise NothingToDo(f"there is no prediction {prediction_id}; {there}")
        since = min(traced["trained_from"] or traced["cutoff"], traced["cutoff"]).astimezone(UTC)
        first = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        read_archived(transaction, traced["summed"] or [traced["series_id"]], start=first, end=traced["cutoff"])
        months = transaction.rows("months_behind_prediction", prediction_id=prediction_id)
        edits = transaction.rows("edits_behind_prediction", prediction_id=prediction_id)
    return traced | {"months": months, "edits": edits}
