"""Metric types: which are declared, and another one."""

import math
import re
from dataclasses import dataclass
from typing import Any, cast, get_args

from mlops.db import Database
from mlops.domain.metric_types import Absence, Aggregate, MetricType
from mlops.errors import Misused, Refused, UnknownName

__all__ = ["UsedMetricType", "add_metric_type", "check_metric_type", "list_metric_types"]

NAME = re.compile(r"[a-z][a-z0-9_]{1,62}")
ASKED = ("unit", "aggregate", "min_value", "max_value", "absence")


@dataclass(frozen=True, slots=True)
class UsedMetricType:
    """A declared metric type, and how many series measure it."""

    name: str
    unit: str
    aggregate: Aggregate
    min_value: float | None
    max_value: float | None
    absence: Absence
    series: int


def list_metric_types(database: Database) -> list[UsedMetricType]:
    """The declared ones, with how many series each has."""
    with database.transaction() as transaction:
        return transaction.rows("metric_types_with_series", of=UsedMetricType)


def add_metric_type(
    database: Database,
    name: str,
    *,
    unit: str,
    aggregate: str = "sum",
    min_value: float | None = None,
    max_value: float | None = None,
    absence: str = "nothing",
) -> bool:
    """Declare a metric type; whether it is new. The same again changes nothing, and another under its name is Refused.

    `aggregate` is how values add up over time (sum, mean, max, last), `absence` what a step without a value means: zero
    of what is counted or weighed, else nothing. Misused for what can't be a metric type.
    """
    wanted = check_metric_type(name, unit, aggregate, min_value, max_value, absence)
    with database.transaction() as transaction:
        added = transaction.run("add_metric_type", name=name, **{key: getattr(wanted, key) for key in ASKED})
        stored = next(metric for metric in transaction.rows("metric_types", of=MetricType) if metric.name == name)
    other = [key for key in ASKED if getattr(stored, key) != getattr(wanted, key)]
    if other:
        differences = (f"{key} {_shown(getattr(stored, key))}, not {_shown(getattr(wanted, key))}" for key in other)
        raise Refused(
            f"metric type {name!r} is there with {', '.join(differences)}; nothing was changed; give the new one"
            " another name, or change that one in analytics.metric_types if its data mean what you say"
        )
    return bool(added)


def check_metric_type(
    name: str, unit: str, aggregate: str, min_value: float | None, max_value: float | None, absence: str
) -> MetricType:
    """What is declared by these; Misused for what can't be a metric type. No database is asked."""
    if not NAME.fullmatch(name):
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        raise Misused(
            f"{name!r} can't be the name of a metric type; expected 2 to 63 small letters, digits and _, such as"
            f" {plain if NAME.fullmatch(plain) else 'bin_temperature'}"
        )
    if not unit.strip():
        raise Misused("a metric type has a unit, such as kg, count or percent; say --unit")
    for what, given, choices in (
        ("aggregate", aggregate, get_args(Aggregate)),
        ("absence", absence, get_args(Absence)),
    ):
        if given not in choices:
            raise UnknownName(what, given, choices)
    if any(side is not None and not math.isfinite(side) for side in (min_value, max_value)):
        raise Misused("the bounds of a metric type are finite; leave one out where there is none")
    if min_value is not None and max_value is not None and min_value >= max_value:
        raise Misused(f"the smallest value ({min_value:g}) must be below the largest ({max_value:g})")
    return MetricType(name, unit, cast("Aggregate", aggregate), min_value, max_value, absence=cast("Absence", absence))


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
