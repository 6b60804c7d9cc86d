"""A backtest as a person asks for it: kinds against baselines on the same past origins, told by tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd

from mlops.domain.forecasts import wape
from mlops.evaluation.accuracy import accuracy_table, by_level
from mlops.evaluation.backtest import Candidate, FinishedFit, fit_and_forecast, with_outcomes
from mlops.training.dataset import BacktestDataset, BacktestPlan
from mlops.training.spec import TrainingSpec

__all__ = ["BacktestReport", "candidate_of", "compare_candidates", "so_far"]


@dataclass(frozen=True)
class BacktestReport:
    """How the candidates did; the first of them is the one that was asked about, the others are its measure.

    `overall` has one row per candidate; every other table one per `candidate` and group.
    """

    candidates: tuple[Candidate, ...]
    plan: BacktestPlan
    dataset: BacktestDataset
    overall: pd.DataFrame
    levels: pd.DataFrame
    by_series: pd.DataFrame
    by_step: pd.DataFrame
    by_segment: pd.DataFrame
    by_origin: pd.DataFrame
    forecasts: pd.DataFrame
    """Every forecast with its outcome, and a column `candidate`."""
    began_at: datetime

    @property
    def asked(self) -> str:
        """The name of the first candidate."""
        return self.candidates[0].name


def candidate_of(name: str, spec: TrainingSpec, dataset: BacktestDataset, plan: BacktestPlan) -> Candidate:
    """What a spec trains as a candidate of a comparison on the dataset's series, `plan.horizon` steps ahead."""
    spec = replace(spec, horizon=plan.horizon).at(dataset.granularity)
    return Candidate(name, spec.kind, spec.candidate_params)


def compare_candidates(
    candidates: Sequence[Candidate],
    dataset: BacktestDataset,
    plan: BacktestPlan,
    *,
    done: Callable[[FinishedFit], None] = lambda _: None,
    where: str | None = None,
) -> BacktestReport:
    """Compare the candidates on the rows that all of them forecast; `done` is told of each fit as it finishes."""
    finished, began_at = [], datetime.now(UTC)
    for fit in fit_and_forecast(
        candidates, dataset.past, dataset.cutoffs, plan.horizon, refit_every=plan.refit_every, where=where
    ):
        finished.append(fit)
        done(fit)
    judged = _judged(finished, dataset)
    # the rows that every candidate forecast, so that all are judged on the same
    made_by = judged.groupby(["series_id", "cutoff", "ds"])["candidate"].transform("nunique")
    judged = judged[made_by == judged["candidate"].nunique()].reset_index(drop=True)
    parts = {asked.name: judged[judged["candidate"] == asked.name] for asked in candidates}
    segments = [name for name in dataset.segments.columns if name != "series_id"]
    seconds = pd.Series([fit.seconds for fit in finished]).groupby([fit.candidate for fit in finished]).sum()
    by_series = _each(parts, ["series_id"])
    by_series.insert(2, "name", by_series["series_id"].map(dataset.names))
    levels = {
        name: by_level(part, segments, cycle=dataset.granularity.block, words=dataset.granularity.words)
        for name, part in parts.items()
    }
    return BacktestReport(
        candidates=tuple(candidates),
        plan=plan,
        dataset=dataset,
        overall=_each(parts, []).assign(cpu_seconds=[seconds[name] for name in parts]),
        levels=pd.concat([part.assign(candidate=name) for name, part in levels.items()], ignore_index=True),
        by_series=by_series,
        by_step=_each(parts, ["step"]),
        by_segment=_by_segment(parts, segments),
        by_origin=_each(parts, ["cutoff"]),
        forecasts=judged,
        began_at=began_at,
    )


def so_far(finished: Sequence[FinishedFit], dataset: BacktestDataset) -> pd.DataFrame:
    """`candidate, origins, wape` of what was done before an interruption."""
    if not finished:
        return pd.DataFrame(columns=["candidate", "origins", "wape"])
    judged = _judged(finished, dataset)
    rows = [
        (name, part["cutoff"].nunique(), wape(part["y"], part["y_hat"])) for name, part in judged.groupby("candidate")
    ]
    return pd.DataFrame(rows, columns=["candidate", "origins", "wape"])


def _judged(finished: Sequence[FinishedFit], dataset: BacktestDataset) -> pd.DataFrame:
    """All forecasts with outcomes, segments and their candidate, in an order that no worker decides."""
    forecasts = pd.concat([fit.forecasts.assign(candidate=fit.candidate) for fit in finished], ignore_index=True)
    parts = [with_outcomes(part, dataset.outcomes) for _, part in forecasts.groupby("candidate", sort=False)]
    judged = pd.concat(parts, ignore_index=True).merge(dataset.segments, on="series_id", how="left")
    return judged.sort_values(["candidate", "cutoff", "series_id", "ds"], ignore_index=True)


def _each(parts: dict[str, pd.DataFrame], by: list[str]) -> pd.DataFrame:
    """The accuracy of each candidate by group, its name first."""
    accuracies = pd.concat(
        [accuracy_table(part, by).assign(candidate=name) for name, part in parts.items()], ignore_index=True
    )
    return accuracies[["candidate", *(name for name in accuracies.columns if name != "candidate")]]


def _by_segment(parts: dict[str, pd.DataFrame], segments: list[str]) -> pd.DataFrame:
    """`candidate, segment` (the column), `value` and the accuracy of the series inside."""
    tables = [
        _each(parts, [name]).rename(columns={name: "value"}).assign(segment=name).astype({"value": str})
        for name in segments
    ]
    if not tables:
        return pd.DataFrame(columns=["candidate", "segment", "value"])
    accuracies = pd.concat(tables, ignore_index=True)
    return accuracies[
        ["candidate", "segment", *(name for name in accuracies.columns if name not in ("candidate", "segment"))]
    ]
