"""Prophet for many series at once; each can be taken out as a genuine fitted model (the only door to prophet)."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlops import parallel
from mlops.arrays import Floats
from mlops.domain.canonical import JsonObject
from mlops.domain.granularity import Granularity
from mlops.errors import BadInput, HistoryTooShort, ModelNotFound, UnknownName
from mlops.forecasting.base import Forecaster
from mlops.forecasting.out_of_sample import OutOfSample, calibration_backtest
from mlops.forecasting.prophet.design import (
    RESERVED,
    Layout,
    Recipe,
    Seasonality,
    SeasonalityDocument,
    holiday_columns,
    lay_out,
    matrix,
    nanoseconds,
)
from mlops.forecasting.prophet.fit import NEED, Fit, ObservedSeries, Problem, Weights, observe, solve
from mlops.forecasting.prophet.genuine import Template, by_series, silence
from mlops.panels.calendar import Calendar, Events
from mlops.panels.panel import Panel

if TYPE_CHECKING:
    import prophet

__all__ = ["Prophet"]

log = logging.getLogger(__name__)
REFIT = 4
"""Origins of the calibration backtest between two fits: on NN5 it costs 1 % of accuracy against a fit at each, one fit
for all of them 8 %."""


class Prophet(Forecaster):
    """A trend with seasons, holidays and regressors for every series by itself (Taylor and Letham, 2018).

    All series are fitted together by a solver of their own posterior's maximum, at a hundredth of the cost of Stan;
    `growth="logistic"`, `mcmc_samples` and what doesn't converge go to Stan, one by one. `solver` has which series
    went where, `model(series_id)` is one of them as a genuine `prophet.Prophet`. In weeks and months holidays count as
    regressors, how many of their days lie in the step.

    It extrapolates its parameters: newer history moves the cutoff, not the fit, so it needs regular retraining. The
    intervals are conformal like those of every kind, not Prophet's own. A series with fewer than 14 observations gets
    its mean. A step without a covariate's value is not learned from.

    Parameters
    ----------
    growth
        `"linear"`, `"flat"`, or `"logistic"` with a `cap`.
    cap, floor
        What a logistic trend saturates at, above and below: a number, or a mapping from series to numbers.
    n_changepoints, changepoint_range, changepoint_prior_scale
        How many changes of the trend may be found, in which first part of the history, and how large they may be.
    seasonality_mode, holidays_mode
        `"additive"` or `"multiplicative"`; holidays follow the seasonalities (None).
    yearly_seasonality, weekly_seasonality, daily_seasonality
        `"auto"`, True, False, or the number of Fourier terms.
    seasonalities
        Further ones: mappings with `name`, `period` in days and `fourier_order`, perhaps `prior_scale` and `mode`.
    seasonality_prior_scale, holidays_prior_scale
        How large seasons and effects of named days may be.
    mcmc_samples
        Above 0 Stan samples each series in place of the maximum.
    """

    kind = "prophet"
    search = MappingProxyType(
        {
            "seasonality_mode": ["additive", "multiplicative"],
            "changepoint_prior_scale": {"low": 0.001, "high": 0.5, "log": True},
            "seasonality_prior_scale": {"low": 0.01, "high": 10.0, "log": True},
            "holidays_prior_scale": {"low": 0.01, "high": 10.0, "log": True},
        }
    )
    knows_new_series = False
    extrapolates = True

    def __init__(
        self,
        *,
        freq: str | None = None,
        country: str | None = None,
        horizon: int = 28,
        events: Events = (),
        covariates: Sequence[str] | str = (),
        absence: str = "nothing",
        growth: str = "linear",
        cap: float | Mapping[str, float] | None = None,
        floor: float | Mapping[str, float] | None = None,
        n_changepoints: int = 25,
        changepoint_range: float = 0.8,
        seasonality_mode: str = "additive",
        holidays_mode: str | None = None,
        yearly_seasonality: str | bool | int = "auto",
        weekly_seasonality: str | bool | int = "auto",
        daily_seasonality: str | bool | int = "auto",
        seasonalities: Iterable[SeasonalityDocument] = (),
        changepoint_prior_scale: float = 0.05,
        seasonality_prior_scale: float = 10.0,
        holidays_prior_scale: float = 10.0,
        mcmc_samples: int = 0,
    ) -> None:
        super().__init__(
            freq=freq, country=country, horizon=horizon, events=events, covariates=covariates, absence=absence
        )
        self.recipe = Recipe(
            growth=growth,
            cap=cap,
            floor=floor,
            n_changepoints=n_changepoints,
            changepoint_range=changepoint_range,
            seasonality_mode=seasonality_mode,
            holidays_mode=holidays_mode,
            yearly_seasonality=yearly_seasonality,
            weekly_seasonality=weekly_seasonality,
            daily_seasonality=daily_seasonality,
            seasonalities=tuple(seasonalities),
            changepoint_prior_scale=changepoint_prior_scale,
            seasonality_prior_scale=seasonality_prior_scale,
            holidays_prior_scale=holidays_prior_scale,
            mcmc_samples=mcmc_samples,
        )
        self._check_names()
        self._ids: pd.Index
        self._fitted: Fit | None = None
        self._layout: Layout
        self._by_stan: dict[int, str] = {}

    @property
    def params(self) -> JsonObject:
        return super().params | self.recipe.settings

    @property
    def solver(self) -> dict[Any, str]:
        """How each series was fitted: "map" (together), "stan", or "mean" (too short, or refused by Stan)."""
        solver = self._fit_of().solver.tolist()
        return dict(zip(self._ids, solver, strict=True))

    @property
    def models(self) -> Mapping[Any, "prophet.Prophet"]:
        """The genuine models by series, each built when it is asked for; without the series that have a mean."""
        return _Models(self)

    def model(self, series_id: object) -> "prophet.Prophet":
        """One series' fitted `prophet.Prophet`: predicts, decomposes, plots and is saved like any other.

        `frame_ahead` makes the frame that its `predict` takes. Raises UnknownName for a series that was not in the
        training, HistoryTooShort or ModelNotFound for one that has only a mean.

        Parameters
        ----------
        series_id
            One of the training.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> fitted = forecaster("prophet")().fit(frame)
        >>> ahead = fitted.frame_ahead("shop", 2)
        >>> fitted.model("shop").predict(ahead)["yhat"].round(1).tolist()
        [5.0, 6.0]
        """
        row, trained = self._row(series_id), self._training
        template = self._template(trained)
        if row in self._by_stan:
            from prophet.serialize import model_from_json

            silence()
            return model_from_json(self._by_stan[row])
        frame = template.frame(self._with_events(trained), row)
        if len(frame) < NEED:
            raise HistoryTooShort(series_id, len(frame), NEED)
        if self._fit_of().solver[row] == "mean":
            raise ModelNotFound(f"Stan could not fit series {series_id!r}, so it has only a mean")
        return template.solved(frame, self._fit_of().weights(row, self._layout))

    def frame_ahead(self, series_id: object, horizon: int, *, future: pd.DataFrame | None = None) -> pd.DataFrame:
        """What `model(series_id).predict` takes for the steps after the training: `ds`, covariates, counts, cap, floor.

        Parameters
        ----------
        series_id
            One of the training.
        horizon
            Steps ahead.
        future
            `series_id, ds` and the covariates: what is known ahead, as in `predict`.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> fitted = forecaster("prophet")().fit(frame)
        >>> fitted.frame_ahead("shop", 2)["ds"].dt.day.tolist()
        [4, 5]
        """
        row, panel = self._row(series_id), self._panel(horizon, None, future)
        averaged = self.coding.averaged(self.covariates, [panel.extra[name] for name in self._inputs])
        panel = replace(panel, extra={**panel.extra, **dict(zip(self._inputs, averaged, strict=True))})
        known = self.calendar.announced_by(panel.cutoff)
        return self._template(self._training).ahead(self._with_events(panel, horizon), row, horizon, known)

    def component(self, part: str) -> str:
        """Which of COMPONENTS a part belongs to; the cycle of hours is the day."""
        if part.startswith("holiday: ") or part in self._layout.events:
            return "holidays"
        return super().component({"daily": "weekly"}.get(part, part))

    def _fit(self, panel: Panel) -> None:
        self._learn(panel, before=None)
        crowded = panel.ids[self._fit_of().overfitted((~np.isnan(panel.y)).sum(axis=1))]
        if len(crowded):
            log.warning(
                "%s: as many terms as observations, so the fit is exact and forecasts are worth little; "
                "lower n_changepoints, or turn seasonalities off",
                _listed(crowded),
            )

    def _learn(self, panel: Panel, before: Fit | None) -> None:
        if np.isinf(panel.y).any():
            first = panel.ids[np.flatnonzero(np.isinf(panel.y).any(axis=1))[0]]
            raise BadInput(f"series {first!r} has an infinite y; drop or mend it")
        known = self.calendar.announced_by(panel.cutoff)
        named = holiday_columns(known, panel.index, panel.granularity)
        events = tuple(sorted(known.of_some & set(named)))
        panel = _with_counts(panel, known, events)
        series = observe(panel, self.recipe, by_series("floor", self.recipe.floor, panel.ids))
        named = {name: counts for name, counts in named.items() if name not in events}
        terms = self._terms(series, named, events, panel.granularity)
        problem = Problem(panel, series, self.recipe, terms, matrix(terms, panel.index, named))
        if self._for_stan:
            fit = problem.unsolved()
            fit.solver[[row for row, _ in problem.long_enough()]] = "stan"
            log.info("%d series are fitted by Stan, one by one, because of %s", len(series), self._for_stan)
        else:
            alike = before is not None and terms == self._layout and panel.ids.equals(self._ids)
            fit = solve(problem, before if alike else None)
            failed = panel.ids[fit.solver == "stan"]
            if len(failed):
                log.warning("the batched solver did not converge for %s; Stan fits them", _listed(failed))
        self._ids, self._layout, self._fitted = panel.ids, terms, fit
        self._by_stan = self._fit_by_stan(problem, fit)

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        return np.asarray(np.sum(list(self._parts(panel, horizon).values()), axis=0))

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        ahead = [panel.ahead(name, horizon) for name in self._inputs]
        return self._evaluate(panel, horizon, ahead)

    def _predict_past(self, panel: Panel, horizon: int) -> Floats:
        """NaN where a covariate is missing, which is mostly where y is missing, too."""
        ahead = [panel.covariate(name, len(panel.index), horizon) for name in self._inputs]
        y_hat = np.sum(list(self._evaluate(panel, horizon, ahead).values()), axis=0)
        return self._limited(y_hat, panel)

    def _evaluate(self, panel: Panel, horizon: int, ahead: Sequence[Floats]) -> dict[str, Floats]:
        """The parts of the forecast, given the covariates of its steps (each series × steps)."""
        fit, steps = self._fit_of(), panel.future(horizon)
        known = self.calendar.announced_by(panel.cutoff)
        named = holiday_columns(known, steps, panel.granularity)
        ahead = self.coding.averaged(self.covariates, ahead)
        ahead = [
            *ahead,
            *(known.counts_of(event, panel.ids, steps, panel.granularity) for event in self._layout.events),
        ]
        shared = matrix(self._layout, steps, named)
        if not panel.ids.equals(self._ids):
            fit = fit.of(np.array([self._row(series) for series in panel.ids], dtype=np.int64))
        return fit.parts(self._layout, nanoseconds(steps), shared, ahead)

    def _calibration_backtest(self, panel: Panel, origins: range) -> OutOfSample:
        """Refitted at every fourth origin, each fit starting from the one before; by Stan only at the first."""
        if self._for_stan:
            return super()._calibration_backtest(panel, origins)
        self._fitted, blocks = None, []
        for first in range(0, len(origins), REFIT):
            some = origins[first : first + REFIT]
            self._learn(panel.until(some[0] + 1), before=self._fitted)
            blocks.append(calibration_backtest(panel, some, self.horizon, self._predict_past))
        return reduce(OutOfSample.then, blocks)

    def _memory(self, panel: Panel) -> int:
        """All of it: a genuine model carries its history."""
        return len(panel.index)

    def _save(self, folder: Path) -> None:
        self._fit_of().save(folder, self._ids)
        card = {"layout": self._layout.to_json(), "stan": list(self._by_stan.items())}
        (folder / "prophet.json").write_text(json.dumps(card), encoding="utf-8")

    def _load(self, folder: Path) -> None:
        self._fitted, self._ids = Fit.load(folder)
        card = json.loads((folder / "prophet.json").read_text(encoding="utf-8"))
        self._layout, self._by_stan = Layout.from_json(self.recipe, card["layout"]), dict(card["stan"])

    @property
    def _for_stan(self) -> str:
        """Why all series need Stan; empty when they don't."""
        if self.recipe.mcmc_samples:
            return f"mcmc_samples = {self.recipe.mcmc_samples}"
        return "growth = 'logistic'" if self.recipe.growth == "logistic" else ""

    def _check_names(self) -> None:
        taken = [season.name for season in self.recipe.custom]
        taken += sorted({event.name for event in self.calendar.events}) + list(self.covariates)
        built_in = ("yearly", "weekly", "daily")
        for name in taken[len(self.recipe.custom) :]:
            if name in RESERVED or name in built_in or "_delim_" in name or taken.count(name) > 1:
                raise BadInput(f"an event or covariate can't be called {name!r} here: the name is taken; rename it")

    def _with_events(self, panel: Panel, horizon: int = 0) -> Panel:
        """The panel with the counts of events of some series beside the covariates."""
        return _with_counts(panel, self.calendar.announced_by(panel.cutoff), self._layout.events, horizon)

    def _terms(
        self,
        series: list[ObservedSeries | None],
        named: Mapping[str, Floats],
        events: tuple[str, ...],
        granularity: Granularity,
    ) -> Layout:
        seasons: dict[str, Seasonality] = {}
        for without in {observed.without for observed in series if observed is not None}:
            seasons |= {season.name: season for season in self.recipe.seasons(without)}
        order = [*(season.name for season in self.recipe.custom), "yearly", "weekly", "daily"]
        both = set(named) & {*self._inputs, *seasons}
        if both:
            raise BadInput(f"{min(both)!r} is the name of a holiday; rename the covariate or seasonality")
        ordered = sorted(seasons.values(), key=lambda season: order.index(season.name))
        regressors = (*self._inputs, *events)
        return lay_out(self.recipe, ordered, named, counted=granularity.counted, regressors=regressors, events=events)

    def _fit_by_stan(self, problem: Problem, fit: Fit) -> dict[int, str]:
        """Fill the rows of `fit` that are Stan's; the models as JSON by row."""
        todo = [(row, seen) for row, seen in problem.long_enough() if fit.solver[row] == "stan"]
        if not todo:
            return {}
        panel, template = problem.panel, self._template(problem.panel)
        caps = by_series("cap", self.recipe.cap, panel.ids)
        results = parallel.run(template.stan, [template.frame(panel, row) for row, _ in todo])
        models: dict[int, str] = {}
        for (row, seen), result in zip(todo, results, strict=True):
            if isinstance(result, str):
                log.warning("Stan could not fit series %s (%s); it gets its mean", panel.ids[row], result)
                fit.put(row, problem.terms, Weights(0.0, float(seen.y.mean()), np.zeros(0), 0.0, {}), "mean")
                continue
            models[row], weights = result
            fit.put(row, problem.terms, weights, "stan")
            fit.cap[row] = caps[row] - fit.floor[row] if self.recipe.growth == "logistic" else 0.0
        return models

    @property
    def _training(self) -> Panel:
        """The panel that it was fitted on, without what was added since."""
        known = self._history.until(int(self._history.index.searchsorted(self._trained, side="right")))
        return known.take(np.asarray(known.ids.isin(self._ids)))

    def _template(self, panel: Panel) -> Template:
        known, events = self.calendar.announced_by(panel.cutoff), self._layout.events
        return Template(
            self.recipe,
            replace(known, events=tuple(event for event in known.events if event.name not in events)),
            self._layout.regressors,
            events,
            self._layout.holidays,
            panel.granularity,
        )

    def _fit_of(self) -> Fit:
        if self._fitted is None:
            raise self._unfitted()
        return self._fitted

    def _row(self, series_id: object) -> int:
        self._fit_of()
        row = int(self._ids.get_indexer(pd.Index([series_id]))[0])
        if row < 0:
            raise UnknownName("series", series_id, map(str, self._ids))
        return row


@dataclass(frozen=True)
class _Models(Mapping[Any, "prophet.Prophet"]):
    """The genuine models of a forecaster."""

    of: Prophet

    def __getitem__(self, series_id: Any) -> "prophet.Prophet":
        try:
            return self.of.model(series_id)
        except (UnknownName, HistoryTooShort, ModelNotFound) as error:
            raise KeyError(str(error)) from error

    def __iter__(self) -> Iterator[Any]:
        return (series_id for series_id, solver in self.of.solver.items() if solver != "mean")

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _with_counts(panel: Panel, known: Calendar, events: Sequence[str], horizon: int = 0) -> Panel:
    """The panel with the counts of events beside its covariates, `horizon` steps ahead."""
    if not events:
        return panel
    index = pd.DatetimeIndex(panel.index.append(panel.future(horizon))) if horizon else panel.index
    counts = {name: known.counts_of(name, panel.ids, index, panel.granularity) for name in events}
    return replace(panel, extra={**panel.extra, **counts})


def _listed(ids: pd.Index) -> str:
    return ", ".join(map(str, ids[:20])) + (f" and {len(ids) - 20} more" if len(ids) > 20 else "")
