"""What a model is made from, and the record of it that travels in the model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = ["FeatureDefinition", "Lineage", "Selection", "canonical_json", "sha256"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which series: all of one metric type and granularity whose labels contain `labels`."""

    metric_type: str
    granularity: str = "daily"
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """What a feature means; any change of it is a new version of the feature."""

    name: str
    dtype: str
    entity: str
    granularity: str
    source_metric_types: tuple[str, ...]
    transformation: str
    owner: str
    description: str

    @property
    def sha256(self) -> str:
        """Digest of the whole definition."""
        return sha256(canonical_json(asdict(self)))


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


def canonical_json(document: object) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sha256(text: str) -> str:
    """Hexadecimal SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
