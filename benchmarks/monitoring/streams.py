"""Two published change detectors for streams, on one number a day per feature and for the error.

ADWIN: Bifet and Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007, equation 3.1, every cut
of the window tried (ADWIN0). Page-Hinkley: Page, "Continuous inspection schemes", Biometrika 41, 1954, in the form of
Gama et al., "A survey on concept drift adaptation", ACM Computing Surveys 46, 2014. Parameters are the defaults of the
library river (delta 0.002; 30 days, delta 0.005, threshold 50, forgetting 0.9999), numbers are in deviations of the
history, of which they see the last year. After an alarm ADWIN forgets the part before it, Page-Hinkley starts anew.
"""

from abc import abstractmethod
from typing import Protocol

import numpy as np
import pandas as pd
from benchmarks.monitoring.detectors import Alarms

from mlops.monitoring import MonitorSpec

__all__ = ["Adwin", "Adwins", "PageHinkley", "PageHinkleys"]

ERROR, LOSS = "error", "loss"
YEAR = pd.Timedelta(days=365)


class Stream(Protocol):
    """One number after the other."""

    def update(self, value: float) -> bool:
        """Whether the stream has changed."""


class Adwin:
    """A window that forgets its older part when two parts of it have different means."""

    def __init__(self, delta: float = 0.002, fewest: int = 5) -> None:
        self._delta, self._fewest, self._window = delta, fewest, np.empty(0)

    def update(self, value: float) -> bool:
        """Whether an older part was forgotten."""
        self._window = np.append(self._window, value)
        changed = False
        while (cut := self._cut()) is not None:
            self._window, changed = self._window[cut:], True
        return changed

    def _cut(self) -> int | None:
        """The first cut at which the means differ beyond chance."""
        length = len(self._window)
        before = np.arange(self._fewest, length - self._fewest + 1)
        if not len(before):
            return None
        total = np.cumsum(self._window)
        older, newer = total[before - 1] / before, (total[-1] - total[before - 1]) / (length - before)
        sizes = 1 / (1 / before + 1 / (length - before))
        chance = np.log(2 * np.log(length) / self._delta)
        bound = np.sqrt(2 / sizes * self._window.var() * chance) + 2 / (3 * sizes) * chance
        beyond = np.flatnonzero(np.abs(older - newer) > bound)
        return int(before[beyond[0]]) if len(beyond) else None


class PageHinkley:
    """The sum of what exceeds the mean so far, on either side, against a threshold."""

    def __init__(
        self, fewest: int = 30, delta: float = 0.005, threshold: float = 50.0, forgetting: float = 0.9999
    ) -> None:
        self._fewest, self._delta, self._threshold, self._forgetting = fewest, delta, threshold, forgetting
        self._restart()

    def _restart(self) -> None:
        self._seen, self._mean, self._sums, self._least = 0, 0.0, np.zeros(2), np.zeros(2)

    def update(self, value: float) -> bool:
        """Whether a sum is beyond the threshold; then all is forgotten."""
        self._seen += 1
        self._mean += (value - self._mean) / self._seen
        gap = value - self._mean
        self._sums = self._forgetting * self._sums + np.array([gap, -gap]) - self._delta
        self._least = np.minimum(self._least, self._sums)
        changed = self._seen >= self._fewest and bool((self._sums - self._least > self._threshold).any())
        if changed:
            self._restart()
        return changed


class Streams:
    """A stream per numeric feature and per category, one of the error (concept) and one of its size (performance)."""

    @abstractmethod
    def _stream(self) -> Stream: ...

    def fit(self, history: pd.DataFrame, spec: MonitorSpec) -> None:
        self._spec = spec
        self._names = {name: sorted(history[name].dropna().astype(str).unique()) for name in spec.categorical}
        daily = self._daily(history)
        self._centre, self._scale = daily.mean(), daily.std() + 1e-9
        self._streams = {column: self._stream() for column in daily}
        self._feed(daily[daily.index > daily.index.max() - YEAR])

    def check(self, week: pd.DataFrame) -> Alarms:
        found = self._feed(self._daily(week))
        concept = frozenset({""} if ERROR in found else ())
        return Alarms(frozenset(found - {ERROR, LOSS}), concept, LOSS in found)

    def _feed(self, daily: pd.DataFrame) -> set[str]:
        """The columns of which a stream changed on one of the days."""
        standard = (daily - self._centre) / self._scale
        changed: set[str] = set()
        for column, stream in self._streams.items():
            alarms = [stream.update(value) for value in standard[column].dropna()]
            if any(alarms):
                changed.add(column[0])
        return changed

    def _daily(self, frame: pd.DataFrame) -> pd.DataFrame:
        spec, error = self._spec, frame[self._spec.target] - frame[self._spec.prediction]
        columns = {(name, ""): frame[name] for name in spec.numeric}
        for name, categories in self._names.items():
            text = frame[name].astype(object)
            columns |= {(name, one): (text == one).where(text.notna()).astype(float) for one in categories}
        columns |= {(ERROR, ""): error, (LOSS, ""): error.abs()}
        return pd.DataFrame(columns).groupby(frame[spec.time].to_numpy()).mean()


class Adwins(Streams):
    def _stream(self) -> Stream:
        return Adwin()


class PageHinkleys(Streams):
    def _stream(self) -> Stream:
        return PageHinkley()
