"""What a feature's recorded words say is what is computed: a changed computation needs changed words.

The words are the definition, and the definition is the version. `feature_fingerprints.json` holds, for all words, a
digest of the values that they stood for on a fixed panel. After changing the words, or for a new feature:

    MLOPS_RENEW_FINGERPRINTS=1 pytest tests/contracts/test_feature_fingerprints.py

It adds what is new and forgets what is gone, and changes nothing that is there.
"""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops.domain.canonical import sha256
from mlops.domain.features import Selection
from mlops.domain.granularity import GRANULARITIES
from mlops.features import feature
from mlops.features.grid import Clock, FeatureGrid, from_frame, observed_of
from mlops.features.panel import PanelInputs
from mlops.features.point import Source
from mlops.features.standard import STANDARD, WORDS, standard
from mlops.features.transformations import TRANSFORMATIONS, column_of, parse_transformation
from mlops.panels.calendar import Calendar
from mlops.panels.from_frame import Panels

STORED = Path(__file__).with_name("feature_fingerprints.json")
DIGITS = 4
DAYS = pd.date_range("2022-01-03", periods=800)
TEXTS = [
    "value",
    "lag(2)",
    "seasonal_lag(7, 2)",
    "difference(7)",
    "rolling_mean(7)",
    "rolling_mean(28, min_count=27, lag=2)",
    "rolling_sum(7)",
    "rolling_std(28)",
    "rolling_min(5)",
    "rolling_max(9)",
    "rolling_median(8)",
    "rolling_quantile(10, 0.9)",
    "expanding_mean",
    "ewm_mean(alpha=0.2)",
    "ewm_mean(halflife=7)",
    "seasonal_rolling_mean(7, 4, lag=7)",
    "share_missing(14)",
    "steps_since_observed(most=5)",
    "steps_since_nonzero(most=30)",
    "ratio(rolling_mean(7), rolling_mean(28))",
    "label('stream', ['glass', 'paper'])",
    "day_of_week",
    "day_of_month",
    "day_of_year",
    "month",
    "hour",
    "holiday('US')",
    "steps_to_holiday('US')",
    "steps_since_holiday('US', most=20)",
    "lag_of_target(364)",
    "level",
    "log1p(level)",
    "running_mean(14)",
    "relative(rolling_mean(7))",
    "relative(seasonal_mean(7, 4))",
    "relative(seasonal_std(7, 8))",
    "relative(smoothed)",
    "year_index(364)",
    "year_growth(364, 7)",
    "step_ahead",
    "seasonal_mean(7, 4)",
    "seasonal_std(7, 4)",
    "smoothed('US')",
]


def panel() -> pd.DataFrame:
    """Three series of 800 days with weeks, seasons, gaps, zeros and a late beginning."""
    random, parts = np.random.default_rng(20), []
    for number, (level, begin) in enumerate([(100.0, 0), (7.0, 0), (2500.0, 90)], start=1):
        day = np.arange(begin, len(DAYS))
        y = level * (1 + 0.3 * np.sin(day * 2 * np.pi / 7) + 0.2 * np.cos(day * 2 * np.pi / 365)) + level * 0.1 * (
            random.normal(size=len(day))
        )
        y[random.random(len(day)) < 0.03] = 0
        parts.append(pd.DataFrame({"series_id": number, "ds": DAYS[begin:], "y": y})[random.random(len(day)) > 0.02])
    return pd.concat(parts, ignore_index=True)


def of_transformations() -> dict[str, str]:
    frame = panel()
    _, observed, anchors = observed_of(frame, GRANULARITIES["daily"])
    grid = FeatureGrid(
        GRANULARITIES["daily"],
        [Clock(int(one)) for one in anchors],
        {Source("y"): observed},
        lambda _: ("paper", "glass", None),
    )
    values = grid.table(observed, [(parse_transformation(text), Source("y")) for text in TEXTS])
    return {str(parse_transformation(text)): fingerprint(row) for text, row in zip(TEXTS, values, strict=True)}


def of_the_direct_model() -> dict[str, str]:
    known = Panels.of(panel()).one
    inputs, origins = PanelInputs(known, Calendar.of("US"), 10), np.array([30, 400, 770, 789])
    columns = [column_of(one) for one in standard(Selection("", "daily"), "", country="US")]
    values = np.concatenate([inputs.matrix(columns, origins, step) for step in (1, 5, 10)]).T
    return {f"{name}: {WORDS[name]}": fingerprint(row) for name, row in zip(STANDARD, values, strict=True)}


def fingerprint(values: np.ndarray) -> str:
    """A digest of the values by their leading digits, which no processor computes otherwise."""
    return sha256(" ".join(f"{value + 0.0:.{DIGITS}g}" for value in values.astype(float)))[:16]


COMPUTED = {"transformations": of_transformations, "direct model": of_the_direct_model}


@pytest.mark.parametrize("what", COMPUTED)
def test_the_words_of_a_feature_stand_for_the_values_that_they_stood_for(what: str):
    found, stored = COMPUTED[what](), json.loads(STORED.read_text()) if STORED.exists() else {}
    before = stored.get(what, {})
    changed = [words for words in found if before.get(words, found[words]) != found[words]]
    assert not changed, (
        f"{changed} compute other values than the versions that are recorded under these words; give them other words"
        " (a new parameter, a new name), so that they become a new version"
    )
    if os.environ.get("MLOPS_RENEW_FINGERPRINTS"):
        STORED.write_text(json.dumps(stored | {what: found}, indent=2, ensure_ascii=False) + "\n")
        before = found
    assert before.keys() == found.keys(), "run it once with MLOPS_RENEW_FINGERPRINTS=1"


def test_every_transformation_has_a_fingerprint():
    assert {parse_transformation(text).name for text in TEXTS} == set(TRANSFORMATIONS)


def test_a_fingerprint_tells_a_step_from_the_next():
    day = feature("x", transformation="rolling_mean(7)", source="y", owner="", description="")
    next_day = feature("x", transformation="rolling_mean(7, lag=2)", source="y", owner="", description="")
    prints = {fingerprint(from_frame(panel(), [one])["x"].to_numpy()) for one in (day, next_day)}
    assert len(prints) == 2
