"""How well each served model does, part by part, and its score; the rule is SQL, in `analytics.health_score`."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops.db import Database
from mlops.errors import BadInput, UnknownName

__all__ = ["PARTS", "Health", "Part", "Weight", "health", "read_weights"]

PARTS = ("accuracy", "coverage", "naive", "drift", "data", "labels", "issued", "lineage", "age")
"""What health is made of; the first two are decisive."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a part weighs beside the others, and the figures at which it is worth all of that and nothing of it."""

    weight: float
    good: float
    bad: float


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model's health: its figure, what that is worth from 0 to 1 (None: unknown), and words for it."""

    part: str
    figure: float | None
    value: float | None
    weight: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A version behind an alias: its score from 0 to 100 (None: unknown), its parts, and the one that costs most.

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
    parts: tuple[Part, ...]
    as_of: datetime
    forecasts: int
    labelled: int
    wape: float | None
    wape_promised: float | None
    coverage_80: float | None
    labelled_until: datetime | None
    forecast_until: datetime | None
    checked_at: datetime | None


def health(database: Database, weights: Mapping[str, Weight], as_of: datetime) -> list[Health]:
    """The health of every served model as known at `as_of` (aware), the worst first; an unknown one comes before all.

    The database keeps a copy of the weights, so that `analytics.model_health` says the same to whoever asks it.
    """
    with database.transaction() as transaction:
        transaction.run("set_health_policy", document={"parts": _rows(weights)})
        rows = transaction.rows("model_health", as_of=as_of)
    return [Health(**row | {"parts": tuple(Part(**part) for part in row["parts"])}) for row in rows]


def read_weights(path: Path) -> dict[str, Weight]:
    """`[health]` of a policy file; a part that it does not name stays as the database has it. Raises BadInput."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("health", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"can't be read: {error}", where=str(path)) from error
    for part in table:
        if part not in PARTS:
            raise BadInput(str(UnknownName("part in [health]", part, PARTS)), where=str(path))
    return {part: _weight(entry, f"{path}, [health] {part}") for part, entry in table.items()}


def _weight(entry: Any, where: str) -> Weight:
    shape = "expected { weight = 1, good = 0.9, bad = 0.5 }"
    if not isinstance(entry, dict) or entry.keys() != {"weight", "good", "bad"}:
        raise BadInput(f"{entry!r} is not the weight of a part; {shape}", where=where)
    if not all(type(number) in (int, float) and math.isfinite(number) for number in entry.values()):
        raise BadInput(f"{entry!r} has something that is not a number; {shape}", where=where)
    if entry["weight"] < 0 or entry["good"] == entry["bad"]:
        raise BadInput(f"{entry!r}: a weight is 0 or more, and good differs from bad", where=where)
    return Weight(float(entry["weight"]), float(entry["good"]), float(entry["bad"]))


def _rows(weights: Mapping[str, Weight]) -> list[dict[str, Any]]:
    return [{"part": part, "weight": one.weight, "good": one.good, "bad": one.bad} for part, one in weights.items()]
