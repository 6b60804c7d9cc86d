"""`mlops demo`: the whole lifecycle on real data, in a few minutes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.context import database, settings, store
from mlops.cli.output import console, emit, progress, table

if TYPE_CHECKING:
    from rich.progress import Progress

    from mlops.cli.replay import Week
    from mlops.series.ingest import IngestReport
    from mlops.training import Trained

__all__ = ["demo"]


def demo(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Replay Auckland's 2020 week by week: train, serve, watch, retrain, review.

    Foot traffic at 18 healthy sites stands in for collection volume. Repeating it changes nothing; after an
    interruption it goes on where it was.
    """
    quiet: Callable[[str], None] = (lambda _: None) if as_json else console.print
    with progress() as bar:
        document = _story(quiet, Steps(bar))
    emit(document, as_json=as_json, text=lambda: _summary(document))


class Steps:
    """The progress bar of the demo: what is being done, and how far it is."""

    def __init__(self, bar: "Progress") -> None:
        self._bar, self._task = bar, bar.add_task("starting Postgres and MLflow", total=None, note="")

    def __call__(self, description: str) -> None:
        """Begin another step."""
        self._bar.update(self._task, description=description, note="", total=None, completed=0)

    def note(self, note: str) -> None:
        """Say what the step is at."""
        self._bar.update(self._task, note=note)

    def done(self, part: int, whole: int) -> None:
        """Say how far the step is."""
        self._bar.update(self._task, completed=part, total=whole)


def _story(quiet: Callable[[str], None], step: Steps) -> dict[str, Any]:
    db, models = database(), store()
    step("importing the libraries")
    from mlops.cli import replay
    from mlops.monitoring import review
    from mlops.monitoring.policy import read_policy
    from mlops.project import policy_file

    step("storing the series")
    quiet(_ingested(replay.store_series(db)))
    step("training on 2019")
    trained = list(replay.train_first(db, models, step.note))
    champion = replay.first_champion(db, models, trained)
    quiet(_trained(trained, champion.version))
    step("replaying 2020")
    quiet("\n[bold]Week by week[/] (each Monday knows only what had been recorded by then)")
    weeks = []
    for week in replay.replay(db, models, step.note):
        weeks.append(week)
        step.done(replay.MONDAYS.index(week.monday) + 1, len(replay.MONDAYS))
        quiet(_week(week))
    step("writing the weekly review")
    last = replay.MONDAYS[-1]
    page = settings().reports / f"review-{last:%Y-%m-%d}.html"
    review.write(review.build(db, read_policy(policy_file()), last), page)
    with db.transaction() as transaction:
        versions = transaction.rows("list_versions")
    return {"weeks": weeks, "phases": replay.phases(db), "versions": versions, "page": str(page)}


def _ingested(report: "IngestReport") -> str:
    return (
        f"[bold]Series[/]  {report.inserted:,} daily counts stored, {report.unchanged:,} were there"
        f" ({report.seconds:.0f} s)"
    )


def _trained(trained: "list[Trained]", champion: int) -> str:
    lines = ["\n[bold]Models trained on 2019[/] (backtest on 20 weekly origins, 28 days ahead)"]
    for one in trained:
        kind, figures = one.version.tags["mlops.kind"], one.metrics
        mark = "  [green]-> champion[/]" if one.version.version == champion else ""
        lines.append(
            f"  version {one.version.version} {kind:9} WAPE {figures['wape']:.3f}, seasonal naive"
            f" {figures['wape_naive']:.3f}, 80 % intervals cover {figures['coverage_80']:.0%}{mark}"
        )
    lines += [f"  left out: {row.name}: {row.reason}" for row in trained[-1].excluded.itertuples()]
    return "\n".join(lines)


def _week(week: "Week") -> str:
    line = f"  {week.monday:%d %b}  v{week.champion}"
    checked = week.checked
    if checked is None or checked.recommendation is None or "wape" not in checked.values:
        why = f"  {checked.problem}" if checked is not None and checked.state == "failed" else ""
        return f"{line}  {week.forecasts:,} forecasts issued{why}"
    action = checked.asks
    colour = {"none": "green", "watch": "yellow"}.get(action, "red")
    line += f"  WAPE {checked.values['wape']:.2f}  covered {checked.values['coverage_80']:4.0%}  [{colour}]{action}[/]"
    if action != "none":
        line += "".join(f"\n          {reason}" for reason in checked.recommendation.reasons[:2])
    if week.retrained is not None:
        line += f"\n          [bold]{week.retrained.verdict}[/]"
    return line


def _summary(document: dict[str, Any]) -> None:
    if not document["weeks"]:
        console.print("  every week had been replayed before; nothing was changed")
    accuracy = table("", "weeks", "WAPE", "seasonal naive", "80 % cover", title="\n[bold]All 28 days ahead[/]")
    for phase in document["phases"]:
        figures = (f"{phase['wape']:.3f}", f"{phase['wape_naive']:.3f}", f"{phase['coverage_80']:.0%}")
        accuracy.add_row(phase["phase"], str(phase["weeks"]), *figures)
    console.print(accuracy)
    registry = table(
        "version", "kind", "known at", "aliases", "lineage", title="\n[bold]Registry, as mirrored in Postgres[/]"
    )
    for row in document["versions"]:
        aliases = " ".join(f"@{alias}" for alias in row["aliases"])
        registry.add_row(str(row["version"]), row["kind"], f"{row['as_of']:%Y-%m-%d}", aliases, row["lineage_state"])
    console.print(registry)
    console.print(f"\n[bold]The weekly review[/]  {document['page']}", soft_wrap=True)
    console.print("\n[bold]Try next[/]")
    for command in (
        "mlops registry lineage models:/demand@champion",
        "mlops series list",
        'psql "$(mlops db url)" -c "select * from analytics.check_system_health()"',
    ):
        console.print(f"  {command}", highlight=False, soft_wrap=True)
