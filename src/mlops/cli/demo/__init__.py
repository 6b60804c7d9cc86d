"""`mlops demo`: the whole lifecycle on real data, in a few minutes."""

import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, settings, store
from mlops.cli.options import Json
from mlops.cli.output import ACTION_COLOURS, console, emit, progress, say, table

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from mlops.cli.demo.replay import Phase, Week
    from mlops.monitoring.decide.realise import RealisedBenefit
    from mlops.tracking.bridge.mirror import RegistryVersion
    from mlops.training import Trained

__all__ = ["demo"]

NEXT = (
    "{mlops} recommendations list --all",
    "{mlops} registry history demand",
    "{mlops} registry lineage models:/demand@champion",
    "{mlops} series list",
    '{psql} "$({mlops} db url)" -c "select * from analytics.realised_benefits"',
)
"""What to try when the demo is done; programs by the path by which they are found here."""
SERVE = "{mlops} serve models:/demand@champion"
ASK = (
    "curl -s http://127.0.0.1:5001/invocations -H 'Content-Type: application/json'"
    """ -d '{"dataframe_records": [{"series_id": "210 Queen Street"}], "params": {"horizon": 7}}'"""
)
WIDEST = 110
"""Columns of running text, however wide the terminal is. Chosen, not measured."""


def demo(
    weeks: Annotated[
        int | None, typer.Option(min=1, max=30, help="Replay no more than so many Mondays; all 30 when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Replay Auckland's 2020 week by week: train, serve, watch, retrain, fall back, measure what it brought, review.

    Foot traffic at 18 healthy sites stands in for collection volume. Repeating it changes nothing; after an
    interruption it goes on where it was.
    """
    with progress() as bar:
        report = Progress((lambda _: None) if as_json else say, bar)
        story = _story(report, weeks)
    emit(story, as_json=as_json, text=lambda: _summary(story))


class Progress:
    """What the demo reports and when: a line with the seconds since it began, and a bar for what is being done."""

    def __init__(self, say: Callable[[str], None], bar: "Bar") -> None:
        self._say, self._began, self._bar = say, monotonic(), bar
        self._task = bar.add_task("", total=None, note="")

    def __call__(self, text: str, *, after: str = "") -> None:
        """A line; `after` are lines that belong to it, already laid out."""
        self._say(f"[dim]{monotonic() - self._began:4.0f} s[/]  {text}{after}")

    def step(self, description: str) -> None:
        """Begin another step, and say so."""
        self._bar.update(self._task, description=description, note="", total=None, completed=0)
        self(f"{description} ...")

    def note(self, note: str) -> None:
        """What the step is at."""
        self._bar.update(self._task, note=note)

    def done(self, part: int, whole: int) -> None:
        """How far the step is."""
        self._bar.update(self._task, completed=part, total=whole)


@dataclass(frozen=True, slots=True)
class Story:
    """What the demo did, and what can be looked at afterwards."""

    weeks: "Sequence[Week]"
    phases: "Sequence[Phase]"
    versions: "Sequence[RegistryVersion]"
    realised: "Sequence[RealisedBenefit]"
    page: str
    next: Sequence[str]
    serve: str
    ask: str


def _story(report: Progress, weeks: int | None) -> Story:
    ours = settings().database_url is None
    report.step("starting PostgreSQL and making the schema" if ours else "opening the database and its schema")
    db = database()
    report.step("opening MLflow's store in it, and importing the libraries")
    models = store()
    from mlops.cli.demo import replay
    from mlops.monitoring import review
    from mlops.monitoring.decide.realise import realised
    from mlops.policy import read_policy
    from mlops.tracking.bridge.mirror import mirrored_versions

    report.step("storing the series")
    stored = replay.store_series(db)
    report(f"{stored.inserted:,} daily counts stored, {stored.unchanged:,} were there")
    report.step("training Prophet, one model per site, on 2019, and backtesting it from 20 weekly origins")
    trained = replay.first_champion(db, models, report.note)
    report(_trained(trained))
    mondays = replay.MONDAYS[:weeks]
    report.step(f"replaying {len(mondays)} Mondays of 2020; each knows only what had been recorded by then")
    replayed: list[Week] = []
    for week in replay.replay(db, models, mondays, report.note):
        report.done(mondays.index(week.monday) + 1, len(mondays))
        report(_head(week), after="".join(f"\n{line}" for line in _details(week, replayed[-1] if replayed else None)))
        replayed.append(week)
    report.step("writing the weekly review")
    page = settings().reports / f"review-{mondays[-1]:%Y-%m-%d}.html"
    review.write_review(review.build_review(db, read_policy(), mondays[-1]), page)
    report("done")
    return Story(
        weeks=replayed,
        phases=replay.phases(db),
        versions=mirrored_versions(db),
        realised=realised(db, replay.MODEL),
        page=str(page),
        next=[command.format(mlops=_program(), psql=_psql()) for command in NEXT],
        serve=SERVE.format(mlops=_program()),
        ask=ASK,
    )


def _trained(trained: "Trained") -> str:
    figures = trained.metrics
    left_out = "; ".join(f"{row.name}: {row.reason}" for row in trained.excluded.itertuples())
    return _wrapped(
        f"version {trained.version.version} is champion, as what the team has: WAPE {figures['wape']:.3f}, seasonal"
        f" naive {figures['wape_naive']:.3f}, {figures['coverage_80']:.0%} inside the 80 % intervals;"
        f" left out are {left_out}",
        first=9,
    )


def _head(week: "Week") -> str:
    """A week in one line: who was judged, how good it was, and what is to be done."""
    checked, day = week.checked, f"[bold]{week.monday:%d %b}[/]"
    if checked is None or checked.recommendation is None or "wape" not in checked.values:
        problem = f": {escape(checked.problem)}" if checked is not None and checked.problem else ""
        return f"{day}  version {week.champion} {week.kind} forecasts {week.forecasts:,} values{problem}"
    action = checked.asks.replace("_", " ")
    colour = ACTION_COLOURS[checked.asks]
    return (
        f"{day}  version {checked.version}  WAPE {checked.values['wape']:.2f},"
        f" {checked.values['coverage_80']:4.0%} inside 80 %  [{colour}]{action}[/]"
    )


def _details(week: "Week", before: "Week | None") -> Iterator[str]:
    """Why, unless it is as the week before, what was done, and what earlier acts have brought."""
    advice = None if week.checked is None else week.checked.recommendation
    if advice is not None and advice.action != "none" and not _same(week, before):
        for reason in advice.reasons[: 1 if advice.benefit else 2]:
            yield _wrapped(escape(reason), first=17)
    if advice is not None and advice.benefit is not None:
        saved = advice.benefit
        promise = f"promised to save WAPE {saved.wape:+.3f} ({saved.wape_low:+.3f} to {saved.wape_high:+.3f})"
        yield _wrapped(promise, first=17)
    if week.retrained is not None:
        yield f"[bold]{_wrapped(escape(f'-> {week.retrained.verdict}'), first=17)}[/]"
    for benefit in week.realised:
        yield f"[bold]{_wrapped(escape(f'realised: {benefit}'), first=17)}[/]"


def _same(week: "Week", before: "Week | None") -> bool:
    """Whether the same version is watched for the same cause as the week before: that is shown once."""
    checks = [either.checked for either in (week, before) if either is not None and either.checked is not None]
    asked = {(check.version, check.asks, check.recommendation and check.recommendation.cause) for check in checks}
    return len(checks) == 2 and len(asked) == 1 and checks[0].asks == "watch"


def _program() -> str:
    """This program as the shell finds it: by its name where that is this one, else by its path."""
    called = Path(sys.argv[0])
    if called.name != "mlops" or not called.exists():
        return f"{shlex.quote(sys.executable)} -m mlops"
    first = shutil.which("mlops")
    return "mlops" if first and Path(first).resolve() == called.resolve() else shlex.quote(str(called))


def _psql() -> str:
    """The server's own client where the machine has none."""
    from mlops.db.embedded import server_for

    return "psql" if shutil.which("psql") else shlex.quote(str(server_for(settings().home).client))


def _wrapped(text: str, *, first: int) -> str:
    """Text at the terminal's width, indented by so many columns but where it continues a line."""
    width = max(min(console.width, WIDEST), 40)
    lines = textwrap.wrap(text, width - first, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * first}".join(["", *lines]).lstrip("\n") if first > 9 else f"\n{' ' * first}".join(lines)


def _summary(story: Story) -> None:
    if not story.weeks:
        console.print("every week had been replayed before; nothing was changed")
    accuracy = table("", "weeks", "WAPE", "seasonal naive", "80 % cover", title="\n[bold]The freshest forecasts[/]")
    for phase in story.phases:
        figures = (f"{phase.wape:.3f}", f"{phase.wape_naive:.3f}", f"{phase.coverage_80:.0%}")
        accuracy.add_row(phase.phase, str(phase.weeks), *figures)
    console.print(accuracy)
    kept = table("", "version", "promised", "realised", title="\n[bold]Saved of the WAPE, promised and realised[/]")
    for benefit in story.realised:
        promised = (
            f"{benefit.promised_wape:+.3f} ({benefit.promised_wape_low:+.3f} to {benefit.promised_wape_high:+.3f})"
        )
        came_true = (
            f"{benefit.realised_wape:+.3f} ({benefit.realised_wape_low:+.3f} to {benefit.realised_wape_high:+.3f})"
        )
        kept.add_row(benefit.action, f"{benefit.replaced_version} -> {benefit.new_version}", promised, came_true)
    console.print(kept)
    registry = table(
        "version", "kind", "known at", "aliases", "lineage", title="\n[bold]Registry, as mirrored in Postgres[/]"
    )
    for row in story.versions:
        aliases = " ".join(f"@{alias}" for alias in row.aliases)
        registry.add_row(str(row.version), row.kind, f"{row.as_of:%Y-%m-%d}", aliases, row.lineage_state)
    console.print(registry)
    console.print(f"\n[bold]The weekly review[/]  {story.page}", soft_wrap=True)
    console.print("\n[bold]Try next[/]")
    for command in story.next:
        console.print(f"  {command}", highlight=False, soft_wrap=True, markup=False)
    console.print("\n[bold]Serve the champion, and ask it from another terminal[/]")
    for command in (story.serve, story.ask):
        console.print(f"  {command}", highlight=False, soft_wrap=True, markup=False)
