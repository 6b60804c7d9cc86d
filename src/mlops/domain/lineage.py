"""The record of what a model was made from, which travels in the model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mlops.domain.canonical import canonical_json
from mlops.domain.features import Selection

__all__ = ["Lineage"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a model version was trained on and how, exactly enough to rebuild it.

    `recipe` is the kind, its parameters and its backtest; `features` maps a feature's name to its version and
    definition digest; `content_sha256` covers every row and column of the training frame; times are UTC.
    """

    recipe: Mapping[str, Any]
    selection: Selection
    features: Mapping[str, Mapping[str, Any]]
    as_of: datetime
    trained_from: datetime
    trained_to: datetime
    rows: int
    series: tuple[int, ...]
    content_sha256: str
    code_version: str
    label: str = "value"

    def to_json(self) -> str:
        """Canonical JSON: the same lineage is the same text."""
        document = asdict(self)
        for name in ("as_of", "trained_from", "trained_to"):
            document[name] = document[name].astimezone(UTC).isoformat()
        return canonical_json(document)
