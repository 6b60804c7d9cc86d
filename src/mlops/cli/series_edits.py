"""`mlops series delete` and `redate`: what would change, and with --yes the change itself."""

import getpass
import shlex
import sys
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mlops.cli import typed
from mlops.cli.context import database, moment
from mlops.cli.options import LARGEST_ID, By, Json, pairs
from mlops.cli.output import console, emit, table
from mlops.errors import Misused

if TYPE_CHECKING:
    from mlops.series.edit import Chosen, Edit, Meant

__all__ = ["delete", "redate"]


def _declared(name: str) -> str:
    """A metric type that is declared; empty stays empty."""
    return typed.metric_type(name or None) or ""


Names = Annotated[list[str] | None, typer.Argument(help="Series by name (of all or one of its places) or id.")]
Ids = Annotated[list[int], typer.Option("--id", min=1, max=LARGEST_ID, help="A series by its id; may be repeated.")]
MetricType = Annotated[str, typer.Option("--metric-type", callback=_declared, help="Only series of this metric type.")]
Label = Annotated[list[str], typer.Option(help="Only series with this label, as key=value.")]
From = Annotated[str, typer.Option("--from", help="Only observations from this date or time (UTC) on.")]
Until = Annotated[str, typer.Option("--until", help="Only observations before this date or time (UTC).")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this nothing is changed, only told.")]
Reason = Annotated[str, typer.Option(help="Why; goes on record, and is needed with --yes.")]
SHOWN = 20
WHY = " --reason 'WHY'"


class KnownAt(StrEnum):
    """When observations count as known."""

    observed = "observed"
    now = "now"


def delete(
    names: Names = None,
    ids: Ids = [],  # noqa: B006
    metric_type: MetricType = "",
    label: Label = [],  # noqa: B006
    first: From = "",
    until: Until = "",
    reason: Reason = "",
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete observations with their corrections; without --yes only tell what would go, and what depends on it."""
    _check(names or ids or metric_type or label, first, until, reason, yes=yes)
    chosen = _chosen(names, ids, metric_type, label)
    decision = _edit("deleted", chosen, first, until)

    def told(found: "Meant") -> str:
        return f"{found.total('observations'):,} observations and {found.total('corrections'):,} corrected values"

    _run(chosen, decision, told, reason, by, yes=yes, as_json=as_json)


def redate(
    names: Names = None,
    known_at: Annotated[
        KnownAt,
        typer.Option(help="Known since their own period ended (observed), as a history is, or from now on (now)."),
    ] = KnownAt.observed,
    ids: Ids = [],  # noqa: B006
    metric_type: MetricType = "",
    label: Label = [],  # noqa: B006
    first: From = "",
    until: Until = "",
    reason: Reason = "",
    by: By = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Say anew when observations became known, corrections excepted; without --yes only tell what would change."""
    _check(names or ids or metric_type or label, first, until, reason, yes=yes)
    chosen = _chosen(names, ids, metric_type, label)
    decision = _edit("redated", chosen, first, until, known_at.value)

    def told(found: "Meant") -> str:
        there = found.total("observations")
        if known_at is KnownAt.now:
            return f"{found.total('uncorrected'):,} of {there:,} observations count as known from now on"
        ahead = found.total("ahead")
        if not ahead:
            return f"all {there:,} observations count as known since their period ended already"
        return f"{ahead:,} of {there:,} observations are dated back: they count as known since their period ended"

    _run(chosen, decision, told, reason, by, yes=yes, as_json=as_json)


def _check(named: object, first: str, until: str, reason: str, *, yes: bool) -> None:
    """What was typed, before the database is asked."""
    if not named:
        raise Misused("which series? name them, or choose by --id, --metric-type or --label; nothing was changed")
    _span(first, until)
    if yes and not reason.strip():
        raise Misused("--yes goes with --reason: it goes on record why; nothing was changed")


def _chosen(names: list[str] | None, ids: list[int], metric_type: str, label: list[str]) -> "tuple[Chosen, ...]":
    from mlops.series.edit import look_up

    return look_up(database(), names or (), ids=ids, metric_type=metric_type or None, labels=pairs(label, "--label"))


def _edit(action: Any, chosen: "tuple[Chosen, ...]", first: str, until: str, known_at: Any = None) -> "Edit":
    from mlops.series.edit import Edit

    begin, end = _span(first, until)
    return Edit(action, [one.series_id for one in chosen], begin, end, known_at)


def _span(first: str, until: str) -> tuple[datetime | None, datetime | None]:
    begin, end = (
        moment(text, option, ahead=True) if text else None for text, option in ((first, "--from"), (until, "--until"))
    )
    if begin is not None and end is not None and end <= begin:
        raise Misused(f"nothing is from --from {first} to before --until {until}; swap them")
    return begin, end


def _run(
    chosen: "tuple[Chosen, ...]",
    decision: "Edit",
    told: "Callable[[Meant], str]",
    reason: str,
    by: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    from mlops.series.edit import edit, meant

    found, names = meant(database(), decision), {one.series_id: one.name for one in chosen}
    done = edit(database(), decision, by=by or getpass.getuser(), reason=reason) if yes and found.series else []
    document = {
        "dry_run": not yes,
        "action": decision.action,
        "known_at": decision.known_at,
        "series": [row | {"name": names[row["series_id"]]} for row in found.series],
        "models": found.models,
        "feature_builds": found.builds,
        "edit_id": done[0]["edit_id"] if done else None,
        "changed": {name: sum(row[name] for row in done) for name in ("observations", "corrections", "outcomes")},
    }

    def text() -> None:
        if not found.series:
            console.print(f"{len(chosen)} series have no observation in that time; nothing was changed")
            return
        _print_meant(found, names)
        what = "are deleted" if decision.action == "deleted" else ""
        _line(f"{told(found)} {what}".strip())
        _print_depending(found, decision.action)
        if yes:
            number = (
                f"recorded as edit {done[0]['edit_id']} in analytics.observation_edits"
                if done
                else "nothing had to be changed"
            )
            _line(f"done: {number}")
        elif decision.known_at == "observed" and not found.total("ahead"):
            _line("there is nothing to change")
        else:
            _line("nothing was changed; to do it:")
            _line(f"  mlops {shlex.join(sys.argv[1:])} --yes{'' if reason.strip() else WHY}")

    emit(document, as_json=as_json, text=text)


def _print_meant(found: "Meant", names: dict[int, str]) -> None:
    shown = table("id", "series", "measures", "observations", "from", "to", "known from", "known to")
    for row in found.series[:SHOWN]:
        times = (f"{row[name]:%Y-%m-%d}" for name in ("first_at", "last_at", "recorded_first", "recorded_last"))
        what = escape(names[row["series_id"]]), f"{row['metric_type']} {row['granularity']}"
        shown.add_row(str(row["series_id"]), *what, f"{row['observations']:,}", *times)
    console.print(shown)
    if len(found.series) > SHOWN:
        console.print(f"and {len(found.series) - SHOWN:,} more series")


def _print_depending(found: "Meant", action: str) -> None:
    forecasts, outcomes = found.total("forecasts"), found.total("outcomes")
    if outcomes:
        lose = "lose" if action == "deleted" else "keep"
        _line(
            f"{outcomes:,} of {forecasts:,} forecasts for that time {lose} their outcome; the forecasts themselves stay"
        )
    if found.models:
        _line(
            f"trained on them: {', '.join(found.models[:5])}{', …' if len(found.models) > 5 else ''};"
            " registry trace and reproduce tell what is other than then"
        )
    if found.builds:
        _line(f"feature builds that may hold them stay as they are: {', '.join(found.builds[:5])}")
    if action == "deleted":
        _line("daily summaries and aggregates follow at the next refresh (mlops db maintain)")


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
