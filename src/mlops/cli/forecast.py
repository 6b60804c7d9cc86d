"""`mlops backtest` and `tune`: how kinds would have done, on the database or on a file."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from mlops.cli.context import AS_OF, database, moment, settings, store
from mlops.cli.output import console, emit, logs, progress, table
from mlops.errors import BadInput

if TYPE_CHECKING:
    from mlops.forecasting.backtest import Candidate, Done
    from mlops.tracking.store import Store
    from mlops.training.backtest import Report
    from mlops.training.subject import Plan, Subject
    from mlops.training.tune import Trial, Tuned

__all__ = ["backtest", "tune"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOf = Annotated[str, typer.Option("--as-of", help=AS_OF)]
FromFile = Annotated[str, typer.Option("--file", help="CSV or Parquet with series_id, ds, y in place of the database.")]
Country = Annotated[str, typer.Option(help="ISO code for public holidays.")]
Events = Annotated[str, typer.Option("--events", help="CSV of your own days: event,first[,last[,announced]].")]
Covariate = Annotated[list[str], typer.Option(help="A column of the file that is known ahead.")]
MetricType = Annotated[str, typer.Option(help="What to forecast; the only one with data when left out.")]
Granularity = Annotated[
    str,
    typer.Option(
        "--granularity",
        "--freq",
        help="daily, weekly … or pandas' alias; of a file inferred when left out, of the database daily.",
    ),
]
Label = Annotated[list[str], typer.Option(help="Only series with this label, as key=value.")]
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
    origins: Annotated[int, typer.Option(help="How many past days to forecast from.", min=0)] = 0,
    every: Annotated[int, typer.Option(help="Steps between origins; the horizon when left out.", min=0)] = 0,
    horizon: Annotated[int, typer.Option(help="Steps ahead; by frequency when left out.", min=0)] = 0,
    refit_every: Annotated[int, typer.Option(help="Origins that one fit serves.", min=0)] = 0,
    file: FromFile = "",
    country: Country = "",
    events: Events = "",
    covariate: Covariate = [],  # noqa: B006
    segment: Annotated[list[str], typer.Option(help="A column of the file by which series are added up.")] = [],  # noqa: B006
    metric_type: MetricType = "",
    granularity: Granularity = "",
    label: Label = [],  # noqa: B006
    as_of: AsOf = "now",
    values: Annotated[
        Values, typer.Option(help="Which values origins see: known then, or the newest where history came in later.")
    ] = Values.KNOWN,
    change: Annotated[list[str], typer.Option("--set", help="Change a parameter of params.toml, as key=value.")] = [],  # noqa: B006
    goal: Annotated[float, typer.Option(help="Accuracy (1 - WAPE) to aim at, 0.85 for 85 %.", min=0, max=1)] = 0,
    name: Annotated[str, typer.Option(help="MLflow experiment.")] = "backtest",
    log: Annotated[bool, typer.Option("--log/--no-log", help="Keep tables and pictures in MLflow.")] = True,
    as_json: Json = False,
) -> None:
    """Compare a kind with baselines from the same past origins, each seeing only what was known then."""
    from mlops.training.backtest import candidate, run
    from mlops.training.subject import Defaults, Plan

    defaults = Defaults.read()
    plan = Plan(origins or defaults.origins, refit_every or defaults.refit_every, goal or defaults.goal, every, horizon)
    others = [other for other in (kinds.split(",") if kinds else defaults.baselines) if other != kind]
    asked = [candidate(kind, pairs(change, "--set")), *(candidate(other) for other in others)]
    with progress() as bar:
        task = bar.add_task(f"backtest {kind}", total=None, note="reading")
        if file:
            subject, plan = _from_file(file, plan, granularity, covariate, segment)
        else:
            subject, plan = _from_database(
                plan, metric_type, granularity, label, as_of, values, lambda note: bar.update(task, note=note)
            )
        common = _common(country, events, covariate, plan.horizon)
        asked = [_with(one, common) for one in asked]
        total = len(asked) * -(-len(subject.cutoffs) // plan.refit_every)
        bar.update(task, total=total, note="")
        finished: list[Done] = []

        def done(one: "Done") -> None:
            finished.append(one)
            bar.update(task, advance=1, note=f"{one.candidate} from {one.cutoffs[0]:%Y-%m-%d}")

        with _told_when_stopped(finished, subject, total):
            report = run(asked, subject, plan, done=done)
        bar.update(task, note="logging")
        run_id = _log(report, name) if log else None

    def text() -> None:
        _print(report)
        if run_id:
            console.print(f"\ntables and pictures: run {run_id} of MLflow experiment {name}", soft_wrap=True)

    emit(_document(report, run_id), as_json=as_json, text=text)


def tune(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="An experiment of the folder training/ with a search.toml.")
    ],
    seconds: Annotated[float, typer.Option(help="Stop after so many seconds.", min=0)] = 120,
    trials: Annotated[int, typer.Option(help="Stop after so many trials; 0 for no limit.", min=0)] = 0,
    origins: Annotated[int, typer.Option(help="Past days on which trials are judged.", min=1)] = 3,
    every: Annotated[int, typer.Option(help="Steps between origins; the horizon when left out.", min=0)] = 0,
    horizon: Annotated[int, typer.Option(help="Steps ahead; by frequency when left out.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Where the search begins.")] = 0,
    file: FromFile = "",
    country: Country = "",
    events: Events = "",
    covariate: Covariate = [],  # noqa: B006
    metric_type: MetricType = "",
    granularity: Granularity = "",
    label: Label = [],  # noqa: B006
    as_of: AsOf = "now",
    change: Annotated[list[str], typer.Option("--set", help="Begin with this in place of params.toml.")] = [],  # noqa: B006
    name: Annotated[str, typer.Option(help="MLflow experiment.")] = "tuning",
    log: Annotated[bool, typer.Option("--log/--no-log", help="Keep the trials in MLflow.")] = True,
    as_json: Json = False,
) -> None:
    """Search better parameters on past origins; the newest block is held out and judges the winner once."""
    from mlops.training.backtest import candidate
    from mlops.training.subject import Plan
    from mlops.training.tune import Budget, read_space
    from mlops.training.tune import tune as run

    asked = candidate(kind, pairs(change, "--set"))
    space = read_space(kind, asked.kind)
    plan = Plan(origins, 1, 0, every, horizon)
    with progress() as bar:
        task = bar.add_task(f"tune {kind}", total=None, note="reading")
        if file:
            subject, plan = _from_file(file, plan, granularity, covariate, [])
        else:
            subject, plan = _from_database(
                plan, metric_type, granularity, label, as_of, Values.NEWEST, lambda note: bar.update(task, note=note)
            )
        asked = _with(asked, _common(country, events, covariate, plan.horizon))

        def told(trial: "Trial") -> None:
            note = f"trial {trial.number} {trial.state}, WAPE {trial.value:.4f}"
            bar.update(task, note=note)
            if not logs.is_terminal:  # a log has no bar
                logs.print(note)

        with _stopped_by_keyboard():
            found = run(asked, space, subject, plan, Budget(seconds, trials, seed), told=told)
        bar.update(task, note="logging")
        run_id = _log_tuned(found, subject, plan, name) if log else None

    def text() -> None:
        _print_tuned(found)
        if run_id:
            console.print(f"\nall trials: run {run_id} of MLflow experiment {name}", soft_wrap=True)

    emit(_tuned_document(found, run_id), as_json=as_json, text=text)


def pairs(given: list[str], option: str) -> dict[str, str]:
    """`key=value` texts as a mapping."""
    found = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise BadInput(f"{option} {text!r} is not of the form key=value")
        found[key] = value
    return found


def _from_file(
    file: str, plan: "Plan", granularity: str, covariates: list[str], segments: list[str]
) -> "tuple[Subject, Plan]":
    from mlops.training.subject import from_file

    return from_file(Path(file), plan, freq=granularity or None, covariates=covariates, segments=segments)


def _from_database(
    plan: "Plan", metric_type: str, granularity: str, label: list[str], as_of: str, values: Values, say: Any
) -> "tuple[Subject, Plan]":
    from mlops.training.data import select
    from mlops.training.subject import from_database

    selection = select(database(), metric_type, granularity or "daily", pairs(label, "--label"))
    at = moment(as_of, metric_type=selection.metric_type, granularity=selection.granularity)
    return from_database(database(), selection, plan, at, as_known=values is Values.KNOWN, say=say)


def _common(country: str, events: str, covariates: list[str], horizon: int) -> dict[str, Any]:
    """Arguments that every candidate gets."""
    from mlops.forecasting.calendar import read_events

    found: dict[str, Any] = {"country": country or None, "horizon": horizon}
    if events:
        found["events"] = read_events(Path(events))
    return found | ({"covariates": covariates} if covariates else {})


def _with(candidate: "Candidate", common: dict[str, Any]) -> "Candidate":
    from dataclasses import replace

    return replace(candidate, params=dict(candidate.params) | common)


@contextmanager
def _told_when_stopped(finished: "list[Done]", subject: "Subject", total: int) -> Iterator[None]:
    """When it is interrupted, say what was done by then."""
    try:
        yield
    except Exception:
        raise
    except BaseException:
        from mlops.training.backtest import so_far

        logs.print(f"{len(finished)} of {total} fits were done")
        for row in so_far(finished, subject).itertuples():
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


def _log_tuned(found: "Tuned", subject: "Subject", plan: "Plan", name: str) -> str:
    from mlops.training.report import log_tuned

    return log_tuned(found, subject, plan, _store(), name)


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
    states = [trial.state for trial in found.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    early = "interrupted: " if found.interrupted else ""
    console.print(f"{early}{len(states)} trials ({counts}) on {len(found.cutoffs)} origins\n", highlight=False)
    shown = table("", "tried on", "held out")
    _right(shown)
    held = found.held_out
    shown.add_row("params.toml", f"{found.default.value:.2%}", f"{held['default']:.2%}")
    shown.add_row(f"trial {found.best.number}", f"{found.best.value:.2%}", f"{held['tuned']:.2%}", style="bold")
    shown.add_row("naive", "", f"{held['naive']:.2%}")
    console.print(shown)
    if held["tuned"] < held["default"]:
        console.print(f"\nbetter on the held-out block, too:\n  {found.command}", highlight=False, soft_wrap=True)
    else:
        console.print("\nnot better on the held-out block: keep params.toml, or search longer on more origins")


def _log(report: "Report", name: str) -> str:
    from mlops.training.report import log

    return log(report, _store(), name)


def _store() -> "Store":
    """MLflow's store; with MLFLOW_TRACKING_URI no database is started for it."""
    if not settings().mlflow_tracking_uri:
        return store()
    from mlops.tracking.store import open_store

    return open_store(settings(), "")


def _document(report: "Report", run_id: str | None) -> dict[str, Any]:
    from mlops.training.report import tables

    return {
        "run_id": run_id,
        "asked": report.asked,
        "data": report.subject.source,
        "values": report.subject.values,
        "origins": report.subject.cutoffs,
        "plan": report.plan,
        **tables(report),
    }


def _print(report: "Report") -> None:
    cutoffs, plan = report.subject.cutoffs, report.plan
    console.print(
        f"[bold]{report.asked}[/] on {report.subject.source}: {report.by_series['series_id'].nunique():,} series,"
        f" {plan.horizon} steps ahead from {len(cutoffs)} origins, {cutoffs[0]:%Y-%m-%d} to {cutoffs[-1]:%Y-%m-%d};"
        f" values {report.subject.values}\n",
        highlight=False,
    )
    console.print(_overall(report))
    console.print()
    console.print(_levels(report))
    console.print()
    console.print(_worst(report))


def _overall(report: "Report") -> Table:
    """The candidates by accuracy, the best first."""
    shown = table("", "WAPE", "MASE", "bias", "in 80 %", "in 95 %", "pinball 80", "pinball 95", "CPU s")
    _right(shown)
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


def _levels(report: "Report") -> Table:
    """Accuracy of the first candidate: a row for each way to add series up, a column for each way to add steps up."""
    mine = report.levels[report.levels["candidate"] == report.asked]
    overs = list(mine["over"].unique())
    shown = table(
        "", *(f"by {over}" for over in overs), title=f"accuracy of {report.asked} (goal {report.plan.goal:.0%})"
    )
    _right(shown)
    for level, rows in mine.groupby("level", sort=False):
        cells = [_against(accuracy, report.plan.goal) for accuracy in rows["accuracy"].astype(float)]
        shown.add_row(_level(str(level)), *cells)
    return shown


def _worst(report: "Report") -> Table:
    mine = report.by_series[report.by_series["candidate"] == report.asked]
    shown = table("series", "WAPE", "bias", "in 80 %", title="the least accurate series")
    _right(shown)
    for row in mine.sort_values("wape", ascending=False, kind="stable").head(WORST).itertuples():
        shown.add_row(f"{row.name}", f"{row.wape:.1%}", f"{row.bias:+.1%}", f"{row.coverage_80:.1%}")
    return shown


def _level(level: str) -> str:
    return {"series": "each series", "all": "all series together"}.get(level, f"each {level.removesuffix('_id')}")


def _against(accuracy: float, goal: float) -> str:
    return f"[{'green' if accuracy >= goal else 'red'}]{accuracy:.1%}[/]"


def _right(shown: Table) -> None:
    """Numbers are read from their right end."""
    for column in shown.columns[1:]:
        column.justify = "right"
