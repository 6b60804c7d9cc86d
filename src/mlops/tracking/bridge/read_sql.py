"""The registry out of MLflow's own tables, in one snapshot."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from mlops.db import Transaction
from mlops.db.snapshot import Snapshot

__all__ = ["ByQuery"]


@dataclass(frozen=True, slots=True)
class ByQuery:
    """A registry whose tables can be reached."""

    tables: Snapshot
    how: ClassVar[Literal["sql"]] = "sql"

    def identity(self) -> tuple[str, int] | None:
        """The oldest experiment and when it was made, in ms."""
        row = self.tables.one("registry_identity")
        if row is None:
            return None
        experiment_id, creation_time = row
        return str(experiment_id), int(creation_time)

    def read(self, into: Transaction) -> None:
        """Fill the temporary tables seen_models, seen_versions and seen_runs."""
        self.tables.pipe("registry_models", into, "seen_models")
        self.tables.pipe("registry_versions", into, "seen_versions")
        self.tables.pipe("registry_runs", into, "seen_runs")
