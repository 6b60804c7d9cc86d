"""What moved, in the unit of what moved: findings in words that need no statistics. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.findings import Change, Finding, Movement
from mlops.features.standard import WORDS
from mlops.monitoring.detect.slices import Slice

__all__ = ["changepoint", "in_units"]

WEEKS = 26
"""Weeks that the small picture shows."""
LOOK_BACK = pd.Timedelta(weeks=12)


@dataclass(frozen=True, slots=True)
class _Measure:
    """What is measured of each row, its unit, and its name."""

    what: str
    unit: str
    values: "pd.Series[float]"


def in_units(
    findings: Sequence[Finding],
    baseline: pd.DataFrame,
    live: pd.DataFrame,
    unit: str,
    slices: Sequence[Slice] = (),
    features: Mapping[str, str] = WORDS,
) -> tuple[Finding, ...]:
    """The findings, those beyond their limit with what changed where a mean did.

    Frames have `series_id, ds` (naive UTC), `holiday`, `outcome, y_hat` in the `unit` of the series, and the watched
    `features`, whose names have what they are in words. A change that points the other way than its finding is left
    out: then it is no mean that moved.
    """
    series = {part.name: part.series for part in slices}
    return tuple(
        _with_change(finding, baseline, live, unit, series, features) if finding.drifted else finding
        for finding in findings
    )


def _with_change(
    finding: Finding,
    baseline: pd.DataFrame,
    live: pd.DataFrame,
    unit: str,
    slices: Mapping[str, frozenset[int]],
    features: Mapping[str, str],
) -> Finding:
    if finding.slice:
        mine = slices.get(finding.slice, frozenset())
        baseline, live = (rows[rows["series_id"].isin(mine)] for rows in (baseline, live))
    if live.empty or finding.movement is None:
        return finding
    used = ["series_id", "ds", "outcome", "y_hat", *({finding.subject} & features.keys() & set(live))]
    baseline, live = (
        frame[used].astype({"outcome": float}) for frame in (baseline, live)
    )  # unknown ones are no numbers
    rows = pd.concat([baseline[baseline["ds"] < live["ds"].min()], live], ignore_index=True)
    before, now = (_measure(finding, frame, baseline, unit, features) for frame in (baseline, rows))
    if before is None or now is None:
        return finding
    usual: Floats = np.asarray(before.values, dtype=float)
    change = _change(now, rows, usual, baseline, finding.movement.days)
    return replace(finding, change=change) if change is not None and _agrees(finding.movement, change) else finding


def _measure(
    finding: Finding, rows: pd.DataFrame, baseline: pd.DataFrame, unit: str, features: Mapping[str, str]
) -> _Measure | None:
    """What a finding is about, of each row; None where it is about no mean."""
    error = rows["y_hat"] - rows["outcome"]
    kind, subject, measure = finding.kind, finding.subject, finding.movement.measure if finding.movement else None
    if measure == "season" and kind != "performance":
        return None
    if (kind == "performance" and subject in ("", "collapse")) or (kind == "concept" and measure == "scale"):
        return _Measure("the mean absolute error", unit, error.abs())
    if kind == "concept" and not subject and finding.slice:
        return _Measure("the mean of outcome minus forecast", unit, -error)
    if kind == "concept" and not subject:
        return _Measure("the mean of forecast minus outcome", unit, error)
    if kind == "prediction" and subject == "forecast":
        return _Measure("the mean forecast", unit, rows["y_hat"])
    if kind != "feature" or subject not in rows or subject not in features:
        return None
    if measure == "spread":
        mean = rows.groupby(rows["ds"].dt.normalize())[subject].transform("mean")
        return _Measure(f"the mean distance of {subject} from the mean of its day", "", (rows[subject] - mean).abs())
    if measure == "swing":
        usual = _usual(baseline, baseline[subject].to_numpy(float), rows)
        away = (rows[subject] - usual).abs()
        return _Measure(f"the mean distance of {subject} from its usual weekday", "", away)
    if subject == "log_level":
        return _Measure("the level of the series (log_level)", unit, np.expm1(rows[subject]))
    return _Measure(f"{subject} ({features[subject]})", "", rows[subject])


def _change(measure: _Measure, rows: pd.DataFrame, usual: Floats, baseline: pd.DataFrame, days: int) -> Change | None:
    """Of the newest days against the mean of the same series and weekdays in the backtest."""
    known = measure.values.notna()
    rows, values = rows[known], measure.values[known]
    if rows.empty:
        return None
    normal = _usual(baseline, usual, rows)
    newest = rows["ds"] > rows["ds"].max() - pd.Timedelta(days=days)
    recent = rows["ds"] > rows["ds"].max() - LOOK_BACK
    rise = 1.0 if values[newest].mean() >= normal[newest].mean() else -1.0
    daily = (rise * (values - normal))[recent].groupby(rows.loc[recent, "ds"].dt.normalize()).mean()
    place = changepoint(daily.to_numpy(float))
    since = None if place is None else daily.index[place].to_pydatetime().replace(tzinfo=UTC)
    ago = (rows["ds"].max().normalize() - rows["ds"].dt.normalize()).dt.days // 7
    weekly = values.groupby(ago).mean().reindex(range(WEEKS - 1, -1, -1))
    weeks = [None if np.isnan(mean) else float(mean) for mean in weekly]
    first = next(number for number, mean in enumerate(weeks) if mean is not None)
    now, before = float(values[newest].mean()), float(normal[newest].mean())
    if not (np.isfinite(now) and np.isfinite(before)):
        return None
    ended = rows["ds"].max().normalize().to_pydatetime().replace(tzinfo=UTC)
    return Change(measure.what, now, before, measure.unit, days, since, ended, tuple(weeks[first:]))


def _usual(baseline: pd.DataFrame, values: Floats, rows: pd.DataFrame) -> "pd.Series[float]":
    """For each row the mean of its series on its weekday in the backtest; of its series where there is none."""
    known = pd.DataFrame({"series_id": baseline["series_id"], "day": baseline["ds"].dt.dayofweek, "value": values})
    by_day = known.groupby(["series_id", "day"])["value"].mean()
    keys = pd.MultiIndex.from_arrays([rows["series_id"], rows["ds"].dt.dayofweek])
    usual = pd.Series(by_day.reindex(keys).to_numpy(float), index=rows.index)
    return usual.fillna(rows["series_id"].map(known.groupby("series_id")["value"].mean())).fillna(known["value"].mean())


def _agrees(movement: Movement, change: Change) -> bool:
    """Whether the mean moved the way that the finding says; a bias is told as forecast minus outcome."""
    risen = movement.rose != (movement.measure == "bias")
    return change.now > change.usual if risen else change.now < change.usual


FEWEST = 3
"""Days on either side of the change."""
ROUNDING = 1e-9


def changepoint(daily: npt.NDArray[np.float64]) -> int | None:
    """The place of the first day of the higher level in daily losses (days); None when there is no rise.

    The split that leaves the smallest sum of squares around two means, among those that rise; NaN days don't count.
    It estimates when, given that something changed; whether it did is for the monitor to say.
    """
    known = np.flatnonzero(np.isfinite(daily))
    values = daily[known]
    days = len(values)
    splits = np.arange(FEWEST, days - FEWEST + 1)
    if len(splits) == 0:
        return None
    total = np.cumsum(values)
    before = total[splits - 1] / splits
    after = (total[-1] - total[splits - 1]) / (days - splits)
    explained = np.where(
        after > before + ROUNDING * np.abs(before), splits * (days - splits) * (after - before) ** 2, 0.0
    )
    best = int(np.argmax(explained))
    return int(known[splits[best]]) if explained[best] > 0 else None
