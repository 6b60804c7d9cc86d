"""The monitoring job: every served version is checked, and what is found recorded; one that breaks stops no other."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from mlops import parallel
from mlops.config import Settings
from mlops.db import Database
from mlops.db.failures import explained, one_sentence
from mlops.domain.canonical import one_line
from mlops.domain.findings import Benefit, Findings, Recommendation
from mlops.files import whole_file
from mlops.monitoring.weekly.check import check_version
from mlops.monitoring.weekly.history import ServedVersion, VersionHistory
from mlops.monitoring.weekly.record import WeeklyCheck, record, record_failure
from mlops.policy import Policy
from mlops.tracking.runs import attach_check
from mlops.tracking.store import Store, open_store

__all__ = ["CheckResult", "drill_down", "replay", "run_checks"]

FEW = 24  # versions that are checked sooner here than workers have begun
Done = Callable[["CheckResult"], None]
Histories = dict[int, VersionHistory]
"""By the id of the version."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckResult:
    """What one week's check of one served version found.

    `state` is judged, or why not: unlabelled, unjudged, failed; then `problem` says it in a sentence. A champion has a
    recommendation, another version may have a `comparison`: what it would have saved in the champion's place. `since`
    is the first check in a row that asked the same for the same cause.
    """

    name: str
    version: int
    version_id: int
    alias: str
    as_of: datetime
    state: str
    problem: str
    findings: Findings
    recommendation: Recommendation | None
    recommendation_id: int | None
    values: dict[str, float]
    comparison: Benefit | None
    since: datetime | None = None

    @property
    def champion(self) -> bool:
        """Whether it is the version that its model's forecasts are made by."""
        return self.alias == "champion"

    @property
    def asks(self) -> str:
        """The action that is recommended; none for a version that is no champion."""
        return "none" if self.recommendation is None else self.recommendation.action


def run_checks(
    database: Database,
    store: Store,
    policy: Policy,
    as_of: datetime,
    *,
    done: Done = lambda _: None,
    histories: Histories | None = None,
) -> list[CheckResult]:
    """Check every served version on what was known at `as_of`, by name, champions first; `done` is called with each.

    One that can't be checked is `failed` and stops no other. Repeating it for the same time changes nothing that was
    written, unless data came or the policy changed; several processes at once write the same. Who checks week after
    week by one policy gives the same `histories` each time: what they have read is not read again.
    """
    return replay(database, store, policy, [as_of], done=done, histories=histories)


def replay(
    database: Database,
    store: Store,
    policy: Policy,
    times: Sequence[datetime],
    *,
    done: Done = lambda _: None,
    histories: Histories | None = None,
) -> list[CheckResult]:
    """The checks of several times, in their order, of the versions that are served at the last of them.

    A version's tables are read once and its monitors go on from week to week, which is all that makes it faster than
    `run` for each time. Many versions are checked on the workers of MLOPS_PARALLEL.
    """
    with database.transaction() as transaction:
        transaction.run("close_recommendations_of_replaced")
        versions = transaction.rows("served_versions", of=ServedVersion, as_of=times[-1])
    by_version: dict[int, list[CheckResult]] = {}
    for number, checks in _all(database, store, policy, times, versions, {} if histories is None else histories):
        by_version[number] = checks
        for check in checks:
            done(check)
    return [by_version[number][place] for place in range(len(times)) for number in range(len(versions))]


def drill_down(database: Database, checked: CheckResult, folder: Path) -> Path:
    """Write the Evidently page of one check: every statistic with its test."""
    from mlops.monitoring import evidently

    with database.transaction() as transaction:
        snapshot = transaction.value("evidently_snapshot", version_id=checked.version_id, as_of=checked.as_of)
    role = "" if checked.champion else f"-{checked.alias}"
    page = folder / f"drift-{checked.name}{role}-{checked.as_of:%Y-%m-%d}.html"
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(page) as unfinished:
        evidently.save_html(snapshot, unfinished)
    return page


@dataclass(frozen=True)
class _Place:
    """What a worker needs to open the database and the store."""

    database: str
    store: str
    home: Path
    policy: Policy
    times: tuple[datetime, ...]


def _all(
    database: Database,
    store: Store,
    policy: Policy,
    times: Sequence[datetime],
    versions: Sequence[ServedVersion],
    histories: Histories,
) -> Iterator[tuple[int, list[CheckResult]]]:
    if len(versions) < FEW or Settings().parallel == "serial":
        for number, version in enumerate(versions):
            history = histories.setdefault(version.version_id, VersionHistory(database, store, policy, version))
            history.version = version  # its aliases may have moved since
            checks = _life(database, store, policy, times, history)
            if any(check.state == "failed" for check in checks):
                del histories[version.version_id]  # it may have broken in the middle
            yield number, checks
        return
    place = _Place(database.url, store.uri, store.artifacts.parent, policy, tuple(times))
    yield from parallel.jobs(_elsewhere, versions, shared=place)


def _elsewhere(place: _Place, version: ServedVersion) -> list[CheckResult]:
    database, store = _opened(place.database, place.store, place.home)
    return _life(database, store, place.policy, place.times, VersionHistory(database, store, place.policy, version))


@cache
def _opened(database: str, store: str, home: Path) -> tuple[Database, Store]:
    """A worker's own connections, which it keeps for the next version."""
    return Database(database), open_store(Settings(home=home, mlflow_tracking_uri=store), database)


def _life(
    database: Database, store: Store, policy: Policy, times: Sequence[datetime], history: VersionHistory
) -> list[CheckResult]:
    """The checks of one version."""
    return [_checked(database, store, policy, history, as_of) for as_of in times]


def _checked(database: Database, store: Store, policy: Policy, history: VersionHistory, as_of: datetime) -> CheckResult:
    """A check that is recorded, or why there is none."""
    version = history.version
    try:
        check = check_version(database, store, policy, history, as_of)
        number, standing = record(database, policy, check)
        _attach(database, store, check)
        since = None
        if number is not None:
            with database.transaction() as transaction:
                since = transaction.value("recommendation_stands_since", recommendation_id=number)
        return _result(check, number, standing, since)
    except Exception as error:  # one version that can't be checked stops no other
        if explained(error) is None:
            log.exception("the check of %s version %s broke", version.name, version.version)
        problem = one_line(one_sentence(error))
    record_failure(database, version, as_of, problem)
    return _result(WeeklyCheck(version, as_of, Findings(), None, {}, "failed", problem), None, None)


def _attach(database: Database, store: Store, check: WeeklyCheck) -> None:
    """Keep the snapshot that stands with the model's run, too; the check stands without."""
    with database.transaction() as transaction:
        snapshot = transaction.value("evidently_snapshot", **check.key)
    why = attach_check(store, check.version.run_id, check.as_of, snapshot) if snapshot else None
    if why:
        log.warning("the snapshot of %s is in Postgres only: %s", check.version.name, why)


def _result(
    check: WeeklyCheck, number: int | None, standing: Recommendation | None, since: datetime | None = None
) -> CheckResult:
    version = check.version
    return CheckResult(
        name=version.name,
        version=version.version,
        version_id=version.version_id,
        alias=version.alias,
        as_of=check.as_of,
        state=check.state,
        problem=check.problem,
        findings=check.findings,
        recommendation=standing,
        recommendation_id=number,
        values=dict(check.values),
        comparison=check.comparison,
        since=since,
    )
