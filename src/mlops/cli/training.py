"""`mlops train`, `backtest` and `tune`: a kind is fitted, compared with others, searched for better parameters."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mlops.cli.context import database, settings, store
from mlops.cli.options import Data, Json, Segment, Totals, with_nouns
from mlops.cli.output import console, emit, logs, progress, say, table
from mlops.cli.typed import model_name

if TYPE_CHECKING:
    from mlops.evaluation.backtest import FinishedFit
    from mlops.tracking.store import Store
    from mlops.training import Trained, TrainingSpec
    from mlops.training.backtest import BacktestReport
    from mlops.training.dataset import BacktestDataset
    from mlops.training.tune import Trial, Tuned

__all__ = ["backtest", "train", "tune"]

Kind = Annotated[str, typer.Argument(metavar="KIND", help="A model kind, or an experiment of the folder training/.")]
Every = Annotated[
    int | None,
    typer.Option("--every", help="Steps between origins; the horizon when left out.", min=1, show_default=False),
]
WORST = 5
"""Series that are shown as the least accurate. Chosen, not measured."""


class Values(StrEnum):
    """Which values of the database a past origin sees."""

    KNOWN = "known"
    NEWEST = "newest"


@dataclass(frozen=True)
class Folds:
    """From which past origins a backtest forecasts, what each of them sees, and what is aimed at."""

    origins: Annotated[
        int | None,
        typer.Option(help="How many past days to forecast from; 6 when left out.", min=1, show_default=False),
    ] = None
    every: Every = None
    refit_every: Annotated[
        int | None, typer.Option(help="Origins that one fit serves; 1 when left out.", min=1, show_default=False)
    ] = None
    values: Annotated[
        Values, typer.Option(help="Which values origins see: known then, or the newest where history came in later.")
    ] = Values.KNOWN
    goal: Annotated[
        float | None,
        typer.Option(
            help="Accuracy (1 - WAPE) to aim at, 0.85 for 85 %, which it is when left out.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None


@with_nouns
def train(
    kind: Kind,
    data: Data,
    name: Annotated[
        str, typer.Option(help="Registered model; demand, or as in params.toml, when left out.", show_default=False)
    ] = "",
    totals: Totals = "",
    as_json: Json = False,
) -> None:
    """Train, backtest against the baselines, register as challenger."""
    from mlops.training import train as run

    if name:
        model_name(name)
    spec = data.spec(kind, name=name, totals=totals)
    with progress() as bar:
        task = bar.add_task(f"training {kind}", total=None, note="")
        trained = run(spec, database(), store(), lambda note: bar.update(task, note=note))
    emit(trained, as_json=as_json, text=lambda: _print_trained(trained, spec))


@with_nouns
def backtest(
    kind: Kind,
    data: Data,
    folds: Folds,
    kinds: Annotated[str, typer.Option(help="What to compare with, as a,b; naive,average when left out.")] = "",
    segment: Segment = [],  # noqa: B006
    name: Annotated[str, typer.Option(help="MLflow experiment.")] = "backtest",
    log: Annotated[bool, typer.Option("--log/--no-log", help="Keep tables and pictures in MLflow.")] = True,
    as_json: Json = False,
) -> None:
    """Compare a kind with baselines from the same past origins, each seeing only what was known then."""
    from mlops.training.backtest import candidate_of, compare_candidates
    from mlops.training.dataset import BacktestDefaults, dataset_of
    from mlops.training.report.runs import log_backtest, tables

    defaults = BacktestDefaults.read()
    plan = defaults.plan(
        origins=folds.origins,
        refit_every=folds.refit_every,
        goal=folds.goal,
        every=folds.every,
        horizon=data.horizon,
    )
    others = [other for other in (kinds.split(",") if kinds else defaults.baselines) if other != kind]
    plain = replace(data, as_of="now", changes=[])  # of baselines only the parameters count
    baselines = {other: plain.spec(other) for other in others}
    specs = {kind: data.spec(kind)} | baselines
    with progress() as bar:
        task = bar.add_task(f"backtest {kind}", total=None, note="reading")
        dataset, plan = dataset_of(
            specs[kind],
            plan,
            database,
            segments=segment,
            as_known=folds.values is Values.KNOWN,
            say=lambda note: bar.update(task, note=note),
        )
        asked = [candidate_of(name, spec, dataset, plan) for name, spec in specs.items()]
        total = len(asked) * -(-len(dataset.cutoffs) // plan.refit_every)
        bar.update(task, total=total, note="")
        finished: list[FinishedFit] = []

        def done(fit: "FinishedFit") -> None:
            finished.append(fit)
            bar.update(task, advance=1, note=f"{fit.candidate} from {fit.cutoffs[0]:%Y-%m-%d}")

        with _reported_when_stopped(finished, dataset, total):
            report = compare_candidates(asked, dataset, plan, done=done)
        bar.update(task, note="logging")
        run_id = log_backtest(report, _store(), name) if log else None

    def text() -> None:
        _print(report)
        if run_id:
            console.print(f"\ntables and pictures: run {run_id} of MLflow experiment {name}", soft_wrap=True)

    document = {
        "run_id": run_id,
        "asked": report.asked,
        "data": report.dataset.source,
        "values": report.dataset.values,
        "origins": report.dataset.cutoffs,
        "plan": report.plan,
        **tables(report),
    }
    emit(document, as_json=as_json, text=text)


@with_nouns
def tune(
    kind: Kind,
    data: Data,
    seconds: Annotated[float, typer.Option(help="Stop after so many seconds.", min=0)] = 120,
    trials: Annotated[int, typer.Option(help="Stop after so many trials; 0 for no limit.", min=0)] = 0,
    origins: Annotated[int, typer.Option(help="Past days on which trials are judged.", min=1)] = 3,
    every: Every = None,
    seed: Annotated[int, typer.Option(help="Where the search begins.")] = 0,
    name: Annotated[str, typer.Option(help="MLflow experiment.")] = "tuning",
    log: Annotated[bool, typer.Option("--log/--no-log", help="Keep the trials in MLflow.")] = True,
    as_json: Json = False,
) -> None:
    """Search better parameters on past origins; the newest block is held out and judges the winner once."""
    from mlops.training.backtest import candidate_of
    from mlops.training.dataset import BacktestPlan, dataset_of
    from mlops.training.report.runs import log_tuned
    from mlops.training.tune import Budget, searched
    from mlops.training.tune import tune as run

    spec = data.spec(kind)
    space, plan = searched(kind, spec), BacktestPlan(origins, 1, 0, every or 0, data.horizon or 0)
    kept = [text for text in data.changes if text.partition("=")[0] not in space]
    with progress() as bar:
        task = bar.add_task(f"tune {kind}", total=None, note="reading")
        dataset, plan = dataset_of(spec, plan, database, say=lambda note: bar.update(task, note=note))
        asked = candidate_of(kind, spec, dataset, plan)

        def reported(trial: "Trial") -> None:
            note = f"trial {trial.number} {trial.state}, WAPE {trial.value:.4f}"
            bar.update(task, note=note)
            if not logs.is_terminal:  # a log has no bar
                logs.print(note)

        with _stopped_by_keyboard():
            options = replace(data, changes=kept).words()
            tuned = run(asked, space, dataset, plan, Budget(seconds, trials, seed), options=options, told=reported)
        bar.update(task, note="logging")
        run_id = log_tuned(tuned, dataset, plan, _store(), name) if log else None

    def text() -> None:
        _print_tuned(tuned)
        if run_id:
            console.print(f"\nall trials: run {run_id} of MLflow experiment {name}", soft_wrap=True)

    document = {
        "run_id": run_id,
        "interrupted": tuned.interrupted,
        "best": tuned.best,
        "default": tuned.default,
        "held_out_from": tuned.held_out_from,
        "held_out": dict(tuned.held_out),
        "command": tuned.command,
        "trials": tuned.table,
    }
    emit(document, as_json=as_json, text=text)


@contextmanager
def _reported_when_stopped(finished: "list[FinishedFit]", dataset: "BacktestDataset", total: int) -> Iterator[None]:
    """When it is interrupted, say what was done by then."""
    try:
        yield
    except Exception:
        raise
    except BaseException:
        from mlops.training.backtest import so_far

        logs.print(f"{len(finished)} of {total} fits were done")
        for row in so_far(finished, dataset).itertuples():
            logs.print(f"  {row.candidate}: WAPE {row.wape:.3f} from {row.origins} origins")
        raise


@contextmanager
def _stopped_by_keyboard() -> Iterator[None]:
    """Ctrl-C as KeyboardInterrupt, which ends a search and keeps what it found."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _print_trained(trained: "Trained", spec: "TrainingSpec") -> None:
    from mlops.training.train import OF_A_FILE

    figures = trained.metrics
    console.print(f"[bold]{trained.version.uri}[/] ({spec.kind}) is registered as challenger")
    say(
        f"backtest WAPE {figures['wape']:.3f} over all {spec.horizon} steps ahead, seasonal naive"
        f" {figures['wape_naive']:.3f}, moving average {figures['wape_average']:.3f}, 80 % intervals cover"
        f" {figures['coverage_80']:.0%}; of the freshest forecasts, which the review counts:"
        f" WAPE {figures['wape_freshest']:.3f}"
    )
    for row in trained.excluded.itertuples():
        console.print(f"  left out: {row.name} (series {row.series_id}): {row.reason}")
    if spec.file is not None:
        say(f"  {OF_A_FILE}")
    promote = f"mlops registry promote {trained.version.uri}"
    if spec.file is not None or trained.poor:
        say(f"a gate keeps it from becoming champion; all the same: {promote} --force --reason 'WHY'")
    else:
        console.print(f"make it champion: {promote}")


def _print_tuned(tuned: "Tuned") -> None:
    from mlops.training.spec import experiments

    begun = "params.toml" if tuned.candidate.name in experiments() else "its defaults"
    states = [trial.state for trial in tuned.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    early = "interrupted: " if tuned.interrupted else ""
    console.print(f"{early}{len(states)} trials ({counts}) on {len(tuned.cutoffs)} origins\n", highlight=False)
    shown = table("", "tried on", "held out")
    held = tuned.held_out
    shown.add_row(begun, f"{tuned.default.value:.2%}", f"{held['default']:.2%}")
    shown.add_row(f"trial {tuned.best.number}", f"{tuned.best.value:.2%}", f"{held['tuned']:.2%}", style="bold")
    shown.add_row("naive", "", f"{held['naive']:.2%}")
    console.print(shown)
    if tuned.better:
        console.print(f"\nbetter on the held-out block, too:\n  {tuned.command}", highlight=False, soft_wrap=True)
    else:
        console.print(f"\nnot better on the held-out block: keep {begun}, or search longer on more origins")


def _store() -> "Store":
    """MLflow's store; with MLFLOW_TRACKING_URI no database is started for it."""
    if not settings().mlflow_tracking_uri:
        return store()
    from mlops.tracking.store import open_store

    return open_store(settings(), "")


def _print(report: "BacktestReport") -> None:
    cutoffs, plan = report.dataset.cutoffs, report.plan
    console.print(
        f"[bold]{report.asked}[/] on {report.dataset.source}: {report.by_series['series_id'].nunique():,} series,"
        f" {plan.horizon} steps ahead from {len(cutoffs)} origins, {cutoffs[0]:%Y-%m-%d} to {cutoffs[-1]:%Y-%m-%d};"
        f" values {report.dataset.values}\n",
        highlight=False,
    )
    console.print(_overall(report))
    console.print()
    console.print(_levels(report))
    console.print()
    console.print(_worst(report))


def _overall(report: "BacktestReport") -> Table:
    """The candidates by accuracy, the best first."""
    shown = table("", "WAPE", "MASE", "bias", "in 80 %", "in 95 %", "pinball 80", "pinball 95", "CPU s")
    ranked = report.overall.sort_values("wape", kind="stable")
    for place, row in enumerate(ranked.itertuples()):
        shown.add_row(
            f"{row.candidate}",
            f"{row.wape:.1%}",
            f"{row.mase:.3f}",
            f"{row.bias:+.1%}",
            f"{row.coverage_80:.1%}",
            f"{row.coverage_95:.1%}",
            f"{row.pinball_80:.4f}",
            f"{row.pinball_95:.4f}",
            f"{row.cpu_seconds:.1f}",
            style="bold" if place == 0 else "",
        )
    return shown


def _levels(report: "BacktestReport") -> Table:
    """Accuracy of the first candidate: a row for each way to add series up, a column for each way to add steps up."""
    mine = report.levels[report.levels["candidate"] == report.asked]
    overs = list(mine["over"].unique())
    shown = table(
        "", *(f"by {over}" for over in overs), title=f"accuracy of {report.asked} (goal {report.plan.goal:.0%})"
    )
    for level, rows in mine.groupby("level", sort=False):
        name = {"series": "each series", "all": "all series together"}.get(str(level))
        cells = [
            f"[{'green' if accuracy >= report.plan.goal else 'red'}]{accuracy:.1%}[/]"
            for accuracy in rows["accuracy"].astype(float)
        ]
        shown.add_row(name or f"each {str(level).removesuffix('_id')}", *cells)
    return shown


def _worst(report: "BacktestReport") -> Table:
    mine = report.by_series[report.by_series["candidate"] == report.asked]
    shown = table("series", "WAPE", "bias", "in 80 %", title="the least accurate series")
    for row in mine.sort_values("wape", ascending=False, kind="stable").head(WORST).itertuples():
        shown.add_row(f"{row.name}", f"{row.wape:.1%}", f"{row.bias:+.1%}", f"{row.coverage_80:.1%}")
    return shown
