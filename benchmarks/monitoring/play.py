"""One life, watched by some detectors week after week: what each said, as plain data that JSON can hold."""

from time import process_time
from typing import Any

import pandas as pd
from benchmarks.monitoring.detectors import Alarms, detector
from benchmarks.monitoring.scenarios import QUIET, SCENARIOS, WATCHED_WEEKS, WORLDS

from mlops.monitoring import MonitorSpec
from mlops.simulation.drift import Life, simulate_life

__all__ = ["play"]


def play(
    scenario: str, seed: int, kinds: tuple[str, ...], *, world: str = "usual", alarms_per_year: float = 1.0
) -> list[dict[str, Any]]:
    """One record per detector; a changed life is watched until 56 days after its onset, a quiet one to its end."""
    shift = None if scenario == QUIET else SCENARIOS[scenario].shift(seed)
    life = simulate_life(WORLDS[world], seed, shift)
    weeks = list(life.weeks())
    if shift is not None:
        weeks = weeks[: shift.onset // 7 + WATCHED_WEEKS]
    spec = MonitorSpec(**life.columns, alarms_per_year=alarms_per_year)
    known = {"scenario": scenario, "seed": seed, "truth": _truth(life)}
    return [known | {"detector": kind} | _watch(kind, life, weeks, spec) for kind in kinds]


def _watch(kind: str, life: Life, weeks: list[tuple[pd.Timestamp, pd.DataFrame]], spec: MonitorSpec) -> dict[str, Any]:
    watching = detector(kind)
    began = process_time()
    watching.fit(life.history, spec)
    fitted = process_time()
    said = [_plain(end, watching.check(rows), life) for end, rows in weeks]
    return {"weeks": said, "fit_seconds": fitted - began, "check_seconds": (process_time() - fitted) / len(weeks)}


def _plain(end: pd.Timestamp, alarms: Alarms, life: Life) -> dict[str, Any]:
    """The alarms of the week that ends before live day `end`."""
    sets = {name: sorted(getattr(alarms, name)) for name in ("features", "concept", "data")}
    return {"end": (end - life.live).days, "performance": alarms.performance, **sets}


def _truth(life: Life) -> dict[str, Any]:
    truth = life.truth
    if truth.onset is None:
        return {}
    return {
        "onset": (truth.onset - life.live).days,
        "features": truth.features,
        "concept": truth.concept,
        "concept_features": truth.concept_features,
        "performance": truth.performance,
        "loss_ratio": truth.loss_ratio,
        "faulty": truth.faulty,
    }
