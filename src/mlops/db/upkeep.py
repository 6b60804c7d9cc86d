"""What monthly partitions need every night: decided from what is there, done one transaction at a time."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from mlops.db.archive import Month, archive
from mlops.db.archived import Border, archive_border, verify
from mlops.db.engine import Database
from mlops.db.failures import one_sentence

__all__ = ["Act", "Partition", "Policy", "Upkeep", "maintain", "plan"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is to be done for one table; `keep_months` None keeps everything.

    Tables of one family (that of the table `family`) have one retention: a month goes with all of them or stays.
    """

    parent: str
    premake_months: int
    keep_months: int | None
    archive: bool
    family: str


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
class Act:
    """One thing that is due, done or failed (then with the reason in `problem`)."""

    act: str
    what: str
    detail: str = ""
    problem: str | None = None

    def __str__(self) -> str:
        told = f"{self.act} {self.what}" + (f": {self.detail}" if self.detail else "")
        return told if self.problem is None else f"could not {self.act} {self.what}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a run of maintenance did; `alone` is False when another one was at work and nothing was done.

    `border` says from where on history is in the database; None when nothing is archived.
    """

    acts: tuple[Act, ...]
    alone: bool = True
    border: Border | None = None

    @property
    def failed(self) -> bool:
        """Whether something that was due could not be done."""
        return any(act.problem is not None for act in self.acts)


def plan(policies: Iterable[Policy], partitions: Iterable[Partition], now: datetime) -> list[Act]:
    """What is due, from the catalogue alone; whether an archive still holds its month is seen only when it is done."""
    rules, there = list(policies), list(partitions)
    acts = [act for policy in rules for act in _missing(policy, there, now)]
    months = [(policy, month) for policy in rules for month in _old(policy, rules, there, now)]
    return acts + [act for policy, month in months for act in _leaving(policy, month)]


def maintain(
    database: Database, folder: Path, *, dry_run: bool = False, say: Callable[[str], None] = lambda _: None
) -> Upkeep:
    """Do what is due (with `dry_run` only tell it); archives go into `folder`.

    A step that fails is told with its reason and stops none of the others. Two runs at once are one run.
    """
    if dry_run:
        policies, partitions = _read(database)
        return Upkeep(tuple(plan(policies, partitions, datetime.now(UTC))), border=archive_border(database))
    with database.alone("maintenance") as free:
        if not free:
            return Upkeep((), alone=False)
        acts = [act for step in (_premake, _refresh, _retain, _verify) for act in step(database, folder, say)]
        return Upkeep((*acts, *_analyze(database, acts)), border=archive_border(database))


def _missing(policy: Policy, partitions: Iterable[Partition], now: datetime) -> Iterator[Act]:
    """The months from this one on that are to be made."""
    lowest = {one.lower_bound.astimezone(UTC) for one in partitions if one.parent == policy.parent}
    for ahead in range(policy.premake_months + 1):
        month = _month(now, ahead)
        if month not in lowest:
            yield Act("make", policy.parent, f"{month:%Y-%m}")


def _leaving(policy: Policy, month: Sequence[Partition]) -> Iterator[Act]:
    """What is due for a month of a family that is not kept any more."""
    yield from (Act("archive", one.partition) for one in month if policy.archive and one.rows != 0)
    yield from (Act("drop", one.partition) for one in month)


def _old(
    policy: Policy, policies: Sequence[Policy], partitions: Iterable[Partition], now: datetime
) -> list[list[Partition]]:
    """By the table that gives a family its name: its months that end before the kept ones and are not restored for now.

    A month is the partitions of all tables of the family, the first one's first.
    """
    if policy.keep_months is None or policy.family != policy.parent:
        return []
    family = [one.parent for one in policies if one.family == policy.family]
    kept_from = _month(now, -policy.keep_months)
    months: dict[datetime, list[Partition]] = {}
    for one in partitions:
        if one.parent in family and one.upper_bound <= kept_from:
            months.setdefault(one.lower_bound, []).append(one)
    return [
        sorted(months[begin], key=lambda one: family.index(one.parent))
        for begin in sorted(months)
        if all(one.restored_until is None or one.restored_until <= now for one in months[begin])
    ]


def _month(now: datetime, ahead: int) -> datetime:
    years, month = divmod(now.astimezone(UTC).month - 1 + ahead, 12)
    return datetime(now.astimezone(UTC).year + years, month + 1, 1, tzinfo=UTC)


def _read(database: Database) -> tuple[list[Policy], list[Partition]]:
    with database.transaction() as transaction:
        policies = [Policy(**row) for row in transaction.rows("upkeep_policies")]
        return policies, [Partition(**row) for row in transaction.rows("upkeep_partitions")]


def _premake(database: Database, _folder: Path, say: Callable[[str], None]) -> Iterator[Act]:
    for policy in _read(database)[0]:
        say(f"partitions of {policy.parent}")
        yield from _tried("make", policy.parent, partial(_made, database, policy))


def _made(database: Database, policy: Policy) -> list[Act]:
    with database.transaction() as transaction:
        made = transaction.value("upkeep_premake", parent=policy.parent, months=policy.premake_months)
    return [Act("make", policy.parent, _count(made, "month"))] if made else []


def _refresh(database: Database, _folder: Path, say: Callable[[str], None]) -> Iterator[Act]:
    """Before retention, because a rollup is made from observations that are still there."""
    say("rollups and views")
    yield from _tried("refresh", "views", partial(_refreshed, database))


def _refreshed(database: Database) -> list[Act]:
    with database.transaction() as transaction:
        views = transaction.rows("refresh_predictive_views", force=False)
    return [
        Act("refresh", view["view_name"], f"{_count(view['rows'] or 0, 'row')} in {view['seconds'] or 0:.1f} s")
        for view in views
        if view["refreshed"]
    ]


def _retain(database: Database, folder: Path, say: Callable[[str], None]) -> Iterator[Act]:
    policies, partitions = _read(database)
    for policy in policies:
        months = _old(policy, policies, partitions, datetime.now(UTC))
        for month in months if policy.archive else ():
            for one in month:
                say(f"archive of {one.partition}")
                yield from _tried("archive", one.partition, partial(_archived, database, one, folder))
            drop = partial(_dropped, database, policy)
            yield from (act for act in _tried("drop", month[0].partition, drop) if not act.problem)
        if months:
            say(f"retention of {policy.parent}")
            yield from _tried("drop", f"old months of {policy.parent}", partial(_dropped, database, policy, last=True))


def _archived(database: Database, one: Partition, folder: Path) -> list[Act]:
    done = archive(database, one.month, folder)
    return [] if done is None else [Act("archive", one.partition, f"{_count(done.rows, 'row')} to {done.path}")]


def _dropped(database: Database, policy: Policy, *, last: bool = False) -> list[Act]:
    """The months that could go; in the `last` of several calls also why the others could not."""
    with database.transaction() as transaction:
        rows = transaction.rows("upkeep_drop", parent=policy.parent)
    left = [row for row in rows if not row["dropped"] and not str(row["reason"]).startswith("restored until")]
    return [Act("drop", row["partition"], row["reason"]) for row in rows if row["dropped"]] + [
        Act("drop", row["partition"], problem=row["reason"]) for row in left if last
    ]


def _verify(database: Database, _folder: Path, say: Callable[[str], None]) -> Iterator[Act]:
    """Whether archives still are what was written; months are read from them."""
    with database.transaction() as transaction:
        due = transaction.rows("archives_to_verify")
    for one in due:
        say(f"verification of {one['path']}")
        yield from _tried("verify", one["partition"], partial(_verified, database, one))


def _verified(database: Database, archive: dict[str, Any]) -> list[Act]:
    problem = verify(database, archive)
    return [] if problem is None else [Act("verify", archive["partition"], problem=problem)]


def _analyze(database: Database, acts: list[Act]) -> Iterator[Act]:
    if any(act.act in ("make", "archive", "drop") for act in acts):
        yield from _tried("analyze", "partitioned tables", partial(_analyzed, database))


def _analyzed(database: Database) -> list[Act]:
    with database.transaction() as transaction:
        transaction.run("upkeep_analyze")
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
