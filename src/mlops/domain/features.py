"""Which series, and what a feature of them means."""

from dataclasses import asdict, dataclass, field, fields
from typing import NotRequired, TypedDict, cast

from mlops.domain.canonical import JsonObject, canonical_json, sha256

__all__ = [
    "FeatureDefinition",
    "FeatureDocument",
    "FeatureSet",
    "FeatureSetDocument",
    "NamedFeature",
    "RecordedFeature",
    "Selection",
    "SelectionDocument",
]


class SelectionDocument(TypedDict):
    """A selection as JSON."""

    metric_type: str
    granularity: str
    labels: dict[str, str]
    level: NotRequired[str]


class FeatureDocument(TypedDict):
    """A definition as JSON."""

    name: str
    dtype: str
    entity: str
    granularity: str
    source_metric_types: list[str]
    transformation: str
    owner: str
    description: str
    min_value: NotRequired[float]
    max_value: NotRequired[float]


class FeatureSetDocument(TypedDict):
    """A feature set as JSON."""

    name: str
    label: NotRequired[str]
    description: NotRequired[str]
    selection: SelectionDocument
    features: list[FeatureDocument]


class RecordedFeature(TypedDict):
    """Which recorded definition a feature has, and how much it matters to the model whose lineage says so."""

    version: int
    definition_sha256: str
    importance: NotRequired[float]


class NamedFeature(TypedDict):
    """A feature of a build or of the online values, in the order of their arrays."""

    name: str
    version: int
    definition_sha256: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Which series: all of one metric type and granularity whose labels contain `labels`, or those of one `level`."""

    metric_type: str
    granularity: str = "daily"
    labels: dict[str, str] = field(default_factory=dict)
    level: str | None = None
    """Whose figures they are, one of `domain.series.LEVELS`; None takes all."""

    @property
    def document(self) -> SelectionDocument:
        """What is recorded; a level that nobody chose is left out, so that it changes no digest."""
        return cast("SelectionDocument", {name: value for name, value in asdict(self).items() if value is not None})


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
    def of(cls, document: FeatureDocument) -> "FeatureDefinition":
        """The definition of a document as it is recorded."""
        names = {field.name for field in fields(cls)}
        known: JsonObject = {name: value for name, value in document.items() if name in names}
        return cls(**known | {"source_metric_types": tuple(document["source_metric_types"])})

    @property
    def document(self) -> FeatureDocument:
        """What is recorded; a bound that nobody declared is left out, so that it changes no digest."""
        whole = asdict(self) | {"source_metric_types": list(self.source_metric_types)}
        return cast("FeatureDocument", {name: value for name, value in whole.items() if value is not None})

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
    def of(cls, document: FeatureSetDocument) -> "FeatureSet":
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
    def document(self) -> FeatureSetDocument:
        """The whole of it as JSON has it."""
        return {
            "name": self.name,
            "label": self.label,
            "description": self.description,
            "selection": self.selection.document,
            "features": [feature.document for feature in self.features],
        }
