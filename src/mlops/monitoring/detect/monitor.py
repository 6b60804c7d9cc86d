"""A monitor: fitted once on a history with honest backtest predictions, asked once a week what has changed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.arrays import Floats
from mlops.domain.findings import FEWEST_DAYS, Finding, Findings, Movement
from mlops.errors import HistoryTooShort
from mlops.monitoring.detect.calendar_fit import design, harmonics_for
from mlops.monitoring.detect.calibrate import WINDOWS, baseline_days, calibrate
from mlops.monitoring.detect.concept_drift import ConceptDrift, fit_concept_drift
from mlops.monitoring.detect.data_faults import LONGEST, DataFaults, fit_data_faults, no_rows
from mlops.monitoring.detect.feature_drift import FeatureDrift, fit_feature_drift, season_of
from mlops.monitoring.detect.performance_drift import PerformanceDrift, fit_performance_drift
from mlops.monitoring.detect.signals import Signal
from mlops.monitoring.detect.spec import MonitorRows, MonitorSpec, read_rows
from mlops.panels.inputs import Table

__all__ = ["Monitor", "MonitorSpec", "WatchedColumns", "fit_monitor"]

WEEKS = 13
"""Weeks that are remembered as they ended. A quarter, by which a week is judged again exactly; chosen, not measured."""
MOST = 100.0
"""Sigmas that a finding tells (or twice its limit): beyond them the scale of a quiet history says nothing any more."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything that a history says about what is quiet."""

    spec: MonitorSpec
    features: FeatureDrift
    concept: ConceptDrift
    performance: PerformanceDrift
    faults: DataFaults
    harmonics: int

    @property
    def parts(self) -> tuple[FeatureDrift | ConceptDrift | PerformanceDrift, ...]:
        return self.features, self.concept, self.performance

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Those of the parts, then the seasons of the numeric columns, which are made of the levels."""
        daily = tuple(signal for part in self.parts for signal in part.signals)
        return daily + (tuple(map(season_of, self.spec.numeric)) if self.harmonics else ())

    def daily(self, rows: MonitorRows) -> tuple[pd.DatetimeIndex, Floats, Floats]:
        """Every day from the first to the last row, its place in the calendar, and its signals."""
        values = pd.concat([part.daily(rows) for part in self.parts], axis=1)
        days = pd.date_range(values.index[0], values.index[-1], freq="D")
        holiday = days.isin(rows.day[rows.holiday])
        return days, design(days, np.asarray(holiday), self.harmonics), values.reindex(days).to_numpy(float)


def fit_monitor(history: Table, spec: MonitorSpec) -> "Monitor":
    """A monitor that knows what is normal; after a retrain fit a new one on the new model's backtest.

    Parameters
    ----------
    history
        Forecasts and outcomes of at least 90 days in which all was well, with the columns that `spec` names: the frame
        of `cross_validation`, or of a backtest.
    spec
        Which columns are what.

    Raises
    ------
    HistoryTooShort
        When the rows span fewer days.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from mlops.monitoring import MonitorSpec, fit_monitor
    >>> days = pd.date_range("2024-01-01", periods=203)
    >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y_hat": 50.0})
    >>> frame["y"] = frame["y_hat"] + np.random.default_rng(1).normal(0, 2, len(days))
    >>> spec = MonitorSpec("ds", "series_id", (), (), target="y", prediction="y_hat")
    >>> monitor, newest = fit_monitor(frame[:196], spec), frame[196:]
    >>> monitor.check(newest, remember=False).performance, monitor.check(newest.assign(y=90.0)).performance
    (False, True)
    """
    rows = read_rows(history, spec)
    days = (rows.day.max() - rows.day.min()).days + 1 if len(rows) else 0
    if days < FEWEST_DAYS:
        counted = "counted are the days from the first row to the last"
        raise HistoryTooShort("history", days, FEWEST_DAYS, hint=counted)
    harmonics = harmonics_for(days)
    parts = fit_feature_drift(rows, spec, harmonics), fit_concept_drift(rows, spec), fit_performance_drift(rows)
    reference = Reference(spec, *parts, fit_data_faults(rows, spec), harmonics)
    return Monitor(reference, rows)


@dataclass(frozen=True, slots=True)
class Memory:
    """The last days until a check: their residuals, the same without days in alarm, and the counts of data faults."""

    recent: pd.DataFrame
    calm: pd.DataFrame
    counted: pd.DataFrame
    number: int = 0
    """Each has its own, in the order in which they were made."""
    after: int = 0
    """The number of what it continued."""

    @property
    def until(self) -> pd.Timestamp:
        return pd.Timestamp(self.recent.index[-1])


class Monitor:
    """What is normal, and the last weeks day by day.

    A week that is checked is judged by the weeks that ended before it, and is remembered for those after it: once, so
    that neither the same week again nor an older one changes what a later check says.
    """

    def __init__(self, reference: Reference, history: MonitorRows) -> None:
        days, matrix, daily = reference.daily(history)
        self._reference, self._signals = reference, reference.signals
        self._calibration = calibrate(matrix, daily, self._signals, reference.spec.alarms_per_year)
        self._kept = max(WINDOWS) * 2 + baseline_days(len(days))
        recent = pd.DataFrame(self._calibration.residuals(matrix, daily), index=days).iloc[-self._kept :]
        self._fitted = Memory(recent, recent, reference.faults.daily(history).iloc[-LONGEST:])
        self._weeks: tuple[Memory, ...] = ()
        self._made = 0
        self._still = self._calibration.still
        secondary = np.array([signal.secondary for signal in self._signals])
        self._unknown = self._still & secondary

    def __repr__(self) -> str:
        spec = self._reference.spec
        return (
            f"Monitor({len(spec.numeric)} numeric, {len(spec.categorical)} categorical,"
            f" fitted to {self._fitted.until:%Y-%m-%d}, weeks remembered: {len(self._weeks)})"
        )

    def check(self, window: Table, *, remember: bool = True) -> Findings:
        """What the rows of the newest week show, drifted or not; rows of a day that was seen before replace it.

        It is called once a week, in order. The first check of a week is remembered: checked again, also with other
        rows, it is judged by the same weeks before it and changes nothing. So does a week from before, which is judged
        by what was known then (of more than WEEKS weeks back, by the history alone). A week out of order is remembered
        anew when the weeks before it are known. Without `remember` nothing is, so that a changed copy can be tried.

        Parameters
        ----------
        window
            Forecasts and outcomes of the week, with the columns of the history; times as there.
        remember
            Whether later checks know of this one.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from mlops import MonitorSpec, fit_monitor
        >>> days = pd.date_range("2024-01-01", periods=203)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y_hat": 50.0})
        >>> frame["y"] = frame["y_hat"] + np.random.default_rng(1).normal(0, 2, len(days))
        >>> spec = MonitorSpec("ds", "series_id", (), (), target="y", prediction="y_hat")
        >>> fit_monitor(frame[:196], spec).check(frame[196:]).performance
        False
        """
        rows = read_rows(window, self._reference.spec)
        if not len(rows):
            return Findings((no_rows(),))
        before = self._before(rows.day.max())
        seen = self._continued(before, rows)
        collapse = self._reference.performance.collapse(rows)
        faults = self._reference.faults.findings(rows, seen.counted.to_numpy())
        z, statistic, limit = self._measured(seen)
        if remember and rows.day.max() > self._fitted.until:
            self._remember(self._calmed(seen, statistic > limit))
        return Findings((*self._judge(z, statistic, limit), collapse, *faults))

    def _before(self, last: pd.Timestamp) -> Memory:
        """What is remembered of the weeks that ended before a day."""
        return next((week for week in reversed(self._weeks) if week.until < last), self._fitted)

    def _continued(self, before: Memory, rows: MonitorRows) -> Memory:
        days, matrix, daily = self._reference.daily(rows)
        fresh = pd.DataFrame(self._calibration.residuals(matrix, daily), index=days)
        return Memory(
            _continued(before.recent, fresh, self._kept),
            _continued(before.calm, fresh, self._kept),
            _continued(before.counted, self._reference.faults.daily(rows), LONGEST),
            number=self._made + 1,
            after=before.number,
        )

    def _remember(self, week: Memory) -> None:
        """A week that is known already stays, unless weeks before it have come since."""
        others = [other for other in self._weeks if other.until != week.until]
        known = next((other for other in self._weeks if other.until == week.until), None)
        if known is None or known.after != week.after:
            self._weeks = tuple(sorted([*others, week], key=lambda one: one.until)[-WEEKS:])
            self._made = week.number

    def _measured(self, seen: Memory) -> tuple[Floats, Floats, Floats]:
        """By window and signal: how many sigmas, what is held against the limit, and the limit."""
        z = self._calibration.newest(seen.recent.to_numpy(), seen.calm.to_numpy())
        one_sided = np.array([signal.one_sided for signal in self._signals])
        statistic = np.where(self._unknown, np.nan, np.where(one_sided, z, np.abs(z)))
        limit = np.where((z < 0) & ~one_sided, self._calibration.below, self._calibration.above)
        return z, statistic, limit

    def _judge(self, z: Floats, statistic: Floats, limit: Floats) -> Iterator[Finding]:
        for kind, subject in dict.fromkeys((c.kind, c.subject) for c in self._signals):
            members = [i for i, c in enumerate(self._signals) if (c.kind, c.subject) == (kind, subject)]
            yield self._finding(members, z, statistic, limit)

    def _finding(self, members: Sequence[int], z: Floats, statistic: Floats, limit: Floats) -> Finding:
        """The clearest of the signals and windows that feed one finding."""
        ratio = np.nan_to_num(statistic[:, members] / limit[:, members], nan=-np.inf)
        window, member = divmod(int(np.argmax(ratio)), len(members))
        column = members[member]
        signal, value, threshold = self._signals[column], statistic[window, column], limit[window, column]
        words = signal.above if z[window, column] >= 0 else signal.below
        if np.isnan(value):
            detail = "not judged: too few days have values"
        elif self._still[column]:
            detail = f"{words.format('far')} over the last {WINDOWS[window]} days; it never changed in the history"
        else:
            size = f"more than {MOST:.0f} sigma" if abs(value) > MOST else f"{abs(value):.1f} sigma"
            detail = f"{words.format(size)} over the last {WINDOWS[window]} days"
        most = max(MOST, 2 * threshold)
        return Finding(
            kind=signal.kind,
            subject=signal.subject,
            statistic=float(np.clip(value, -most, most)),
            threshold=float(threshold),
            drifted=bool(value > threshold),
            detail=detail,
            movement=Movement(signal.measure, rose=bool(z[window, column] >= 0), days=WINDOWS[window]),
        )

    def _calmed(self, seen: Memory, alarmed: NDArray[np.bool_]) -> Memory:
        """Days in alarm enter the baseline as what was expected of them, so that a drift never becomes the norm."""
        calm = seen.calm.to_numpy(copy=True)
        for contrast, columns in zip(self._calibration.contrasts, alarmed, strict=True):
            expected = contrast.expected(calm)[-1]
            calm[-contrast.window :, columns] = expected[columns]
        return replace(seen, calm=pd.DataFrame(calm, index=seen.calm.index))


def _continued(before: pd.DataFrame, fresh: pd.DataFrame, kept: int) -> pd.DataFrame:
    """The days before the fresh ones, and these, as many as are kept."""
    everything: pd.DataFrame = pd.concat([before[before.index < fresh.index[0]], fresh]).asfreq("D")
    return everything.iloc[-kept:]


NOTHING = "nothing"  # a target that is always met, so that the numbers are all that can move
NEWEST = pd.Timedelta(days=28)  # the longest window of a finding


class WatchedColumns:
    """What is normal for some columns of a history, asked week by week.

    Frames have `ds, series_id, holiday` and the columns. Of those in `rising` only a rise is bad.
    """

    def __init__(
        self, history: pd.DataFrame, columns: Sequence[str], alarms_per_year: float, rising: Collection[str] = ()
    ) -> None:
        spec = MonitorSpec(
            time="ds",
            entity="series_id",
            numeric=tuple(columns),
            categorical=(),
            target=NOTHING,
            prediction=NOTHING,
            holiday="holiday",
            alarms_per_year=alarms_per_year,
        )
        self._monitor = fit_monitor(history.assign(**{NOTHING: 0.0}), spec)
        self._rising = sorted(rising)
        self._usual = history[self._rising].mean()
        self._newest = history.iloc[:0]

    def check(self, window: pd.DataFrame) -> Mapping[str, Finding]:
        """The finding about each column once the newest rows are known; nothing where there are no rows."""
        if window.empty:
            return {}
        seen = pd.concat([self._newest, window]) if len(self._newest) else window
        self._newest = seen[seen["ds"] > seen["ds"].max() - NEWEST]
        risen = self._newest[self._rising].mean() > self._usual
        findings = self._monitor.check(window.assign(**{NOTHING: 0.0})).details
        mine = {finding.subject: finding for finding in findings if finding.kind == "feature"}
        return {
            name: finding if risen.get(name, True) else replace(finding, drifted=False)
            for name, finding in mine.items()
        }
