"""`mlops recommendations list|show|accept|dismiss|snooze`: what monitoring asks for, and who decided."""

import getpass
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from mlops.cli import typed
from mlops.cli.context import database, moment
from mlops.cli.options import By, Id, Json
from mlops.cli.output import ACTION_COLOURS, console, emit
from mlops.domain.findings import CARRIED_OUT, Benefit, Change, Finding, todo
from mlops.errors import NothingToDo

__all__ = ["app"]

app = typer.Typer(
    help="Recommendations: what should be done about a champion, and who decided it.", no_args_is_help=True
)
Row = Mapping[str, Any]
BENEFITS = ("expected_benefit", "realised_benefit")


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Show those that ask for nothing any more, too.")] = False,
    as_json: Json = False,
) -> None:
    """List what waits for somebody, the newest first, with what acting would save and cost."""
    with database().transaction() as transaction:
        rows = [_shown(row) for row in transaction.rows("recommendations", everything=everything)]

    def text() -> None:
        for row, same in _once(rows):
            _print_line(row)
            if same:
                many = "1 check before it says" if len(same) == 1 else f"{len(same)} checks before it say"
                _say(f"    {many} the same, since {same[-1]['as_of']:%Y-%m-%d}")
        if not rows:
            _say("no recommendation waits for anybody" if not everything else "there is no recommendation yet")

    emit(rows, as_json=as_json, text=text)


@app.command()
def show(recommendation_id: Id, as_json: Json = False) -> None:
    """Show a recommendation: reasons, evidence, what it promises and costs, what was decided and what was realised."""
    found = _found(recommendation_id)
    emit(found, as_json=as_json, text=lambda: _print(found))


@app.command()
def accept(
    recommendation_id: Id,
    reason: Annotated[str, typer.Option(callback=typed.reason, help="Why; it is kept.")] = "accepted",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Agree to a recommendation; `mlops retrain ID` then carries it out."""
    _decide(recommendation_id, "accept", reason, by, as_json=as_json)


@app.command()
def dismiss(
    recommendation_id: Id,
    reason: Annotated[
        str, typer.Option(callback=typed.reason, help="Why; it is kept, and told when the same comes up again.")
    ],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Decide against a recommendation: the same is not made anew until it expires, unless it becomes clearly worse."""
    _decide(recommendation_id, "dismiss", reason, by, as_json=as_json)


def _time(until: str) -> str:
    moment(until, "--until", ahead=True)
    return until


@app.command()
def snooze(
    recommendation_id: Id,
    until: Annotated[
        str, typer.Option(callback=_time, help="The day or time (UTC) from which on it may be made again.")
    ],
    reason: Annotated[str, typer.Option(callback=typed.reason, help="Why; it is kept.")] = "put off",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Put a recommendation off until a day: the same is not made anew before, unless it becomes clearly worse."""
    _decide(recommendation_id, "snooze", reason, by, until=moment(until, ahead=True), as_json=as_json)


def _once(rows: Sequence[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """Rows, newest first, each with the unbroken run of older ones of its model that ask for nothing more than it does.

    What asks for nobody (watch, none) is told once, however many weeks it goes on; what asks is told each time.
    """
    names: dict[str, tuple[Row, list[Row]]] = {}
    found: list[tuple[Row, list[Row]]] = []
    for row in rows:
        newer = names.get(row["name"])
        if newer is not None and row["action"] in ("watch", "none") and newer[0]["action"] == row["action"]:
            newer[1].append(row)
            continue
        names[row["name"]] = (row, [])
        found.append(names[row["name"]])
    yield from found


def _decide(
    number: int, decision: str, reason: str, by: str | None, *, until: datetime | None = None, as_json: bool
) -> None:
    _found(number)
    with database().transaction() as transaction:
        transaction.run(
            "add_recommendation_decision",
            recommendation_id=number,
            decision=decision,
            decided_by=getpass.getuser() if by is None else by,
            reason=reason,
            until=until,
        )
    found = _found(number)
    emit(found, as_json=as_json, text=lambda: _print_line(found))


def _found(number: int) -> dict[str, Any]:
    """The recommendation with its findings and decisions."""
    with database().transaction() as transaction:
        row = transaction.one("recommendation", recommendation_id=number)
        if row is None:
            ids = ", ".join(str(one["recommendation_id"]) for one in transaction.rows("recommendations_to_act_on"))
            raise NothingToDo(f"there is no recommendation {number}; open ones: {ids or 'none'}")
        findings = transaction.rows("findings_of_recommendation", recommendation_id=number)
        decisions = transaction.rows("recommendation_decisions", recommendation_id=number)
    return {name: value for name, value in _shown(row).items() if not name.endswith("lineage")} | {
        "findings": findings,
        "decisions": decisions,
    }


def _shown(row: Row) -> dict[str, Any]:
    """A recommendation as people and programs are shown it: without money that placeholder prices have made."""
    from mlops.monitoring.review.advice import without_placeholders

    benefits = {name: row[name] and without_placeholders(row[name], priced=True) for name in BENEFITS}
    priced = bool(benefits["expected_benefit"] and benefits["expected_benefit"]["currency"])
    return dict(row) | benefits | {"cost": row["cost"] if priced else None}


def _print_line(row: Row) -> None:
    colour = ACTION_COLOURS[row["action"]]
    _say(
        f"[bold]{row['recommendation_id']}[/]  {row['as_of']:%Y-%m-%d}  {escape(row['name'])} version {row['version']}"
        f"  [{colour}]{row['action']}[/]  {row['status']}{_decided(row)}"
    )
    for reason in row["reasons"][:2]:
        _say(f"    {escape(reason)}")
    if row["action"] in CARRIED_OUT and row["status"] in ("open", "accepted"):
        _say(f"    mlops retrain {row['recommendation_id']}{_expiry(row)}")
    if row["realised_benefit"]:
        _say(f"    realised: {escape(_benefit(row['realised_benefit']))}")


def _print(row: dict[str, Any]) -> None:
    from mlops.monitoring.decide.costs import SET_COSTS

    _print_line(row | {"reasons": [], "realised_benefit": None})
    for reason in row["reasons"]:
        _say(f"    {escape(reason)}")
    if row["onset_at"]:
        _say(f"errors are larger since about {row['onset_at']:%Y-%m-%d}")
    if row["expected_benefit"]:
        _say(f"promised: {escape(_benefit(row['expected_benefit']))}")
        currency = row["expected_benefit"]["currency"]
        if currency:
            saved = row["expected_benefit"]["money"] * row["horizon_weeks"]
            _say(f"          {saved:,.2f} {currency} in {row['horizon_weeks']} weeks, at a cost of {row['cost']:,.2f}")
        else:
            _say(f"          {escape(SET_COSTS)}")
    if row["realised_benefit"]:
        _say(f"realised: {escape(_benefit(row['realised_benefit']))} (by {row['realised_at']:%Y-%m-%d})")
    for one in row["decisions"]:
        _say(
            f"{one['decided_at']:%Y-%m-%d %H:%M}  {one['decision']} by {escape(one['decided_by'])}{_until(one)}:"
            f" {escape(one['reason'])}"
        )
    if row["verdict"]:
        _say(escape(row["verdict"]))
    if row["replaced_by"]:
        _say(f"a later check of the same week made {row['replaced_by']} in its place")
    for one in row["findings"]:
        change = None if one["change"] is None else Change.from_json(one["change"])
        detail, part, place = (one[name] or "" for name in ("detail", "slice", "place"))
        found = Finding(one["kind"], one["subject"], 0.0, 0.0, one["drifted"], detail, part, place, change)
        _say(f"  {one['kind']:<12} {escape(found.words)}")
        if one["drifted"]:
            _say(f"  {'':<12} → {escape(todo(one['kind'], one['subject']))}")
        against = "" if one["statistic"] is None else f" ({one['statistic']:.1f} against {one['threshold']:.1f})"
        _say(f"  {'':<12} [dim]{escape(one['detail'] or one['subject'])}{against}[/]")


def _decided(row: Row) -> str:
    if row["decision"] is None:
        return ""
    return f" by {escape(row['decided_by'])}{_until(row)}: {escape(row['reason'])}"


def _until(row: Row) -> str:
    return f" until {row['until']:%Y-%m-%d}" if row["until"] else ""


def _expiry(row: Row) -> str:
    return f"   until {row['expires_at']:%Y-%m-%d}" if row["expires_at"] else ""


def _benefit(document: dict[str, Any]) -> str:
    return str(Benefit(**document))


def _say(line: str) -> None:
    """A line that is not broken, so that commands can be copied."""
    console.print(line, highlight=False, soft_wrap=True)
