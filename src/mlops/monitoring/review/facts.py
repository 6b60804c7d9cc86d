"""What the database knows about champions: one query per question for all of them at once, kept by what it is about."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from mlops.db import Transaction
from mlops.monitoring.review.decisions import OpenAlert
from mlops.monitoring.review.history import AliasMove
from mlops.policy import Policy

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


__all__ = ["Facts", "Row", "all_of", "by", "challenger_of", "from_row", "grouped", "read_facts"]


Row = Mapping[str, Any]
T = TypeVar("T", bound="DataclassInstance")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Facts:
    """Rows by model or version, as known at `as_of`; `replayed` models have a past that is younger than the review."""

    transaction: Transaction
    as_of: datetime
    policy: Policy
    champions: Sequence[Row]
    replayed: list[int]
    aliases: Mapping[int, Sequence[AliasMove]]
    accuracy: Mapping[tuple[int, bool], Row]
    waiting: Mapping[int, Row]
    findings: Mapping[int, Sequence[Row]]
    measured: Mapping[int, Row]
    impact: Mapping[int, Row]
    health: Mapping[tuple[str, int], Row]
    versions: Mapping[int, Sequence[Row]]
    checks: Mapping[int, Sequence[Row]]
    paired: Mapping[int, Row]
    alerts: tuple[OpenAlert, ...]

    @property
    def about_models(self) -> dict[str, Any]:
        """What queries about all champions are asked with."""
        models = [row["model_id"] for row in self.champions]
        return {"model_ids": models, "replayed": self.replayed, "as_of": self.as_of}


def read_facts(transaction: Transaction, champions: Sequence[Row], policy: Policy, as_of: datetime) -> Facts:
    """Ask everything about these rows of `review_champions`."""
    ask, version_of, model_of = transaction.rows, itemgetter("version_id"), itemgetter("model_id")
    replayed = [row["model_id"] for row in champions if row["replayed"]]
    models = {"model_ids": [row["model_id"] for row in champions], "as_of": as_of}
    numbers = [row["version_id"] for row in champions]
    versions = {"version_ids": numbers, "as_of": as_of}
    moves = grouped(ask("review_aliases", replayed=replayed, **models), "model_id")
    aliases = {model: all_of(AliasMove, found) for model, found in moves.items()}
    pairs = _pairs(champions, aliases)
    served = {"version_ids": [*numbers, *pairs.values()], "as_of": as_of}
    granularities = [row["granularity"] or "daily" for row in champions]
    health = [row for row in ask("model_health", as_of=as_of) if row["alias"] == "champion"]
    both = {"champions": list(pairs), "challengers": list(pairs.values())}
    return Facts(
        transaction=transaction,
        as_of=as_of,
        policy=policy,
        champions=champions,
        replayed=replayed,
        aliases=aliases,
        accuracy=by(ask("review_accuracy", **versions), itemgetter("version_id", "recent")),
        waiting=by(ask("review_waiting", **versions), version_of),
        findings=grouped(ask("review_findings", **versions), "version_id"),
        measured=by(ask("review_newest_checks", **served), version_of),
        impact=by(ask("review_impact", granularities=granularities, **models), model_of),
        health=by(health, itemgetter("name", "version")),
        versions=grouped(ask("review_versions", replayed=replayed, **models), "model_id"),
        checks=grouped(ask("review_checks", replayed=replayed, **models), "model_id"),
        alerts=all_of(OpenAlert, ask("open_alerts", as_of=as_of, document=policy.alerts.document)),
        paired=by(ask("review_challengers", as_of=as_of, **both), version_of),
    )


def challenger_of(aliases: Iterable[AliasMove]) -> AliasMove | None:
    """Where the alias points, if anywhere."""
    return next((move for move in aliases if move.alias == "challenger" and move.until is None), None)


def _pairs(champions: Sequence[Row], aliases: Mapping[int, Sequence[AliasMove]]) -> dict[int, int]:
    """The challenger of each champion that has one of its own."""
    beside = ((row["version_id"], challenger_of(aliases.get(row["model_id"], ()))) for row in champions)
    return {version: move.version_id for version, move in beside if move is not None and move.version_id != version}


def from_row(shape: type[T], row: Row, /, **more: Any) -> T:
    """A dataclass from the columns of a row that are its fields, and from what else is given."""
    return shape(**{field.name: row[field.name] for field in fields(shape) if field.name in row} | more)


def all_of(shape: type[T], rows: Sequence[Row]) -> tuple[T, ...]:
    """A dataclass for each row."""
    return tuple(from_row(shape, row) for row in rows)


def by(rows: Sequence[Row], key: Callable[[Row], K]) -> dict[K, Row]:
    """The one row of each key."""
    return {key(row): row for row in rows}


def grouped(rows: Sequence[Row], column: str) -> dict[Any, list[Row]]:
    """The rows of each value of a column, in their order."""
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return dict(found)
