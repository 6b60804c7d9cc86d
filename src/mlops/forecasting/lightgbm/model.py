"""One LightGBM for all series: direct, the step ahead is a feature (the only door to lightgbm)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

import lightgbm as lgb
from mlops.arrays import Floats, Ints, Singles
from mlops.domain.canonical import JsonObject
from mlops.domain.features import FeatureDefinition, FeatureSet, FeatureSetDocument, Selection
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import BadInput
from mlops.features.definitions import checked_set, sources_of
from mlops.features.panel import PanelInputs
from mlops.features.point import Source
from mlops.features.standard import STANDARD, standard
from mlops.features.transformations import column_of, component, parse_transformation, remembers, value, years
from mlops.forecasting.base import Forecaster
from mlops.forecasting.intervals import within
from mlops.forecasting.out_of_sample import OutOfSample, calibration_backtest
from mlops.panels.arguments import choice, positive, whole_number
from mlops.panels.calendar import Calendar, Events
from mlops.panels.panel import Panel

__all__ = ["LightGBM"]

ROWS = (20_000, 600_000)  # of the training table, at least (where there is as much) and at most
PLAIN = re.compile(r"[\w=.+-]+", re.ASCII)
OWN = "y"
"""What the values of the series are called where nobody says which metric type they are of."""
OBJECTIVES = ("l1", "l2", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie")
"""LightGBM's losses for numbers."""


class Design(PanelInputs):
    """A panel, and the columns that the model has: its features, then its covariates by their value at the target."""

    def __init__(
        self,
        panel: Panel,
        known: Calendar,
        horizon: int,
        features: Sequence[FeatureDefinition],
        covariates: Sequence[str] = (),
        *,
        target: str,
    ) -> None:
        super().__init__(panel, known, horizon, target=target)
        self.columns = [column_of(definition) for definition in features] + [
            (value(), Source(name)) for name in covariates
        ]

    def learned(self, origins: Ints, step: int) -> Singles:
        """The rows of one step ahead (series × origins, columns)."""
        return self.matrix(self.columns, origins, step)

    def asked(self, origins: Ints, steps: int) -> Singles:
        """The rows of all steps up to `steps` (series × origins × steps, columns)."""
        x = np.stack([self.learned(origins, step) for step in range(1, steps + 1)], axis=1)
        return x.reshape(-1, x.shape[2])


class LightGBM(Forecaster):
    """A gradient-boosted tree model of the ratio of each future value to its series' level at the origin.

    Among its inputs is the forecast by exponential smoothing, which had seen no more than the origin had; covariates
    are inputs by their value at the target. Features of the year are left out while there is too little history to
    learn them from. Of series that fall below zero it learns what they are above their lowest value; of constants it
    learns nothing. Runs with the same data, parameters and library are equal bit for bit.

    Parameters
    ----------
    features
        The inputs: a feature set, or its document, or names of the standard features (`features.standard`).
    trees, learning_rate, num_leaves, min_child_samples
        LightGBM's own, `trees` being the number of boosting rounds.
    objective
        `"l1"` for the median, `"l2"` for the mean.
    origins
        The training table has about so many rows for each series and step ahead, within ROWS: they lie evenly over the
        history, and of very many series some are taken.
    patience
        Above 0 trees are added until the newest part of the history has not become better for so many.
    refit
        Without it the model of the calibration backtest is kept, which has learned from all but the newest weeks: half
        the cost, and measured as good.
    seed
        Of the random numbers.
    """

    kind = "lightgbm"
    search = MappingProxyType(
        {
            "trees": {"low": 50, "high": 400, "log": True},
            "learning_rate": {"low": 0.02, "high": 0.3, "log": True},
            "num_leaves": {"low": 7, "high": 63, "log": True},
            "min_child_samples": {"low": 10, "high": 200, "log": True},
            "objective": ["l1", "l2"],
        }
    )

    def __init__(
        self,
        *,
        freq: str | None = None,
        country: str | None = None,
        horizon: int = 28,
        events: Events = (),
        covariates: Sequence[str] | str = (),
        absence: str = "nothing",
        features: FeatureSet | FeatureSetDocument | Sequence[str] = STANDARD,
        trees: int = 150,
        learning_rate: float = 0.08,
        num_leaves: int = 31,
        min_child_samples: int = 40,
        objective: str = "l1",
        origins: int = 10,
        patience: int = 0,
        refit: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            freq=freq, country=country, horizon=horizon, events=events, covariates=covariates, absence=absence
        )
        for name, least, given in (
            ("trees", 1, trees),
            ("num_leaves", 2, num_leaves),
            ("min_child_samples", 0, min_child_samples),
            ("origins", 1, origins),
            ("patience", 0, patience),
            ("seed", 0, seed),
        ):
            whole_number(name, given, least=least)
        positive("learning_rate", learning_rate)
        choice("objective", objective, OBJECTIVES)
        self.feature_set, self._wanted = _wanted(features)
        """None where it has standard features."""
        self.features = self._wanted
        self.trees, self.learning_rate, self.num_leaves = trees, learning_rate, num_leaves
        self.min_child_samples, self.objective = min_child_samples, objective
        self.origins, self.patience, self.seed = origins, patience, seed
        self.refit = refit
        self._booster: lgb.Booster

    @property
    def params(self) -> JsonObject:
        own = ("trees", "learning_rate", "num_leaves", "min_child_samples", "objective")
        more = ("origins", "patience", "refit", "seed")
        features = self.feature_set.document if self.feature_set else list(self._wanted)
        return super().params | {"features": features} | {name: getattr(self, name) for name in own + more}

    @property
    def sources(self) -> tuple[str, ...]:
        return sources_of(self.feature_set) if self.feature_set else ()

    def definitions(self, selection: Selection, owner: str) -> tuple[FeatureDefinition, ...]:
        """Of a declared set they are as declared."""
        if self.feature_set:
            return tuple(definition for definition in self.feature_set.features if definition.name in self.features)
        return standard(selection, owner, self.features, self.country)

    def _definitions(self, granularity: Granularity) -> tuple[FeatureDefinition, ...]:
        return self.definitions(Selection(OWN, granularity.name), "")

    def importance(self) -> dict[str, float]:
        if self._apart:
            return super().importance()
        self._check_fitted()
        gain = self._booster.feature_importance("gain")
        return dict(zip(self._names, (gain / max(gain.sum(), 1e-12)).tolist(), strict=True))

    @property
    def _names(self) -> tuple[str, ...]:
        return (*self.features, *self._inputs)

    def _fit(self, panel: Panel) -> None:
        panel, _ = _lifted(panel, panel)
        self.features, seen = self._wanted, panel.y.shape[1] / panel.granularity.year
        enough = (
            definition
            for definition in self._definitions(panel.granularity)
            if seen >= years(parse_transformation(definition.transformation))
        )
        self.features = tuple(definition.name for definition in enough)
        x, y, target = self._table(panel)
        trees = self._stopped(x, y, target < panel.y.shape[1] - panel.granularity.span) if self.patience else self.trees
        self._booster = lgb.train(self._settings(), self._dataset(x, y), trees)

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        panel, base = _lifted(panel, panel)
        design, x, level = self._ahead(panel, horizon)
        y_hat = np.asarray(self._booster.predict(x)).reshape(len(panel.ids), horizon) * level
        return np.asarray(np.where(_quiet(panel), _smoothed(design, horizon), y_hat) - base)

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        panel, base = _lifted(panel, panel)
        design, x, level = self._ahead(panel, horizon)
        shares = np.asarray(self._booster.predict(x, pred_contrib=True)).reshape(len(panel.ids), horizon, -1)
        shares = np.where(_quiet(panel)[:, :, None], 0.0, shares * level[:, :, None])
        parts = dict(zip([*self._names, "average"], np.moveaxis(shares, 2, 0), strict=True))
        parts["average"] = np.where(_quiet(panel), _smoothed(design, horizon), parts["average"]) - base
        return parts

    def component(self, part: str) -> str:
        """Of a feature, that of its transformation; covariates are no component of their own."""
        daily = self._history.granularity if hasattr(self, "_history") else GRANULARITIES["daily"]
        computed = {definition.name: definition.transformation for definition in self._definitions(daily)}
        if part in computed:
            return component(parse_transformation(computed[part]))
        return "trend" if part == "average" else super().component(part)

    def _memory(self, panel: Panel) -> int:
        """As long as the windows of a declared set reach."""
        windows = (
            [remembers(parse_transformation(definition.transformation)) for definition in self.feature_set.features]
            if self.feature_set
            else []
        )
        return max([super()._memory(panel), *(len(panel.index) if steps is None else steps for steps in windows)])

    def _save(self, folder: Path) -> None:
        self._booster.save_model(folder / "booster.txt")

    def _load(self, folder: Path) -> None:
        self._booster = lgb.Booster(model_file=folder / "booster.txt")
        names = self._booster.feature_name()
        self.features = tuple(names[: len(names) - len(self._inputs)])

    def _from_origins(self, panel: Panel, origins: range) -> OutOfSample:
        """One design serves all origins: what it says of an origin is what was seen there."""
        at = np.asarray(origins)
        lifted, base = _lifted(panel, panel.until(origins[0] + 1))
        design = self._design(lifted, self.horizon)
        design.smooth(design.columns, at, effects_of=lifted.until(origins[0] + 1))
        shape = (len(panel.ids), len(at), self.horizon)
        ratio = np.asarray(self._booster.predict(design.asked(at, self.horizon))).reshape(shape)
        y_hat = (ratio * design.level(at)[:, :, None]).transpose(1, 0, 2)
        forecasts = iter(y_hat - base)
        return calibration_backtest(panel, origins, self.horizon, lambda past, _horizon: within(next(forecasts), past))

    def _ahead(self, panel: Panel, horizon: int) -> tuple[Design, Singles, Floats]:
        """A design, its features of the steps after the panel (series × steps), and the level of each series."""
        for name in self._inputs:
            panel.ahead(name, horizon)
        design, origin = self._design(panel, horizon), np.array([panel.y.shape[1] - 1])
        return design, design.asked(origin, horizon), design.level(origin)

    def _design(self, panel: Panel, horizon: int) -> Design:
        target = self.feature_set.selection.metric_type if self.feature_set else OWN
        definitions = self._definitions(panel.granularity)
        return Design(panel, self.calendar, horizon, definitions, self._inputs, target=target)

    def _table(self, panel: Panel) -> tuple[Singles, Floats, Ints]:
        """Features, targets and their positions, of past origins and all steps ahead."""
        few, most = ROWS
        moving = ~_constant(panel)[:, 0]
        panel = panel.take(moving) if moving.any() else panel
        wanted = self.origins * self.horizon * len(panel.ids)
        rows = min(max(wanted, few), most)
        panel = panel.take(np.arange(0, len(panel.ids), max(1, wanted // rows)))
        design, steps = self._design(panel, self.horizon), panel.y.shape[1]
        start = min(4 * panel.granularity.block, steps // 3)
        every = max(1, -(-len(panel.ids) * (steps - start) * self.horizon // rows))
        origins = [np.arange(start + step % every, steps - step, every) for step in range(1, self.horizon + 1)]
        if not any(len(some) for some in origins):
            raise BadInput(f"{steps} steps of history are too few for a horizon of {self.horizon}; lower the horizon")
        design.smooth(design.columns, np.unique(np.concatenate(origins)))
        xs, ys, targets = [], [], []
        for step, some in enumerate(origins, start=1):
            if len(some):
                xs.append(design.learned(some, step))
                ys.append((panel.y[:, some + step] / design.level(some)).ravel())
                targets.append(np.tile(some + step, len(panel.ids)))
        x, y, target = np.concatenate(xs), np.concatenate(ys), np.concatenate(targets)
        seen = ~np.isnan(y)
        if not seen.any():
            raise BadInput("no series has a value after the beginning of its history; pass a longer one")
        return x[seen], y[seen], target[seen]

    def _dataset(self, x: Singles, y: Floats) -> lgb.Dataset:
        # LightGBM takes no name with a space or a sign of JSON: such a one is its number
        names = [name if PLAIN.fullmatch(name) else f"input_{number}" for number, name in enumerate(self._names)]
        return lgb.Dataset(x, y, feature_name=names, params={"max_bin": 127, "verbosity": -1})

    def _stopped(self, x: Singles, y: Floats, early: npt.NDArray[np.bool_]) -> int:
        """How many trees forecast the newest targets best, when learned from the earlier ones."""
        if early.all() or not early.any():
            return self.trees
        train = self._dataset(x[early], y[early])
        newest = train.create_valid(x[~early], y[~early])
        stop = lgb.early_stopping(self.patience, verbose=False)
        return int(lgb.train(self._settings(), train, self.trees, valid_sets=[newest], callbacks=[stop]).best_iteration)

    def _settings(self) -> dict[str, str | bool | float]:
        return {
            "objective": self.objective,
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_child_samples": self.min_child_samples,
            "subsample": 0.7,
            "subsample_freq": 1,
            "colsample_bytree": 0.6,
            "seed": self.seed,
            "num_threads": 1,  # small tables gain nothing from more, and a busy machine makes them wait for each other
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


def _wanted(
    features: FeatureSet | FeatureSetDocument | Sequence[str],
) -> tuple[FeatureSet | None, tuple[str, ...]]:
    """The feature set that is given, and its names; UnknownName for a name that is no standard feature."""
    if isinstance(features, FeatureSet | Mapping):
        declared = features if isinstance(features, FeatureSet) else FeatureSet.of(features)
        return checked_set(declared), declared.names
    return None, tuple(definition.name for definition in standard(Selection(OWN, "daily"), "", tuple(features)))


def _quiet(panel: Panel) -> npt.NDArray[np.bool_]:
    """The series (a column) that say nothing to the trees: constants, and not one value in the newest four cycles."""
    return np.asarray(
        _constant(panel) | np.isnan(panel.y[:, -4 * panel.granularity.block :]).all(axis=1, keepdims=True)
    )


def _constant(panel: Panel) -> npt.NDArray[np.bool_]:
    """The series (a column) that have never changed."""
    highest = np.fmax.reduce(panel.y, axis=1, keepdims=True)
    return np.asarray((np.isnan(panel.y) | (panel.y == highest)).all(axis=1, keepdims=True))


def _lifted(panel: Panel, known: Panel) -> tuple[Panel, Floats]:
    """The panel with series that fall below zero in `known` moved above it, and by how much (series × 1).

    A ratio to a level says nothing of what may be zero or change its sign.
    """
    lowest = np.fmin.reduce(known.y, axis=1)
    base = np.where(lowest < 0, known.level() - lowest, 0.0)[:, None]
    return replace(panel, y=panel.y + base), base


def _smoothed(design: Design, horizon: int) -> Floats:
    origin = np.array([design.panel.y.shape[1] - 1])
    country = design.known.country
    return np.concatenate(
        [design.smoothed(design.own, country, origin, step) for step in range(1, horizon + 1)], axis=1
    )
