"""Acting on a recommendation: a challenger is compared on the newest weeks and promoted if it wins, or a champion goes.

A challenger has to win against the champion, and it must not be worse than the seasonal naive, than zero or than the
mean: of two bad models the better one is still no reason to promote. A fallback lets the seasonal naive itself serve,
as a version like any other; the model that it stands in for stays the champion before, so that a rollback brings it
back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.forecasts import worse_than_trivial
from mlops.domain.model_uri import uri_of
from mlops.domain.recommendations import OpenRecommendation, StoredRecommendation
from mlops.errors import BadInput, MlopsError, ModelNotFound, NothingToDo, Refused
from mlops.evaluation.holdout import losses, unseen
from mlops.evaluation.winning import Losses, Rule, failed
from mlops.feature_store.sources import sets_of
from mlops.policy import RetrainPolicy
from mlops.tracking.artifacts.checked import anchor_of, load_model
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import ModelVersion, alias_of, resolve
from mlops.tracking.store import Store
from mlops.training.data import read_data
from mlops.training.promote import decide, rollback, structure, who
from mlops.training.spec import TrainingSpec
from mlops.training.train import Say, train, trained_for

__all__ = ["Retrained", "challenger_spec", "follow", "judge", "retrain"]

TAGS = {
    "candidate": "mlops.wape_challenger",
    "champion": "mlops.wape_champion",
    "naive": "mlops.wape_naive",
    "mean": "mlops.wape_mean",
}
"""Under which tags of the version its comparison is kept; versions of older code lack the last, or the last two."""


@dataclass(frozen=True)
class Retrained:
    """The version that was to take over, how it compared with the champion then, and whether it is champion now.

    After a rollback it is the version before, after a fallback the seasonal naive, and the figures are those that the
    recommendation rests on.
    """

    version: ModelVersion
    champion: int
    wape_challenger: float
    wape_champion: float
    wape_naive: float | None
    promoted: bool
    verdict: str
    wape_mean: float | None = None


def retrain(
    database: Database,
    store: Store,
    recommendation_id: int,
    policy: RetrainPolicy,
    *,
    as_of: datetime | None = None,
    by: str | None = None,
    force: bool = False,
    say: Say = lambda _: None,
) -> Retrained:
    """Act on a recommendation: compare, train on everything known at `as_of`, register, promote if that is won.

    A recommendation to roll back brings the version before back, one to fall back lets the seasonal naive serve.
    `as_of` is the time of the recommendation when it is None; that it is acted on counts as accepting it, `by` is the
    user of this process when None. Repeating it returns what the first call did, or finishes what that could not; what
    was promoted and taken back since is not promoted again.
    Raises Refused for one that is expired, dismissed, snoozed or superseded, before it begins and before it promotes
    (`force` acts on it all the same), while somebody else acts on it, for broken data, and where the champion has
    changed since.
    """
    by, now = who(by), as_of or datetime.now(UTC)
    with _alone(database, recommendation_id):
        sync(store, database, foreign=False)
        row = _recommendation(database, recommendation_id, force=force)
        if row.status == "done":
            return _as_recorded(database, store, row)
        champion = _subject(store, row)
        _still_to_be_acted_on(row, now, force=force)
        _accept(database, row, by)
        if row.action == "rollback":
            result = _roll_back(database, store, row, champion, by)
        elif row.action == "fallback":
            result = _fall_back(database, store, row, champion, as_of, say)
        else:
            result = _train(database, store, row, champion, policy, as_of, say)
        if result.promoted and row.action != "rollback" and not row.applied:
            _still_to_be_acted_on(_recommendation(database, recommendation_id, force=force), now, force=force)
            result = _promote(database, store, result, recommendation_id, policy)
        sync(store, database, foreign=False)
        _close(database, recommendation_id, result)
    return result


def follow(
    database: Database,
    store: Store,
    recommendation_ids: Sequence[int],
    policy: RetrainPolicy,
    *,
    as_of: datetime,
    by: str,
) -> Iterator[str]:
    """Act on recommendations one after the other; a sentence for each: what came of it, or why it is refused."""
    for number in recommendation_ids:
        try:
            yield retrain(database, store, number, policy, as_of=as_of, by=by).verdict
        except MlopsError as error:  # one model that can't be retrained stops no other
            yield f"recommendation {number} is not acted on: {error}"


def _train(
    database: Database,
    store: Store,
    row: StoredRecommendation,
    champion: ModelVersion,
    policy: RetrainPolicy,
    as_of: datetime | None,
    say: Say,
) -> Retrained:
    when, request = as_of or row.as_of, f"recommendation {row.recommendation_id}"
    version = trained_for(database, store, row.name, request)
    if version is None:
        _still_champion(store, champion)
        spec = challenger_spec(row, when, request)
        tags = {"mlops.recommendation_id": str(row.recommendation_id)}
        tags |= _compare(database, champion, row, spec, policy, say)
        version = train(replace(spec, tags=tags), database, store, say).version
    return replace(judge(_as_anchored(database, version), champion, policy), version=version)


def challenger_spec(row: StoredRecommendation, when: datetime, request: str) -> TrainingSpec:
    """The recipe of the champion or of the version that it stands in for, or the kind that is named instead."""
    lineage = row.lineage if row.rollback_version is None else row.rollback_lineage
    spec = TrainingSpec.from_recipe(row.name, lineage, as_of=when, request=request)
    return spec if row.challenger in (None, "same") else replace(spec, kind=row.challenger, params={})


def _roll_back(
    database: Database, store: Store, row: StoredRecommendation, champion: ModelVersion, by: str
) -> Retrained:
    """Bring the version back that the recommendation names; a call that was interrupted may have done so."""
    assert row.rollback_version is not None  # the database has none without
    before = resolve(store, uri_of(row.name, row.rollback_version))
    ours, theirs = _proof(row)
    verdict = (
        f"rolled back from version {champion.version} to version {before.version}: WAPE {ours:.3f} against {theirs:.3f}"
        " on the same days"
    )
    if not row.applied and resolve(store, f"models:/{row.name}@champion").version != before.version:
        _still_champion(store, champion)
        rollback(database, store, row.name, verdict, by=by, to=before.version, recommendation_id=row.recommendation_id)
    return Retrained(before, champion.version, ours, theirs, None, True, verdict)


def _fall_back(
    database: Database,
    store: Store,
    row: StoredRecommendation,
    champion: ModelVersion,
    as_of: datetime | None,
    say: Say,
) -> Retrained:
    """The seasonal naive as a version of its own, with lineage, backtest and intervals, to be promoted."""
    request = f"recommendation {row.recommendation_id}"
    version = trained_for(database, store, row.name, request)
    if version is None:
        _still_champion(store, champion)
        spec = TrainingSpec.from_recipe(row.name, row.lineage, as_of=as_of or row.as_of, request=request)
        tags = {"mlops.recommendation_id": str(row.recommendation_id)}
        version = train(replace(spec, kind="naive", params={}, tags=tags), database, store, say).version
    ours, theirs = _proof(row)
    verdict = (
        f"version {version.version}, the seasonal naive, promoted: WAPE {ours:.3f} against {theirs:.3f} of version"
        f" {champion.version} on the same days; it stands in until that, or a refit of it, is better again"
    )
    return Retrained(version, champion.version, ours, theirs, ours, True, verdict)


def _as_recorded(database: Database, store: Store, row: StoredRecommendation) -> Retrained:
    """What came of a recommendation; NothingToDo when the version that did is gone."""
    gone = NothingToDo(f"recommendation {row.recommendation_id} was acted on: {row.verdict}; the version is gone")
    if row.retrained_version is None:
        raise gone
    try:
        version = resolve(store, uri_of(row.name, row.retrained_version))
    except (ModelNotFound, BadInput) as error:
        raise gone from error
    if row.action in ("rollback", "fallback"):
        measured = Losses(*_proof(row))
    else:
        measured = _losses(_as_anchored(database, version), "")
    assert measured.candidate is not None
    assert measured.champion is not None
    return Retrained(
        version=version,
        champion=row.version,
        wape_challenger=measured.candidate,
        wape_champion=measured.champion,
        wape_naive=measured.naive,
        promoted=row.promoted,
        verdict=row.verdict or "",
        wape_mean=measured.mean,
    )


def _subject(store: Store, row: StoredRecommendation) -> ModelVersion:
    """The version that a recommendation is about, unless it was deleted: its number may be another one's by now."""
    if row.deleted_at is not None:
        raise Refused(
            f"{row.name} version {row.version}, which recommendation {row.recommendation_id} is about, is"
            " deleted; see `mlops recommendations list` for what is recommended now"
        )
    return resolve(store, uri_of(row.name, row.version))


def _proof(row: StoredRecommendation) -> tuple[float, float]:
    """WAPE of the version before, or of the naive, and of the champion, as a recommendation rests on them."""
    rival = "naive" if row.action == "fallback" else "predecessor"
    return row.evidence[f"proof.{rival}.wape"], row.evidence[f"proof.{rival}.wape_champion"]


def _as_anchored(database: Database, version: ModelVersion) -> ModelVersion:
    """A version with the tags that its training recorded; anybody may write others to the registry."""
    tags = anchor_of(database, version).tags or {}
    if not {TAGS["candidate"], TAGS["champion"]} <= tags.keys():
        raise Refused(
            f"no comparison of {version.uri} with a champion is on record, so there is nothing to decide by; compare it"
            f" with `mlops registry promote {version.uri}`"
        )
    return replace(version, tags=tags)


def _losses(version: ModelVersion, on: str) -> Losses:
    """What was measured of a version before it was trained, by its tags."""
    wapes = {name: float(version.tags[tag]) if tag in version.tags else None for name, tag in TAGS.items()}
    return Losses(wapes["candidate"], wapes["champion"], wapes["naive"], wapes["mean"], on)


def _still_to_be_acted_on(row: StoredRecommendation, now: datetime, *, force: bool) -> None:
    """Refuse what no longer holds, or what somebody decided against."""
    number, then = row.recommendation_id, "; --force acts on it all the same"
    if row.replaced_by is not None:
        raise Refused(f"recommendation {number} was replaced by {row.replaced_by}, from newer data of the same week")
    if force or row.promoted:  # that was decided, and is carried out
        return
    if row.status == "superseded":
        newer = f"; {row.stands} stands" if row.stands else ""
        raise Refused(f"recommendation {number} is superseded by a newer check{newer}{then}")
    if row.status == "dismissed" or (row.status == "snoozed" and row.until and row.until > now):
        until = f" until {row.until:%Y-%m-%d}" if row.until else ""
        how = "snoozed" if row.status == "snoozed" else "dismissed"
        raise Refused(f"recommendation {number} was {how} by {row.decided_by}{until}: {row.reason}{then}")
    if row.expires_at is not None and now > row.expires_at:
        raise Refused(
            f"recommendation {number} expired on {row.expires_at:%Y-%m-%d}: its proof is of {row.as_of:%Y-%m-%d};"
            f" check again with `mlops monitor run`{then}"
        )


def _accept(database: Database, row: StoredRecommendation, by: str) -> None:
    """Put on record who acts, unless it is accepted already; what is superseded or asks for nothing has no decision."""
    if row.status in ("accepted", "superseded") or row.action == "none":
        return
    with database.transaction() as transaction:
        transaction.run(
            "add_recommendation_decision",
            recommendation_id=row.recommendation_id,
            decision="accept",
            decided_by=by,
            reason="acted on",
            until=None,
        )


def _promote(
    database: Database, store: Store, won: Retrained, recommendation_id: int, policy: RetrainPolicy
) -> Retrained:
    """Promote the winner on the evidence of its comparison, unless a gate that asks nothing about accuracy fails."""
    version, champion = won.version, alias_of(store, won.version.name, "champion")
    on = f"the newest {policy.holdout_days} days"
    measured = Losses(won.wape_challenger, won.wape_champion, won.wape_naive, won.wape_mean, on)
    accuracy = Rule(policy.margin).judge(measured).gates
    built = structure(database, version, champion)
    if problems := failed(built):
        why = "; ".join(f"{gate.gate}: {gate.found}" for gate in problems)
        verdict = won.verdict.replace(" promoted:", f" not promoted ({why}):", 1)
        return replace(won, promoted=False, verdict=verdict)
    evidence = [*accuracy, *built]
    decide(database, store, version, won.verdict, evidence, over=won.champion, recommendation_id=recommendation_id)
    return won


def _recommendation(database: Database, recommendation_id: int, *, force: bool) -> StoredRecommendation:
    with database.transaction() as transaction:
        row = transaction.one("recommendation", of=StoredRecommendation, recommendation_id=recommendation_id)
        if row is None:
            to_act_on = transaction.rows("recommendations_to_act_on", of=OpenRecommendation)
            ids = ", ".join(f"{other.recommendation_id} ({other.action})" for other in to_act_on) or "none"
            raise NothingToDo(f"there is no recommendation {recommendation_id}; open ones: {ids}")
    if row.action == "investigate_data" and not (force and _is_break(row)):
        otherwise = "; if the data is right and the world has changed, say --force" if _is_break(row) else ""
        raise Refused(
            f"recommendation {recommendation_id} asks to investigate data first: {'; '.join(row.reasons)};"
            f" a model trained on broken data would learn the fault{otherwise}"
        )
    if row.action != "rollback" and "recipe" not in (row.lineage or {}):
        raise Refused(
            f"{row.name} version {row.version} was not trained by `mlops train`, so its recipe is not known;"
            " train it where it comes from, and promote that version"
        )
    return row


def _is_break(row: StoredRecommendation) -> bool:
    """Whether forecasts failed at once while no column or series looks broken: the data may well be right."""
    return bool(row.cause) and all(cause.startswith("performance.") for cause in row.cause or ())


def _still_champion(store: Store, version: ModelVersion) -> None:
    """Refuse to compare with a version that has been replaced: its successor could be lost to a worse one."""
    now = resolve(store, f"models:/{version.name}@champion")
    if now.version != version.version:
        raise Refused(
            f"the recommendation is about version {version.version}, but {now.name}@champion is version {now.version}"
            " now; see `mlops review` for what is recommended about that one"
        )


def _compare(
    database: Database,
    champion: ModelVersion,
    row: StoredRecommendation,
    spec: TrainingSpec,
    policy: RetrainPolicy,
    say: Say,
) -> dict[str, str]:
    """WAPE of both and of the seasonal naive on the newest days, as tags.

    None has seen them: the challenger is fitted on what came before. It is the comparison that the recommendation made.
    """
    say("comparing challenger and champion on the newest days")
    lineage = row.lineage
    assert lineage is not None  # whoever has none is refused before
    sets = [*sets_of(lineage["recipe"]["params"]), *sets_of(spec.params)]
    selection = Selection(**lineage["selection"])
    frame = read_data(database, selection, spec.as_of, feature_sets=sets).frame
    frame = frame[frame["series_id"].isin(lineage["series"])].drop(columns="quality_score")
    held = unseen(frame, champion.version, lineage, policy.holdout_days)
    model = load_model(database, champion)
    compared = held.compared(
        candidate=held.of_recipe(spec.kind, spec.forecaster_params),
        champion=held.of_model(lambda past, steps: model.predict(past, params={"horizon": steps})),
        naive=held.of_naive(lineage["recipe"]),
    )
    measured = asdict(losses(compared, "the newest days"))
    return {tag: f"{measured[name]:.6f}" for name, tag in TAGS.items()}


def judge(version: ModelVersion, champion: ModelVersion, policy: RetrainPolicy) -> Retrained:
    """What the comparison, as recorded on the version, means under the rule."""
    measured = _losses(version, f"the newest {policy.holdout_days} days")
    assert measured.candidate is not None
    assert measured.champion is not None
    won = Rule(policy.margin).wins(measured)
    beside = f" and {measured.naive:.3f} of the seasonal naive" if measured.naive is not None else ""
    trivial = worse_than_trivial(measured.candidate, measured.mean)
    verdict = (
        f"version {version.version} {'promoted' if won else 'not promoted'}: WAPE {measured.candidate:.3f} against"
        f" {measured.champion:.3f} of version {champion.version}{beside} on {measured.on}"
        + (f"; {trivial}" if trivial else "")
    )
    return Retrained(
        version=version,
        champion=champion.version,
        wape_challenger=measured.candidate,
        wape_champion=measured.champion,
        wape_naive=measured.naive,
        promoted=won,
        verdict=verdict,
        wape_mean=measured.mean,
    )


def _close(database: Database, recommendation_id: int, result: Retrained) -> None:
    with database.transaction() as transaction:
        transaction.run(
            "set_recommendation_done",
            recommendation_id=recommendation_id,
            verdict=result.verdict,
            run_id=result.version.run_id,
            name=result.version.name,
            version=result.version.version,
        )


@contextmanager
def _alone(database: Database, recommendation_id: int) -> Iterator[None]:
    with database.alone(f"recommendation {recommendation_id}") as free:
        if not free:
            raise Refused(
                f"somebody else is acting on recommendation {recommendation_id} now;"
                f" `mlops recommendations show {recommendation_id}` shows what comes of it"
            )
        yield
