"""Observations that should not be there are deleted, and those that count as known at a wrong time are dated anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from mlops.db import Database, Transaction
from mlops.db.archive.read import archived_observations
from mlops.db.retry import retrying
from mlops.domain.canonical import JsonObject
from mlops.errors import BadInput, Misused, NothingToDo, Refused, UnknownName

__all__ = ["Chosen", "Edit", "EditedSeries", "Meant", "MeantSeries", "edit", "look_up", "meant"]

Action = Literal["deleted", "redated"]
EVER = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Edit:
    """A decision: what is to be done to which observations. `known_at` is for redating alone."""

    action: Action
    series_ids: Sequence[int]
    first: datetime | None = None
    until: datetime | None = None
    """Before this time."""
    known_at: Literal["observed", "now"] | None = None

    def __post_init__(self) -> None:
        first, until = self.span
        if until <= first:
            raise BadInput(f"nothing is from {first:%Y-%m-%d %H:%M} to before {until:%Y-%m-%d %H:%M}; swap them")

    @property
    def span(self) -> tuple[datetime, datetime]:
        """From when until before when."""
        return self.first or EVER[0], self.until or EVER[1]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A series by its id and by what people call it."""

    series_id: int
    name: str
    metric_type: str
    granularity: str


@dataclass(frozen=True, slots=True)
class MeantSeries:
    """What is stored of a series in the time of a decision; times are None where nothing is."""

    series_id: int
    metric_type: str
    granularity: str
    observations: int
    first_at: datetime | None
    last_at: datetime | None
    recorded_first: datetime | None
    recorded_last: datetime | None
    uncorrected: int
    """These may be dated to now."""
    ahead: int
    """The first value of these became known after their period ended, so that it may be dated back to that."""
    corrections: int
    forecasts: int
    outcomes: int


@dataclass(frozen=True, slots=True)
class EditedSeries:
    """What one decision did to a series, as it is on record; `series` is what that was, for it may be gone."""

    edit_id: int
    series_id: int
    series: JsonObject
    action: Action
    known_at: Literal["observed", "now"] | None
    first_at: datetime
    last_at: datetime
    observations: int
    corrections: int
    outcomes: int
    recorded_first: datetime | None
    recorded_last: datetime | None
    decided_by: str
    reason: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class _Named:
    """A series with everything that people may call it."""

    series_id: int
    metric_type: str
    granularity: str
    name: str
    names: list[str]


@dataclass(frozen=True, slots=True)
class _Dependant:
    """A model version that was trained on the observations, or a feature build that may hold them."""

    what: Literal["model", "build"]
    name: str
    version: str
    gone: bool


@dataclass(frozen=True, slots=True)
class Meant:
    """What a decision is about: one row for each series, and what was made of it."""

    series: tuple[MeantSeries, ...]
    models: tuple[str, ...]
    """Versions that were trained on them."""
    builds: tuple[str, ...]
    """Feature builds that may hold them, as set and number."""

    def total(self, name: str) -> int:
        """One of the counts over all series."""
        return sum(int(getattr(series, name)) for series in self.series)


def look_up(
    database: Database,
    names: Sequence[str] = (),
    *,
    ids: Sequence[int] = (),
    metric_type: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> tuple[Chosen, ...]:
    """The series of these names or ids, of a metric type and labels: all conditions that are named hold.

    A name is that of the whole series, or one of its places and labels; a number is also an id. Raises UnknownName for
    what names no series, and BadInput for a number that is the id of one and the name of another, or for no condition.
    """
    if not names and not ids and not metric_type and not labels:
        raise Misused("which series? name them, or choose by --id, --metric-type or --label; nothing was changed")
    with database.transaction() as transaction:
        known = transaction.values("metric_types")
        if metric_type and metric_type not in known:
            raise UnknownName("metric type", metric_type, known)
        there = transaction.rows(
            "series_with_all_names", of=_Named, metric_type=metric_type, labels=dict(labels or {}) or None
        )
    wanted = set(ids)
    for number in wanted - {row.series_id for row in there}:
        raise UnknownName("series", number, [str(row.series_id) for row in there], stored=True)
    for name in names:
        called = {row.series_id for row in there if name in row.names}
        numbered = {row.series_id for row in there if str(row.series_id) == name}
        if called and numbered and called != numbered:
            raise BadInput(
                f"{name!r} is the id of one series and the name of another; say --id {name}, or its whole name:"
                f" {next(row.name for row in there if row.series_id in called)!r}"
            )
        if not called | numbered:
            raise UnknownName("series", name, [row.name for row in there], stored=True)
        wanted |= called | numbered
    chosen = [row for row in there if row.series_id in wanted] if names or ids else there
    if not chosen:
        raise NothingToDo("no series is of that metric type and label; see `mlops series list`")
    return tuple(Chosen(row.series_id, row.name, row.metric_type, row.granularity) for row in chosen)


def meant(database: Database, decision: Edit) -> Meant:
    """What a decision is about, without doing anything; Refused when a part of it is archived."""
    first, until = decision.span
    ids = list(decision.series_ids)
    with database.transaction() as transaction:
        _refuse_archived(transaction, first, until)
        rows = transaction.rows("preview_edit", of=MeantSeries, series_ids=ids, first=first, until=until)
        depending = transaction.rows("dependants_of_edit", of=_Dependant, series_ids=ids, first=first, until=until)
    models = [f"models:/{row.name}/{row.version}" for row in depending if row.what == "model" and not row.gone]
    builds = [f"{row.name} (build {row.version})" for row in depending if row.what == "build"]
    return Meant(tuple(row for row in rows if row.observations), tuple(models), tuple(builds))


def edit(database: Database, decision: Edit, *, by: str, reason: str) -> list[EditedSeries]:
    """Do what was decided, in one transaction; the record of it, one row for each series that changed.

    Deleted observations go with their corrections, and forecasts lose the outcomes that were taken from them; a series
    of which nothing is left goes, too, unless a forecast or a model names it.

    Redated ones count as known since their period ended (`observed`), never later than before, or from now on (`now`).
    Of a corrected observation only the first value is dated back, and nothing is dated forward. Summaries follow at the
    next refresh, scores at `db maintain`.
    """
    if not reason.strip() or not by.strip():
        raise BadInput("a decision about observations has a reason and somebody who takes it; say --reason")

    def work() -> list[EditedSeries]:
        with database.transaction() as transaction:
            _refuse_archived(transaction, *decision.span)
            number = transaction.value(
                "edit_observations",
                action=decision.action,
                known_at=decision.known_at,
                series_ids=list(decision.series_ids),
                first=decision.first,
                until=decision.until,
                decided_by=by,
                reason=reason,
            )
            return transaction.rows("edited_series", of=EditedSeries, edit_id=number)

    return retrying(work)


def _refuse_archived(transaction: Transaction, first: datetime, until: datetime) -> None:
    last = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)  # the month in which it begins
    months = [archived for archived in archived_observations(transaction) if last <= archived.month < until]
    if months:
        named = ", ".join(f"{archived.month:%Y-%m}" for archived in months[:3]) + (", …" if len(months) > 3 else "")
        raise Refused(
            f"{len(months)} months of that time are archived and not in the database ({named}); nothing was changed;"
            f" bring them back with `mlops db restore-archive {months[0].path}`, or begin later with --from"
        )
