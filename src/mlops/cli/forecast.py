"""`mlops backtest` and `tune`: how kinds would have done, on the database or on a file."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mlops.cli.context import database, settings, store
from mlops.cli.options import (
    AsOf,
    Country,
    Covariate,
    Events,
    FromFile,
    Granularity,
    Horizon,
    Json,
    Label,
    Level,
    MetricType,
    Segment,
    Set,
)
from mlops.cli.output import console, emit, logs, progress, table
from mlops.cli.specs import spec_of

if TYPE_CHECKING:
    from mlops.evaluation.backtest import FinishedFit
    from mlops.tracking.store import Store
    from mlops.training.backtest import BacktestReport
    from mlops.training.dataset import BacktestDataset, BacktestPlan
    from mlops.training.tune import Trial, Tuned

__all__ = ["backtest", "tune"]

Every = Annotated[
    int | None,
    typer.Option("--every", help="Steps between origins; the horizon when left out.", min=1, show_default=False),
]
WORST = 5


class Values(StrEnum):
    """Which values of the database a past origin sees."""

    KNOWN = "known"
    NEWEST = "newest"


def backtest(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="A model kind, or an experiment of the folder training/.")
    ],
    kinds: Annotated[str, typer.Option(help="What to compare with, as a,b; naive,average when left out.")] = "",
    origins: Annotated[
        int | None,
        typer.Option(help="How many past days to forecast from; 6 when left out.", min=1, show_default=False),
    ] = None,
    every: Every = None,
    horizon: Horizon = None,
    refit_every: Annotated[
        int | None, typer.Option(help="Origins that one fit serves; 1 when left out.", min=1, show_default=False)
    ] = None,
    file: FromFile = "",
    country: Country = "",
    events: Events = "",
    covariate: Covariate = [],  # noqa: B006
    segment: Segment = [],  # noqa: B006
    metric_type: MetricType = "",
    granularity: Granularity = "",
    level: Level = "",
    label: Label = [],  # noqa: B006
    as_of: AsOf = "now",
    values: Annotated[
        Values, typer.Option(help="Which values origins see: known then, or the newest where history came in later.")
    ] = Values.KNOWN,
    change: Set = [],  # noqa: B006
    goal: Annotated[
        float | None,
        typer.Option(
            help="Accuracy (1 - WAPE) to aim at, 0.85 for 85 %, which it is when left out.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="MLflow experiment.")] = "backtest",
    log: Annotated[bool, typer.Option("--log/--no-log", help="Keep tables and pictures in MLflow.")] = True,
    as_json: Json = False,
) -> None:
    """Compare a kind with baselines from the same past origins, each seeing only what was known then."""
    from mlops.training.backtest import candidate_of, compare_candidates
    from mlops.training.dataset import BacktestDefaults, BacktestPlan, dataset_of

    data: dict[str, Any] = {
        "label": label,
        "file": file,
        "metric_type": metric_type,
        "granularity": granularity,
        "level": level,
        "country": country,
        "horizon": horizon,
        "events": events,
        "covariates": covariate,
    }
    defaults = BacktestDefaults.read()
    goal = defaults.goal if goal is None else goal
    plan = BacktestPlan(
        origins or defaults.origins, refit_every or defaults.refit_every, goal, every or 0, horizon or 0
    )
    others = [other for other in (kinds.split(",") if kinds else defaults.baselines) if other != kind]
    baselines = {other: spec_of(other, **data) for other in others}  # of them only the parameters count
    specs = {kind: spec_of(kind, change, as_of=as_of, **data)} | baselines
    with progress() as bar:
        task = bar.add_task(f"backtest {kind}", total=None, note="reading")
        dataset, plan = dataset_of(
            specs[kind],
            plan,
            database,
            segments=segment,
            as_known=values is Values.KNOWN,
            say=lambda note: bar.update(task, note=note),
        )
        asked = [candidate_of(name, spec, dataset, plan) for name, spec in specs.items()]
        total = len(asked) * -(-len(dataset.cutoffs) // plan.refit_every)
        bar.update(task, total=total, note="")
        finished: list[FinishedFit] = []

        def done(one: "FinishedFit") -> None:
            finished.append(one)
            bar.update(task, advance=1, note=f"{one.candidate} from {one.cutoffs[0]:%Y-%m-%d}")

        with _told_when_stopped(finished, dataset, total):
            report = compare_candidates(asked, dataset, plan, done=done)
        bar.update(task, note="logging")
        run_id = _log(report, name) if log else None

    def text() -> None:
        _print(report)
        if run_id:
            console.print(f"\ntables and pictures: run {run_id} of MLflow experiment {name}", soft_wrap=True)

    emit(_document(report, run_id), as_json=as_json, text=text)


def tune(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="A model kind, or an experiment of the folder training/.")
    ],
    seconds: Annotated[float, typer.Option(help="Stop after so many seconds.", min=0)] = 120,
    trials: Annotated[int, typer.Option(help="Stop after so many trials; 0 for no limit.", min=0)] = 0,
    origins: Annotated[int, typer.Option(help="Past days on which trials are judged.", min=1)] = 3,
    every: Every = None,
    horizon: Horizon = None,
    seed: Annotated[int, typer.Option(help="Where the search begins.")] = 0,
    file: FromFile = "",
    country: Country = "",
    events: Events = "",
    covariate: Covariate = [],  # noqa: B006
    metric_type: MetricType = "",
    granularity: Granularity = "",
    level: Level = "",
    label: Label = [],  # noqa: B006
    as_of: AsOf = "now",
    change: Set = [],  # noqa: B006
    name: Annotated[str, typer.Option(help="MLflow experiment.")] = "tuning",
    log: Annotated[bool, typer.Option("--log/--no-log", help="Keep the trials in MLflow.")] = True,
    as_json: Json = False,
) -> None:
    """Search better parameters on past origins; the newest block is held out and judges the winner once."""
    from mlops.training.backtest import candidate_of
    from mlops.training.dataset import BacktestPlan, dataset_of
    from mlops.training.tune import Budget, searched
    from mlops.training.tune import tune as run

    data: dict[str, Any] = {
        "label": label,
        "file": file,
        "metric_type": metric_type,
        "granularity": granularity,
        "level": level,
        "country": country,
        "horizon": horizon,
        "events": events,
        "covariates": covariate,
    }
    spec = spec_of(kind, change, as_of=as_of, **data)
    space, plan = searched(kind, spec), BacktestPlan(origins, 1, 0, every or 0, horizon or 0)
    kept = [text for text in change if text.partition("=")[0] not in space]
    again = _options(as_of="" if as_of == "now" else as_of, set=kept, **data)
    with progress() as bar:
        task = bar.add_task(f"tune {kind}", total=None, note="reading")
        dataset, plan = dataset_of(spec, plan, database, say=lambda note: bar.update(task, note=note))
        asked = candidate_of(kind, spec, dataset, plan)

        def told(trial: "Trial") -> None:
            note = f"trial {trial.number} {trial.state}, WAPE {trial.value:.4f}"
            bar.update(task, note=note)
            if not logs.is_terminal:  # a log has no bar
                logs.print(note)

        with _stopped_by_keyboard():
            found = run(asked, space, dataset, plan, Budget(seconds, trials, seed), options=again, told=told)
        bar.update(task, note="logging")
        run_id = _log_tuned(found, dataset, plan, name) if log else None

    def text() -> None:
        _print_tuned(found)
        if run_id:
            console.print(f"\nall trials: run {run_id} of MLflow experiment {name}", soft_wrap=True)

    emit(_tuned_document(found, run_id), as_json=as_json, text=text)


def _options(**given: Any) -> tuple[str, ...]:
    """Options as they are typed, word by word, of those that say something."""
    words: list[str] = []
    for name, value in given.items():
        option = "--covariate" if name == "covariates" else f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list) else [value]:
            words += [option, str(one)] if one else []
    return tuple(words)


@contextmanager
def _told_when_stopped(finished: "list[FinishedFit]", dataset: "BacktestDataset", total: int) -> Iterator[None]:
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


def _log_tuned(found: "Tuned", dataset: "BacktestDataset", plan: "BacktestPlan", name: str) -> str:
    from mlops.training.report.runs import log_tuned

    return log_tuned(found, dataset, plan, _store(), name)


def _tuned_document(found: "Tuned", run_id: str | None) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "interrupted": found.interrupted,
        "best": found.best,
        "default": found.default,
        "held_out_from": found.held_out_from,
        "held_out": dict(found.held_out),
        "command": found.command,
        "trials": found.table,
    }


def _print_tuned(found: "Tuned") -> None:
    from mlops.training.spec import experiments

    begun = "params.toml" if found.candidate.name in experiments() else "its defaults"
    states = [trial.state for trial in found.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    early = "interrupted: " if found.interrupted else ""
    console.print(f"{early}{len(states)} trials ({counts}) on {len(found.cutoffs)} origins\n", highlight=False)
    shown = table("", "tried on", "held out")
    held = found.held_out
    shown.add_row(begun, f"{found.default.value:.2%}", f"{held['default']:.2%}")
    shown.add_row(f"trial {found.best.number}", f"{found.best.value:.2%}", f"{held['tuned']:.2%}", style="bold")
    shown.add_row("naive", "", f"{held['naive']:.2%}")
    console.print(shown)
    if held["tuned"] < held["default"]:
        console.print(f"\nbetter on the held-out block, too:\n  {found.command}", highlight=False, soft_wrap=True)
    else:
        console.print(f"\nnot better on the held-out block: keep {begun}, or search longer on more origins")


def _log(report: "BacktestReport", name: str) -> str:
    from mlops.training.report.runs import log_backtest

    return log_backtest(report, _store(), name)


def _store() -> "Store":
    """MLflow's store; with MLFLOW_TRACKING_URI no database is started for it."""
    if not settings().mlflow_tracking_uri:
        return store()
    from mlops.tracking.store import open_store

    return open_store(settings(), "")


def _document(report: "BacktestReport", run_id: str | None) -> dict[str, Any]:
    from mlops.training.report.runs import tables

    return {
        "run_id": run_id,
        "asked": report.asked,
        "data": report.dataset.source,
        "values": report.dataset.values,
        "origins": report.dataset.cutoffs,
        "plan": report.plan,
        **tables(report),
    }


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
        cells = [_against(accuracy, report.plan.goal) for accuracy in rows["accuracy"].astype(float)]
        shown.add_row(_level(str(level)), *cells)
    return shown


def _worst(report: "BacktestReport") -> Table:
    mine = report.by_series[report.by_series["candidate"] == report.asked]
    shown = table("series", "WAPE", "bias", "in 80 %", title="the least accurate series")
    for row in mine.sort_values("wape", ascending=False, kind="stable").head(WORST).itertuples():
        shown.add_row(f"{row.name}", f"{row.wape:.1%}", f"{row.bias:+.1%}", f"{row.coverage_80:.1%}")
    return shown


def _level(level: str) -> str:
    return {"series": "each series", "all": "all series together"}.get(level, f"each {level.removesuffix('_id')}")


def _against(accuracy: float, goal: float) -> str:
    return f"[{'green' if accuracy >= goal else 'red'}]{accuracy:.1%}[/]"
