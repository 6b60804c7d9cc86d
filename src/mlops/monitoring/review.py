"""The weekly review: what everything recorded by a time says about each champion, as data and as one page."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlops.db import Database, Transaction
from mlops.errors import NothingToDo

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["ACTIONS", "Model", "Review", "build", "file_name", "write"]

ACTIONS = {
    "retrain": "retrain",
    "investigate_data": "investigate the data",
    "watch": "watch",
    "unchecked": "not checked yet",
    "none": "nothing to do",
}
"""What may be recommended, in words, the most urgent first; `unchecked` is a champion that no check has seen."""
WEEK = timedelta(days=7)
OVERDUE = timedelta(days=8)  # a weekly job and a day of grace
# By granularity: the length of a step, the steps of a cycle (as in forecasting.panel), and how far back the plots reach.
CALENDARS = {
    "hourly": ("1 hour", 24, timedelta(days=10)),
    "daily": ("1 day", 7, timedelta(weeks=10)),
    "weekly": ("7 days", 4, timedelta(weeks=52)),
    "monthly": ("1 month", 12, timedelta(weeks=156)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How good forecasts were beside the seasonal naive; None where nothing is known."""

    forecasts: int = 0
    wape: float | None = None
    wape_naive: float | None = None
    coverage_80: float | None = None
    coverage_95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Week(Accuracy):
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
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMove:
    """From `moved_at` until `until` (None: still) an alias points at `version`; before that it pointed at `before`."""

    alias: str
    version: int
    before: int | None
    moved_at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A finding of the newest check beyond its limit; `series_id` and `place` when it is about a series."""

    kind: str
    subject: str
    detail: str
    statistic: float | None
    threshold: float | None
    series_id: int | None
    place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Of `due` forecasts whose time is past, `forecasts` in `series` series have no outcome, the first for `oldest`."""

    due: int
    forecasts: int
    series: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A forecast and its outcome; a total has no interval, for the sum of bounds is no bound of the sum."""

    ds: datetime
    outcome: float | None
    y_hat: float
    lo_80: float | None = None
    hi_80: float | None = None
    lo_95: float | None = None
    hi_95: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One series, step by step."""

    series_id: int
    place: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The newest recommendation, since when it stands without a break, what came of it, and what to run."""

    action: str
    reasons: tuple[str, ...]
    needs_person: bool
    commands: tuple[str, ...]
    recommendation_id: int | None
    checked_at: datetime | None
    since: datetime | None
    verdict: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One champion: what it is, what should be done and why, how good it was, and its history."""

    name: str
    version: int
    kind: str | None
    metric_type: str | None
    unit: str | None
    aggregate: str | None
    series: int | None
    known_at: datetime | None
    trained_from: datetime | None
    trained_to: datetime | None
    champion_since: datetime
    advice: Advice
    promised: Accuracy
    last_7_days: Accuracy
    last_28_days: Accuracy
    waiting: Waiting
    checked: int
    drifted: tuple[Drifted, ...]
    weeks: tuple[Week, ...]
    versions: tuple[Version, ...]
    aliases: tuple[AliasMove, ...]
    totals: tuple[Step, ...]
    largest: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was different at the review a week earlier."""

    model: str
    kind: str
    before: str | None
    after: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """Everything that was known at `as_of`; models that need a person come first, changes are since `since`."""

    as_of: datetime
    since: datetime
    counts: dict[str, int]
    changes: tuple[Change, ...]
    models: tuple[Model, ...]


def build(database: Database, as_of: datetime) -> Review:
    """The review of everything that was known at `as_of`; NothingToDo when no model had a champion by then."""
    as_of = as_of.astimezone(UTC)
    with database.transaction() as transaction:
        now = transaction.rows("review_champions", as_of=as_of, clock=as_of)
        then = transaction.rows("review_champions", as_of=as_of - WEEK, clock=as_of)
        models = sorted((_model(transaction, row, as_of) for row in now), key=_urgency)
    if not models:
        raise NothingToDo(
            f"no model had a champion by {as_of:%Y-%m-%d %H:%M} UTC; see `mlops registry list`, then"
            " `mlops registry promote models:/NAME/VERSION`, or train one with `mlops train lightgbm`"
        )
    counts = {action: sum(model.advice.action == action for model in models) for action in ACTIONS}
    return Review(as_of, as_of - WEEK, counts, tuple(_changes(models, then, as_of - WEEK)), tuple(models))


def file_name(as_of: datetime) -> str:
    """What the page of a review is called."""
    return f"review-{as_of.astimezone(UTC):%Y-%m-%d}.html"


def write(review: Review, path: Path) -> None:
    """Write the page to `path` and the same facts as JSON beside it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from mlops.monitoring import plots

    loader = PackageLoader("mlops.monitoring")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    page = environment.get_template("review.html.j2").render(review=review, plots=plots, actions=ACTIONS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    document = json.dumps(asdict(review), indent=2, ensure_ascii=False, default=datetime.isoformat)
    path.with_suffix(".json").write_text(document + "\n", encoding="utf-8")


def _urgency(model: Model) -> tuple[bool, int, str]:
    return not model.advice.needs_person, list(ACTIONS).index(model.advice.action), model.name


def _model(transaction: Transaction, row: Mapping[str, Any], as_of: datetime) -> Model:
    step, cycle, reach = CALENDARS[row["granularity"] or "daily"]
    version = {"version_id": row["version_id"], "as_of": as_of}
    model = {"model_id": row["model_id"], "as_of": as_of, "replayed": row["replayed"]}
    plotted = {"model_id": row["model_id"], "as_of": as_of, "start": as_of - reach}
    naive = {"step": step, "cycle": cycle}
    drifted = _all(Drifted, transaction.rows("review_findings", version_id=row["version_id"], checked_at=row["checked_at"]))
    aliases = _all(AliasMove, transaction.rows("review_aliases", **model))
    weeks = _weeks(
        transaction.rows("weekly_accuracy", name=row["name"], as_of=as_of, **naive), transaction.rows("review_checks", **model)
    )
    return _of(
        Model,
        row,
        advice=_advice(row, drifted, as_of),
        promised=_of(Accuracy, row),
        last_7_days=_of(Accuracy, transaction.rows("review_accuracy", days=7, **version, **naive)[0]),
        last_28_days=_of(Accuracy, transaction.rows("review_accuracy", days=28, **version, **naive)[0]),
        waiting=_of(Waiting, transaction.rows("review_waiting", **version)[0]),
        checked=next((week.checked for week in weeks if week.checked_at == row["checked_at"] is not None), 0),
        drifted=drifted,
        weeks=weeks,
        versions=tuple(_version(one, aliases) for one in transaction.rows("review_versions", **model)),
        aliases=aliases,
        totals=_all(Step, transaction.rows("review_totals", summed=row["aggregate"] == "sum", **plotted)),
        largest=_places(transaction.rows("review_largest", **plotted)),
    )
