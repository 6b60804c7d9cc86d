"""Makes a weekly review of what the database knows; everything is read in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from mlops.db import Database
from mlops.domain.findings import BenefitDocument, todo
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import NothingToDo, UnknownName
from mlops.monitoring.decide.costs import without_placeholders
from mlops.monitoring.review.advice import advice
from mlops.monitoring.review.decisions import (
    AlarmRow,
    Decided,
    OpenAlert,
    RealisedSaving,
    Saving,
    StateChange,
    budget,
    year_of,
)
from mlops.monitoring.review.document import (
    ACTIONS,
    Challenger,
    Drifted,
    ErrorCost,
    Expected,
    HealthNow,
    Model,
    ModelAdvice,
    NewestCheck,
    Review,
    Waiting,
)
from mlops.monitoring.review.facts import (
    CheckedWeek,
    CheckRow,
    Facts,
    ReviewedChampion,
    UnitsOff,
    VersionRow,
    challenger_of,
    from_row,
    read_facts,
)
from mlops.monitoring.review.history import (
    Accuracy,
    AliasMove,
    Detail,
    ForecastStep,
    LargestSeries,
    ReviewWeek,
    Version,
)
from mlops.policy import Costs, Policy

__all__ = ["build_review", "changes"]

WEEK = timedelta(days=7)
TRACK_RECORD = timedelta(days=28)  # promises that came true, or not, are shown for four weeks
RECENT = timedelta(days=14)  # as analytics.health_of_models has it
DETAILED = 8  # models with their plots and history: the most urgent; `mlops review --model` shows another


@dataclass(frozen=True, slots=True, kw_only=True)
class _Realised:
    """What acting on a recommendation promised and what it saved."""

    model: str
    recommendation_id: int
    action: str
    replaced: int
    version: int | None
    realised_at: datetime
    promised: BenefitDocument
    realised: BenefitDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class _AccuracyOfWeek(Accuracy):
    """How good the freshest forecasts of a week were; `size` is the sum of its outcomes."""

    week: datetime
    size: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _LargestStep(ForecastStep):
    """A step of one of the largest series, with how good the forecasts of the whole series were."""

    series_id: int
    place: str
    forecasts: int
    wape: float | None
    coverage_80: float | None
    coverage_95: float | None


def build_review(database: Database, policy: Policy, as_of: datetime, *, model: str | None = None) -> Review:
    """The review of everything that was known at `as_of` (aware): of all champions, or of one `model`.

    It writes nothing. NothingToDo when no model had a champion by then, UnknownName when `model` had none.
    """
    as_of = as_of.astimezone(UTC)
    with database.transaction() as transaction:
        every = transaction.rows("review_champions", of=ReviewedChampion, as_of=as_of, clock=as_of)
        then = transaction.rows("review_champions", of=ReviewedChampion, as_of=as_of - WEEK, clock=as_of)
        now = [champion for champion in every if model in (None, champion.name)]
        if not every:
            raise NothingToDo(
                f"no model had a champion by {as_of:%Y-%m-%d %H:%M} UTC; see `mlops registry list`, then"
                " `mlops registry promote models:/NAME/VERSION`, or train one with `mlops train lightgbm`"
            )
        if model is not None and not now:
            raise UnknownName("champion", model, [champion.name for champion in every], stored=True)
        then = [champion for champion in then if model in (None, champion.name)]
        return _review(read_facts(transaction, now, policy, as_of), then, model)


def _review(facts: Facts, then: Sequence[ReviewedChampion], model: str | None) -> Review:
    as_of, since, ask, priced = facts.as_of, facts.as_of - WEEK, facts.transaction.rows, facts.policy.costs.priced
    urgent_first = sorted(((champion, _advice(facts, champion)) for champion in facts.champions), key=_urgency)
    models = [
        _model(facts, champion, advised, detailed=place < DETAILED)
        for place, (champion, advised) in enumerate(urgent_first)
    ]
    alarms = ask("review_alarms", of=AlarmRow, since=year_of(as_of), **facts.about_models)
    decided = ask("review_decisions", of=Decided, replayed=facts.replayed, since=since, as_of=as_of)
    realised = ask("review_realised_benefits", of=_Realised, since=as_of - TRACK_RECORD, as_of=as_of)
    weeks = {champion.name: _weeks((), facts.checks.get(champion.model_id, ())) for champion in facts.champions}
    moves = {champion.name: facts.aliases.get(champion.model_id, ()) for champion in facts.champions}
    return Review(
        as_of=as_of,
        since=since,
        counts={action: sum(row.advice.shown == action for row in models) for action in ACTIONS},
        changes=tuple(changes(models, then, weeks, moves, since)),
        models=tuple(models),
        decisions=tuple(row for row in decided if model in (None, row.model)),
        kept=tuple(_kept(row, priced=priced) for row in realised if model in (None, row.model)),
        budget=budget(alarms, as_of, models=len(models), per_model=facts.policy.drift.alarms_per_year),
        impact=_total([row.impact for row in models if row.impact is not None]),
        priced=priced,
        alerts=tuple(alert for alert in facts.alerts if model in (None, alert.model)),
    )


def _urgency(row: tuple[ReviewedChampion, ModelAdvice]) -> tuple[bool, int, float, str]:
    """Who needs a person first, by action, then what saves most."""
    champion, advised = row
    saved = (advised.promise.total or advised.promise.wape) if advised.promise else 0.0
    return not advised.needs_person, list(ACTIONS).index(advised.action), -saved, champion.name


def _advice(facts: Facts, champion: ReviewedChampion) -> ModelAdvice:
    check = facts.measured.get(champion.version_id)
    newest, priced = None if check is None else from_row(NewestCheck, check), facts.policy.costs.priced
    return advice(champion, _drifted(facts, champion), newest, facts.as_of, _alerts(facts, champion), priced=priced)


def _alerts(facts: Facts, champion: ReviewedChampion) -> tuple[OpenAlert, ...]:
    return tuple(alert for alert in facts.alerts if alert.model == champion.name)


def _drifted(facts: Facts, champion: ReviewedChampion) -> tuple[Drifted, ...]:
    """The findings of the newest check beyond their limits, in words."""
    return tuple(
        from_row(Drifted, row, words=row.finding.words, todo=todo(row.kind, row.subject), change=row.finding.change)
        for row in facts.findings.get(champion.version_id, ())
    )


def _model(facts: Facts, champion: ReviewedChampion, advised: ModelAdvice, *, detailed: bool) -> Model:
    version, aliases = champion.version_id, facts.aliases.get(champion.model_id, ())
    check, health = facts.measured.get(version), facts.health.get((champion.name, champion.version))
    return from_row(
        Model,
        champion,
        advice=advised,
        check=None if check is None else from_row(NewestCheck, check),
        expected=_expected(champion, check, facts.as_of),
        promised=from_row(Accuracy, champion),
        last_7_days=from_row(Accuracy, facts.accuracy.get((version, False))),
        last_28_days=from_row(Accuracy, facts.accuracy.get((version, True))),
        recent_days=_granularity(champion).recent_days,
        waiting=from_row(Waiting, facts.waiting.get(version)),
        drifted=_drifted(facts, champion),
        alerts=_alerts(facts, champion),
        health=None if health is None else from_row(HealthNow, health),
        impact=_impact(facts.impact.get(champion.model_id), champion.metric_type, facts.policy.costs),
        challenger=_beside(facts, champion, challenger_of(aliases)),
        detail=_detail(facts, champion) if detailed else None,
    )


def _expected(champion: ReviewedChampion, check: CheckRow | None, as_of: datetime) -> Expected:
    """What the newest check measured against the backtest, as model health takes it: unless it is of long ago."""
    measured = check.measured if check is not None and check.as_of > as_of - RECENT else {}
    names = (("ratio", "loss_ratio"), ("estimate", "expected_wape"))
    sides = ("", "_low", "_high")
    values = {f"{ours}{side}": measured.get(f"{theirs}{side}") for ours, theirs in names for side in sides}
    return Expected(wape=champion.wape, **values)


def _impact(units: UnitsOff | None, metric_type: str | None, costs: Costs) -> ErrorCost | None:
    """Units as money, by what a unit of the metric type costs."""
    if units is None or not costs.priced:
        return None
    unit = costs.unit(metric_type or "")
    return ErrorCost(
        currency=costs.currency,
        weeks=units.weeks,
        week_under=units.week_under * unit.under,
        week_over=units.week_over * unit.over,
        usual_under=units.units_under * unit.under / units.weeks,
        usual_over=units.units_over * unit.over / units.weeks,
    )


def _total(impacts: Sequence[ErrorCost]) -> ErrorCost | None:
    """Of all models together."""
    if not impacts:
        return None
    names = ("week_under", "week_over", "usual_under", "usual_over")
    sums = {name: sum(getattr(impact, name) for impact in impacts) for name in names}
    return ErrorCost(currency=impacts[0].currency, weeks=max(impact.weeks for impact in impacts), **sums)


def _beside(facts: Facts, champion: ReviewedChampion, move: AliasMove | None) -> Challenger | None:
    """The challenger, unless it is the champion's own version."""
    if move is None or move.version_id == champion.version_id:
        return None
    versions = facts.versions.get(champion.model_id, ())
    known = next((version for version in versions if version.version == move.version), None)
    # of its newest check, unless that held it against another champion
    check, saves = facts.measured.get(move.version_id), None
    if check is not None and check.comparison is not None and check.compared_with == champion.version_id:
        saves = Saving(**without_placeholders(check.comparison, priced=facts.policy.costs.priced))
    return from_row(
        Challenger,
        facts.paired.get(move.version_id),
        version=move.version,
        kind=known and known.kind,
        since=move.moved_at,
        promised=known and known.wape,
        saves=saves,
    )


def _granularity(champion: ReviewedChampion) -> Granularity:
    """That of the champion's series; days where its lineage names none that is known."""
    return GRANULARITIES.get(champion.granularity or "", GRANULARITIES["daily"])


def _detail(facts: Facts, champion: ReviewedChampion) -> Detail:
    granularity, model = _granularity(champion), champion.model_id
    reach = timedelta(days=granularity.plotted * granularity.days)
    ask, as_of, moves = facts.transaction.rows, facts.as_of, facts.aliases.get(model, ())
    naive = {"cycle": granularity.block_interval, "steps": granularity.block}
    accuracy = ask("weekly_accuracy", of=_AccuracyOfWeek, name=champion.name, as_of=as_of, **naive)
    summed = champion.aggregate == "sum"
    totals = ask("review_totals", of=ForecastStep, model_id=model, start=as_of - reach, as_of=as_of, summed=summed)
    steps = ask("review_largest", of=_LargestStep, model_id=model, start=as_of - reach / 2, as_of=as_of)
    # what is said of a whole series is the same on each of its rows
    largest = (list(group) for _, group in groupby(steps, key=lambda row: row.series_id))
    return Detail(
        weeks=_weeks(accuracy, facts.checks.get(model, ())),
        versions=tuple(_version(version, moves) for version in facts.versions.get(model, ())),
        aliases=tuple(from_row(AliasMove, move) for move in moves),
        totals=tuple(totals),
        largest=tuple(
            from_row(LargestSeries, rows[0], steps=tuple(from_row(ForecastStep, row) for row in rows))
            for rows in largest
        ),
    )


def _weeks(accuracy: Sequence[_AccuracyOfWeek], checks: Sequence[CheckedWeek]) -> tuple[ReviewWeek, ...]:
    """Both by week, oldest first; a week may have outcomes without a check, or a check without outcomes."""
    measured, checked = {row.week: row for row in accuracy}, {row.week: row for row in checks}
    weeks = sorted({*measured, *checked})
    return tuple(from_row(ReviewWeek, checked.get(week), measured.get(week), week=week) for week in weeks)


def _version(version: VersionRow, moves: Sequence[AliasMove]) -> Version:
    aliases = sorted(move.alias for move in moves if move.until is None and move.version == version.version)
    return from_row(Version, version, aliases=tuple(aliases))


def _kept(row: _Realised, *, priced: bool) -> RealisedSaving:
    promised, realised = (without_placeholders(saved, priced=priced) for saved in (row.promised, row.realised))
    return RealisedSaving(
        model=row.model,
        recommendation_id=row.recommendation_id,
        action=row.action,
        replaced=row.replaced,
        version=row.version,
        realised_at=row.realised_at,
        currency=realised["currency"],
        promised=promised["money"],
        promised_low=promised["money_low"],
        promised_high=promised["money_high"],
        realised=realised["money"],
        realised_low=realised["money_low"],
        realised_high=realised["money_high"],
        promised_wape=promised["wape"],
        promised_wape_low=promised["wape_low"],
        promised_wape_high=promised["wape_high"],
        realised_wape=realised["wape"],
        realised_wape_low=realised["wape_low"],
        realised_wape_high=realised["wape_high"],
    )


def changes(
    models: Sequence[Model],
    then: Sequence[ReviewedChampion],
    weeks: Mapping[str, Sequence[ReviewWeek]],
    moves: Mapping[str, Sequence[AliasMove]],
    since: datetime,
) -> Iterator[StateChange]:
    """Advice, retrainings and aliases that are not what they were at `since`; `weeks` and `moves` are by model."""
    before: dict[str, str] = {champion.name: champion.action or "unchecked" for champion in then}
    for model in models:
        was, now = before.pop(model.name, None), model.advice.action
        if was != now:
            words = "new here" if was is None else ACTIONS[was]
            yield StateChange(model.name, "recommendation", was, now, f"{model.name}: {words} → {ACTIONS[now]}")
        for week in weeks.get(model.name, ()):
            if week.verdict and week.retrained_at and week.retrained_at > since:
                text = f"{model.name} was retrained: {week.verdict}"
                yield StateChange(model.name, "retraining", None, week.verdict, text)
        for move in moves.get(model.name, ()):
            if move.moved_at > since and move.until is None:
                before_it = None if move.before is None else f"version {move.before}"
                points = f"now points at version {move.version}" + (f", before at {before_it}" if before_it else "")
                text = f"{model.name}: @{move.alias} {points}"
                yield StateChange(model.name, "alias", before_it, f"version {move.version}", text)
    for name, was in before.items():
        yield StateChange(name, "recommendation", was, None, f"{name}: no champion any more")
