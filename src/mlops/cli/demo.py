"""`mlops demo`: the whole lifecycle on real data, in a few minutes."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlops.cli.context import database, settings, store
from mlops.cli.output import console, emit, progress, table

if TYPE_CHECKING:
    from mlops.cli.replay import Week
    from mlops.series.ingest import IngestReport
    from mlops.training import Trained

__all__ = ["demo"]


def demo(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Replay Auckland's 2020 week by week: train, serve, watch, retrain, review.

    Foot traffic at 18 healthy sites stands in for collection volume. Repeating it changes nothing; after an
    interruption it goes on where it was.
    """
    quiet = (lambda *_: None) if as_json else console.print
    with progress() as bar:
        task = bar.add_task("starting Postgres and MLflow", total=None, note="")

        def step(description: str) -> Any:
            bar.update(task, description=description, note="", total=None)
            return lambda note: bar.update(task, note=note)

        db, models = database(), store()
        step("importing the libraries")
        from mlops.cli import replay
        from mlops.monitoring import review
        from mlops.tracking.bridge import sync

        step("storing the series")
        quiet(_ingested(replay.store_series(db)))
        trained = list(replay.train_first(db, models, step("training on 2019")))
        champion = replay.first_champion(db, models, trained)
        quiet(_trained(trained, champion.version))
        say, weeks = step("replaying 2020"), []
        quiet("\n[bold]Week by week[/] (each Monday knows only what had been recorded by then)")
        bar.update(task, total=len(replay.MONDAYS), completed=0)
        for week in replay.replay(db, models, say):
            weeks.append(week)
            bar.update(task, completed=replay.MONDAYS.index(week.monday) + 1)
            quiet(_week(week))
        step("writing the weekly review")
        sync(models, db)
        document = review.build(db, replay.MONDAYS[-1])
        page = settings().reports / f"review-{replay.MONDAYS[-1]:%Y-%m-%d}.html"
        review.write(document, page)
        phases = replay.phases(db)
    with db.transaction() as transaction:
        versions = transaction.rows("list_versions")
    emit(
        {"weeks": weeks, "phases": phases, "versions": versions, "page": page},
        as_json=as_json,
        text=lambda: _summary(phases, versions, str(page), repeated=not weeks),
    )


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
    for series, reason in trained[-1].excluded.items():
        lines.append(f"  left out: series {series}: {reason}")
    return "\n".join(lines)


def _week(week: "Week") -> str:
    line = f"  {week.monday:%d %b}  v{week.champion}"
    if week.checked is None:
        return f"{line}  {week.forecasts:,} forecasts issued"
    checked, action = week.checked, week.checked.recommendation.action
    colour = {"none": "green", "watch": "yellow"}.get(action, "red")
    line += f"  WAPE {checked.values['wape']:.2f}  covered {checked.values['coverage_80']:4.0%}  [{colour}]{action}[/]"
    if checked.recommendation.reasons:
        line += f": {checked.recommendation.reasons[0]}"
    if week.retrained is not None:
        line += f"\n          [bold]{week.retrained.verdict}[/]"
    return line


def _summary(phases: list[dict[str, Any]], versions: list[dict[str, Any]], page: str, *, repeated: bool) -> None:
    if repeated:
        console.print("  every week had been replayed before; nothing was changed")
    accuracy = table("", "weeks", "WAPE", "seasonal naive", "80 % cover", title="\n[bold]All 28 days ahead[/]")
    for phase in phases:
        figures = (f"{phase['wape']:.3f}", f"{phase['wape_naive']:.3f}", f"{phase['coverage_80']:.0%}")
        accuracy.add_row(phase["phase"], str(phase["weeks"]), *figures)
    console.print(accuracy)
    registry = table(
        "version", "kind", "known at", "aliases", "lineage", title="\n[bold]Registry, as mirrored in Postgres[/]"
    )
    for row in versions:
        aliases = " ".join(f"@{alias}" for alias in row["aliases"])
        registry.add_row(str(row["version"]), row["kind"], f"{row['as_of']:%Y-%m-%d}", aliases, row["lineage_state"])
    console.print(registry)
    console.print(f"\n[bold]The weekly review[/]  {page}", soft_wrap=True)
    console.print("\n[bold]Try next[/]")
    for command in (
        "mlops registry lineage models:/demand@champion",
        "mlops series list",
        'psql "$(mlops db url)" -c "select * from analytics.check_system_health()"',
    ):
        console.print(f"  {command}", highlight=False, soft_wrap=True)
