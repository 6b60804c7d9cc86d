"""What a detector is, and those that are compared; a new one is a file and a line in KINDS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

import pandas as pd

from mlops.errors import UnknownName
from mlops.monitoring import MonitorSpec

__all__ = ["KINDS", "Alarms", "Detector", "detector"]


@dataclass(frozen=True, slots=True)
class Alarms:
    """What one check complains of: features that drifted, the concept (by feature, "" as such), the loss, the data."""

    features: frozenset[str] = frozenset()
    concept: frozenset[str] = frozenset()
    performance: bool = False
    data: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.features or self.concept or self.performance or self.data)


class Detector(Protocol):
    """Fitted once on a history, then shown every week in order."""

    def fit(self, history: pd.DataFrame, spec: MonitorSpec) -> None:
        """Learns what is quiet."""

    def check(self, week: pd.DataFrame) -> Alarms:
        """What the newest week shows."""


KINDS: Mapping[str, str] = {
    "ours": "benchmarks.monitoring.ours:Ours",
    "evidently_year": "benchmarks.monitoring.evidently_rules:AgainstTheYear",
    "evidently_season": "benchmarks.monitoring.evidently_rules:AgainstTheSeason",
    "evidently_half": "benchmarks.monitoring.evidently_rules:HalfOfTheColumns",
    "adwin": "benchmarks.monitoring.streams:Adwins",
    "page_hinkley": "benchmarks.monitoring.streams:PageHinkleys",
}


def detector(kind: str) -> Detector:
    """A detector of this kind, not fitted yet."""
    if kind not in KINDS:
        raise UnknownName("detector", kind, KINDS)
    module, _, name = KINDS[kind].partition(":")
    return cast(Callable[[], Detector], getattr(import_module(module), name))()
