"""Predictions that were made before their day: ridge regressions, each fitted on outcomes known by then."""

from collections.abc import Iterator

import numpy as np

from mlops.arrays import Floats

__all__ = ["honest_predictions"]

LAG_DAYS = 7  # an outcome is known so many days after its day
REFIT_DAYS = 28  # chosen, not measured
PENALTY = 5.0  # chosen, not measured: columns are standardised


def honest_predictions(inputs: Floats, target: Floats, *, first: int, frozen: int) -> Floats:
    """Predictions of the days from `first` on; from `frozen` on by one model, before it by one refitted every 28 days.

    `inputs` is days × rows × columns, missing as NaN; `target` is days × rows, NaN where nobody learns it. The model
    of day d has seen the targets before d − 7. Columns are scaled, and gaps filled, by what was known at `first`.
    """
    known = inputs[: first - LAG_DAYS]
    centre, scale = np.nanmean(known, axis=(0, 1)), np.nanstd(known, axis=(0, 1)) + 1e-9
    columns = np.nan_to_num((inputs - centre) / scale)
    columns = np.concatenate([np.ones((*target.shape, 1)), columns], axis=-1)
    learnt = np.isfinite(target)
    predicted, seen = np.full(target.shape, np.nan), 0
    products, moments = np.zeros((columns.shape[-1],) * 2), np.zeros(columns.shape[-1])
    penalty = PENALTY * np.eye(len(moments))
    penalty[0, 0] = 0  # the level, first, is free
    for start, end in _blocks(first, frozen, len(target)):
        fresh = slice(seen, start - LAG_DAYS)
        rows, outcomes = columns[fresh][learnt[fresh]], target[fresh][learnt[fresh]]
        products, moments, seen = products + rows.T @ rows, moments + rows.T @ outcomes, start - LAG_DAYS
        predicted[start:end] = columns[start:end] @ np.linalg.solve(products + penalty, moments)
    return predicted


def _blocks(first: int, frozen: int, end: int) -> Iterator[tuple[int, int]]:
    for start in range(first, frozen, REFIT_DAYS):
        yield start, min(start + REFIT_DAYS, frozen)
    if frozen < end:
        yield frozen, end
