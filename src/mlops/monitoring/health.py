"""How well each served model does, part by part, and its score; the rule is SQL, in `analytics.health_score`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TypedDict

from mlops.db import Database, Transaction
from mlops.policy import Weight

__all__ = ["Health", "HealthPart", "health", "read_health"]


@dataclass(frozen=True, slots=True)
class HealthPart:
    """One part of a model's health: its figure, what that is worth from 0 to 1 (None: unknown), and words for it."""

    part: str
    figure: float | None
    value: float | None
    weight: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthScore:
    """A version behind an alias: its score from 0 to 100 (None: unknown), and the part that costs most.

    `wape` and `wape_promised` (by the backtest) are shares; `coverage_80` is the share of outcomes inside the 80 %
    interval. They are of the newest four weeks (eight weeks of weekly, eight months of monthly series).
    Times are aware.
    """

    name: str
    version: int
    alias: str
    score: int | None
    status: str
    weakest: str | None
    weakest_words: str | None
    as_of: datetime
    forecasts: int
    labelled: int
    wape: float | None
    wape_promised: float | None
    coverage_80: float | None
    labelled_until: datetime | None
    forecast_until: datetime | None
    checked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(HealthScore):
    """A score with all its parts."""

    parts: tuple[HealthPart, ...]


class _PartDocument(TypedDict):
    """A `HealthPart` as JSON."""

    part: str
    figure: float | None
    value: float | None
    weight: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _HealthRow(HealthScore):
    parts: list[_PartDocument]


def health(database: Database, weights: Mapping[str, Weight], as_of: datetime) -> list[Health]:
    """The health of every served model as known at `as_of` (aware), the worst first; an unknown one comes before all.

    The database keeps a copy of the weights, so that `analytics.model_health` says the same to whoever asks it.
    """
    with database.transaction() as transaction:
        parts = [{"part": part} | asdict(weight) for part, weight in weights.items()]
        transaction.run("set_health_policy", document={"parts": parts})
        return read_health(transaction, as_of)


def read_health(transaction: Transaction, as_of: datetime) -> list[Health]:
    """The health of every served model by the weights that the database keeps."""
    rows = transaction.rows("model_health", of=_HealthRow, as_of=as_of)
    names = [field.name for field in fields(HealthScore)]
    return [
        Health(**{name: getattr(row, name) for name in names}, parts=tuple(HealthPart(**part) for part in row.parts))
        for row in rows
    ]
