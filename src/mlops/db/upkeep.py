"""What monthly partitions need every night: decided from what is there, done one transaction at a time.

Months with rows leave the database only once somebody has agreed to that; the database keeps who and when.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from mlops.db.archive import Month, archive
from mlops.db.archive.read import Border, UnverifiedArchive, archive_border, verify_archive
from mlops.db.engine import Database
from mlops.db.failures import one_sentence
from mlops.errors import UnknownName

__all__ = [
    "Act",
    "Partition",
    "PartitionPolicy",
    "RefreshedView",
    "Retention",
    "Step",
    "Upkeep",
    "agree",
    "change_retention",
    "maintain",
    "plan",
    "retention",
    "retention_of",
]

log = logging.getLogger(__name__)
OBSERVATIONS = "analytics.time_series_metrics"


@dataclass(frozen=True, slots=True)
class PartitionPolicy:
    """What is to be done for one table; months that end after `kept_from` stay, all of them where that is None.

    Tables of one family (that of the table `family`) have one retention: a month goes with all of them or stays.
    Unless it is `agreed`, only months without rows go.
    """

    parent: str
    premake_months: int
    archive: bool
    family: str
    kept_from: datetime | None
    agreed: bool = True


@dataclass(frozen=True, slots=True)
class Partition:
    """A month as the catalogue knows it; `rows` is an estimate, None is not known."""

    parent: str
    partition: str
    lower_bound: datetime
    upper_bound: datetime
    rows: int | None
    restored_until: datetime | None

    @property
    def month(self) -> Month:
        """What an archive is made of."""
        return Month(self.parent, self.partition, self.lower_bound, self.upper_bound)


@dataclass(frozen=True, slots=True)
class Retention:
    """What of one table (and of those that follow it) is due to leave the database: `due` months that have rows.

    `due_rows` is an estimate, None is not known. `why` says what an agreement lacks; None when it is `agreed`.
    """

    parent: str
    keep_months: int | None
    archive: bool
    kept_from: datetime | None
    due: int
    due_from: datetime | None
    due_until: datetime | None
    due_rows: int | None
    due_bytes: int
    agreed_at: datetime | None
    agreed_by: str | None
    agreed: bool
    why: str | None

    @property
    def waits(self) -> bool:
        """Whether months are due that somebody has to agree to."""
        return self.due > 0 and not self.agreed


@dataclass(frozen=True, slots=True)
class OldPartition:
    """An old partition: whether it was dropped, why not, and whether one that stays is meant to."""

    partition: str
    lower_bound: datetime
    rows: int | None
    dropped: bool
    reason: str
    stays_rightly: bool


@dataclass(frozen=True, slots=True)
class RefreshedView:
    """What one refresh did about one view; `rows` is None when there was nothing to do."""

    view_name: str
    refreshed: bool
    seconds: float | None
    rows: int | None


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that is due, done or failed (then with the reason in `problem`).

    Of a month: the `table` that it is of, when it begins, and its `rows` where they were counted.
    """

    act: str
    what: str
    detail: str = ""
    problem: str | None = None
    table: str | None = None
    month: datetime | None = None
    rows: int | None = None

    def __str__(self) -> str:
        done = f"{self.act} {self.what}" + (f": {self.detail}" if self.detail else "")
        return done if self.problem is None else f"could not {self.act} {self.what}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a run of maintenance did; `alone` is False when another one was at work and nothing was done.

    `border` says from where on history is in the database; None when nothing is archived. `waiting` are tables of which
    months are due that nobody has agreed to let go.
    """

    acts: tuple[Act, ...]
    alone: bool = True
    border: Border | None = None
    waiting: tuple[Retention, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether something that was due could not be done."""
        return any(act.problem is not None for act in self.acts)


@dataclass(frozen=True, slots=True)
class Step:
    """Something else that is to be done every night: `work` says what it did, nothing where nothing was to do."""

    act: str
    what: str
    work: Callable[[], str]


def plan(policies: Iterable[PartitionPolicy], partitions: Iterable[Partition], now: datetime) -> list[Act]:
    """What is due and agreed, from the catalogue alone; whether an archive holds its month is seen when it is done."""
    rules, there = list(policies), list(partitions)
    acts = []
    # months from this one on that are to be made
    for policy in rules:
        made = {partition.lower_bound.astimezone(UTC) for partition in there if partition.parent == policy.parent}
        for ahead in range(policy.premake_months + 1):
            years, number = divmod(now.astimezone(UTC).month - 1 + ahead, 12)
            month = datetime(now.astimezone(UTC).year + years, number + 1, 1, tzinfo=UTC)
            if month not in made:
                acts.append(Act("make", policy.parent, f"{month:%Y-%m}", table=policy.parent, month=month))
    # months of a family that are not kept any more
    for policy in (policy for policy in rules if policy.agreed):
        for old in _old(policy, rules, there, now):
            leaving = [("archive", part) for part in old if policy.archive and part.rows != 0]
            leaving += [("drop", part) for part in old]
            acts += [
                Act(act, part.partition, table=part.parent, month=part.lower_bound, rows=part.rows)
                for act, part in leaving
            ]
    return acts


def retention(database: Database) -> list[Retention]:
    """For each table with a retention of its own what is due to leave the database, and whether that is agreed."""
    with database.transaction() as transaction:
        return transaction.rows("retention", of=Retention)


def retention_of(database: Database, name: str = "") -> list[Retention]:
    """The retention of a table by its name, with or without schema, or of all; UnknownName for one that has none."""
    tables = {table.parent.removeprefix("analytics."): table for table in retention(database)}
    chosen = [table for short, table in tables.items() if name in ("", short, table.parent)]
    if not chosen and name:
        raise UnknownName("table with a retention", name, tables, stored=True)
    return chosen


def change_retention(
    database: Database, name: str, *, keep_months: int | None = None, withdraw: bool = False
) -> list[Retention]:
    """Keep the months of a table for so long (None: for ever), or with `withdraw` let the next drop ask again.

    The retention as it is then.
    """
    tables = retention_of(database, name)
    with database.transaction() as transaction:
        for table in tables:
            if withdraw:
                transaction.value("withdraw_retention", parent=table.parent)
            else:
                transaction.run("set_retention", parent=table.parent, months=keep_months)
    return retention_of(database, name)


def agree(database: Database, parents: Iterable[str]) -> None:
    """Let old months of some tables, and of those that follow them, leave the database from now on, on record."""
    with database.transaction() as transaction:
        for parent in parents:
            transaction.value("agree_to_retention", parent=parent)


def maintain(
    database: Database,
    folder: Path,
    *,
    dry_run: bool = False,
    also: Sequence[Step] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Upkeep:
    """Do what is due (with `dry_run` only report it); archives go into `folder`; `also` is done before views are made.

    A step that fails is reported with its reason and stops none of the others. Two runs at once are one run. Months
    with rows stay, and are `waiting`, until somebody agrees to let them go.
    """
    if dry_run:
        policies, partitions = _read(database)
        acts = plan(policies, partitions, datetime.now(UTC))
        return Upkeep(tuple(acts), border=archive_border(database), waiting=_waiting(database))
    with database.alone("maintenance") as free:
        if not free:
            return Upkeep((), alone=False)
        acts = [
            *_premake(database, progress),
            *_mark_leaving(database, progress),
            *(act for step in also for act in _do(step, progress)),
            *_refresh(database, progress),
            *_retain(database, folder, progress),
            *_verify(database, progress),
        ]
        if any(act.act in ("make", "refresh", "archive", "drop") for act in acts):
            acts += _tried("analyze", "partitioned tables", partial(_analyzed, database))
        return Upkeep(tuple(acts), border=archive_border(database), waiting=_waiting(database))


def _waiting(database: Database) -> tuple[Retention, ...]:
    return tuple(due for due in retention(database) if due.waits)


def _do(step: Step, progress: Callable[[str], None]) -> list[Act]:
    progress(f"{step.act} {step.what}")

    def work() -> list[Act]:
        detail = step.work()
        return [Act(step.act, step.what, detail)] if detail else []

    return _tried(step.act, step.what, work)


def _old(
    policy: PartitionPolicy, policies: Sequence[PartitionPolicy], partitions: Iterable[Partition], now: datetime
) -> list[list[Partition]]:
    """By the table that gives a family its name: its months that end before the kept ones and are not restored for now.

    A month is the partitions of all tables of the family, the first one's first.
    """
    kept_from = policy.kept_from
    if kept_from is None or policy.family != policy.parent:
        return []
    family = [member.parent for member in policies if member.family == policy.family]
    months: dict[datetime, list[Partition]] = {}
    for partition in partitions:
        if partition.parent in family and partition.upper_bound <= kept_from:
            months.setdefault(partition.lower_bound, []).append(partition)
    return [
        sorted(months[begin], key=lambda partition: family.index(partition.parent))
        for begin in sorted(months)
        if all(part.restored_until is None or part.restored_until <= now for part in months[begin])
    ]


def _read(database: Database) -> tuple[list[PartitionPolicy], list[Partition]]:
    with database.transaction() as transaction:
        return transaction.rows("partition_policies", of=PartitionPolicy), transaction.rows(
            "list_partitions", of=Partition
        )


def _premake(database: Database, progress: Callable[[str], None]) -> Iterator[Act]:
    def make(policy: PartitionPolicy) -> list[Act]:
        with database.transaction() as transaction:
            made = transaction.value("make_partitions_ahead", parent=policy.parent, months=policy.premake_months)
        return [Act("make", policy.parent, _count(made, "month"))] if made else []

    for policy in _read(database)[0]:
        progress(f"partitions of {policy.parent}")
        yield from _tried("make", policy.parent, partial(make, policy))


def _mark_leaving(database: Database, progress: Callable[[str], None]) -> Iterator[Act]:
    """Months that are to go are summarised anew by the refresh that follows, however their rows came in."""

    def mark(month: Partition) -> list[Act]:
        with database.transaction() as transaction:
            transaction.value("mark_month_for_summary", month=month.lower_bound)
        return []

    policies, partitions = _read(database)
    for policy in (policy for policy in policies if policy.parent == OBSERVATIONS and policy.agreed):
        for month in _old(policy, policies, partitions, datetime.now(UTC)):
            progress(f"days of {month[0].partition}")
            yield from _tried("mark", month[0].partition, partial(mark, month[0]))


def _refresh(database: Database, progress: Callable[[str], None]) -> Iterator[Act]:
    """Before retention, because a rollup is made from observations that are still there."""

    def refresh() -> list[Act]:
        with database.transaction() as transaction:
            views = transaction.rows("refresh_predictive_views", of=RefreshedView, force=False)
        return [
            Act("refresh", view.view_name, f"{_count(view.rows or 0, 'row')} in {view.seconds or 0:.1f} s")
            for view in views
            if view.refreshed
        ]

    progress("rollups and views")
    yield from _tried("refresh", "views", refresh)


def _retain(database: Database, folder: Path, progress: Callable[[str], None]) -> Iterator[Act]:
    policies, partitions = _read(database)
    tables = {partition.partition: partition.parent for partition in partitions}
    for policy in policies:
        months = _old(policy, policies, partitions, datetime.now(UTC))
        for number, month in enumerate(months if policy.archive and policy.agreed else (), 1):
            for partition in month:
                progress(f"archive of {partition.partition} (month {number:,} of {len(months):,})")
                yield from _tried("archive", partition.partition, partial(_archived, database, partition, folder))
            drop = partial(_dropped, database, policy, tables)
            yield from (act for act in _tried("drop", month[0].partition, drop) if not act.problem)
        if months:
            progress(f"retention of {policy.parent}")
            last = partial(_dropped, database, policy, tables, last=True)
            yield from _tried("drop", f"old months of {policy.parent}", last)


def _archived(database: Database, partition: Partition, folder: Path) -> list[Act]:
    done = archive(database, partition.month, folder)
    if done is None:
        return []
    detail = f"{_count(done.rows, 'row')} to {done.path}"
    return [
        Act(
            "archive",
            partition.partition,
            detail,
            table=partition.parent,
            month=partition.lower_bound,
            rows=done.rows,
        )
    ]


def _dropped(
    database: Database, policy: PartitionPolicy, tables: Mapping[str, str], *, last: bool = False
) -> list[Act]:
    """The months that could go; in the `last` of several calls also why the others could not."""
    with database.transaction() as transaction:
        old = transaction.rows("drop_old_partitions", of=OldPartition, parent=policy.parent)
    acts = []
    for month in old:
        if month.dropped or (last and not month.stays_rightly):
            act = Act(
                "drop", month.partition, table=tables.get(month.partition), month=month.lower_bound, rows=month.rows
            )
            acts.append(replace(act, detail=month.reason) if month.dropped else replace(act, problem=month.reason))
    return acts


def _verify(database: Database, progress: Callable[[str], None]) -> Iterator[Act]:
    """Whether archives still are what was written; months are read from them."""

    def compare(file: UnverifiedArchive) -> list[Act]:
        problem = verify_archive(database, file)
        return [] if problem is None else [Act("verify", file.partition, problem=problem)]

    with database.transaction() as transaction:
        due = transaction.rows("archives_to_verify", of=UnverifiedArchive)
    for file in due:
        progress(f"verification of {file.path}")
        yield from _tried("verify", file.partition, partial(compare, file))


def _analyzed(database: Database) -> list[Act]:
    with database.transaction() as transaction:
        transaction.run("analyze_tables")
    return []


def _tried(act: str, what: str, work: Callable[[], list[Act]]) -> list[Act]:
    """The acts of one step, or why it failed."""
    try:
        return work()
    except Exception as error:  # at a job's edge: one step never stops the others
        log.debug("%s %s", act, what, exc_info=True)
        return [Act(act, what, problem=one_sentence(error))]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
