"""Promotion and rollback: which version may serve, by gates, and on record before it does.

The decision is written first and the registry's alias is moved then: an interruption leaves a decision that the same
command carries out, never a champion that nobody decided on.
"""

import getpass
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from mlops.db import Database
from mlops.domain.lineage import trained_here
from mlops.domain.model_uri import uri_of
from mlops.domain.sentence import sentence
from mlops.errors import Misused, ModelNotFound, NothingToDo, Refused
from mlops.evaluation.winning import Gate, GateDocument, Losses, Rule, failed
from mlops.tracking.artifacts.checked import anchor_of, foreign_library, signature_of, why_not_loaded
from mlops.tracking.artifacts.verify import contradiction
from mlops.tracking.bridge.mirror import LiveVersion, live_version
from mlops.tracking.bridge.sync import sync
from mlops.tracking.lineage import CARRIES_NONE
from mlops.tracking.registry import ModelVersion, alias_of, move_champion, resolve
from mlops.tracking.store import Store
from mlops.training import gates
from mlops.training.comparison import MirroredVersion, compare_with_champion
from mlops.training.train import Say

__all__ = [
    "ChampionMove",
    "Promotion",
    "check_gates",
    "decide",
    "promote",
    "rollback",
    "rollback_target",
    "structure",
    "who",
]


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was decided: the champion now, the one before (None: there was none), and what each gate found."""

    promotion_id: int
    version: ModelVersion
    before: int | None
    action: str
    decided_by: str
    reason: str
    gates: tuple[Gate, ...]
    forced: bool
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class RecordedPromotion:
    """A promotion as it is on record; `applied_at` is None until the alias has been moved."""

    promotion_id: int
    action: str
    decided_by: str
    reason: str
    gates: list[GateDocument]
    forced: bool
    decided_at: datetime
    applied_at: datetime | None
    version: int
    before: int | None


@dataclass(frozen=True, slots=True)
class ChampionMove:
    """A version that became champion: whether by a rollback (`back`), and whether it is still in the registry."""

    version: int
    back: bool
    there: bool


@dataclass(frozen=True, slots=True)
class _Decision:
    """What is about to be put on record: by whom, why, on which evidence."""

    action: str
    decided_by: str
    reason: str
    gates: Sequence[Gate]
    forced: bool
    recommendation_id: int | None


def who(by: str | None) -> str:
    """Who decides: the user of this process when None; BadInput for what is no name."""
    return getpass.getuser() if by is None else _sentence("name of who decides", by)


def promote(
    database: Database,
    store: Store,
    uri: str,
    reason: str,
    *,
    margin: float,
    by: str | None = None,
    force: bool = False,
    say: Say = lambda _: None,
) -> Promotion:
    """Make the version of a URI champion if it passes every gate; `force` does it all the same, on record.

    `by` is the user of this process when None. Raises Refused with what each failing gate found. Promoting the
    champion again changes nothing, but puts a promotion on record that was made past this function.
    """
    version, reason, by = resolve(store, uri), _sentence("reason", reason), who(by)
    with _alone(database, version.name):
        sync(store, database, foreign=False)
        found = check_gates(database, store, version, margin, say)
        return _decide(database, store, version, reason, found, by=by, force=force)


def decide(
    database: Database,
    store: Store,
    version: ModelVersion,
    reason: str,
    found: Sequence[Gate],
    *,
    by: str | None = None,
    force: bool = False,
    over: int | None = None,
    recommendation_id: int | None = None,
) -> Promotion:
    """Promote on the evidence of gates that have been asked.

    Raises Refused while somebody else promotes one of its name, or when the champion is no longer `over`, the version
    that the gates compared with.
    """
    reason, by = _sentence("reason", reason), who(by)
    with _alone(database, version.name):
        now = alias_of(store, version.name, "champion")
        if over is not None and now is not None and now.version not in (over, version.version):
            raise Refused(
                f"{version.uri} was compared with version {over}, but {version.name}@champion is version {now.version}"
                f" now; compare again with `mlops registry promote {version.uri}`"
            )
        return _decide(database, store, version, reason, found, by=by, force=force, recommendation_id=recommendation_id)


def _decide(
    database: Database,
    store: Store,
    version: ModelVersion,
    reason: str,
    found: Sequence[Gate],
    *,
    by: str,
    force: bool,
    recommendation_id: int | None = None,
) -> Promotion:
    problems = failed(found)
    if problems and not force:
        raise Refused(
            f"{version.uri} is not promoted: "
            + "; ".join(f"{gate.gate}: {gate.found} (expected {gate.expected})" for gate in problems)
            + "; --force promotes it all the same, on record"
        )
    decision = _Decision("promote", by, reason, found, bool(problems), recommendation_id)
    return _move(database, store, version, decision)


def rollback(
    database: Database,
    store: Store,
    name: str,
    reason: str,
    *,
    by: str | None = None,
    force: bool = False,
    to: int | None = None,
    recommendation_id: int | None = None,
) -> Promotion:
    """Make the champion before this one champion again; a second rollback goes one further back.

    Raises NothingToDo when there is none, Refused when its files can't be loaded or are not those that were anchored
    (`force` ignores that), or when it is not the version `to`, if that is given.
    """
    reason, by = _sentence("reason", reason), who(by)
    with _alone(database, name):
        sync(store, database, foreign=False)
        target = _target(database, store, name)
        if to not in (None, target):
            raise Refused(f"a rollback of {name} would bring version {target} back, not version {to}")
        version = resolve(store, uri_of(name, target))
        loads = gates.loads(why_not_loaded(database, version))
        if not (loads.passed or force):
            raise Refused(f"{version.uri} was champion before, but can't be loaded: {loads.found}")
        decision = _Decision("rollback", by, reason, [loads], not loads.passed, recommendation_id)
        return _move(database, store, version, decision)


def check_gates(
    database: Database, store: Store, version: ModelVersion, margin: float, say: Say = lambda _: None
) -> tuple[Gate, ...]:
    """What every gate finds for a version that the mirror shows."""
    now, rule = alias_of(store, version.name, "champion"), Rule(margin)
    champion = None if now is None or now.version == version.version else now
    row = _row(database, version)
    library = _foreign(database, version, row)
    if library is not None:
        why = f"does not apply: a model of {library} that was not trained here has no backtest on our folds"
        return (*rule.not_asked(why), *structure(database, version, champion))
    other = None if champion is None else MirroredVersion(champion, _row(database, champion))
    beside = None if other is None else _foreign(database, other.version, other.row)
    if row.lineage is None:
        losses = Losses(None, None, on="without lineage its backtest can't be trusted", first=champion is None)
    else:
        losses = compare_with_champion(
            database, store, MirroredVersion(version, row), other if beside is None else None, say
        )
    accuracy = rule.judge(losses).gates
    if beside is not None:  # `better` does not apply; of the baselines it is still asked
        why = f"does not apply: the champion is a model of {beside} that was not trained here, without a backtest"
        accuracy = (rule.not_asked(why)[0], *accuracy[1:])
    return (*accuracy, *structure(database, version, champion))


def _foreign(database: Database, version: ModelVersion, row: LiveVersion) -> str | None:
    """Whose model a version is, if it was not trained here and is read by another library."""
    return None if trained_here(row.lineage) else foreign_library(database, version)


def structure(database: Database, version: ModelVersion, champion: ModelVersion | None) -> tuple[Gate, ...]:
    """The gates that ask nothing about accuracy: lineage, signature, loads."""
    return (
        _lineage_gate(database, version),
        gates.signature(
            signature_of(database, version), None if champion is None else signature_of(database, champion)
        ),
        gates.loads(why_not_loaded(database, version)),
    )


def _lineage_gate(database: Database, version: ModelVersion) -> Gate:
    """What is known of the lineage: as anchored, unless something of the model is other since."""
    anchor = anchor_of(database, version)
    library = foreign_library(database, version) if anchor.lineage_problem == CARRIES_NONE else None
    if anchor.lineage_state != "complete" and library is None:
        unread = "its files were not read yet; `mlops registry sync` reads them" if anchor.files is None else None
        return gates.lineage(anchor.lineage_state, anchor.lineage_problem or unread)
    try:
        problem = anchor.altered or contradiction(version, anchor)
    except ModelNotFound as error:
        problem = str(error)
    if library is not None and problem is None:
        return gates.foreign_lineage(library, len(anchor.files or ()))
    return gates.lineage("changed" if problem else "complete", problem)


def rollback_target(moves: Iterable[ChampionMove]) -> int | None:
    """The version to roll back to after these moves, the oldest first; None when there is none.

    Each rollback leaves fewer champions to go back to, so rollbacks never go round in circles.
    """
    standing: list[ChampionMove] = []
    for move in moves:
        if move.back:
            # what lay below the version where it was champion before; nothing when it was not
            below = [place for place, earlier in enumerate(standing[:-1]) if earlier.version == move.version]
            standing = standing[: below[-1]] if below else []
        standing.append(move)
    if not standing:
        return None
    now = standing[-1].version
    return next((move.version for move in reversed(standing) if move.there and move.version != now), None)


def _target(database: Database, store: Store, name: str) -> int:
    """The version to roll back to: that of a rollback which was interrupted, else the champion before this one."""
    with database.transaction() as transaction:
        newest = transaction.one("newest_promotion", of=RecordedPromotion, name=name)
        if newest and newest.action == "rollback" and newest.applied_at is None:
            return newest.version
        version = rollback_target(transaction.rows("champions_of_model", of=ChampionMove, name=name))
    if version is None:
        now = resolve(store, f"models:/{name}@champion")
        raise NothingToDo(f"{name} had no champion before version {now.version} that is still in the registry")
    return version


def _move(database: Database, store: Store, version: ModelVersion, decision: _Decision) -> Promotion:
    """Write the decision, move the alias, mirror it, note that it is done."""
    with database.transaction() as transaction:
        transaction.lock(f"promotion {version.name}")
        transaction.run(
            "add_promotion",
            name=version.name,
            version=version.version,
            action=decision.action,
            reason=decision.reason,
            decided_by=decision.decided_by,
            document={"gates": [asdict(gate) for gate in decision.gates]},
            forced=decision.forced,
            recommendation_id=decision.recommendation_id,
        )
        recorded = transaction.one("newest_promotion", of=RecordedPromotion, name=version.name)
        assert recorded is not None
        assert recorded.version == version.version
    move_champion(store, version, recorded.reason)
    sync(store, database, foreign=False)
    with database.transaction() as transaction:
        transaction.run("set_promotion_applied", promotion_id=recorded.promotion_id)
    return _promotion(recorded, version)


def _promotion(recorded: RecordedPromotion, version: ModelVersion) -> Promotion:
    return Promotion(
        promotion_id=recorded.promotion_id,
        version=version,
        before=recorded.before,
        action=recorded.action,
        decided_by=recorded.decided_by,
        reason=recorded.reason,
        gates=tuple(Gate(**gate) for gate in recorded.gates),
        forced=recorded.forced,
        decided_at=recorded.decided_at,
    )


def _row(database: Database, version: ModelVersion) -> LiveVersion:
    row = live_version(database, version)
    if row is None:
        raise NothingToDo(f"{version.uri} is not in the mirror; run `mlops registry sync`")
    return row


def _sentence(what: str, text: str) -> str:
    """Refused before the decision, for a registry would refuse it after it."""
    try:
        return sentence(what, text)
    except ValueError as error:
        raise Misused(str(error)) from error


@contextmanager
def _alone(database: Database, name: str) -> Iterator[None]:
    with database.alone(f"promotion of {name}") as free:
        if not free:
            raise Refused(
                f"somebody else is promoting a version of {name} now;"
                f" `mlops registry history {name}` shows what comes of it"
            )
        yield
