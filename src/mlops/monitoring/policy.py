"""What the team tolerates: `monitoring/policy.toml` as an object."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops.errors import BadInput, Misused, UnknownName
from mlops.forecasting import KINDS
from mlops.monitoring.decide.costs import Costs
from mlops.monitoring.decide.recommend import Terms
from mlops.monitoring.detect.slices import Slicing

__all__ = ["SAME", "Policy", "read_policy"]

SAME = "same"
"""The challenger that is the champion's own recipe."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The false-alarm budget and the watched features; when drift calls for what, and what that costs.

    `challengers` are the recipes that are refitted for a proof on the newest `holdout_days`; `confidence` is that of
    every interval. A champion older than `max_age_days` is challenged without drift.
    """

    alarms_per_year: float
    features: tuple[str, ...]
    terms: Terms
    costs: Costs
    challengers: tuple[str, ...]
    confidence: float
    holdout_days: int
    max_age_days: int
    rollback_weeks: int
    expires_days: int
    realised_weeks: int
    worse: float
    auto_retrain: bool
    slices: Slicing = field(default_factory=Slicing)


def read_policy(path: Path) -> Policy:
    """The policy of a file; BadInput names what is wrong with it."""
    try:
        return _policy(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise Misused(
            "no such file; name the policy of a project, like monitoring/policy.toml", where=str(path)
        ) from error
    except KeyError as error:
        raise BadInput(f"has no {error}", where=str(path)) from error
    except (OSError, tomllib.TOMLDecodeError, TypeError, ValueError, UnknownName) as error:
        raise BadInput(f"can't be read: {error}", where=str(path)) from error


def _policy(document: dict[str, Any]) -> Policy:
    drift, rule, retrain = document["drift"], document["recommend"], document["retrain"]
    costs = Costs.of(document["costs"])
    terms = Terms(
        need=int(rule["need"]),
        of=int(rule["of"]),
        margin=float(retrain["margin"]),
        retraining=costs.retraining,
        review=costs.review,
        horizon_weeks=costs.horizon_weeks,
    )
    return Policy(
        alarms_per_year=float(drift["alarms_per_year"]),
        features=tuple(drift["features"]),
        terms=terms,
        costs=costs,
        challengers=tuple(map(_challenger, rule["challengers"])),
        confidence=_share("confidence", rule["confidence"]),
        holdout_days=_positive("holdout_days", retrain["holdout_days"]),
        max_age_days=_positive("max_age_days", rule["max_age_days"]),
        rollback_weeks=_positive("rollback_weeks", rule["rollback_weeks"]),
        expires_days=_positive("expires_days", rule["expires_days"]),
        realised_weeks=_positive("realised_weeks", rule["realised_weeks"]),
        worse=float(rule["worse"]),
        auto_retrain=_flag("auto_retrain", rule["auto_retrain"]),
        slices=Slicing.of(document.get("slices", {})),
    )


def _challenger(name: str) -> str:
    if name != SAME and name not in KINDS:
        raise UnknownName("challenger", name, (SAME, *KINDS))
    return name


def _positive(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value!r}; expected a whole number above 0")
    return value


def _share(name: str, value: Any) -> float:
    if not 0 < float(value) < 1:
        raise ValueError(f"{name} is {value!r}; expected a share between 0 and 1, as 0.9")
    return float(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}; expected true or false")
    return value
