"""Small made-up series with known structure."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def weekly_pattern() -> pd.DataFrame:
    """Four daily series of two years with a weekday pattern, a yearly wave and noise, and some gaps."""
    random = np.random.default_rng(7)
    ds = pd.date_range("2022-01-03", periods=730)
    parts = []
    for number in range(4):
        weekday = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.4])[ds.dayofweek]
        wave = 1 + 0.15 * np.sin(2 * np.pi * ds.dayofyear / 365.25)
        y = 50 * (number + 1) * weekday * wave * random.normal(1, 0.05, len(ds)).clip(0.5)
        parts.append(pd.DataFrame({"series_id": f"s{number}", "ds": ds, "y": y}))
    frame = pd.concat(parts, ignore_index=True)
    return frame.drop(frame.index[random.choice(len(frame), 40, replace=False)]).reset_index(drop=True)
