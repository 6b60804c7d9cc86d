"""`mlops train`, `predict`, `retrain`, `outcomes match`."""

from typing import Annotated, Any

import typer

from mlops.cli.context import AS_OF, database, moment, store
from mlops.cli.forecast import pairs
from mlops.cli.output import console, emit, progress
from mlops.errors import BadInput

__all__ = ["outcomes", "predict", "retrain", "train"]

outcomes = typer.Typer(help="Outcomes: what really happened.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOf = Annotated[str, typer.Option("--as-of", help=AS_OF)]


def train(
    experiment: Annotated[
        str, typer.Argument(metavar="KIND", help="An experiment of the folder training/: prophet, lightgbm …")
    ],
    name: Annotated[str, typer.Option(help="Registered model; params.toml says it when this is left out.")] = "",
    metric_type: Annotated[str, typer.Option(help="What to forecast; the only one with data when left out.")] = "",
    granularity: Annotated[
        str,
        typer.Option(help="Which steps: daily, weekly … or pandas' alias; params.toml says it when this is left out."),
    ] = "",
    country: Annotated[str, typer.Option(help="ISO code for public holidays, also of a part: US-CA.")] = "",
    horizon: Annotated[int, typer.Option(help="Steps ahead; 0 means as in params.toml.", min=0)] = 0,
    label: Annotated[list[str], typer.Option(help="Only series with this label, as key=value.")] = [],  # noqa: B006
    change: Annotated[list[str], typer.Option("--set", help="Change a parameter of params.toml, as key=value.")] = [],  # noqa: B006
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Train, backtest against the baselines, register as challenger."""
    from mlops.training import TrainingSpec
    from mlops.training import train as run
    from mlops.training.spec import params_file

    options = {
        "name": name,
        "metric_type": metric_type,
        "granularity": granularity,
        "country": country,
        "horizon": str(horizon or ""),
    }
    changes = {key: value for key, value in options.items() if value} | pairs(change, "--set")
    at = moment(as_of, metric_type=metric_type, granularity=granularity)
    spec = TrainingSpec.from_toml(params_file(experiment), changes, as_of=at, labels=pairs(label, "--label"))
    with progress() as bar:
        task = bar.add_task(f"training {experiment}", total=None, note="")
        trained = run(spec, database(), store(), lambda note: bar.update(task, note=note))

    def text() -> None:
        figures = trained.metrics
        console.print(f"[bold]{trained.version.uri}[/] ({spec.kind}) is registered as challenger")
        console.print(
            f"backtest WAPE {figures['wape']:.3f}, seasonal naive {figures['wape_naive']:.3f},"
            f" moving average {figures['wape_average']:.3f},"
            f" 80 % intervals cover {figures['coverage_80']:.0%}"
        )
        for row in trained.excluded.itertuples():
            console.print(f"  left out: {row.name} (series {row.series_id}): {row.reason}")
        console.print(
            f"make it champion: mlops registry promote models:/{trained.version.name}/{trained.version.version}"
        )

    emit(trained, as_json=as_json, text=text)


def predict(
    uri: Annotated[str, typer.Argument(help="models:/NAME@champion or models:/NAME/VERSION")],
    horizon: Annotated[str | None, typer.Option(help="Steps ahead; the model's own horizon when left out.")] = None,
    decompose: Annotated[bool, typer.Option(help="Store what each forecast is made of, too.")] = True,
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Forecast every series of a model and store the forecasts."""
    from mlops.serving.predict import predict as run

    issued = run(database(), store(), uri, horizon=_whole(horizon), as_of=moment(as_of, model=uri), decompose=decompose)

    def text() -> None:
        shown = issued.frame
        console.print(
            f"{len(shown):,} forecasts of {shown['series_id'].nunique()} series from {issued.cutoff:%Y-%m-%d}"
            f" by {issued.version.uri}; {issued.stored:,} are new"
        )
        if issued.closed:
            console.print(f"  {issued.closed:,} steps are left out: days or months on which a series is never served")
        for series, reason in issued.refused.items():
            console.print(f"  not served: series {series}: {reason}")

    emit(issued, as_json=as_json, text=text)


def retrain(
    recommendation_id: Annotated[
        int, typer.Argument(metavar="ID", help="A recommendation, as in `mlops recommendations list`.")
    ],
    as_of: Annotated[
        str, typer.Option("--as-of", help="Train on what was known then; the recommendation's time when left out.")
    ] = "",
    by: Annotated[str | None, typer.Option(help="Who decides; the user of this process when left out.")] = None,
    force: Annotated[
        bool, typer.Option(help="Act although it is expired, dismissed, put off or superseded; that is recorded, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Act on a recommendation: train and compare a challenger, promote it if it wins; or roll back."""
    from mlops.project import policy_file
    from mlops.training.retrain import Rule
    from mlops.training.retrain import retrain as run

    rule = Rule.from_toml(policy_file())
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
    if matched.overdue:
        text += f", {matched.overdue:,} of them for more than four weeks: perhaps nothing will ever judge them"
    emit(matched, as_json=as_json, text=lambda: console.print(text))


def _whole(horizon: str | None) -> Any:
    """The horizon as a number where it is one; what isn't is refused by the model with its own range."""
    if horizon is None:
        return None
    try:
        return int(horizon)
    except ValueError as error:
        raise BadInput(f"horizon {horizon!r} is not a whole number") from error
