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
    "rollback": "roll back",
    "retrain": "retrain",
    "investigate_data": "investigate the data",
    "watch": "watch",
    "unchecked": "not checked yet",
    "none": "nothing to do",
}
"""What may be recommended, in words, the most urgent first; `unchecked` is a champion that no check has seen."""
WEEK = timedelta(days=7)
OVERDUE = timedelta(days=8)  # a weekly job and a day of grace
# By granularity: the length of a step, the steps of a cycle as in forecasting.panel, how far back the plots reach.
CALENDARS = {
    "hourly": ("1 hour", 24, timedelta(days=10)),
    "daily": ("1 day", 7, timedelta(weeks=10)),
    "weekly": ("7 days", 4, timedelta(weeks=52)),
    "monthly": ("1 month", 12, timedelta(weeks=156)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How good forecasts were beside the seasonal naive; None where nothing is known."""

    forecasts: int | None = None
    wape: float | None = None
    wape_naive: float | None = None
    coverage_80: float | None = None
    coverage_95: float | None = None

    @property
    def beaten(self) -> bool:
        """Whether the seasonal naive was better."""
        return self.wape is not None and self.wape_naive is not None and self.wape_naive < self.wape


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Accuracy):
    """One of the largest series: how good its freshest forecasts were, step by step."""

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

    environment = Environment(
        loader=PackageLoader("mlops.monitoring"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("review.html.j2").render(review=review, plots=plots, actions=ACTIONS)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    document = json.dumps(asdict(review), indent=2, ensure_ascii=False, default=datetime.isoformat)
    path.with_suffix(".json").write_text(document + "\n", encoding="utf-8")


T = TypeVar("T", bound="DataclassInstance")


def _of(kind: type[T], row: Mapping[str, Any], **more: Any) -> T:
    """A dataclass from the columns of a row that are its fields, and from what else is given."""
    return kind(**{field.name: row[field.name] for field in fields(kind) if field.name in row} | more)


def _all(kind: type[T], rows: Sequence[Mapping[str, Any]]) -> tuple[T, ...]:
    return tuple(_of(kind, row) for row in rows)


def _urgency(model: Model) -> tuple[bool, int, str]:
    return not model.advice.needs_person, list(ACTIONS).index(model.advice.action), model.name


def _model(transaction: Transaction, row: Mapping[str, Any], as_of: datetime) -> Model:
    step, cycle, reach = CALENDARS[row["granularity"] or "daily"]
    version, checked_at = {"version_id": row["version_id"], "as_of": as_of}, row["checked_at"]
    model = {"model_id": row["model_id"], "as_of": as_of, "replayed": row["replayed"]}
    plotted = {"model_id": row["model_id"], "as_of": as_of}
    naive = {"step": step, "cycle": cycle}
    drifted = _all(Drifted, transaction.rows("review_findings", version_id=row["version_id"], checked_at=checked_at))
    aliases = _all(AliasMove, transaction.rows("review_aliases", **model))
    accuracy = transaction.rows("weekly_accuracy", name=row["name"], as_of=as_of, **naive)
    return _of(
        Model,
        row,
        advice=_advice(row, drifted, as_of),
        promised=_of(Accuracy, row),
        last_7_days=_of(Accuracy, transaction.rows("review_accuracy", days=7, **version, **naive)[0]),
        last_28_days=_of(Accuracy, transaction.rows("review_accuracy", days=28, **version, **naive)[0]),
        waiting=_of(Waiting, transaction.rows("review_waiting", **version)[0]),
        drifted=drifted,
        weeks=_weeks(accuracy, transaction.rows("review_checks", **model)),
        versions=tuple(_version(one, aliases) for one in transaction.rows("review_versions", **model)),
        aliases=aliases,
        totals=_all(
            Step, transaction.rows("review_totals", start=as_of - reach, summed=row["aggregate"] == "sum", **plotted)
        ),
        largest=_places(transaction.rows("review_largest", start=as_of - reach / 2, **plotted)),
    )


def _advice(row: Mapping[str, Any], drifted: Sequence[Drifted], as_of: datetime) -> Advice:
    action, acted = row["action"] or "unchecked", row["verdict"] is not None
    overdue = (row["checked_at"] or row["champion_since"]) < as_of - OVERDUE
    in_vain = [f"retraining did not help: {row['verdict']}"] if acted and action == "retrain" else []
    reasons = [*([_lateness(row, as_of)] if overdue else ()), *in_vain, *(row["reasons"] or ())]
    return _of(
        Advice,
        row,
        action=action,
        reasons=tuple(reasons),
        needs_person=overdue or (action in ("rollback", "retrain", "investigate_data") and not row["decided_against"]),
        commands=tuple(_commands(row, action, drifted, overdue=overdue)),
    )


def _lateness(row: Mapping[str, Any], as_of: datetime) -> str:
    if row["lineage_problem"]:
        return f"it can't be checked: {row['lineage_problem']}"
    if row["checked_at"] is None:
        return f"no check has seen it, though it is champion since {row['champion_since']:%Y-%m-%d}"
    days = (as_of - row["checked_at"]).days
    return f"its last check was on {row['checked_at']:%Y-%m-%d}, {days} days before this review"


def _commands(row: Mapping[str, Any], action: str, drifted: Sequence[Drifted], *, overdue: bool) -> Iterator[str]:
    """What to run next: catch up, act, or look at what drifted."""
    if overdue and row["lineage_problem"]:
        yield f"mlops registry lineage models:/{row['name']}@champion"
    elif overdue:
        yield from ("mlops outcomes match", "mlops monitor run")
    elif action == "retrain" and row["verdict"] is not None:
        yield from ("mlops train prophet", "mlops registry list")  # the same recipe lost: try another
    elif action in ("retrain", "rollback"):
        yield f"mlops retrain {row['recommendation_id']}"
    elif action == "investigate_data":
        series = [finding.series_id for finding in drifted if finding.series_id is not None]
        yield from (f"mlops series show {one}" for one in series[:3])
        if not series:
            yield "mlops series list"


def _weeks(accuracy: Sequence[Mapping[str, Any]], checks: Sequence[Mapping[str, Any]]) -> tuple[Week, ...]:
    """Both by week, oldest first; a week may have outcomes without a check, or a check without outcomes."""
    found: dict[datetime, dict[str, Any]] = {}
    for row in (*accuracy, *checks):
        found.setdefault(row["week"], {}).update(row)
    return tuple(_of(Week, found[week]) for week in sorted(found))


def _version(row: Mapping[str, Any], aliases: Sequence[AliasMove]) -> Version:
    names = sorted(move.alias for move in aliases if move.until is None and move.version == row["version"])
    return _of(Version, row, aliases=tuple(names))


def _places(rows: Sequence[Mapping[str, Any]]) -> tuple[Place, ...]:
    """Rows of steps as one Place per series; the columns about the whole series are the same on each of its rows."""
    grouped = (list(group) for _, group in groupby(rows, key=lambda row: row["series_id"]))
    return tuple(_of(Place, steps[0], steps=_all(Step, steps)) for steps in grouped)


def _changes(models: Sequence[Model], then: Sequence[Mapping[str, Any]], since: datetime) -> Iterator[Change]:
    """What differs from the state a week earlier, model by model: advice, aliases, retrainings."""
    before = {row["name"]: row["action"] or "unchecked" for row in then}
    for model in models:
        was, now = before.pop(model.name, None), model.advice.action
        if was != now:
            words = "new here" if was is None else ACTIONS[was]
            yield Change(model.name, "recommendation", was, now, f"{model.name}: {words} → {ACTIONS[now]}")
        for week in model.weeks:
            if week.verdict and week.retrained_at and week.retrained_at > since:
                text = f"{model.name} was retrained: {week.verdict}"
                yield Change(model.name, "retraining", None, week.verdict, text)
        for move in model.aliases:
            if move.moved_at > since and move.until is None:
                yield _moved(model.name, move)
    for name, was in before.items():
        yield Change(name, "recommendation", was, None, f"{name}: no champion any more")


def _moved(model: str, move: AliasMove) -> Change:
    before = None if move.before is None else f"version {move.before}"
    way = f"now points at version {move.version}" + (f", before at {before}" if before else "")
    return Change(model, "alias", before, f"version {move.version}", f"{model}: @{move.alias} {way}")
