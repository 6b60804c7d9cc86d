"""`mlops train`, `predict`, `retrain`, `outcomes match`."""

from typing import Annotated

import typer

from mlops.cli.context import check_time, database, moment, store
from mlops.cli.forecasts import first_steps, rest_of
from mlops.cli.options import (
    AsOf,
    By,
    Country,
    Covariate,
    Events,
    FromFile,
    Granularity,
    Horizon,
    Id,
    Json,
    Label,
    Level,
    MetricType,
    ModelFile,
    Output,
    OwnHorizon,
    Set,
    Totals,
    Uri,
    asked_totals,
)
from mlops.cli.output import console, emit, progress
from mlops.cli.specs import spec_of
from mlops.cli.typed import model_name

__all__ = ["outcomes", "predict", "retrain", "train"]

outcomes = typer.Typer(help="Outcomes: what really happened.", no_args_is_help=True)


def train(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="A model kind, or an experiment of the folder training/.")
    ],
    name: Annotated[
        str, typer.Option(help="Registered model; demand, or as in params.toml, when left out.", show_default=False)
    ] = "",
    horizon: Horizon = None,
    file: FromFile = "",
    country: Country = "",
    events: Events = "",
    covariate: Covariate = [],  # noqa: B006
    metric_type: MetricType = "",
    granularity: Granularity = "",
    level: Level = "",
    label: Label = [],  # noqa: B006
    totals: Totals = "",
    change: Set = [],  # noqa: B006
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Train, backtest against the baselines, register as challenger."""
    from mlops.training import train as run
    from mlops.training.train import OF_A_FILE

    if name:
        model_name(name)
    spec = spec_of(
        kind,
        change,
        label=label,
        file=file,
        as_of=as_of,
        name=name,
        metric_type=metric_type,
        granularity=granularity,
        level=level,
        country=country,
        horizon=horizon,
        events=events,
        covariates=covariate,
        totals=totals,
    )
    with progress() as bar:
        task = bar.add_task(f"training {kind}", total=None, note="")
        trained = run(spec, database(), store(), lambda note: bar.update(task, note=note))

    def text() -> None:
        figures = trained.metrics
        console.print(f"[bold]{trained.version.uri}[/] ({spec.kind}) is registered as challenger")
        console.print(
            f"backtest WAPE {figures['wape']:.3f} over all {spec.horizon} steps ahead, seasonal naive"
            f" {figures['wape_naive']:.3f}, moving average {figures['wape_average']:.3f}, 80 % intervals cover"
            f" {figures['coverage_80']:.0%}; of the freshest forecasts, which the review counts:"
            f" WAPE {figures['wape_freshest']:.3f}",
            soft_wrap=True,
            highlight=False,
        )
        for row in trained.excluded.itertuples():
            console.print(f"  left out: {row.name} (series {row.series_id}): {row.reason}")
        if spec.file is not None:
            console.print(f"  {OF_A_FILE}", soft_wrap=True, highlight=False)
        promote = f"mlops registry promote {trained.version.uri}"
        if spec.file is not None or trained.poor:
            forced = f"a gate keeps it from becoming champion; all the same: {promote} --force --reason 'WHY'"
            console.print(forced, soft_wrap=True, highlight=False)
        else:
            console.print(f"make it champion: {promote}")

    emit(trained, as_json=as_json, text=text)


def predict(
    uri: Uri,
    horizon: OwnHorizon = None,
    totals: Totals = "",
    file: ModelFile = None,
    output: Output = None,
    decompose: Annotated[bool, typer.Option(help="Store what each forecast is made of, too.")] = True,
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Forecast every series of a model, store the forecasts and show the first of them."""
    from mlops.export import write_frame
    from mlops.serving.predict import predict as run

    issued = run(
        database(),
        store(),
        uri,
        horizon=horizon,
        as_of=moment(as_of, model=uri, file=file),
        decompose=decompose and file is None,
        totals=asked_totals(totals),
        file=file,
    )
    if output is not None:
        write_frame(output, issued.frame)

    def text() -> None:
        shown = issued.frame
        kept = f"{issued.stored:,} are new" if file is None else "none is stored: the series are in no database"
        console.print(
            f"{len(shown):,} forecasts of {shown['series_id'].nunique()} series from {issued.cutoff:%Y-%m-%d}"
            f" by {issued.version.uri}; {kept}"
        )
        if len(issued.totals):
            of, few = len(issued.totals), issued.totals["series_id"].nunique()
            console.print(f"  and {of:,} of {few} totals, stored with them: mlops forecasts plot --series NAME")
        if issued.closed:
            console.print(f"  {issued.closed:,} steps are left out: days or months on which a series is never served")
        for series, reason in issued.refused.items():
            console.print(f"  not served: series {series}: {reason}")
        console.print()
        console.print(first_steps(shown))
        rest = rest_of(shown)
        if output is not None:
            console.print(f"\nall {len(shown):,} rows are in {output}", soft_wrap=True, highlight=False)
        elif rest:
            more = "" if file is not None else f", mlops forecasts export FILE --model {issued.version.uri}"
            console.print(f"\n{rest}; to see them: --output FILE.csv{more}", soft_wrap=True, highlight=False)

    emit(issued, as_json=as_json, text=text)


def _time(text: str) -> str:
    if text:
        check_time(text)
    return text


def retrain(
    recommendation_id: Id,
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of", callback=_time, help="Train on what was known then; the recommendation's time when left out."
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

    rule = read_policy().retrain
    with progress() as bar:
        task = bar.add_task("acting", total=None, note="")
        done = run(
            database(),
            store(),
            recommendation_id,
            rule,
            as_of=moment(as_of) if as_of else None,
            by=by,
            force=force,
            say=lambda note: bar.update(task, note=note),
        )
    emit(done, as_json=as_json, text=lambda: console.print(done.verdict))


@outcomes.command("match")
def match(as_of: AsOf = "now", as_json: Json = False) -> None:
    """Write onto predictions what really happened."""
    from mlops.serving.outcomes import match as run

    matched = run(database(), moment(as_of))
    text = f"{matched.matched:,} predictions got their outcome, {matched.waiting:,} still wait"
    of_totals = f"; so did {matched.totals:,} of totals" if matched.totals else ""
    if matched.overdue:
        text += f", {matched.overdue:,} of them for more than four weeks: perhaps nothing will ever judge them"
    emit(matched, as_json=as_json, text=lambda: console.print(text + of_totals))
