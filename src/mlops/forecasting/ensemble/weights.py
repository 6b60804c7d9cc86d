"""Weights of the members of an ensemble, from the errors that each made at past origins."""

import numpy as np
import numpy.typing as npt

from mlops.arrays import Floats
from mlops.forecasting.out_of_sample import OutOfSample

__all__ = ["blend", "fallback_share", "shares", "weigh"]

# Chosen, not measured one by one. With them the weights beat equal ones on four public data sets, by 0.02 to 0.53
# points of WAPE (docs/decisions/0009).
OWN_PRIOR = 60.0
"""Errors of all series that count in the covariances of one."""
EQUAL = 0.10
"""Part of the mean variance that is added to the diagonal: it pulls towards equal weights."""
HALF_LIFE = 8.0
"""Origins after which an error counts half."""
CLIP = 4.0
"""An error counts for at most so many times the usual one."""
SHOCK = 1.75
"""Times the usual errors from which the newest cycle is a shock rather than a bad week."""
FIRST = 3
"""Origins with known outcomes before weights differ from equal ones: fewer give no covariance."""


def weigh(by_member: list[OutOfSample], cycle: int) -> Floats:
    """Weights (origins + 1 × series × members × steps): row o knows what was known at origin o, the last one all.

    Optimal for the covariances of the members' errors (Bates and Granger, 1969), each series' own shrunk towards all
    series'; never negative, summing to 1. A member without a forecast has weight 0.
    """
    errors = np.stack([out_of_sample.errors for out_of_sample in by_member], axis=2).astype(float)
    seen = ~np.isnan(errors)
    usual = np.where(seen, np.abs(errors), 0.0).sum(axis=(0, 2, 3), keepdims=True)
    usual = usual / np.maximum(seen.sum(axis=(0, 2, 3), keepdims=True), 1)
    usual = np.where(usual > 0, usual, 1.0)
    errors = np.clip(errors / usual, -CLIP, CLIP)
    weights = np.empty((len(errors) + 1, *errors.shape[1:]))
    for bucket in (slice(0, cycle), slice(cycle, None)):  # the first cycle, and what is farther ahead
        weights[..., bucket] = _by_origin(errors[..., bucket], by_member[0], bucket)[..., None]
    return weights


def shares(forecasts: Floats, weights: Floats) -> Floats:
    """The weights of the members (axis -2 of … × members × steps) that have a forecast, summing to 1."""
    there = ~np.isnan(forecasts)
    weight = np.where(there, weights, 0.0)
    total = weight.sum(axis=-2, keepdims=True)
    equal = there / np.maximum(there.sum(axis=-2, keepdims=True), 1)
    return np.where(total > 0, weight / np.where(total > 0, total, 1.0), equal)


def blend(forecasts: Floats, weights: Floats) -> Floats:
    """The weighted mean over the members that have a forecast."""
    return np.asarray((np.nan_to_num(forecasts) * shares(forecasts, weights)).sum(axis=-2))


def fallback_share(out_of_sample: OutOfSample, plain: OutOfSample, cycle: int, every: int) -> Floats:
    """The weight of the seasonal naive as a fallback (origins + 1 × series), from what each origin knew.

    0 in quiet times. When the newest cycle's errors are SHOCK times the usual ones, what was learned no longer holds:
    then as much of the naive as its errors in that cycle were smaller, of a series and of all.
    """
    ours, theirs = (np.abs(past.errors) for past in (out_of_sample, plain))
    share = np.zeros((len(ours) + 1, ours.shape[1]))
    back = max(1, -(-cycle // every))
    for now in range(FIRST + back, len(ours) + 1):
        known = out_of_sample.known_at(now)
        newest = known & (np.arange(len(ours)) >= now - back)[:, None]
        before = known & ~newest
        means = np.stack([_mean(ours[row : row + 1], before[row : row + 1]) for row in range(len(ours))])
        # the median over origins: a shock that is not over is not usual
        usual = np.nanmedian(np.where(np.isnan(means).all(axis=0), np.inf, means), axis=0)
        mine, naive = _pooled(ours, newest), _pooled(theirs, newest)
        worse = np.clip((mine / np.maximum(naive, 1e-9) - 1.0) / 0.5, 0.0, 1.0)
        shocked = np.clip(mine / np.maximum(usual, 1e-9) - SHOCK, 0.0, 1.0)
        share[now] = np.where(np.isfinite(worse * shocked), worse * shocked, 0.0)
    return share


def _pooled(size: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """Mean by series, half its own and half that of all."""
    own = _mean(size, where)
    return (own + np.nanmean(own)) / 2 if np.isfinite(own).any() else own


def _mean(size: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    seen = where[:, None] & ~np.isnan(size)
    count = seen.sum(axis=(0, 2))
    return np.where(count > 0, np.where(seen, size, 0.0).sum(axis=(0, 2)) / np.maximum(count, 1), np.nan)


def _by_origin(errors: Floats, out_of_sample: OutOfSample, bucket: slice) -> Floats:
    """Weights at every origin from the products of errors that were known there."""
    origins, series, members, _ = errors.shape
    weights = np.full((origins + 1, series, members), 1.0 / members)
    whole = np.asarray(~np.isnan(errors).any(axis=2))
    filled = np.where(whole[:, :, None, :], errors, 0.0)
    for now in range(FIRST, origins + 1):
        fade = 0.5 ** ((now - 1 - np.arange(origins)) / HALF_LIFE)
        use = out_of_sample.known_at(now)[:, bucket] * np.where(np.arange(origins) < now, fade, 0.0)[:, None]
        total = np.einsum("osmh,osnh,oh->smn", filled, filled, use, optimize=True)
        count = np.einsum("osh,oh->s", whole.astype(float), use)
        if count.sum() > 0:
            weights[now] = _weights(total, count)
    return weights


def _weights(total: Floats, count: Floats) -> Floats:
    members = total.shape[1]
    pooled = total.sum(axis=0) / count.sum()
    covariance = (total + OWN_PRIOR * pooled) / (count + OWN_PRIOR)[:, None, None]
    ridge = EQUAL * np.einsum("smm->s", covariance) / members
    ridge = np.where(ridge > 0, ridge, 1.0)  # nobody has erred yet: equal weights
    covariance = covariance + ridge[:, None, None] * np.eye(members)
    weight = np.linalg.solve(covariance, np.ones((len(total), members, 1)))[..., 0]
    for _ in range(members - 1):  # drop what would be negative, and solve again for the rest
        negative = weight < 0
        if not negative.any():
            break
        covariance = covariance + np.einsum("sm,mn->smn", np.where(negative, 1e9, 0.0), np.eye(members))
        weight = np.linalg.solve(covariance, np.ones((len(total), members, 1)))[..., 0]
    weight = np.maximum(weight, 0.0)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))
