"""`mlops recommendations …` and `mlops retrain`: what monitoring asks for, who decided, and what is done about it."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import check_time, database, moment, store
from mlops.cli.options import By, Id, Json
from mlops.cli.output import ACTION_COLOURS, console, emit, progress, say
from mlops.cli.typed import checked, given, kept
from mlops.domain.findings import CARRIED_OUT, Benefit, ShownBenefit, todo

if TYPE_CHECKING:
    from mlops.monitoring.decide.decisions import ListedRecommendation, ShownRecommendation

__all__ = ["app", "retrain"]

app = typer.Typer(
    help="Recommendations: what should be done about a champion, and who decided it.", no_args_is_help=True
)
_reason = kept("--reason", "reason")


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Show those that ask for nothing any more, too.")] = False,
    as_json: Json = False,
) -> None:
    """List what waits for somebody, the newest first, with what acting would save and cost."""
    from mlops.monitoring.decide.decisions import recommendations, without_repeats

    rows = recommendations(database(), everything=everything)

    def text() -> None:
        for row, same in without_repeats(rows):
            _print_line(row)
            if same:
                many = "1 check before it says" if len(same) == 1 else f"{len(same)} checks before it say"
                say(f"    {many} the same, since {same[-1].as_of:%Y-%m-%d}")
        if not rows:
            say("no recommendation waits for anybody" if not everything else "there is no recommendation yet")

    emit(rows, as_json=as_json, text=text)


@app.command()
def show(recommendation_id: Id, as_json: Json = False) -> None:
    """Show a recommendation: reasons, evidence, what it promises and costs, what was decided and what was realised."""
    from mlops.monitoring.decide.decisions import recommendation

    asked = recommendation(database(), recommendation_id)
    emit(asked, as_json=as_json, text=lambda: _print(asked))


@app.command()
def accept(
    recommendation_id: Id,
    reason: Annotated[str, typer.Option(callback=_reason, help="Why; it is kept.")] = "accepted",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Agree to a recommendation; `mlops retrain ID` then carries it out."""
    from mlops.monitoring.decide.decisions import record_decision

    decided = record_decision(database(), recommendation_id, "accept", reason, by=by)
    emit(decided, as_json=as_json, text=lambda: _print_line(decided))


@app.command()
def dismiss(
    recommendation_id: Id,
    reason: Annotated[
        str, typer.Option(callback=_reason, help="Why; it is kept, and shown when the same comes up again.")
    ],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Decide against a recommendation: the same is not made anew until it expires, unless it becomes clearly worse."""
    from mlops.monitoring.decide.decisions import record_decision

    decided = record_decision(database(), recommendation_id, "dismiss", reason, by=by)
    emit(decided, as_json=as_json, text=lambda: _print_line(decided))


@app.command()
def snooze(
    recommendation_id: Id,
    until: Annotated[
        str,
        typer.Option(
            callback=checked(check_time, "--until", ahead=True),
            help="The day or time (UTC) from which on it may be made again.",
        ),
    ],
    reason: Annotated[str, typer.Option(callback=_reason, help="Why; it is kept.")] = "snoozed",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Snooze a recommendation until a day: the same is not made anew before, unless it becomes clearly worse."""
    from mlops.monitoring.decide.decisions import record_decision

    decided = record_decision(database(), recommendation_id, "snooze", reason, by=by, until=moment(until, ahead=True))
    emit(decided, as_json=as_json, text=lambda: _print_line(decided))


def retrain(
    recommendation_id: Id,
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of",
            callback=given(check_time, "--as-of"),
            help="Train on what was known then; the recommendation's time when left out.",
        ),
    ] = "",
    by: By = None,
    force: Annotated[
        bool, typer.Option(help="Act although it is expired, dismissed, snoozed or superseded; that is recorded, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Act on a recommendation: train and compare a challenger, promote it if it wins; or roll back."""
    from mlops.policy import read_policy
    from mlops.training.retrain import retrain as run

    rule, model = read_policy().retrain, ""
    if as_of:  # `last` means the series of the model that the recommendation is about
        from mlops.monitoring.decide.decisions import recommendation

        model = recommendation(database(), recommendation_id).name
    with progress() as bar:
        task = bar.add_task("acting", total=None, note="")
        done = run(
            database(),
            store(),
            recommendation_id,
            rule,
            as_of=moment(as_of, model=model) if as_of else None,
            by=by,
            force=force,
            say=lambda note: bar.update(task, note=note),
        )
    emit(done, as_json=as_json, text=lambda: console.print(done.verdict))


def _print_line(row: "ListedRecommendation | ShownRecommendation") -> None:
    colour = ACTION_COLOURS[row.action]
    decided, expires = "", ""
    if row.decision is not None:
        decided = f" by {escape(row.decided_by or '')}{_until(row.until)}: {escape(row.reason or '')}"
    if row.expires_at:
        expires = f"   until {row.expires_at:%Y-%m-%d}"
    say(
        f"[bold]{row.recommendation_id}[/]  {row.as_of:%Y-%m-%d}  {escape(row.name)} version {row.version}"
        f"  [{colour}]{row.action}[/]  {row.status}{decided}"
    )
    for reason in row.reasons[:2]:
        say(f"    {escape(reason)}")
    if row.action in CARRIED_OUT and row.status in ("open", "accepted"):
        say(f"    mlops retrain {row.recommendation_id}{expires}")
    if row.realised_benefit:
        say(f"    realised: {escape(_benefit(row.realised_benefit))}")


def _print(row: "ShownRecommendation") -> None:
    _print_line(replace(row, reasons=[], realised_benefit=None))
    for reason in row.reasons:
        say(f"    {escape(reason)}")
    if row.onset_at:
        say(f"errors are larger since about {row.onset_at:%Y-%m-%d}")
    _print_benefits(row)
    for decision in row.decisions:
        say(
            f"{decision.decided_at:%Y-%m-%d %H:%M}  {decision.decision} by {escape(decision.decided_by)}"
            f"{_until(decision.until)}: {escape(decision.reason)}"
        )
    if row.verdict:
        say(escape(row.verdict))
    if row.replaced_by:
        say(f"a later check of the same week made {row.replaced_by} in its place")
    for evidence in row.findings:
        finding = evidence.finding
        say(f"  {finding.kind:<12} {escape(finding.words)}")
        if finding.drifted:
            say(f"  {'':<12} → {escape(todo(finding.kind, finding.subject))}")
        against = "" if evidence.statistic is None else f" ({evidence.statistic:.1f} against {evidence.threshold:.1f})"
        say(f"  {'':<12} [dim]{escape(finding.detail or finding.subject)}{against}[/]")


def _print_benefits(row: "ShownRecommendation") -> None:
    """What was promised, in money where prices are somebody's, and what was realised."""
    from mlops.monitoring.decide.costs import SET_COSTS

    promised = row.expected_benefit
    if promised is not None:
        say(f"promised: {escape(_benefit(promised))}")
        money, weeks = promised["money"], row.horizon_weeks
        if money is None or weeks is None:
            say(f"          {escape(SET_COSTS)}")
        else:
            currency = promised["currency"]
            say(f"          {money * weeks:,.2f} {currency} in {weeks} weeks, at a cost of {row.cost:,.2f}")
    if row.realised_benefit is not None:
        say(f"realised: {escape(_benefit(row.realised_benefit))} (by {row.realised_at:%Y-%m-%d})")


def _until(until: datetime | None) -> str:
    return f" until {until:%Y-%m-%d}" if until else ""


def _benefit(saved: ShownBenefit) -> str:
    """In words; without money where that is hidden."""
    money, low, high = (saved[name] or 0.0 for name in ("money", "money_low", "money_high"))
    wape = (saved["wape"], saved["wape_low"], saved["wape_high"])
    return str(Benefit(*wape, money, low, high, saved["currency"] or "", saved["days"]))
