"""`mlops series delete` and `redate`: what would change, and with --yes the change itself."""

import getpass
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mlops.cli import typed
from mlops.cli.context import database, moment
from mlops.cli.options import LARGEST_ID, By, Json, with_nouns
from mlops.cli.output import console, emit, table
from mlops.errors import Misused

if TYPE_CHECKING:
    from mlops.series.edit import Chosen, Meant

__all__ = ["delete", "redate"]

SHOWN = 20
"""Series that are shown. Chosen, not measured."""
WHY = " --reason 'WHY'"


class KnownAt(StrEnum):
    """When observations count as known."""

    observed = "observed"
    now = "now"


@dataclass(frozen=True)
class Observations:
    """Which observations: of which series, from when until when."""

    names: Annotated[list[str] | None, typer.Argument(help="Series by name (of all or one of its places) or id.")] = (
        None
    )
    ids: Annotated[
        list[int], typer.Option("--id", min=1, max=LARGEST_ID, help="A series by its id; may be repeated.")
    ] = field(default_factory=list)
    metric_type: Annotated[
        str, typer.Option(callback=typed.given(typed.metric_type), help="Only series of this metric type.")
    ] = ""
    label: Annotated[list[str], typer.Option(help="Only series with this label, as key=value.")] = field(
        default_factory=list
    )
    first: Annotated[str, typer.Option("--from", help="Only observations from this date or time (UTC) on.")] = ""
    until: Annotated[str, typer.Option("--until", help="Only observations before this date or time (UTC).")] = ""

    def check(self) -> None:
        """Misused where nothing is chosen, before a database is asked."""
        if not (self.names or self.ids or self.metric_type or self.label):
            raise Misused("which series? name them, or choose by --id, --metric-type or --label; nothing was changed")
        self.span()

    def span(self) -> tuple[datetime | None, datetime | None]:
        """From when until before when."""
        begin = moment(self.first, "--from", ahead=True) if self.first else None
        end = moment(self.until, "--until", ahead=True) if self.until else None
        if begin is not None and end is not None and end <= begin:
            raise Misused(f"nothing is from --from {self.first} to before --until {self.until}; swap them")
        return begin, end

    def chosen(self) -> "tuple[Chosen, ...]":
        """The series in the database."""
        from mlops.series.edit import look_up

        labels = typed.pairs(self.label, "--label")
        return look_up(database(), self.names or (), ids=self.ids, metric_type=self.metric_type or None, labels=labels)


@dataclass(frozen=True)
class Decision:
    """Whether it is done, by whom and why."""

    reason: Annotated[str, typer.Option(help="Why; goes on record, and is needed with --yes.")] = ""
    by: By = None
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this nothing is changed, only told.")] = False

    def check(self) -> None:
        """Misused where it is done without a reason."""
        if self.yes and not self.reason.strip():
            raise Misused("--yes goes with --reason: it goes on record why; nothing was changed")


@with_nouns
def delete(observations: Observations, decision: Decision, as_json: Json = False) -> None:
    """Delete observations with their corrections; without --yes only tell what would go, and what depends on it."""

    def counted(meant: "Meant") -> str:
        return f"{meant.total('observations'):,} observations and {meant.total('corrections'):,} corrected values"

    _run("deleted", None, observations, decision, counted, as_json=as_json)


@with_nouns
def redate(
    observations: Observations,
    decision: Decision,
    known_at: Annotated[
        KnownAt,
        typer.Option(help="Known since their own period ended (observed), as a history is, or from now on (now)."),
    ] = KnownAt.observed,
    as_json: Json = False,
) -> None:
    """Say anew when observations became known, corrections excepted; without --yes only tell what would change."""

    def counted(meant: "Meant") -> str:
        there = meant.total("observations")
        if known_at is KnownAt.now:
            return f"{meant.total('uncorrected'):,} of {there:,} observations count as known from now on"
        ahead = meant.total("ahead")
        if not ahead:
            return f"all {there:,} observations count as known since their period ended already"
        return f"{ahead:,} of {there:,} observations are dated back: they count as known since their period ended"

    _run("redated", known_at.value, observations, decision, counted, as_json=as_json)


def _run(
    action: Any,
    known_at: Any,
    observations: Observations,
    decision: Decision,
    counted: "Callable[[Meant], str]",
    *,
    as_json: bool,
) -> None:
    from mlops.series.edit import Edit, edit, meant

    observations.check()
    decision.check()
    chosen = observations.chosen()
    asked = Edit(action, [series.series_id for series in chosen], *observations.span(), known_at)
    there, names = meant(database(), asked), {series.series_id: series.name for series in chosen}
    by = decision.by or getpass.getuser()
    done = edit(database(), asked, by=by, reason=decision.reason) if decision.yes and there.series else []
    document = {
        "dry_run": not decision.yes,
        "action": action,
        "known_at": known_at,
        "series": [asdict(series) | {"name": names[series.series_id]} for series in there.series],
        "models": there.models,
        "feature_builds": there.builds,
        "edit_id": done[0].edit_id if done else None,
        "changed": {
            name: sum(getattr(series, name) for series in done) for name in ("observations", "corrections", "outcomes")
        },
    }

    def text() -> None:
        if not there.series:
            console.print(f"{len(chosen)} series have no observation in that time; nothing was changed")
            return
        _print_meant(there, names)
        what = "are deleted" if action == "deleted" else ""
        _line(f"{counted(there)} {what}".strip())
        _print_depending(there, action)
        if decision.yes:
            number = f"recorded as edit {done[0].edit_id} in analytics.observation_edits" if done else ""
            _line(f"done: {number or 'nothing had to be changed'}")
        elif known_at == "observed" and not there.total("ahead"):
            _line("there is nothing to change")
        else:
            _line("nothing was changed; to do it:")
            _line(f"  mlops {shlex.join(sys.argv[1:])} --yes{'' if decision.reason.strip() else WHY}")

    emit(document, as_json=as_json, text=text)


def _print_meant(there: "Meant", names: dict[int, str]) -> None:
    shown = table("id", "series", "measures", "observations", "from", "to", "known from", "known to")
    for series in there.series[:SHOWN]:
        times = (series.first_at, series.last_at, series.recorded_first, series.recorded_last)
        what = escape(names[series.series_id]), f"{series.metric_type} {series.granularity}"
        days = (f"{time:%Y-%m-%d}" for time in times)
        shown.add_row(str(series.series_id), *what, f"{series.observations:,}", *days)
    console.print(shown)
    if len(there.series) > SHOWN:
        console.print(f"and {len(there.series) - SHOWN:,} more series")


def _print_depending(there: "Meant", action: str) -> None:
    forecasts, outcomes = there.total("forecasts"), there.total("outcomes")
    if outcomes:
        lose = "lose" if action == "deleted" else "keep"
        _line(
            f"{outcomes:,} of {forecasts:,} forecasts for that time {lose} their outcome; the forecasts themselves stay"
        )
    if there.models:
        _line(
            f"trained on them: {', '.join(there.models[:5])}{', …' if len(there.models) > 5 else ''};"
            " registry trace and reproduce tell what is other than then"
        )
    if there.builds:
        _line(f"feature builds that may hold them stay as they are: {', '.join(there.builds[:5])}")
    if action == "deleted":
        _line("daily summaries and aggregates follow at the next refresh (mlops db maintain)")


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
