"""What the versions that are kept here were trained on: small series of whole numbers, equal on every machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """What a kept version was trained on; without a metric type on a file, else on series of the database.

    `begins` are the first steps of its series, `zones` their clocks. `steps` are trained on. `repeats` is after how
    many steps their pattern comes again; of a series that `rests` the last of these never has a value.
    """

    kind: str
    granularity: str
    alias: str
    steps: int
    horizon: int
    repeats: int
    begins: Sequence[str]
    metric_type: str = ""
    zones: Sequence[str] = ()
    rests: bool = False
    country: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    covariates: Sequence[str] = ()
    events: Sequence[Mapping[str, str]] = ()

    def frame(self, first: int, last: int) -> pd.DataFrame:
        """`series_id, ds, y` and covariates from a step to before another, of whole numbers, some of which are missing.

        Equal on every machine.
        """
        parts = []
        for number, begin in enumerate(self.begins):
            n = np.arange(last)
            promotion, rain = (n * 3 + number) % 11 == 0, (n * 5 + number) % 7 == 0
            y = 100 * (number + 1) + 12 * (n % self.repeats % 7) + (n * 7 + 3 * number) % 13 + n // 20
            y = y + (40 * promotion - 30 * rain if self.covariates else 0)
            ds = pd.date_range(begin, periods=last, freq=self.alias)
            fair = ds.strftime("%Y-%m-%d").isin(FAIR if self.events else ())
            y = y + 60 * fair - 70 * ds.strftime("%m-%d").isin(["07-04"])
            columns = {"promotion": promotion.astype(float), "sky": np.where(rain, "rain", "clear"), "town": "Ulm"}
            part = pd.DataFrame({"series_id": f"R{number + 1}", "ds": ds})
            part = part.assign(y=y.astype(float), **{name: columns[name] for name in self.covariates})
            part = part.assign(time_zone=self.zones[number]) if self.zones else part
            missing = ((n + number) % 37 == 20) & (n < self.steps)
            missing |= self.rests & (n % self.repeats == self.repeats - 1)
            parts.append(part[(n >= first) & ~missing])
        return pd.concat(parts, ignore_index=True)


DAYS = ("2022-01-03", "2022-01-03")
FAIR = ("2022-03-07", "2022-03-08", "2022-05-09", "2022-05-10", "2022-07-21", "2022-07-22", "2022-07-25", "2022-07-26")
EVENTS = tuple(
    {"name": "fair", "first": first, "last": last} for first, last in zip(FAIR[::2], FAIR[1::2], strict=True)
)
TREES = {"trees": 8, "num_leaves": 5, "min_child_samples": 10, "learning_rate": 0.3}
CASES = {
    "auto": Case(
        "auto",
        "daily",
        "D",
        196,
        10,
        7,
        DAYS,
        metric_type="collection_weight",
        country="US-CA",
        events=EVENTS,
        params={"settings": {"lightgbm": TREES, "hybrid": {"settings": {"n_changepoints": 5}}}},
    ),
    "lean": Case(
        "lean",
        "hourly",
        "h",
        24 * 16,
        24,
        24,
        ("2022-03-14 00:00", "2022-03-13 23:00"),
        metric_type="route_duration",
        zones=("UTC", "Europe/Berlin"),
        params={"settings": {"lightgbm": TREES, "hybrid": {"settings": {"n_changepoints": 5}}}},
    ),
    "naive": Case("naive", "ME", "MS", 48, 6, 12, ("2018-01-01",)),
    "average": Case(
        "average", "weekly", "7D", 60, 6, 4, ("2022-01-03", "2022-01-02"), metric_type="collection_weight", country="DE"
    ),
    "smoothing": Case(
        "smoothing", "business_daily", "B", 130, 10, 5, DAYS, metric_type="collection_count", country="GB"
    ),
    "hybrid": Case(
        "hybrid",
        "daily",
        "D",
        196,
        10,
        7,
        DAYS,
        country="DE",
        covariates=("promotion", "sky", "town"),
        events=EVENTS,
        params={"settings": {"n_changepoints": 5}},
    ),
    "prophet": Case(
        "prophet",
        "daily",
        "D",
        196,
        10,
        7,
        DAYS,
        country="DE",
        covariates=("promotion",),
        events=EVENTS,
        params={"n_changepoints": 5, "seasonality_mode": "multiplicative"},
    ),
    "prophet-logistic": Case(
        "prophet",
        "daily",
        "D",
        120,
        6,
        7,
        DAYS[:1],
        params={"growth": "logistic", "cap": 400.0, "n_changepoints": 3, "yearly_seasonality": False},
    ),
    "lightgbm": Case(
        "lightgbm",
        "daily",
        "D",
        541,
        10,
        7,
        DAYS,
        metric_type="collection_weight",
        rests=True,
        country="US",
        params=TREES,
    ),
    "lightgbm-covariates": Case(
        "lightgbm",
        "daily",
        "D",
        196,
        10,
        7,
        DAYS,
        covariates=("promotion", "sky", "town"),
        events=EVENTS,
        params=TREES,
    ),
}
"""By the name of their archive, which begins with the kind; one more is added here, and then made."""
