"""Which series, and what a feature of them means."""

from dataclasses import asdict, dataclass, field

from mlops.domain.canonical import canonical_json, sha256

__all__ = ["FeatureDefinition", "Selection"]


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
        """SHA-256 of the whole definition."""
        return sha256(canonical_json(asdict(self)))
