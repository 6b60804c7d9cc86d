"""Which series, and what a feature of them means."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NotRequired, TypedDict

from mlops.domain.canonical import canonical_json, sha256

__all__ = ["FeatureDefinition", "FeatureSet", "Selection", "SelectionDocument"]


class SelectionDocument(TypedDict):
    """A selection as it is recorded: what `Selection` takes."""

    metric_type: str
    granularity: str
    labels: dict[str, str]
    level: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which series: all of one metric type and granularity whose labels contain `labels`, or those of one `level`."""

    metric_type: str
    granularity: str = "daily"
    labels: dict[str, str] = field(default_factory=dict)
    level: str | None = None
    """Whose figures they are, one of `domain.series.LEVELS`; None takes all."""

    @property
    def document(self) -> dict[str, Any]:
        """What is recorded; a level that nobody chose is left out, so that it changes no digest."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """What a feature means; any change of it is a new version of the feature.

    Values are declared to lie from `min_value` to `max_value`, in the feature's own unit; None sets no bound.
    """

    name: str
    dtype: str
    entity: str
    granularity: str
    source_metric_types: tuple[str, ...]
    transformation: str
    owner: str
    description: str
    min_value: float | None = None
    max_value: float | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "FeatureDefinition":
        """The definition of a document as it is recorded."""
        known = {field.name: document[field.name] for field in fields(cls) if field.name in document}
        return cls(**known | {"source_metric_types": tuple(document["source_metric_types"])})

    @property
    def document(self) -> dict[str, Any]:
        """What is recorded; a bound that nobody declared is left out, so that it changes no digest."""
        whole = asdict(self) | {"source_metric_types": list(self.source_metric_types)}
        return {name: value for name, value in whole.items() if value is not None}

    @property
    def sha256(self) -> str:
        """SHA-256 of the whole definition."""
        return sha256(canonical_json(self.document))


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Features that are built together, one row per series of `selection` and time.

    `label` is the transformation of the selection's metric type that is to be predicted: what was observed, if nothing
    else is said.
    """

    name: str
    selection: Selection
    features: tuple[FeatureDefinition, ...]
    label: str = "value"
    description: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in order."""
        return tuple(feature.name for feature in self.features)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "FeatureSet":
        """The set of a document, as `document` makes it."""
        features = tuple(FeatureDefinition.of(feature) for feature in document["features"])
        return cls(
            document["name"],
            Selection(**document["selection"]),
            features,
            document.get("label", "value"),
            document.get("description", ""),
        )

    @property
    def document(self) -> dict[str, Any]:
        """The whole of it as JSON has it."""
        own = {"name": self.name, "label": self.label, "description": self.description}
        return own | {"selection": self.selection.document, "features": [feature.document for feature in self.features]}
