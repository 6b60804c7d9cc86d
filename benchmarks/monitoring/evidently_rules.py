"""The default tests of Evidently's DataDriftPreset, each week against a reference.

Computed here, as the library needs 23 to 200 times as long; `python -m benchmarks.monitoring.evidently_rules` holds
these rules against the library (0.7): the flagged columns are the same. A reference of more than 1,000 rows is compared
by distance (Wasserstein in deviations of the reference, Jensen-Shannon; drift from 0.1 on), a smaller one by test
(Kolmogorov-Smirnov, chi-square; drift below 0.05). Columns of at most 5 distinct numbers count as categories.
"""

import os
import warnings

import numpy as np
import pandas as pd
from benchmarks.monitoring.detectors import Alarms
from benchmarks.monitoring.distances import jensen_shannon, wasserstein
from scipy import stats

from mlops.monitoring import MonitorSpec

__all__ = ["AgainstTheSeason", "AgainstTheYear", "HalfOfTheColumns"]

DISTANCE, CHANCE = 0.1, 0.05
SMALL = 1000
SMALLEST_DEVIATION = 0.001
YEAR = pd.Timedelta(days=365)
AROUND = pd.Timedelta(days=21)


class AgainstTheYear:
    """Every column that drifts from the last year of the history is an alarm; target: concept, prediction: loss."""

    def fit(self, history: pd.DataFrame, spec: MonitorSpec) -> None:
        self._history, self._spec = history, spec
        self._times = history[spec.time]
        self._year = history[self._times > self._times.max() - YEAR]

    def check(self, week: pd.DataFrame) -> Alarms:
        return self._alarms(drifted(self._reference(week), week, self._spec))

    def _reference(self, week: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG002
        return self._year

    def _alarms(self, names: frozenset[str]) -> Alarms:
        spec = self._spec
        concept = frozenset({""} if spec.target in names else ())
        return Alarms(names - {spec.target, spec.prediction}, concept, spec.prediction in names)


class AgainstTheSeason(AgainstTheYear):
    """The same against the six weeks around the same day of the years before."""

    def _reference(self, week: pd.DataFrame) -> pd.DataFrame:
        middle = week[self._spec.time].min() + pd.Timedelta(days=3)
        back = [(self._times - (middle - years * pd.Timedelta(days=364))).abs() <= AROUND for years in (1, 2)]
        return self._history[back[0] | back[1]]


class HalfOfTheColumns(AgainstTheYear):
    """The preset's own verdict on a data set: an alarm when half of the columns drift, which then are named."""

    def _alarms(self, names: frozenset[str]) -> Alarms:
        spec = self._spec
        columns = len(spec.numeric) + len(spec.categorical) + 2
        return super()._alarms(names if len(names) >= columns / 2 else frozenset())


def drifted(reference: pd.DataFrame, week: pd.DataFrame, spec: MonitorSpec) -> frozenset[str]:
    """The names of the columns that Evidently's defaults flag."""
    numbers = [*spec.numeric, spec.target, spec.prediction]
    few = len(reference) <= SMALL
    found = {name for name in numbers if (_test if few else _far)(reference[name], week[name])}
    found |= {name for name in spec.categorical if (_odd if few else _unlike)(reference[name], week[name])}
    return frozenset(found)


def _far(reference: "pd.Series[float]", current: "pd.Series[float]") -> bool:
    deviation = max(float(np.std(reference)), SMALLEST_DEVIATION)
    return wasserstein(reference, current) / deviation >= DISTANCE


def _test(reference: "pd.Series[float]", current: "pd.Series[float]") -> bool:
    return bool(stats.ks_2samp(reference.dropna(), current.dropna()).pvalue < CHANCE)


def _unlike(reference: "pd.Series[str]", current: "pd.Series[str]") -> bool:
    return jensen_shannon(reference.astype(object), current.astype(object)) >= DISTANCE


def _odd(reference: "pd.Series[str]", current: "pd.Series[str]") -> bool:
    expected, found = (column.astype(object).value_counts() for column in (reference, current))
    names = expected.index.union(found.index)
    expected, found = expected.reindex(names, fill_value=0), found.reindex(names, fill_value=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return bool(stats.chisquare(found, expected * found.sum() / expected.sum()).pvalue < CHANCE)


def _library(reference: pd.DataFrame, week: pd.DataFrame, spec: MonitorSpec) -> frozenset[str]:
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers, categories = [*spec.numeric, spec.target, spec.prediction], [*spec.categorical]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    frames = (frame[[*numbers, *categories]].astype(dict.fromkeys(categories, object)) for frame in (week, reference))
    data = [Dataset.from_pandas(frame, data_definition=definition) for frame in frames]
    report = Report([DataDriftPreset()], include_tests=True).run(*data)
    tests = report.dict()["tests"]
    return frozenset(
        test["metric_config"]["params"]["column"]
        for test in tests
        if test["status"] == "FAIL" and "column" in test["metric_config"]["params"]
    )


def main() -> None:
    """Compares the rules with the library on some weeks of a life in which something changed."""
    from time import perf_counter

    from mlops.simulation.drift import Shift, World, simulate_life

    life = simulate_life(World(live_days=70), 0, Shift("mix", 21, columns=2))
    spec = MonitorSpec(**life.columns)
    warnings.simplefilter("ignore")
    for rules in (AgainstTheYear(), AgainstTheSeason()):
        rules.fit(life.history, spec)
        for end, week in life.weeks():
            reference = rules._reference(week)
            begin = perf_counter()
            ours = drifted(reference, week, spec)
            middle = perf_counter()
            theirs = _library(reference, week, spec)
            ratio = (perf_counter() - middle) / (middle - begin)
            verdict = "the same" if ours == theirs else f"differ in {sorted(ours ^ theirs)}"
            print(f"{end:%Y-%m-%d} {len(reference)} rows, {len(theirs)} columns: {verdict}; library × {ratio:.0f}")


if __name__ == "__main__":
    main()
