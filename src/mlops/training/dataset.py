"""What a backtest is made on: a file or the database, the past origins, and what each of them may see."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from mlops.db import Database
from mlops.domain.features import FeatureSet, Selection
from mlops.domain.granularity import Granularity
from mlops.domain.series import PLACE
from mlops.errors import NothingToDo
from mlops.evaluation.backtest import AsKnown, Newest, Past, origins
from mlops.feature_store.sources import sets_of
from mlops.features.definitions import sources_of
from mlops.panels.files import FileSeries, read_file
from mlops.panels.from_frame import Panels
from mlops.project import project_file
from mlops.series.filters import selected_series
from mlops.training.data import needs_file, of_level, read_data, select
from mlops.training.spec import TrainingSpec

__all__ = ["BacktestDataset", "BacktestDefaults", "BacktestPlan", "dataset_of", "from_database", "from_file"]


@dataclass(frozen=True)
class BacktestDefaults:
    """The decisions of training/backtest/backtest.toml."""

    origins: int
    refit_every: int
    baselines: tuple[str, ...]
    goal: float

    @classmethod
    def read(cls) -> "BacktestDefaults":
        """Read the file, the project's own or the package's."""
        document = tomllib.loads(project_file("training/backtest/backtest.toml").read_text(encoding="utf-8"))
        return cls(**{**document, "baselines": tuple(document["baselines"])})

    def plan(
        self,
        *,
        origins: int | None = None,
        refit_every: int | None = None,
        goal: float | None = None,
        every: int | None = None,
        horizon: int | None = None,
    ) -> "BacktestPlan":
        """The plan of these numbers, each as decided there where it is left out."""
        aim = self.goal if goal is None else goal
        return BacktestPlan(origins or self.origins, refit_every or self.refit_every, aim, every or 0, horizon or 0)


@dataclass(frozen=True)
class BacktestPlan:
    """How many origins, how far apart, how far ahead; 0 means as is usual for the granularity of the data."""

    origins: int
    refit_every: int
    goal: float
    every: int = 0
    horizon: int = 0

    def of(self, granularity: Granularity) -> "BacktestPlan":
        """The plan with every number."""
        horizon = self.horizon or granularity.horizon
        return BacktestPlan(self.origins, self.refit_every, self.goal, self.every or horizon, horizon)


@dataclass(frozen=True)
class BacktestDataset:
    """What a backtest is made on: the past as it was known, the cutoffs, and the outcomes.

    `segments` has one row per `series_id` and a text column for each way to add series up; `names` are for people.
    """

    past: Past
    cutoffs: tuple[pd.Timestamp, ...]
    outcomes: pd.DataFrame
    granularity: Granularity
    segments: pd.DataFrame
    source: str
    values: str
    """Which values the origins saw, in words."""
    names: Mapping[Any, str]


def dataset_of(
    spec: TrainingSpec,
    plan: BacktestPlan,
    database: Callable[[], Database],
    *,
    segments: Sequence[str] = (),
    as_known: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[BacktestDataset, BacktestPlan]:
    """The series that a spec chooses, of its file or of the database, which is asked for only then.

    The horizon is the plan's, else the spec's, else the usual one of the granularity.
    """
    plan = replace(plan, horizon=plan.horizon or spec.horizon)
    if spec.file is not None:
        series = read_file(spec.file, spec.as_of, freq=spec.granularity, covariates=spec.covariates, segments=segments)
        return from_file(series, plan, segments)
    needs_file(spec.covariates, segments)
    selection = select(database(), spec.metric_type, spec.granularity, dict(spec.labels), spec.level)
    sets = sets_of(spec.params)
    return from_database(database(), selection, plan, spec.as_of, as_known=as_known, feature_sets=sets, say=say)


def from_file(
    series: FileSeries, plan: BacktestPlan, segments: Sequence[str] = ()
) -> tuple[BacktestDataset, BacktestPlan]:
    """The series of a file, with the values that it has; `segments` names columns to add up by."""
    frame, panels = series.frame, series.panels
    plan = plan.of(panels.granularity)
    cutoffs = origins(panels, plan.origins, every=plan.every, horizon=plan.horizon)
    of_series = frame.drop_duplicates("series_id")[["series_id", *segments]]
    names = {one: str(one) for one in panels.ids}
    source = str(series.path)
    return BacktestDataset(
        Newest(panels), cutoffs, frame, panels.granularity, of_series, source, "of the file", names
    ), plan


def from_database(
    database: Database,
    selection: Selection,
    plan: BacktestPlan,
    as_of: datetime,
    *,
    as_known: bool,
    feature_sets: Sequence[FeatureSet] = (),
    say: Callable[[str], None] = lambda _: None,
) -> tuple[BacktestDataset, BacktestPlan]:
    """The series of a selection. Outcomes are the values known at `as_of`; with `as_known` each origin sees what had
    been recorded by the end of its last step, else the values of `as_of` up to it.
    """
    data = read_data(database, selection, as_of, ended=True, feature_sets=feature_sets)
    columns = sorted({column for one in feature_sets for column in sources_of(one)})
    newest = Panels.of(data.frame, selection.granularity, sources=columns)
    plan = plan.of(newest.granularity)
    cutoffs = origins(newest, plan.origins, every=plan.every, horizon=plan.horizon)
    past: Past = Newest(newest)
    if as_known:
        panels = []
        for cutoff in cutoffs:
            say(f"reading what was known at the end of {cutoff:%Y-%m-%d}")
            panels.append(_as_known(database, selection, cutoff, newest.granularity, feature_sets))
        past, cutoffs = AsKnown({one.steps[-1]: one for one in panels}), tuple(one.steps[-1] for one in panels)
    values = "as they were known at each origin" if as_known else f"known at {as_of:%Y-%m-%d %H:%M} UTC"
    source = " ".join(filter(None, (selection.granularity, selection.metric_type, of_level(selection.level))))
    segments = _segments(database, selection, set(data.frame["series_id"]))
    return BacktestDataset(past, cutoffs, data.frame, newest.granularity, segments, source, values, data.names), plan


def _as_known(
    database: Database,
    selection: Selection,
    cutoff: pd.Timestamp,
    step: Granularity,
    feature_sets: Sequence[FeatureSet],
) -> Panels:
    """The panels of what was recorded by the end of the step that begins at `cutoff`."""
    moment = pd.Timestamp(step.after(cutoff.to_datetime64(), 1)[0]).to_pydatetime().replace(tzinfo=UTC)
    try:
        data = read_data(database, selection, moment, feature_sets=feature_sets)
        columns = sorted({column for one in feature_sets for column in sources_of(one)})
        return Panels.of(data.frame, step.name, sources=columns)
    except NothingToDo as error:
        raise NothingToDo(
            f"at the end of {cutoff:%Y-%m-%d} nothing could be learned from: {error}; when history was brought in"
            " later than it happened, take the values of today for the past: --values newest"
        ) from error


def _segments(database: Database, selection: Selection, series: set[int]) -> pd.DataFrame:
    """The places and labels that several series share."""
    with database.transaction() as transaction:
        rows = selected_series(
            transaction,
            metric_type=selection.metric_type,
            granularity=selection.granularity,
            labels=selection.labels,
            level=selection.level,
        )
    found = pd.DataFrame(
        [
            {"series_id": one.series_id, **{name: getattr(one, name) for name in PLACE}, **one.labels}
            for one in rows
            if one.series_id in series
        ]
    )
    ways = [name for name in found.columns[1:] if 1 < found[name].nunique() < len(found)]
    return found[["series_id", *ways]].fillna("none").astype(dict.fromkeys(ways, str))
