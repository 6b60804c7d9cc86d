"""The past of one model as a review tells it: weeks, versions, aliases, forecasts against outcomes. Times are UTC."""

from dataclasses import dataclass
from datetime import datetime

__all__ = [
    "Accuracy",
    "AliasMove",
    "Detail",
    "ForecastStep",
    "LargestSeries",
    "ReviewWeek",
    "Version",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How good forecasts were beside the seasonal naive; None where nothing is known."""

    forecasts: int | None = None
    wape: float | None = None
    wape_naive: float | None = None
    wape_beside_naive: float | None = None
    """WAPE where the naive is known, which is what the naive is compared with."""
    coverage_80: float | None = None
    coverage_95: float | None = None

    @property
    def beaten(self) -> bool:
        """Whether the seasonal naive was better, of forecasts beside which it is known."""
        ours, naive = self.wape_beside_naive, self.wape_naive
        return ours is not None and naive is not None and naive < ours


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewWeek(Accuracy):
    """The week that begins on the Monday `week`: all versions that were served, the newest check, what came of it."""

    week: datetime
    version: int | None = None
    checked_at: datetime | None = None
    checked: int = 0
    drifted: int = 0
    onset: bool = False
    action: str | None = None
    verdict: str | None = None
    retrained_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A registered version: what it was trained on, what its backtest promised, and the aliases that point at it."""

    version: int
    kind: str | None
    known_at: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None
    registered_at: datetime
    wape: float | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """From `moved_at` until `until` (None: still) an alias points at `version`; before that it pointed at `before`."""

    alias: str
    version_id: int
    version: int
    before: int | None
    moved_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastStep:
    """A forecast and its outcome; a total has no interval, for the sum of bounds is no bound of the sum."""

    ds: datetime
    outcome: float | None
    y_hat: float
    lo_80: float | None = None
    hi_80: float | None = None
    lo_95: float | None = None
    hi_95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestSeries(Accuracy):
    """One of the largest series: how good its freshest forecasts were, step by step."""

    series_id: int
    place: str
    steps: tuple[ForecastStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """The history of a model, and its forecasts against outcomes."""

    weeks: tuple[ReviewWeek, ...]
    versions: tuple[Version, ...]
    aliases: tuple[AliasMove, ...]
    totals: tuple[ForecastStep, ...]
    largest: tuple[LargestSeries, ...]
