"""What the database knows about champions: one query per question for all of them at once, kept by what it is about."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from mlops.db import Transaction
from mlops.domain.findings import Action, BenefitDocument, RecordedFinding
from mlops.monitoring.health import Health, read_health
from mlops.monitoring.review.decisions import OpenAlert
from mlops.monitoring.review.document import NewestCheck, Waiting
from mlops.monitoring.review.history import Accuracy, AliasMove, ReviewWeek, Version
from mlops.policy import Policy

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


__all__ = [
    "CheckRow",
    "CheckedWeek",
    "DriftedRow",
    "Facts",
    "ModelMove",
    "PairedRow",
    "ReviewedChampion",
    "UnitsOff",
    "VersionRow",
    "challenger_of",
    "from_row",
    "read_facts",
]


T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedChampion:
    """The champion of a model, its backtest, and its newest recommendation with the decision on it, if there is one.

    `replayed` says that the past of the model is younger than the review. `since` is the first check of the unbroken
    run of the action.
    """

    model_id: int
    version_id: int
    replayed: bool
    champion_since: datetime
    name: str
    version: int
    kind: str | None
    known_at: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None
    lineage_problem: str | None
    granularity: str | None
    metric_type: str | None
    unit: str | None
    aggregate: str | None
    series: int | None
    promised_of: str
    wape: float | None
    wape_naive: float | None
    coverage_80: float | None
    coverage_95: float | None
    recommendation_id: int | None
    action: Action | None
    reasons: list[str] | None
    checked_at: datetime | None
    onset: datetime | None
    expected_benefit: BenefitDocument | None
    cost: float | None
    horizon_weeks: int | None
    expires_at: datetime | None
    since: datetime | None
    stands_in_for: int | None
    decision: str | None
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None
    decision_until: datetime | None
    checked: int
    verdict: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMove(AliasMove):
    """A move of an alias of a model."""

    model_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow(Version):
    """A version of a model; its aliases are asked for by themselves."""

    model_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedWeek(ReviewWeek):
    """The newest check of a week of a model; how good its forecasts were is asked for by itself."""

    model_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionAccuracy(Accuracy):
    """How good a version was in the last 7 days, or in the recent `days`."""

    version_id: int
    recent: bool
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionWaiting(Waiting):
    """What waits for outcomes of a version."""

    version_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftedRow(RecordedFinding):
    """A finding of the newest check of a version; `series_id` where it is about a series."""

    version_id: int
    series_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow(NewestCheck):
    """The newest check of a version with what it measured; `comparison` is what it would have saved as champion."""

    version_id: int
    measured: dict[str, float]
    compared_with: int | None
    comparison: BenefitDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsOff:
    """Units that the forecasts of a model were short of the outcome and over it: of 7 days, and of so many weeks."""

    model_id: int
    weeks: int
    week_under: float
    week_over: float
    units_under: float
    units_over: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRow:
    """How good a challenger and its champion were for the same series and times."""

    version_id: int
    forecasts: int
    wape: float | None
    wape_champion: float | None


class AboutModels(TypedDict):
    """What queries about all champions are asked with."""

    model_ids: list[int]
    replayed: list[int]
    as_of: datetime


@dataclass(frozen=True)
class Facts:
    """Rows by model or version, as known at `as_of`; `replayed` models have a past that is younger than the review."""

    transaction: Transaction
    as_of: datetime
    policy: Policy
    champions: Sequence[ReviewedChampion]
    replayed: list[int]
    aliases: Mapping[int, Sequence[ModelMove]]
    accuracy: Mapping[tuple[int, bool], VersionAccuracy]
    waiting: Mapping[int, VersionWaiting]
    findings: Mapping[int, Sequence[DriftedRow]]
    measured: Mapping[int, CheckRow]
    impact: Mapping[int, UnitsOff]
    health: Mapping[tuple[str, int], Health]
    versions: Mapping[int, Sequence[VersionRow]]
    checks: Mapping[int, Sequence[CheckedWeek]]
    paired: Mapping[int, PairedRow]
    alerts: tuple[OpenAlert, ...]

    @property
    def about_models(self) -> AboutModels:
        """What queries about all champions are asked with."""
        models = [champion.model_id for champion in self.champions]
        return {"model_ids": models, "replayed": self.replayed, "as_of": self.as_of}


def read_facts(
    transaction: Transaction, champions: Sequence[ReviewedChampion], policy: Policy, as_of: datetime
) -> Facts:
    """Ask everything about these champions."""
    ask = transaction.rows
    replayed = [champion.model_id for champion in champions if champion.replayed]
    models = [champion.model_id for champion in champions]
    versions = [champion.version_id for champion in champions]
    about: AboutModels = {"model_ids": models, "replayed": replayed, "as_of": as_of}
    aliases = _grouped(ask("review_aliases", of=ModelMove, **about), lambda row: row.model_id)
    # the challenger of each champion that has one of its own
    beside = ((champion, challenger_of(aliases.get(champion.model_id, ()))) for champion in champions)
    pairs = {
        champion.version_id: move.version_id
        for champion, move in beside
        if move is not None and move.version_id != champion.version_id
    }
    accuracy = ask("review_accuracy", of=VersionAccuracy, version_ids=versions, as_of=as_of)
    waiting = ask("review_waiting", of=VersionWaiting, version_ids=versions, as_of=as_of)
    findings = ask("review_findings", of=DriftedRow, version_ids=versions, as_of=as_of)
    checks = ask("review_newest_checks", of=CheckRow, version_ids=[*versions, *pairs.values()], as_of=as_of)
    granularities = [champion.granularity or "daily" for champion in champions]
    impact = ask("review_impact", of=UnitsOff, granularities=granularities, model_ids=models, as_of=as_of)
    paired = ask(
        "review_challengers", of=PairedRow, as_of=as_of, champions=list(pairs), challengers=list(pairs.values())
    )
    return Facts(
        transaction=transaction,
        as_of=as_of,
        policy=policy,
        champions=champions,
        replayed=replayed,
        aliases=aliases,
        accuracy=_by(accuracy, lambda row: (row.version_id, row.recent)),
        waiting=_by(waiting, lambda row: row.version_id),
        findings=_grouped(findings, lambda row: row.version_id),
        measured=_by(checks, lambda row: row.version_id),
        impact=_by(impact, lambda row: row.model_id),
        health={(row.name, row.version): row for row in read_health(transaction, as_of) if row.alias == "champion"},
        versions=_grouped(ask("review_versions", of=VersionRow, **about), lambda row: row.model_id),
        checks=_grouped(ask("review_checks", of=CheckedWeek, **about), lambda row: row.model_id),
        alerts=tuple(ask("open_alerts", of=OpenAlert, as_of=as_of, document=policy.alerts.document)),
        paired=_by(paired, lambda row: row.version_id),
    )


def challenger_of(aliases: Iterable[AliasMove]) -> AliasMove | None:
    """Where the alias points, if anywhere."""
    return next((move for move in aliases if move.alias == "challenger" and move.until is None), None)


def from_row(shape: Callable[..., T], *rows: "DataclassInstance | None", **more: Any) -> T:
    """A dataclass from the fields of rows that are its own (of a later row before an earlier one's), and what is given.

    A row that is None has nothing.
    """
    known = {field.name: getattr(row, field.name) for row in rows if row is not None for field in fields(row)}
    taken = {field.name for field in fields(shape)}  # type: ignore[arg-type]  # a dataclass, which typing can't name
    return shape(**{name: value for name, value in known.items() if name in taken} | more)


def _by(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, T]:
    """The one row of each key."""
    return {key(row): row for row in rows}


def _grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The rows of each key, in their order."""
    groups: dict[K, list[T]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)
