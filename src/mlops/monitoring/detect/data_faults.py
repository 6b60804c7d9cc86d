"""Columns, rows and entities that are broken rather than different."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from mlops.arrays import Bools, Floats, Ints
from mlops.domain.findings import Finding
from mlops.monitoring.detect.spec import MonitorRows, MonitorSpec

__all__ = ["LONGEST", "SPANS", "DataFaults", "UsualRates", "fit_data_faults", "no_rows", "usual_rates"]


LIMIT = 6.0  # −log10 of a chance: one in a million, of counts and weeks
VANISHED_LIMIT = 4.0
RARELY = 0.002
OFTEN = 0.5  # categories may repeat themselves, in some seasons more than in others
STANDING = 0.6  # what is usually as it was the row before changes from time to time, as once a week: no week can tell
NEW = 1e-5  # the rate of categories never seen before: one misspelt row is noise, two in a week are a new category
RECENT_WEEKS = 26
SPANS = (2, 4, 7, 14, 28)
LONGEST = max(SPANS)
WEEK = SPANS.index(7)
SUSPICIOUS = 1.3  # −log10 of 5 %: what went wrong for a while counts as long as the newest week is no good week
RECURRING = 3  # what happened in fewer spans of the history was a fault, not usual
SURE = 300.0


@dataclass(frozen=True, slots=True)
class UsualRates:
    """The usual rate of each count, and its overdispersion beside independent chances; spans × counts."""

    rate: Floats
    overdispersion: Floats

    def surprise(self, went: Floats, chances: Floats) -> tuple[Floats, Floats]:
        """How strange the last days are, as −log10 of a chance, and the place in SPANS of the span that says so.

        `went` and `chances` are days × counts. The chance is binomial, with counts shrunk by the overdispersion
        (quasi-binomial, McCullagh and Nelder, 1989, section 4.5).
        """
        strange = np.array([self._of(place, went[-span:], chances[-span:]) for place, span in enumerate(SPANS)])
        strange = np.where(strange[WEEK] > SUSPICIOUS, strange, strange[WEEK])
        return strange.max(axis=0), strange.argmax(axis=0)

    def _of(self, place: int, went: Floats, chances: Floats) -> Floats:
        """−log10 of the chance of so many or more."""
        times = went.sum(axis=0) / self.overdispersion[place]
        others = (chances - went).sum(axis=0) / self.overdispersion[place]
        chance = special.betainc(np.maximum(times, 1e-9), others + 1, self.rate[place])
        return np.where(times > 0, -np.log10(np.maximum(chance, 10**-SURE)), 0.0)


@dataclass(frozen=True, slots=True)
class FaultCount:
    """Something that is counted: the subject it speaks of, and the words for too many.

    Its usual rate is taken as at least `rarest`; where it is above `highest`, too many says nothing.
    """

    subject: str
    words: str
    rarest: float = RARELY
    highest: float = 1.0


@dataclass(frozen=True, slots=True)
class DataFaults:
    """What is normal: how often values are missing or repeated, rows come twice or not; categories and entities."""

    spec: MonitorSpec
    counts: tuple[FaultCount, ...]
    known: tuple[frozenset[str], ...]
    usual_rates: UsualRates
    presence: "pd.Series[float]"

    def daily(self, rows: MonitorRows) -> pd.DataFrame:
        """One row per day from the first to the last: how often each count went wrong, then out of how many chances."""
        return _daily(rows, self.known)

    def findings(self, rows: MonitorRows, recent: Floats) -> tuple[Finding, ...]:
        """The worst of each column, of the rows, and of each entity that stayed away; `recent` ends on the last day."""
        worst: dict[str, Finding] = {}
        for finding in (*self._counted(rows, np.nan_to_num(recent)), *self._vanished(rows)):
            known = worst.get(finding.subject)
            if known is None or finding.statistic / finding.threshold > known.statistic / known.threshold:
                worst[finding.subject] = finding
        return tuple(worst.values())

    def _counted(self, rows: MonitorRows, recent: Floats) -> Iterator[Finding]:
        went, chances = np.hsplit(recent, 2)
        strange, places = self.usual_rates.surprise(went, chances)
        for number, (count, statistic, place) in enumerate(zip(self.counts, strange, places, strict=True)):
            if self.usual_rates.rate[place, number] > count.highest:
                continue
            days = SPANS[place]
            times, of = went[-days:, number].sum(), chances[-days:, number].sum()
            detail = (
                f"{times:.0f} of {of:.0f} {count.words} in the last {days} days,"
                f" where {self.usual_rates.rate[place, number]:.1%} is usual"
            )
            if count.rarest == NEW and statistic > LIMIT:
                column = self.spec.categorical.index(count.subject)
                unknown = set(rows.categorical[:, column]) - self.known[column] - {None}
                detail += f" ({', '.join(map(repr, sorted(unknown)[:3]))})"
            yield Finding("data", count.subject, float(statistic), LIMIT, bool(statistic > LIMIT), detail)

    def _vanished(self, rows: MonitorRows) -> Iterator[Finding]:
        days = rows.day.nunique()
        gone = self.presence[~self.presence.index.isin(rows.entity)]
        for entity, rate in gone.items():
            statistic = float(-days * np.log10(1 - min(rate, 0.995)))
            detail = f"{self.spec.entity} {entity} has no rows in {days} days; it used to come on {rate:.0%} of days"
            yield Finding("data", str(entity), statistic, VANISHED_LIMIT, statistic > VANISHED_LIMIT, detail)


def fit_data_faults(rows: MonitorRows, spec: MonitorSpec) -> DataFaults:
    """What is normal in the history; how often a category is new is what its second half has that its first had not."""
    counts, week = _counts(spec), _since(rows.day, rows.day.min()) // 7
    early = rows.categorical[week < week.max() / 2]
    went, chances = np.hsplit(_daily(rows, _categories(early)).to_numpy(), 2)
    new = np.array([count.rarest == NEW for count in counts])
    chances[: len(chances) // 2, new] = went[: len(went) // 2, new] = 0
    few = np.where(new, 0, 0.5 / np.maximum(chances.sum(axis=0), 1))
    rarest = np.maximum([count.rarest for count in counts], np.minimum(few, 0.5))
    presence = _presence(rows, week)
    return DataFaults(spec, counts, _categories(rows.categorical), usual_rates(went, chances, rarest), presence)


def no_rows() -> Finding:
    """The fault of a window without a single row."""
    return Finding("data", "rows", 1.0, 0.0, True, "the window has no rows")


def _counts(spec: MonitorSpec) -> tuple[FaultCount, ...]:
    columns = (*spec.numeric, *spec.categorical, spec.prediction)
    return (
        *(FaultCount(name, f"values of {name} are missing") for name in columns),
        *(
            FaultCount(
                name,
                f"values of {name} are the same as the one before them",
                OFTEN if name in spec.categorical else RARELY,
                STANDING,
            )
            for name in columns
        ),
        *(
            FaultCount(name, f"rows of {name} have a category that the history never had", NEW)
            for name in spec.categorical
        ),
        FaultCount("copies", "rows are copies of another row"),
        FaultCount("rows", f"rows of a {spec.entity} and day did not come"),
    )


def _daily(rows: MonitorRows, known: tuple[frozenset[str], ...]) -> pd.DataFrame:
    """The counts in their order, day by day: times, then chances."""
    days = pd.date_range(rows.day.min(), rows.day.max(), freq="D")
    day, entity, values = _since(rows.day, days[0]), pd.factorize(rows.entity)[0], _values(rows)
    copied = pd.DataFrame(np.column_stack([values, entity, day])).duplicated().to_numpy()
    missing, any_row = np.isnan(values), np.ones((len(rows), 1))
    same, comparable = _repeated(values, entity, day, copied)
    new, named = _unseen(rows.categorical, known), missing[:, rows.numeric.shape[1] : -1]
    came = np.column_stack([missing, same, new, copied])
    could = np.column_stack([np.broadcast_to(any_row, missing.shape), comparable, ~named, any_row])
    went, chances = (
        pd.DataFrame(part.astype(float)).groupby(day).sum().reindex(range(len(days)), fill_value=0).to_numpy(float)
        for part in (came, could)
    )
    # entities that stayed away on each day, of those that came in the same week
    expected = _entities(day // 7, entity, np.arange(len(days)) // 7)
    absent = expected - _entities(day, entity, np.arange(len(days)))
    return pd.DataFrame(np.column_stack([went, absent, chances, expected]), days)


def _since(day: pd.DatetimeIndex, first: pd.Timestamp) -> Ints:
    return np.asarray((day - first).days)


def _values(rows: MonitorRows) -> Floats:
    """Every column as numbers: numeric ones, the codes of categories, predictions; NaN for missing."""
    codes = [pd.factorize(rows.categorical[:, column])[0] for column in range(rows.categorical.shape[1])]
    coded = [np.where(code < 0, np.nan, code) for code in codes]
    return np.column_stack([rows.numeric, *coded, rows.prediction])


def _repeated(values: Floats, entity: Ints, day: Ints, copied: Bools) -> tuple[Bools, Bools]:
    """Which values are the same as that of the entity's row before, and which have one to be compared with."""
    same, comparable = np.zeros(values.shape, bool), np.zeros(values.shape, bool)
    fresh = np.flatnonzero(~copied)
    order = fresh[np.lexsort((day[fresh], entity[fresh]))]
    later, before = order[1:], order[:-1]
    comparable[later] = (entity[later] == entity[before])[:, None] & np.isfinite(values[later] + values[before])
    same[later] = comparable[later] & (values[later] == values[before])
    return same, comparable


def _unseen(categorical: NDArray[np.object_], known: tuple[frozenset[str], ...]) -> Bools:
    """Which categories are not known."""
    unseen = np.zeros(categorical.shape, bool)
    for place, names in enumerate(known):
        column = pd.Series(categorical[:, place])
        unseen[:, place] = column.notna() & ~column.isin(names)
    return unseen


def _entities(time: Ints, entity: Ints, times: Ints) -> Floats:
    """How many entities came at each of the times."""
    came = pd.DataFrame({"time": time, "entity": entity}).drop_duplicates()["time"].value_counts()
    return np.asarray(came.reindex(times, fill_value=0).to_numpy(float))


def _categories(categorical: NDArray[np.object_]) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(column[~pd.isna(column)]) for column in categorical.T)


def _presence(rows: MonitorRows, week: Ints) -> "pd.Series[float]":
    """The part of the recent days on which an entity came, for entities that came in every recent week but the last."""
    recent = (week > week.max() - RECENT_WEEKS) & (week < week.max())
    seen = pd.DataFrame({"entity": rows.entity[recent], "day": rows.day[recent], "week": week[recent]})
    by_entity = seen.groupby("entity")
    steady = by_entity["week"].nunique() == seen["week"].nunique()
    return (by_entity["day"].nunique() / max(seen["day"].nunique(), 1))[steady]


def usual_rates(went: Floats, chances: Floats, rarest: Floats) -> UsualRates:
    """What a history of days × counts says; no rate is taken to be below `rarest`."""
    of_spans = []
    for span in SPANS:
        starts = np.arange(0, len(went), span)
        of_spans.append(
            _of_span(np.add.reduceat(went, starts, axis=0), np.add.reduceat(chances, starts, axis=0), rarest)
        )
    rate, overdispersion = zip(*of_spans, strict=True)
    return UsualRates(np.array(rate), np.array(overdispersion))


def _of_span(went: Floats, chances: Floats, rarest: Floats) -> tuple[Floats, Floats]:
    """Rate and overdispersion from spans that follow each other, the very worst of them pulled in."""
    share = went / np.maximum(chances, 1)
    worst = np.sort(share, axis=0)[-min(RECURRING, 1 + len(share) // 8)]
    went = np.minimum(share, worst) * chances
    rate = np.clip(went.sum(axis=0) / np.maximum(chances.sum(axis=0), 1), rarest, 1 - 1e-9)
    independent = (rate * (1 - rate) * chances).sum(axis=0)
    return rate, np.maximum(((went - rate * chances) ** 2).sum(axis=0) / np.maximum(independent, 1e-9), 1.0)
