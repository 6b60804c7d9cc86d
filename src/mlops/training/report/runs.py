"""A backtest or a tuning as one MLflow run: figures, tables, pictures."""

import pandas as pd

from mlops.tracking.runs import ReportRecord, log_report
from mlops.tracking.store import Store
from mlops.training.backtest import BacktestReport
from mlops.training.dataset import BacktestDataset, BacktestPlan
from mlops.training.report.describe import of_backtest, of_tuning
from mlops.training.report.plots import pictures
from mlops.training.tune import Tuned

__all__ = ["log_backtest", "log_tuned", "tables"]

MEASURES = ("wape", "accuracy", "bias", "mase", "pinball_80", "coverage_80", "pinball_95", "coverage_95")


def log_backtest(report: BacktestReport, store: Store, experiment: str) -> str:
    """Log a report into an experiment; the run's id.

    The figures of the first candidate are metrics by their own name, those of the others with the candidate in front.
    """
    cutoffs = report.dataset.cutoffs
    record = ReportRecord(
        experiment=experiment,
        page=of_backtest(report),
        params={
            "kind": report.candidates[0].kind,
            "freq": report.dataset.granularity.name,
            "kinds": ", ".join(one.name for one in report.candidates),
            "data": report.dataset.source,
            "series": report.by_series["series_id"].nunique(),
            "origins": len(cutoffs),
            "first_origin": f"{cutoffs[0]:%Y-%m-%d %H:%M}",
            "last_origin": f"{cutoffs[-1]:%Y-%m-%d %H:%M}",
            "every": report.plan.every,
            "horizon": report.plan.horizon,
            "refit_every": report.plan.refit_every,
            "goal": report.plan.goal,
            **{f"{report.asked}.{name}": value for name, value in report.candidates[0].params.items()},
        },
        metrics=_metrics(report),
        tags={
            "mlops.report": "backtest",
            "mlops.kind": report.candidates[0].kind,
            "mlops.granularity": report.dataset.granularity.name,
            "mlops.values": report.dataset.values,
        },
        tables={"forecasts": report.forecasts},
        shown=tables(report),
        files=pictures(report),
    )
    return log_report(store, record)


def log_tuned(tuned: Tuned, dataset: BacktestDataset, plan: BacktestPlan, store: Store, experiment: str) -> str:
    """Log a tuning: its trials as one table `trials`, the winner as `best.toml` and as parameters; the run's id."""
    record = ReportRecord(
        experiment=experiment,
        page=of_tuning(tuned, dataset, plan),
        params={
            "kind": tuned.candidate.kind,
            "freq": dataset.granularity.name,
            "data": dataset.source,
            "origins": len(tuned.cutoffs),
            "every": plan.every,
            "horizon": plan.horizon,
            "held_out_from": f"{tuned.held_out_from:%Y-%m-%d %H:%M}",
            "trials": len(tuned.trials),
            "best_trial": tuned.best.number,
            **tuned.best.params,
        },
        metrics={
            "wape": tuned.best.value,
            "wape_default": tuned.default.value,
            **{f"held_out.{name}": value for name, value in tuned.held_out.items()},
        },
        tags={
            "mlops.report": "tuning",
            "mlops.kind": tuned.candidate.kind,
            "mlops.granularity": dataset.granularity.name,
            "mlops.values": dataset.values,
        },
        shown={"trials": tuned.table},
        files={"best.toml": tuned.toml.encode(), "command.txt": (tuned.command + "\n").encode()},
    )
    return log_report(store, record)


def tables(report: BacktestReport) -> dict[str, pd.DataFrame]:
    """The tables that people read, by name."""
    named = {
        "overall": report.overall,
        "accuracy_by_level": report.levels,
        "by_series": report.by_series,
        "by_step": report.by_step,
        "by_segment": report.by_segment,
        "by_origin": report.by_origin,
    }
    return {name: table for name, table in named.items() if len(table)}


def _metrics(report: BacktestReport) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for row in report.overall.itertuples():
        prefix = "" if row.candidate == report.asked else f"{row.candidate}."
        metrics |= {prefix + name: float(getattr(row, name)) for name in MEASURES}
    if "naive.wape" in metrics:
        metrics["wape_naive"] = metrics["naive.wape"]  # by the name that trainings have it
    of_levels = report.levels[report.levels["candidate"] == report.asked]
    for level, over, accuracy in of_levels[["level", "over", "accuracy"]].itertuples(index=False):
        metrics[f"accuracy.{level}.{over}"] = float(accuracy)
    return metrics
