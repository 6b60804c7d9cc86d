"""Columns and entities that are broken rather than different."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mlops.domain.findings import Finding
from mlops.monitoring.spec import MonitorSpec, Rows

__all__ = ["DataFaults", "fit_data_faults", "no_rows"]

MISSING_LIMIT = 6.0  # −log10 of a chance: one in a million columns and weeks
VANISHED_LIMIT = 4.0
UNSEEN_LIMIT = 1.0  # one misspelt row is noise, two are a new category
FEWEST_ROWS = 20
RARELY_MISSING = 0.002
RECENT_WEEKS = 26


@dataclass(frozen=True, slots=True)
class DataFaults:
    """What is normal: missing rates, the categories, columns that vary every week, entities that come every week."""

    spec: MonitorSpec
    missing: "pd.Series[float]"
    categories: dict[str, frozenset[str]]
    varying: frozenset[str]
    presence: "pd.Series[float]"

    def findings(self, rows: Rows) -> tuple[Finding, ...]:
        """The worst of each column, and of each entity that stayed away."""
        columns = _columns(rows, self.spec)
        found = [
            *(_missing(name, columns[name], rate) for name, rate in self.missing.items()),
            *(_unseen(name, columns[name], known) for name, known in self.categories.items() if known),
            *(_constant(name, columns[name]) for name in sorted(self.varying)),
            *self._vanished(rows),
        ]
        return _worst_by_subject(found)

    def _vanished(self, rows: Rows) -> Iterator[Finding]:
        days = rows.day.nunique()
        gone = self.presence[~self.presence.index.isin(rows.entity)]
        for entity, rate in gone.items():
            statistic = float(-days * np.log10(1 - min(rate, 0.995)))
            detail = f"{self.spec.entity} {entity} has no rows in {days} days; it used to come on {rate:.0%} of days"
            yield Finding("data", str(entity), statistic, VANISHED_LIMIT, statistic > VANISHED_LIMIT, detail)


def fit_data_faults(rows: Rows, spec: MonitorSpec) -> DataFaults:
    """What is normal in the history, week by week."""
    week = np.asarray((rows.day - rows.day.min()).days) // 7
    columns = _columns(rows, spec)
    rates = columns.isna().groupby(week).mean()
    kinds = columns.groupby(week).nunique()[[*spec.numeric, *spec.categorical]]
    return DataFaults(
        spec=spec,
        missing=rates.quantile(0.95).clip(lower=RARELY_MISSING),
        categories={name: frozenset(columns[name].dropna()) for name in spec.categorical},
        varying=frozenset(kinds.columns[(kinds > 1).all()]),
        presence=_presence(rows, week),
    )


def no_rows() -> Finding:
    """The fault of a window without a single row."""
    return Finding("data", "rows", 1.0, 0.0, True, "the window has no rows")


def _columns(rows: Rows, spec: MonitorSpec) -> pd.DataFrame:
    numeric = pd.DataFrame(rows.numeric, columns=list(spec.numeric))
    categorical = pd.DataFrame(rows.categorical, columns=list(spec.categorical))
    return pd.concat([numeric, categorical, pd.DataFrame({spec.prediction: rows.prediction})], axis=1)


def _presence(rows: Rows, week: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> "pd.Series[float]":
    """The part of the recent days on which an entity came, for entities that came in every recent week but the last."""
    recent = (week > week.max() - RECENT_WEEKS) & (week < week.max())
    seen = pd.DataFrame({"entity": rows.entity[recent], "day": rows.day[recent], "week": week[recent]})
    by_entity = seen.groupby("entity")
    steady = by_entity["week"].nunique() == seen["week"].nunique()
    return (by_entity["day"].nunique() / max(seen["day"].nunique(), 1))[steady]


def _missing(name: Hashable, column: "pd.Series[float]", usual: float) -> Finding:
    """The chance, as −log10, of so many missing values at the rate of a bad week of the history."""
    missing = int(column.isna().sum())
    statistic = float(-stats.binom.logsf(missing - 1, len(column), usual) / np.log(10))
    detail = f"{missing} of {len(column)} values of {name} are missing, where {usual:.1%} is usual in a bad week"
    return Finding("data", str(name), statistic, MISSING_LIMIT, statistic > MISSING_LIMIT, detail)


def _unseen(name: str, column: "pd.Series[str]", known: frozenset[str]) -> Finding:
    strange = column[column.notna() & ~column.isin(known)]
    shown = ", ".join(repr(value) for value in sorted(set(strange))[:3])
    detail = f"{len(strange)} rows of {name} have a category that the history never had ({shown})"
    return Finding("data", name, float(len(strange)), UNSEEN_LIMIT, len(strange) > UNSEEN_LIMIT, detail)


def _constant(name: str, column: "pd.Series[float]") -> Finding:
    present = column.dropna()
    dead = len(present) >= FEWEST_ROWS and present.nunique() == 1
    detail = f"{name} has one and the same value in all {len(present)} rows, which no week of the history had"
    return Finding("data", name, float(dead), 0.5, dead, detail)


def _worst_by_subject(findings: list[Finding]) -> tuple[Finding, ...]:
    worst: dict[str, Finding] = {}
    for finding in findings:
        known = worst.get(finding.subject)
        if known is None or finding.statistic / finding.threshold > known.statistic / known.threshold:
            worst[finding.subject] = finding
    return tuple(worst.values())
