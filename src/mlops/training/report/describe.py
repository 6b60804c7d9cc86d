"""What MLflow's pages say of a run: a name that tells it from others, a description in Markdown, tags to filter by."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from mlops.domain.forecasts import LEVELS
from mlops.domain.granularity import GRANULARITIES
from mlops.tracking.runs import Page
from mlops.training.data import TrainingData
from mlops.training.spec import TrainingSpec

if TYPE_CHECKING:
    from mlops.training.backtest import BacktestReport
    from mlops.training.dataset import BacktestDataset, BacktestPlan
    from mlops.training.tune import Tuned

__all__ = ["BASELINE_WORDS", "of_backtest", "of_training", "of_tuning", "short", "tags_of"]

BASELINE_WORDS = {"naive": "seasonal naive", "average": "mean of four seasons"}
RECOMMENDATION = "mlops.recommendation_id"
USE = """### Use it

    mlops registry promote {uri} --reason "…"
    mlops predict {uri} --horizon {horizon}

or from Python, with `MLFLOW_TRACKING_URI` as `mlops registry uri` prints it:

    mlflow.pyfunc.load_model("{uri}").predict(pd.DataFrame({"series_id": [{series}]}))
"""


def short(value: float) -> str:
    """A WAPE as names have it: .094, 1.063."""
    return f"{value:.3f}".removeprefix("0")


def tags_of(spec: TrainingSpec, data: TrainingData) -> dict[str, str]:
    """The tags of a training's run, model and version; those of the spec come last."""
    trigger = "recommendation" if RECOMMENDATION in spec.tags else "command"
    return {
        "mlops.kind": spec.kind,
        "mlops.as_of": spec.as_of.astimezone(UTC).isoformat(),
        ("mlops.file" if data.selection is None else "mlops.metric_type"): data.what,
        "mlops.granularity": spec.granularity,
        "mlops.country": spec.country or "none",
        "mlops.trigger": trigger,
        **spec.tags,
    }


def of_training(
    spec: TrainingSpec, data: TrainingData, cutoffs: int, metrics: Mapping[str, float], began_at: datetime
) -> Page:
    """The page of a training."""
    number = spec.tags.get(RECOMMENDATION)
    name = f"{spec.kind} {spec.name} {spec.as_of.astimezone(UTC):%Y-%m-%d} wape {short(metrics['wape'])}"
    parts = [_what(spec, data, number), _accuracy(spec, metrics, cutoffs), _data(spec, data)]
    name += f" for recommendation {number}" if number else ""
    return Page(name, began_at, "\n\n".join(parts), _use(spec, data))


def of_backtest(report: "BacktestReport") -> Page:
    """The page of a comparison of kinds."""
    dataset, plan, overall = report.dataset, report.plan, report.overall.set_index("candidate")
    wape = float(overall["wape"].to_dict()[report.asked])
    lines = [
        f"- {name}: **{row['wape']:.1%}**, {row['coverage_80']:.1%} inside the 80 % interval"
        for name, row in overall.iterrows()
    ]
    return Page(
        f"backtest {report.asked} {_source(dataset)} {dataset.cutoffs[-1]:%Y-%m-%d} wape {short(wape)}",
        report.began_at,
        f"**{report.asked}** against {', '.join(one.name for one in report.candidates[1:]) or 'nothing'} on"
        f" {dataset.source}: {report.by_series['series_id'].nunique():,} series, {len(dataset.cutoffs)} origins from"
        f" {dataset.cutoffs[0]:%Y-%m-%d} to {dataset.cutoffs[-1]:%Y-%m-%d}, {plan.horizon}"
        f" {dataset.granularity.words[0]}s ahead, values {dataset.values}.\n\n"
        "WAPE of\n\n" + "\n".join(lines) + "\n\n"
        "Pictures are `*.png`, tables `*.json`; `forecasts.parquet` has every forecast with its outcome.",
    )


def of_tuning(tuned: "Tuned", dataset: "BacktestDataset", plan: "BacktestPlan") -> Page:
    """The page of a search for parameters."""
    kept = {"tuned": "the winner", "default": "the parameters it began with", "naive": "seasonal naive"}
    lines = [f"- {words}: **{tuned.held_out[name]:.1%}**" for name, words in kept.items() if name in tuned.held_out]
    return Page(
        f"tune {tuned.candidate.name} {_source(dataset)} {tuned.held_out_from:%Y-%m-%d} wape {short(tuned.best.value)}",
        tuned.began_at,
        f"{len(tuned.trials)} trials of **{tuned.candidate.kind}** on {dataset.source}, {len(tuned.cutoffs)} origins,"
        f" {plan.horizon} {dataset.granularity.words[0]}s ahead. On the block from {tuned.held_out_from:%Y-%m-%d}, seen"
        " by no trial, the WAPE is of\n\n" + "\n".join(lines) + "\n\n"
        f"The winner is in `best.toml`. To train it:\n\n    {tuned.command}\n\nAll trials are in `trials.json`.",
    )


def _what(spec: TrainingSpec, data: TrainingData, recommendation: str | None) -> str:
    step = GRANULARITIES[spec.granularity].words[0]
    chosen = [*sorted(spec.labels.items()), *([("level", spec.level)] if spec.level else [])]
    labels = "".join(f", {name} {value}" for name, value in chosen)
    holidays = f"with the holidays of {spec.country}" if spec.country else "without holidays"
    why = f" Trained because of recommendation {recommendation}." if recommendation else ""
    return (
        f"{spec.kind} forecasts {spec.granularity} `{data.what}`{labels}, {spec.horizon} {step}s"
        f" ahead, {holidays}. Owner: {spec.owner}.{why}"
    )


def _accuracy(spec: TrainingSpec, metrics: Mapping[str, float], cutoffs: int) -> str:
    rows = [("this model", metrics["wape"])]
    rows += [(words, metrics[f"wape_{kind}"]) for kind, words in BASELINE_WORDS.items() if f"wape_{kind}" in metrics]
    inside = ", ".join(f"{metrics[f'coverage_{level}']:.1%} inside the {level} % interval" for level in LEVELS)
    return (
        "### How good it was on past origins\n\nWAPE of\n\n"
        + "\n".join(f"- {words}: **{value:.1%}**" for words, value in rows)
        + f"\n\nOf the outcomes {inside}; bias {metrics['bias']:+.1%}. {cutoffs} origins, fitted anew at every"
        f" {spec.refit_every}. Pictures and the series one by one: `backtest.html` among the run's artifacts."
    )


def _data(spec: TrainingSpec, data: TrainingData) -> str:
    known = data.frame["y"].notna()
    ds, left_out, file = data.frame.loc[known, "ds"], len(data.excluded), data.source
    of_file = (
        f" They are of the file {file['file']} (SHA-256 `{file['sha256']}`), and not in the database." if file else ""
    )
    return (
        f"### Data\n\n{known.sum():,} observations of {data.frame['series_id'].nunique():,} series from"
        f" {_day(ds.min())} to {_day(ds.max())}, as they were known on {spec.as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC;"
        f" {f'{left_out:,} series were left out (`backtest.html` says why)' if left_out else 'no series was left out'}."
        f"{of_file}"
    )


def _use(spec: TrainingSpec, data: TrainingData) -> str:
    series = data.frame["series_id"].iloc[0]
    facts = {
        "{horizon}": f"{min(7, spec.horizon)}{'' if data.source is None else ' --file FILE'}",
        "{series}": f'"{series}"' if data.source is not None else str(series),
    }
    text = USE
    for name, value in facts.items():
        text = text.replace(name, value)
    return text


def _source(dataset: "BacktestDataset") -> str:
    """The data of a comparison in a word or two: a file by its name."""
    return dataset.source.replace("\\", "/").rpartition("/")[2]


def _day(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d}"
