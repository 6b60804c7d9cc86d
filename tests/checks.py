"""Versions as checks of them are recorded, without asking which alias points at them."""

from datetime import UTC, datetime
from typing import Any

from mlops.db import Database
from mlops.monitoring.weekly.history import ServedVersion

__all__ = ["as_champion", "champion_of"]


def as_champion(version_id: int, name: str = "demand", version: int = 1, **known: Any) -> ServedVersion:
    """A version that is champion; nothing is known of it but what is said."""
    unknown = {"lineage": {}, "run_id": "", "as_of": None, "trained_to": None, "champion_id": version_id, "unit": None}
    served = {"alias": "champion", "alias_since": datetime(2020, 1, 1, tzinfo=UTC)}
    return ServedVersion(version_id=version_id, name=name, version=version, **unknown | served | known)


def champion_of(database: Database, name: str = "demand", version: int = 1) -> ServedVersion:
    """A live version of the mirror, taken for the champion."""
    with database.transaction() as transaction:
        row = transaction.one("live_version", name=name, version=version)
    assert row is not None
    known = ("version_id", "name", "version", "lineage", "run_id", "as_of", "trained_to")
    return as_champion(**{key: row[key] for key in known})
