"""Model-monitoring data with known truth: daily rows of features, target and honest predictions, and one shift."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops.arrays import Floats, Ints
from mlops.errors import BadInput
from mlops.simulation.drift.features import Numeric, draw_labels, draw_numeric, draw_outcome
from mlops.simulation.drift.shifts import Shift, Switch, chosen
from mlops.simulation.drift.world import Days, World, draw_days
from mlops.simulation.processes import DAYS_OF_YEAR, Rng, streams

__all__ = ["ABSENT", "Delivery", "Life", "Truth", "deliver_feed", "honest_predictions", "simulate_life"]

LETTERS = np.array([*ascii_lowercase, None], dtype=object)  # a category by its code; −1 did not arrive
MATERIAL = 1.1  # times the loss of the same life without the shift; chosen, not measured
LAG_DAYS = 7  # an outcome is known so many days after its day
REFIT_DAYS = 28  # chosen, not measured
PENALTY = 5.0  # chosen, not measured: columns are standardised
ABSENT = -1
"""The code of a category that did not arrive."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What really changed in a life, and when; every field is at its empty value if nothing did.

    `features`: columns whose distribution, given the calendar, is another. `concept`: the target's distribution, given
    the features, is another; `concept_features`: through the coefficients of these. `faulty`: columns that are
    delivered wrongly ("copies" where whole rows came twice). `loss_ratio`: the mean absolute error from `complete` on
    over that of the same life without the shift; `performance`: it is at least 1.1.
    """

    kind: str | None = None
    size: float = 0.0
    onset: pd.Timestamp | None = None
    complete: pd.Timestamp | None = None
    features: tuple[str, ...] = ()
    concept: bool = False
    concept_features: tuple[str, ...] = ()
    data_fault: bool = False
    faulty: tuple[str, ...] = ()
    performance: bool = False
    loss_ratio: float = 1.0


class SpecArguments(TypedDict):
    """What a `MonitorSpec` is made of."""

    time: str
    entity: str
    target: str
    prediction: str
    holiday: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Life:
    """Rows of `ds` (UTC days), `entity`, features, `holiday`, `y` and `y_hat`; the history ends before `live`.

    `sigmas` are the deviations of each numeric feature from its calendar, and of the target's noise, in their units.
    """

    frame: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    live: pd.Timestamp
    truth: Truth
    sigmas: dict[str, float]

    @property
    def columns(self) -> SpecArguments:
        """The arguments of a MonitorSpec."""
        return {
            "time": "ds",
            "entity": "entity",
            "target": "y",
            "prediction": "y_hat",
            "holiday": "holiday",
            "numeric": self.numeric,
            "categorical": self.categorical,
        }

    @property
    def history(self) -> pd.DataFrame:
        """The rows before the first live day, with predictions of models that did not know their outcomes."""
        return self.frame[self.frame["ds"] < self.live]

    def weeks(self) -> Iterator[tuple[pd.Timestamp, pd.DataFrame]]:
        """The live weeks in order, each with the day after its last."""
        week = (self.frame["ds"] - self.live).dt.days // 7
        for number, rows in self.frame[week >= 0].groupby(week[week >= 0]):
            yield self.live + pd.Timedelta(weeks=int(number) + 1), rows


def simulate_life(world: World, seed: int, shift: Shift | None = None) -> Life:
    """The life of a model in a world, the same for the same seed, with a shift as without it until its onset.

    Raises BadInput for an onset after the last live day, and for a shift of categories where there are none.
    """
    if shift is not None and shift.onset >= world.live_days:
        raise BadInput(f"the onset is live day {shift.onset}; the last one is {world.live_days - 1}")
    if shift is not None and shift.of.touches == "categorical" and not world.categorical:
        raise BadInput(f"{shift.kind} needs a categorical feature; the world has none")
    quiet = _play(world, seed, None)
    played = quiet if shift is None else _play(world, seed, shift)
    return Life(
        _frame(world, played),
        world.numeric_names,
        world.categorical_names,
        played.days.index[world.live_from],
        Truth() if shift is None else _truth(world, shift, played, quiet),
        dict(zip(world.numeric_names, played.sigmas, strict=True)) | {"y": world.noise},
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """Numbers (NaN: missing), codes of categories, and how often each row came (0: not at all)."""

    numeric: Floats
    codes: Ints
    times: NDArray[np.int_]

    def inputs(self, days: Days, levels: tuple[int, ...]) -> Floats:
        """What a model is given: numbers, known categories, entity and calendar, days × entities × columns."""
        entities = self.times.shape[1]
        known = [self.codes[..., [place]] == np.arange(count) for place, count in enumerate(levels)]
        who = np.broadcast_to(np.eye(entities), (len(days), entities, entities))
        when = np.broadcast_to(_calendar(days)[:, None], (len(days), entities, _calendar(days).shape[1]))
        return np.concatenate([self.numeric, *known, who, when], axis=-1)


def deliver_feed(
    world: World, values: Floats, codes: Ints, levels: tuple[int, ...], switch: Switch, rng: Rng
) -> Delivery:
    """A feed that repeats itself, loses values, sends unknown categories or sends rows twice while that is on."""
    entities = values.shape[1]
    lost, unknown, repeating = rng.random(values.shape), rng.random(codes.shape), rng.random((entities, 1))
    gone, came, doubled = rng.random(codes.shape), rng.random(values.shape[:2]), rng.random(values.shape[:2])
    # each value, or the last before it that was fresh
    stale = repeating < switch.amount("stale", world.numeric)[:, None]
    fresh = np.maximum.accumulate(np.where(stale, 0, np.arange(len(values))[:, None, None]), axis=0)
    numeric = np.take_along_axis(values, fresh, axis=0)
    rate = world.missing + (1 - world.missing) * switch.amount("missing", world.numeric)
    numeric = np.where(lost < rate[:, None], np.nan, numeric)
    new = unknown < switch.amount("new_category", world.categorical)[:, None]
    codes = np.where(gone < world.missing, ABSENT, np.where(new, np.array(levels, int), codes))
    times = (came >= world.absent) * (1 + (doubled < switch.amount("duplicated")))
    return Delivery(numeric, codes, times)


def _calendar(days: Days) -> Floats:
    angle = 2 * np.pi * days.index.dayofyear.to_numpy(float) / DAYS_OF_YEAR
    waves = [wave(times * angle) for times in (1, 2, 3) for wave in (np.cos, np.sin)]
    weekdays = [days.index.dayofweek.to_numpy() == weekday for weekday in range(1, 7)]
    return np.column_stack([*waves, *weekdays, days.holiday]).astype(float)


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


@dataclass(frozen=True, slots=True)
class _Played:
    """Arrays of one life: days × entities, and × columns where there are columns."""

    days: Days
    switch: Switch
    delivery: Delivery
    target: Floats
    predicted: Floats
    sigmas: Floats


def _play(world: World, seed: int, shift: Shift | None) -> _Played:
    calendar, features, categories, outcomes, feed, picks = streams(seed, 6)
    days = draw_days(world, calendar)
    numeric, labels = draw_numeric(world, days, features), draw_labels(world, days, categories)
    outcome = draw_outcome(world, days, labels.levels, outcomes)
    switch = _switch(world, shift, numeric, picks)
    values, codes = numeric.values(days, switch), labels.codes(switch)
    target = outcome.target(numeric.standard(values), codes, switch)
    delivery = deliver_feed(world, values, codes, labels.levels, switch, feed)
    learnt = np.where(delivery.times > 0, target, np.nan)
    inputs = delivery.inputs(days, labels.levels)
    predicted = honest_predictions(inputs, learnt, first=world.warmup_days, frozen=world.live_from)
    return _Played(days, switch, delivery, target, predicted + world.noise * switch.amount("prediction"), numeric.scale)


def _switch(world: World, shift: Shift | None, numeric: Numeric, rng: Rng) -> Switch:
    """The shift on the days of this world, on columns drawn by chance; waves change where there is a wave."""
    live_day = np.arange(world.live_from + world.live_days) - world.live_from
    if shift is None:
        return Switch(None, np.zeros(len(live_day)))
    if shift.kind in ("amplitude", "phase"):
        candidates = np.flatnonzero(numeric.season.amplitude >= np.median(numeric.season.amplitude))
    else:
        columns = {"numeric": world.numeric, "categorical": world.categorical}
        candidates = np.arange(columns.get(shift.of.touches, 0))
    return Switch(shift, shift.weight(live_day), chosen(rng, candidates, shift.columns))


def _frame(world: World, played: _Played) -> pd.DataFrame:
    """One row per delivered row of the history and of the live days, in order of day and entity."""
    shown = slice(world.warmup_days, None)
    times = played.delivery.times[shown].ravel()
    days, entities = played.days.index[shown], world.entities
    names = np.array([f"route_{place:02}" for place in range(1, entities + 1)], dtype=object)
    columns: dict[str, object] = {"ds": days.repeat(entities), "entity": np.tile(names, len(days))}
    numeric = played.delivery.numeric[shown].reshape(-1, world.numeric)
    codes = played.delivery.codes[shown].reshape(-1, world.categorical)
    columns |= dict(zip(world.numeric_names, numeric.T, strict=True))
    columns |= {name: LETTERS[codes[:, place]] for place, name in enumerate(world.categorical_names)}
    columns["holiday"] = played.days.holiday[shown].repeat(entities) > 0
    columns |= {"y": played.target[shown].ravel(), "y_hat": played.predicted[shown].ravel()}
    return pd.DataFrame(columns).loc[np.arange(len(times)).repeat(times)].reset_index(drop=True)


def _truth(world: World, shift: Shift, played: _Played, quiet: _Played) -> Truth:
    onset = world.live_from + shift.onset
    complete = min(onset + shift.ramp_days, len(played.days) - 1)
    of_kind = world.categorical_names if shift.of.touches == "categorical" else world.numeric_names
    names = tuple(of_kind[place] for place in played.switch.columns)
    loss, without = (np.abs(life.target - life.predicted)[complete:].mean() for life in (played, quiet))
    ratio = float(loss / without)
    return Truth(
        kind=shift.kind,
        size=shift.amount,
        onset=played.days.index[onset],
        complete=played.days.index[complete],
        features=names if shift.of.drifts else (),
        concept=shift.of.concept,
        concept_features=names if shift.of.concept else (),
        data_fault=shift.of.fault,
        faulty=(names or ("copies",)) if shift.of.fault else (),
        performance=ratio >= MATERIAL,
        loss_ratio=ratio,
    )
