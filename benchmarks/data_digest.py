"""What the digest of training data costs: `python benchmarks/data_digest.py`; 1,000 daily series of two years.

Held against pandas' own hash of the same rows (64 bits a row, which proves nothing), and against a digest of MLflow's
kind made whole: the frame sorted, each column as text.
"""

import hashlib
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from mlops.feature_store.digest import digest, fingerprint

SERIES, DAYS, TIMES = 1_000, 730, 5


def main() -> None:
    """Print seconds and ratios."""
    frame = _frame()
    ways: dict[str, Callable[[], object]] = {
        "digest, rows in order": lambda: digest(frame),
        "digest, rows shuffled": lambda: digest(shuffled),
        "pandas.util.hash_pandas_object": lambda: pd.util.hash_pandas_object(frame, index=False),
        "sorted, each column as text": lambda: _as_text(frame),
    }
    shuffled = frame.sample(frac=1, random_state=0)
    seconds = {name: _fastest(way) for name, way in ways.items()}
    print(f"{len(frame):,} rows, {len(fingerprint(frame).parts):,} parts")
    for name, took in seconds.items():
        print(f"{name:32} {took:7.3f} s {took / seconds['digest, rows in order']:6.1f} x")


def _frame() -> pd.DataFrame:
    values = np.random.default_rng(0).normal(100, 10, SERIES * DAYS)
    days = pd.date_range("2024-01-01", periods=DAYS)
    return pd.DataFrame({"series_id": np.repeat(np.arange(SERIES), DAYS), "ds": np.tile(days, SERIES), "y": values})


def _as_text(frame: pd.DataFrame) -> str:
    whole = hashlib.sha256()
    for name, column in frame.sort_values(["series_id", "ds"]).items():
        whole.update(f"{name}\n".encode() + "\n".join(map(str, column)).encode())
    return whole.hexdigest()


def _fastest(way: Callable[[], object]) -> float:
    took = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        way()
        took.append(time.perf_counter() - begin)
    return min(took)


if __name__ == "__main__":
    main()
