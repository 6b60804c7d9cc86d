"""Makes a weekly review of what the database knows; everything is read in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from mlops.db import Database
from mlops.domain.findings import Change, Finding, todo
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import NothingToDo, UnknownName
from mlops.monitoring.health import HealthPart
from mlops.monitoring.review.advice import advice, without_placeholders
from mlops.monitoring.review.decisions import Decided, OpenAlert, RealisedSaving, Saving, StateChange, budget, year_of
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
from mlops.monitoring.review.facts import Facts, Row, all_of, challenger_of, from_row, read_facts
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


def build_review(database: Database, policy: Policy, as_of: datetime, *, model: str | None = None) -> Review:
    """The review of everything that was known at `as_of` (aware): of all champions, or of one `model`.

    It writes nothing. NothingToDo when no model had a champion by then, UnknownName when `model` had none.
    """
    as_of = as_of.astimezone(UTC)
    with database.transaction() as transaction:
        now = _only(transaction.rows("review_champions", as_of=as_of, clock=as_of), model)
        then = transaction.rows("review_champions", as_of=as_of - WEEK, clock=as_of)
        if not now:
            raise _nothing(as_of)
        then = [row for row in then if model in (None, row["name"])]
        return _review(read_facts(transaction, now, policy, as_of), then, model)


def _only(rows: list[dict[str, Any]], model: str | None) -> list[dict[str, Any]]:
    if model is None:
        return rows
    found = [row for row in rows if row["name"] == model]
    if rows and not found:
        raise UnknownName("champion", model, [row["name"] for row in rows], stored=True)
    return found


def _nothing(as_of: datetime) -> NothingToDo:
    return NothingToDo(
        f"no model had a champion by {as_of:%Y-%m-%d %H:%M} UTC; see `mlops registry list`, then"
        " `mlops registry promote models:/NAME/VERSION`, or train one with `mlops train lightgbm`"
    )


def _review(facts: Facts, then: Sequence[Row], model: str | None) -> Review:
    as_of, since, ask = facts.as_of, facts.as_of - WEEK, facts.transaction.rows
    advised = sorted(((row, _advice(facts, row)) for row in facts.champions), key=_urgency)
    models = [_model(facts, row, found, detailed=place < DETAILED) for place, (row, found) in enumerate(advised)]
    alarms = ask("review_alarms", since=year_of(as_of), **facts.about_models)
    decided = ask("review_decisions", replayed=facts.replayed, since=since, as_of=as_of)
    realised = ask("review_realised_benefits", since=as_of - TRACK_RECORD, as_of=as_of)
    return Review(
        as_of=as_of,
        since=since,
        counts={action: sum(one.advice.shown == action for one in models) for action in ACTIONS},
        changes=tuple(changes(models, then, _weeks_by_name(facts), _moves_by_name(facts), since)),
        models=tuple(models),
        decisions=all_of(Decided, _about(decided, model)),
        kept=tuple(_kept(row, priced=facts.policy.costs.priced) for row in _about(realised, model)),
        budget=budget(alarms, as_of, models=len(models), per_model=facts.policy.drift.alarms_per_year),
        impact=_total([one.impact for one in models if one.impact is not None]),
        priced=facts.policy.costs.priced,
        alerts=tuple(one for one in facts.alerts if model in (None, one.model)),
    )


def _about(rows: Sequence[Row], model: str | None) -> Sequence[Row]:
    """The rows about one model, or all of them."""
    return [row for row in rows if model in (None, row["model"])]


def _urgency(one: tuple[Row, ModelAdvice]) -> tuple[bool, int, float, str]:
    """Who needs a person first, by action, then what saves most."""
    row, found = one
    saved = (found.promise.total or found.promise.wape) if found.promise else 0.0
    return not found.needs_person, list(ACTIONS).index(found.action), -saved, row["name"]


def _advice(facts: Facts, row: Row) -> ModelAdvice:
    check, priced = _check(facts.measured.get(row["version_id"])), facts.policy.costs.priced
    return advice(row, _drifted(facts, row), check, facts.as_of, _alerts(facts, row), priced=priced)


def _alerts(facts: Facts, row: Row) -> tuple[OpenAlert, ...]:
    return tuple(one for one in facts.alerts if one.model == row["name"])


def _drifted(facts: Facts, row: Row) -> tuple[Drifted, ...]:
    return tuple(_finding(one) for one in facts.findings.get(row["version_id"], ()))


def _finding(row: Row) -> Drifted:
    """A finding as it is stored, in words."""
    change = None if row["change"] is None else Change.from_json(row["change"])
    found = Finding(
        row["kind"], row["subject"], 0.0, 0.0, True, row["detail"], row["slice"], row["place"] or "", change
    )
    return from_row(Drifted, row, words=found.words, todo=todo(row["kind"], row["subject"]), change=change)


def _check(row: Row | None) -> NewestCheck | None:
    return None if row is None else from_row(NewestCheck, row)


def _model(facts: Facts, row: Row, found: ModelAdvice, *, detailed: bool) -> Model:
    version, aliases = row["version_id"], facts.aliases.get(row["model_id"], ())
    return from_row(
        Model,
        row,
        advice=found,
        check=_check(facts.measured.get(version)),
        expected=_expected(row, facts.measured.get(version), facts.as_of),
        promised=from_row(Accuracy, row),
        last_7_days=from_row(Accuracy, facts.accuracy.get((version, False), {})),
        last_28_days=from_row(Accuracy, facts.accuracy.get((version, True), {})),
        recent_days=_granularity(row).recent_days,
        waiting=from_row(Waiting, facts.waiting.get(version, {})),
        drifted=_drifted(facts, row),
        alerts=_alerts(facts, row),
        health=_health(facts.health.get((row["name"], row["version"]))),
        impact=_impact(facts.impact.get(row["model_id"]), row["metric_type"], facts.policy.costs),
        challenger=_beside(facts, row, challenger_of(aliases)),
        detail=_detail(facts, row) if detailed else None,
    )


def _expected(row: Row, check: Row | None, as_of: datetime) -> Expected:
    """What the newest check measured against the backtest, as model health takes it: unless it is of long ago."""
    measured = check["measured"] if check is not None and check["as_of"] > as_of - RECENT else {}
    names = (("ratio", "loss_ratio"), ("estimate", "expected_wape"))
    sides = ("", "_low", "_high")
    values = {f"{ours}{side}": measured.get(f"{theirs}{side}") for ours, theirs in names for side in sides}
    return Expected(wape=row["wape"], **values)


def _health(row: Row | None) -> HealthNow | None:
    return None if row is None else from_row(HealthNow, row, parts=tuple(HealthPart(**part) for part in row["parts"]))


def _impact(row: Row | None, metric_type: str | None, costs: Costs) -> ErrorCost | None:
    """Units as money, by what a unit of the metric type costs."""
    if row is None or not costs.priced:
        return None
    unit = costs.unit(metric_type or "")
    return ErrorCost(
        currency=costs.currency,
        weeks=row["weeks"],
        week_under=row["week_under"] * unit.under,
        week_over=row["week_over"] * unit.over,
        usual_under=row["units_under"] * unit.under / row["weeks"],
        usual_over=row["units_over"] * unit.over / row["weeks"],
    )


def _total(impacts: Sequence[ErrorCost]) -> ErrorCost | None:
    """Of all models together."""
    if not impacts:
        return None
    names = ("week_under", "week_over", "usual_under", "usual_over")
    sums = {name: sum(getattr(one, name) for one in impacts) for name in names}
    return ErrorCost(currency=impacts[0].currency, weeks=max(one.weeks for one in impacts), **sums)


def _beside(facts: Facts, row: Row, move: AliasMove | None) -> Challenger | None:
    """The challenger, unless it is the champion's own version."""
    if move is None or move.version_id == row["version_id"]:
        return None
    versions = facts.versions.get(row["model_id"], ())
    known = next((one for one in versions if one["version"] == move.version), {"kind": None, "wape": None})
    return from_row(
        Challenger,
        facts.paired.get(move.version_id, {}),
        version=move.version,
        kind=known["kind"],
        since=move.moved_at,
        promised=known["wape"],
        saves=_saves(facts.measured.get(move.version_id), row["version_id"], priced=facts.policy.costs.priced),
    )


def _saves(check: Row | None, champion: int, *, priced: bool) -> Saving | None:
    """Of its newest check, unless that held it against another champion."""
    if check is None or check["comparison"] is None or check["compared_with"] != champion:
        return None
    return from_row(Saving, without_placeholders(check["comparison"], priced=priced))


def _granularity(row: Row) -> Granularity:
    """That of the champion's series; days where its lineage names none that is known."""
    return GRANULARITIES.get(row["granularity"], GRANULARITIES["daily"])


def _detail(facts: Facts, row: Row) -> Detail:
    granularity = _granularity(row)
    reach = timedelta(days=granularity.plotted * granularity.days)
    ask, as_of, aliases = facts.transaction.rows, facts.as_of, facts.aliases.get(row["model_id"], ())
    plotted = {"model_id": row["model_id"], "as_of": as_of}
    naive = {"cycle": granularity.block_interval, "steps": granularity.block}
    accuracy = ask("weekly_accuracy", name=row["name"], as_of=as_of, **naive)
    return Detail(
        weeks=_weeks(accuracy, facts.checks.get(row["model_id"], ())),
        versions=tuple(_version(one, aliases) for one in facts.versions.get(row["model_id"], ())),
        aliases=tuple(aliases),
        totals=all_of(
            ForecastStep, ask("review_totals", start=as_of - reach, summed=row["aggregate"] == "sum", **plotted)
        ),
        largest=_places(ask("review_largest", start=as_of - reach / 2, **plotted)),
    )


def _weeks(accuracy: Sequence[Row], checks: Sequence[Row]) -> tuple[ReviewWeek, ...]:
    """Both by week, oldest first; a week may have outcomes without a check, or a check without outcomes."""
    found: dict[datetime, dict[str, Any]] = {}
    for row in (*accuracy, *checks):
        found.setdefault(row["week"], {}).update(row)
    return tuple(from_row(ReviewWeek, found[week]) for week in sorted(found))


def _version(row: Row, aliases: Sequence[AliasMove]) -> Version:
    names = sorted(move.alias for move in aliases if move.until is None and move.version == row["version"])
    return from_row(Version, row, aliases=tuple(names))


def _places(rows: Sequence[Row]) -> tuple[LargestSeries, ...]:
    """Rows of steps by series; the columns about the whole series are the same on each of its rows."""
    grouped = (list(group) for _, group in groupby(rows, key=lambda row: row["series_id"]))
    return tuple(from_row(LargestSeries, steps[0], steps=all_of(ForecastStep, steps)) for steps in grouped)


def _kept(row: Row, *, priced: bool) -> RealisedSaving:
    both = {name: without_placeholders(row[name], priced=priced) for name in ("promised", "realised")}
    figures = {
        f"{name}{shown}{side}": found[f"{measure}{side}"]
        for name, found in both.items()
        for measure, shown in (("money", ""), ("wape", "_wape"))
        for side in ("", "_low", "_high")
    }
    return from_row(RealisedSaving, {**row, **figures}, currency=both["realised"]["currency"])


def _weeks_by_name(facts: Facts) -> dict[str, Sequence[ReviewWeek]]:
    return {row["name"]: _weeks((), facts.checks.get(row["model_id"], ())) for row in facts.champions}


def _moves_by_name(facts: Facts) -> dict[str, Sequence[AliasMove]]:
    return {row["name"]: facts.aliases.get(row["model_id"], ()) for row in facts.champions}


def changes(
    models: Sequence[Model],
    then: Sequence[Mapping[str, Any]],
    weeks: Mapping[str, Sequence[ReviewWeek]],
    moves: Mapping[str, Sequence[AliasMove]],
    since: datetime,
) -> Iterator[StateChange]:
    """Advice, retrainings and aliases that are not what they were at `since`; `weeks` and `moves` are by model."""
    before = {row["name"]: row["action"] or "unchecked" for row in then}
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
                yield _moved(model.name, move)
    for name, was in before.items():
        yield StateChange(name, "recommendation", was, None, f"{name}: no champion any more")


def _moved(model: str, move: AliasMove) -> StateChange:
    before = None if move.before is None else f"version {move.before}"
    way = f"now points at version {move.version}" + (f", before at {before}" if before else "")
    return StateChange(model, "alias", before, f"version {move.version}", f"{model}: @{move.alias} {way}")
