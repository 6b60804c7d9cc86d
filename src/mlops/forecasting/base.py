"""What every model kind is: fit on a frame, predict with calibrated intervals, explain, save without pickle."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.forecasts import LEVELS
from mlops.domain.granularity import labels_ends
from mlops.errors import BadHorizon, BadInput, HistoryTooShort, Refused, UnknownName
from mlops.forecasting.described import describe, in_a_line
from mlops.forecasting.intervals import Intervals
from mlops.forecasting.limits import within
from mlops.forecasting.tape import Tape, rehearsals, rehearse
from mlops.panels.arguments import either, in_per_cent, whole
from mlops.panels.calendar import Calendar, Events
from mlops.panels.categories import NUMBERS, Coding
from mlops.panels.continuation import continued, refuse_gap
from mlops.panels.from_frame import Panels
from mlops.panels.inputs import Form, Table, taken
from mlops.panels.panel import Panel
from mlops.panels.service_calendar import closed, memory, service
from mlops.panels.timestamps import granularity_of
from mlops.parallel import one_thread
from mlops.times import UTC, longest_shift

if TYPE_CHECKING:
    from mlops.forecasting.plots import Picture

__all__ = ["COMPONENTS", "Forecaster", "opened", "read_card"]

HOUR = pd.Timedelta(hours=1)
ABSENCE = ("nothing", "zero")
CARD = "forecaster.json"
COMPONENTS = ("trend", "weekly", "yearly", "holidays", "residual")
"""What a forecast is made of; `weekly` is the cycle of the frequency (of hours the day, of months the year)."""


INTERNAL = frozenset(
    {
        *(
            "bounded",
            "coding",
            "component",
            "composed",
            "defaults",
            "each",
            "extrapolates",
            "fit_panel",
            "forecast",
            "given_back",
        ),
        *("inner", "knows_new_series", "parts", "plain", "point", "read", "refit", "search", "tape", "tapes"),
        "with_calendar",
    }
)
"""What is public to other modules of the package and of no use to whoever has a forecaster."""


class Forecaster(ABC):
    """A model of many series.

    Series that begin their weeks on different days, or live by different clocks, are fitted apart: each such group has
    a forecaster of its own inside of this one.

    Parameters
    ----------
    freq
        The name of a granularity or pandas' offset alias (None: inferred from the data, `forecasting.stamps`).
    country
        ISO code for public holidays, `US` or with a subdivision `US-CA` (None: none).
    horizon
        The farthest step that can be asked for; intervals are calibrated that far.
    events
        Your own named days: mappings with `name`, `first` and perhaps `last` and `announced`, or a frame of such rows.
    covariates
        The name or names of further columns whose values are known ahead: numbers, or text, which is a category (of at
        most 50). Of those that never vary within a series the steps ahead need none.
    absence
        What a step without service means: `"nothing"`, or `"zero"`, which is then its forecast.
    """

    kind: ClassVar[str]
    features: tuple[str, ...] = ("value",)
    """Names of the inputs, as in `forecasting.design.FEATURES`."""
    knows_new_series: ClassVar[bool] = True
    """Whether a series that was not in the training data can be forecast from its history."""
    extrapolates: ClassVar[bool] = False
    """Whether point forecasts may leave what the history of their series supports (`forecasting.limits`)."""
    search: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """What tuning tries by itself, by parameter: a list, or `low`, `high` and perhaps `log`; empty: nothing to tune."""
    inner: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Which parameter holds the parameters of which other kind: `settings.lightgbm` those of `lightgbm`."""
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})
    """Parameters of these other kinds that differ from their own defaults."""
    refit: bool = True
    """Whether it is fitted again on everything after its rehearsals; else the rehearsed model is kept."""

    def __init__(
        self,
        *,
        freq: str | None = None,
        country: str | None = None,
        horizon: int = 28,
        events: Events = (),
        covariates: Sequence[str] | str = (),
        absence: str = "nothing",
    ) -> None:
        whole("horizon", horizon, least=1)
        self.freq, self.country, self.horizon = freq, country, int(horizon)
        self.calendar = Calendar.of(country, events)
        self.covariates = (covariates,) if isinstance(covariates, str) else tuple(covariates)
        self.absence = absence
        if absence not in ABSENCE:
            raise UnknownName("absence", absence, ABSENCE)
        self._history: Panel
        self._trained: pd.Timestamp
        """The newest step of the training, by the clock of the history."""
        self._tape: Tape
        self._apart: tuple[Self, ...] = ()
        self._form = Form()
        """What its user's frames look like."""
        self.coding = NUMBERS
        """How its covariates become numbers."""

    @property
    def params(self) -> dict[str, Any]:
        """The constructor's arguments: `type(self)(**self.params)` is this forecaster, unfitted."""
        given: dict[str, Any] = {"freq": self.freq, "country": self.country, "horizon": self.horizon}
        if self.calendar.events:
            given["events"] = [event.to_json() for event in self.calendar.events]
        given |= {"absence": self.absence} if self.absence != "nothing" else {}
        return given | ({"covariates": list(self.covariates)} if self.covariates else {})

    @property
    def importance(self) -> dict[str, float]:
        """Share of each feature in what the model has learned, summing to 1; empty where the kind can't say.

        Of series that are apart it is the mean over them.
        """
        self._check_fitted()
        found: dict[str, float] = {}
        for one in self._apart:
            for name, share in one.importance.items():
                found[name] = found.get(name, 0.0) + share * len(one.known) / len(self.known)
        return found

    @property
    def known(self) -> pd.Index:
        """The series that it was trained on."""
        self._check_fitted()
        if self._apart:
            return self._apart[0].known.append([one.known for one in self._apart[1:]])
        return self._history.ids

    @property
    def remembered(self) -> pd.DataFrame:
        """The observations that it keeps to forecast from: `series_id, ds, y`, the covariates, `time_zone` if local."""
        self._check_fitted()
        return pd.concat([one._history.frame() for one in self._apart or (self,)], ignore_index=True)

    @property
    def local(self) -> bool:
        """Whether a series that it was trained on lives by another clock than UTC."""
        self._check_fitted()
        return any(one._history.zone != UTC for one in self._apart)

    @property
    def tapes(self) -> tuple[Tape, ...]:
        """What it would have forecast before the end of its training, one for each group of series that is apart."""
        self._check_fitted()
        return tuple(one._tape for one in self._apart) or (self._tape,)

    def fit(
        self,
        frame: Table,
        *,
        id_col: str | None = None,
        time_col: str | None = None,
        target_col: str | None = None,
    ) -> Self:
        """Learn from a frame `series_id, ds, y`: rehearsed on its newest weeks for the intervals, then from all.

        The frame is of pandas, polars, Arrow or another kind that narwhals takes, and so is what `predict` gives then.

        Parameters
        ----------
        frame
            A row per series and step: `series_id`, `ds` (the beginning of the step, in UTC), `y` (NaN or no row where
            nothing was observed) and the covariates, whose rows may go farther than those of `y`. A column `time_zone`
            says by which clock hours repeat.
        id_col, time_col, target_col
            What the columns are called, where it is not `series_id` (or `unique_id`), `ds` and `y`. Results have these
            names. Without a column of ids the frame is one series, and results have none.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> forecaster("naive")(horizon=14).fit(frame).predict(2)["y_hat"].tolist()
        [5.0, 6.0]
        """
        frame, self._form = taken(frame, id_col=id_col, time_col=time_col, target_col=target_col)
        panels = Panels.of(frame, self.freq, self.covariates)
        self.calendar.check_series(panels.ids)
        self.coding = panels.parts[0].coding
        self._apart = () if panels.plain else tuple(self._like(part).fit_panel(part) for part in panels.parts)
        if not self._apart:
            return self.fit_panel(panels.parts[0])
        self.features = tuple(dict.fromkeys(name for one in self._apart for name in one.features))
        return self

    def _like(self, panel: Panel) -> Self:
        """An unfitted forecaster for one panel, with room for the steps that its clock may skip."""
        spare = 0
        if not panel.granularity.dated:  # it may be asked for a new series in another zone, too
            spare = max(longest_shift(panel.zone), HOUR) // pd.Timedelta(seconds=panel.granularity.seconds)
        params = self.params | {"freq": str(panel.granularity), "horizon": self.horizon + spare}
        return type(self)(**params)

    @one_thread()
    def fit_panel(self, panel: Panel, origins: range | None = None) -> Self:
        """`fit` on a panel; `origins` are the positions to rehearse from (None: those of `rehearsals`)."""
        origins = rehearsals(panel) if origins is None else origins
        self.coding, panel = panel.coding, panel.with_static(self.horizon)
        if not origins or origins[0] + 1 < 2 * panel.granularity.block:
            longest = int((~np.isnan(panel.y)).sum(axis=1).max())
            raise HistoryTooShort(panel.ids[0], longest, panel.granularity.need)
        self._tape = self._rehearse(panel, origins)
        if self.refit:
            self._fit(panel)
        self._history = panel.last(max(self._memory(panel), memory(panel)))
        self._trained = panel.cutoff
        return self

    def update(self, frame: Table, *, overwrite: bool = False, allow_gap: bool = False) -> Self:
        """Know newer rows as well, without a new training: forecasts begin after them.

        From then on it predicts as `predict(history=…)` does with the rows that it remembers and the new ones. Rows
        that are known already may be among them, so that a whole history can be passed; what is older than the model
        remembers is left out.
        Nothing changes when the rows are refused. `save` keeps what was added.

        Parameters
        ----------
        frame
            `series_id, ds, y` and the covariates, as in `fit`. New series are known from then on, where the kind can.
        overwrite
            Whether a value that differs from the known one replaces it. Without it such a row is refused.
        allow_gap
            Whether all series may lack the steps between what is known and the first new row. Without it they are
            refused, unless they are no more than were ever missing before, or without service, or named days.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> week = [5.0, 6, 7, 8, 9, 2, 1]
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": week * 9})
        >>> fitted = forecaster("naive")().fit(frame[:56])
        >>> fitted.update(frame[56:]).predict(1)["ds"].iloc[0]
        Timestamp('2024-03-04 00:00:00')
        """
        self._check_fitted()
        models = self._apart or (self,)
        known = pd.concat([one._history.known() for one in models], ignore_index=True)
        new = Panels.of(self._with_zones(self.read(frame)), self._said(), self.covariates, coding=self.coding)
        asked = self._asked(1, continued(known, new, overwrite=overwrite), None)
        if len(asked) > len(models) or len({id(model) for model, _ in asked}) < len(asked):
            raise BadInput(
                "the new rows hold a series that begins its steps at other times, or lives by another clock, than any"
                " of the training; nothing was taken. Fit again with it"
            )
        if not allow_gap:
            for model, panel in asked:
                refuse_gap(model._history, panel, self.calendar)
        for model, panel in asked:
            model._history = panel.with_ids(model._history.ids) if not self.covariates else panel
        return self

    @one_thread()
    def predict(
        self,
        horizon: int | None = None,
        levels: Sequence[int] | int = LEVELS,
        *,
        history: Table | None = None,
        future: Table | None = None,
        decompose: bool = False,
        h: int | None = None,
        level: Sequence[int] | int | None = None,
    ) -> pd.DataFrame:
        """Forecasts for the `horizon` steps after the newest step of `history` (None: of the training data).

        One row per series and step: `series_id, ds, cutoff, y_hat`, `lo_<level>, hi_<level>` per level in per cent, and
        `closed`: a weekday or month in which the series never has a value, so that no outcome will come of it.
        Columns are called as in the training, and the frame is of the kind of `history`, else of the training's.

        Parameters
        ----------
        horizon
            Steps ahead, a whole number up to the forecaster's own horizon (None: as far as that); `h` is the same.
        levels
            Of the intervals: whole per cents, or one such number, or none (`()`); `level` is the same.
        history
            Observations to forecast from, in place of what it remembers: all of them, not only what is new
            (HistoryTooShort where they span fewer steps than a training needs; `update` takes what is new). They also
            say what would have been forecast since the training, so that intervals widen when forecasts have begun to
            fail.
        future
            `series_id, ds` and the covariates: what is known ahead; those that never varied may be left out. A category
            that the training had not is none of those that it had.
        decompose
            Whether there is a column for each of COMPONENTS, too, as in `decompose`.
        h, level
            See `horizon` and `levels`.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> fitted = forecaster("naive")().fit(frame)
        >>> list(fitted.predict(2, levels=80).columns)
        ['series_id', 'ds', 'cutoff', 'y_hat', 'lo_80', 'hi_80', 'closed']
        >>> fitted.predict(h=2, level=[80, 95]).equals(fitted.predict(2))
        True
        """
        wanted = in_per_cent(either("levels", None if levels is LEVELS else levels, "level", level, LEVELS))
        found = self._each(
            either("horizon", horizon, "h", h, self.horizon),
            history,
            future,
            lambda model, panel, steps: model._bounded(panel, steps, wanted, decompose=decompose)[0],
        )
        return self.given_back(found, history)

    @one_thread()
    def explain(
        self,
        horizon: int | None = None,
        *,
        history: Table | None = None,
        future: Table | None = None,
        h: int | None = None,
    ) -> pd.DataFrame:
        """The makings of forecasts: `series_id, ds, cutoff, y_hat`, then a column per part; their sum is `y_hat`.

        Closed steps have none.

        Parameters
        ----------
        horizon
            Steps ahead (None: the forecaster's own horizon); `h` is the same.
        history, future
            As in `predict`.
        h
            See `horizon`.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> explained = forecaster("naive")().fit(frame).explain(2)
        >>> explained[["y_hat", "trend", "weekly"]].round(3).values.tolist()
        [[5.0, 5.429, -0.429], [6.0, 5.429, 0.571]]
        """

        def makings(model: "Forecaster", panel: Panel, steps: int) -> dict[str, Floats]:
            parts = model.parts(panel, steps)
            return {"y_hat": _sum(parts), **parts}

        steps = either("horizon", horizon, "h", h, self.horizon)
        return self.given_back(opened(self._each(steps, history, future, makings)), history)

    @one_thread()
    def decompose(
        self,
        horizon: int | None = None,
        *,
        history: Table | None = None,
        future: Table | None = None,
        h: int | None = None,
    ) -> pd.DataFrame:
        """`explain` gathered into the COMPONENTS, in units of the series.

        Parameters
        ----------
        horizon
            Steps ahead (None: the forecaster's own horizon); `h` is the same.
        history, future
            As in `predict`.
        h
            See `horizon`.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> forecaster("naive")().fit(frame).decompose(1).columns[4:].tolist()
        ['trend', 'weekly', 'yearly', 'holidays', 'residual']
        """

        def gathered(model: "Forecaster", panel: Panel, steps: int) -> dict[str, Floats]:
            parts = model.parts(panel, steps)
            return {"y_hat": _sum(parts), **model._gathered(parts)}

        steps = either("horizon", horizon, "h", h, self.horizon)
        return self.given_back(opened(self._each(steps, history, future, gathered)), history)

    def service(self, *, history: Table | None = None) -> pd.DataFrame:
        """When each series of `history` (None: of the training data) is not served, by its own clock, as of its end.

        `series_id, closed_weekdays, closed_months`: lists of 1 (Monday) to 7 and of 1 (January) to 12, mostly empty.

        Parameters
        ----------
        history
            As in `predict`.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.bdate_range("2024-01-01", periods=90)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": 5.0 + days.dayofweek})
        >>> forecaster("naive")(freq="D").fit(frame).service()["closed_weekdays"].item()
        [6, 7]
        """
        rows = [
            (series, *((np.flatnonzero(flags) + 1).tolist() for flags in closed_ones))
            for _, panel in self._asked(1, history, None)
            for series, *closed_ones in zip(panel.ids, *service(panel), strict=True)
        ]
        return pd.DataFrame(rows, columns=["series_id", "closed_weekdays", "closed_months"])

    def _bounded(
        self, panel: Panel, horizon: int, levels: Sequence[int], *, decompose: bool
    ) -> tuple[dict[str, Floats], Tape]:
        """Point forecasts, bounds, and components where they are asked for; and the tape that the bounds rest on."""
        components: dict[str, Floats] = {}
        if decompose:
            parts, tape = self.composed(panel, horizon)
            y_hat, components = _sum(parts), self._gathered(parts)
        else:
            y_hat, tape = self.forecast(panel, horizon)
        bounds = Intervals.of(tape, panel, never_negative=panel.never_negative).bounds(panel, y_hat, levels)
        return {"y_hat": y_hat, **bounds, **components}, tape

    def _each(
        self,
        horizon: object,
        history: Table | None,
        future: Table | None,
        columns: "Callable[[Forecaster, Panel, int], dict[str, Floats]]",
    ) -> pd.DataFrame:
        """The columns of every panel's forecasts, each by the forecaster that knows its clock and weekday."""
        found = []
        for model, panel in self._asked(horizon, history, future):
            at, steps = panel.ahead_of(int(horizon))  # type: ignore[call-overload]
            steps = np.minimum(steps, model.horizon - 1)  # only of a series whose clock skips more than those known
            ahead = int(steps.max()) + 1
            shut = closed(panel, panel.future(ahead))
            numbers = columns(model, panel, ahead)
            if self.absence == "zero":
                numbers = {name: np.where(shut, 0.0, values) for name, values in numbers.items()}
            rows = _long(panel, at, steps, numbers)
            rows.insert(sum(name not in COMPONENTS for name in rows.columns), "closed", shut[:, steps].ravel())
            found.append(rows)
        if len(found) == 1:
            return found[0]
        together = pd.concat(found, ignore_index=True)  # a part that one forecaster has and another has not is zero
        return together.fillna(dict.fromkeys(together.columns[4:], 0.0))

    @one_thread()
    def fitted_values(self, *, all_origins: bool = False) -> pd.DataFrame:
        """What it would have forecast for steps that it knows: `series_id, ds, cutoff, step, y, y_hat`.

        They are out of sample: each was forecast from its `cutoff` by a model that had seen nothing later, in the
        calibration backtest that intervals are made of. So they cover the newest third of the training at most, and
        what `update` added; steps without an observation have none. The differences `y - y_hat` are honest residuals.

        Parameters
        ----------
        all_origins
            Whether a step has a row for every cutoff that it was forecast from; else that of the newest one.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> fitted = forecaster("naive")().fit(frame).fitted_values()
        >>> fitted["step"].max().item(), (fitted["y"] - fitted["y_hat"]).abs().max().item()
        (7, 0.0)
        """
        self._check_fitted()
        models = self._apart or (self,)
        rows = pd.concat([one.tape(one._history).beside(one._history) for one in models], ignore_index=True)
        if all_origins:
            return self.given_back(rows)
        newest = rows.sort_values("cutoff", kind="stable").drop_duplicates(["series_id", "ds"], keep="last")
        return self.given_back(newest.sort_index(kind="stable").reset_index(drop=True))

    def plot(
        self,
        what: str = "forecast",
        *,
        horizon: int | None = None,
        levels: Sequence[int] | int = LEVELS,
        history: Table | None = None,
        future: Table | None = None,
        series: object = None,
        h: int | None = None,
        level: Sequence[int] | int | None = None,
    ) -> "Picture":
        """A picture of what it forecasts, or of what that is made of, as a Matplotlib figure.

        Parameters
        ----------
        what
            `"forecast"`, its `"components"`, its `"fitted"` values, the `"importance"` of features, or the `"weights"`
            of members (`auto` and `lean`).
        horizon
            Steps ahead (None: the forecaster's own horizon); `h` is the same.
        levels, history, future
            As in `predict`; `level` is the same as `levels`.
        series
            The id of a series or several (None: the first six).
        h, level
            See `horizon` and `levels`.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> forecaster("naive")().fit(frame).plot(h=14).get_suptitle()
        'Forecast from 2024-03-03'
        """
        from mlops.forecasting import plots

        self._check_fitted()
        wanted = either("levels", None if levels is LEVELS else levels, "level", level, LEVELS)
        steps = either("horizon", horizon, "h", h, self.horizon)
        model = self.plain()
        known = None if history is None else self.read(history, target=False)
        ask: dict[str, Any] = {"history": known, "future": None if future is None else self.read(future, target=False)}
        drawn = {
            "forecast": lambda: plots.plot_table(
                model.predict(steps, wanted, **ask),
                history=self.remembered if known is None else known,
                series=series,
            ),
            "components": lambda: plots.plot_table(model.decompose(steps, **ask), series=series),
            "fitted": lambda: plots.plot_table(model.fitted_values(), series=series),
            "importance": lambda: plots.importance(model),
            "weights": lambda: plots.weights(model, steps, **ask),
        }
        if what not in drawn:
            raise UnknownName("picture", what, drawn)
        return drawn[what]()

    def __dir__(self) -> list[str]:
        """What people use; what other modules of the package need is left out."""
        every = (name for name in super().__dir__() if name not in INTERNAL)
        return [name for name in every if name.startswith("__") or not name.startswith("_")]

    def __repr__(self) -> str:
        return in_a_line(self)

    def _repr_html_(self) -> str:
        return describe(self)

    def read(self, frame: Table, *, target: bool = True) -> pd.DataFrame:
        """A frame of its user's as `series_id, ds, y` and further columns, by the names of its training."""
        found, form = taken(frame, self._form, target=target)
        if form.series is None and self._form.series is not None:
            if len(self.known) > 1:
                raise BadInput(f"the frame has no column {self._form.series}; the model knows {len(self.known)} series")
            return found.assign(series_id=self.known[0])
        return found

    def plain(self) -> Self:
        """The same fitted model, whose results are `series_id, ds, …` in pandas' frames."""
        other = copy(self)
        other._form = Form()
        return other

    def given_back(self, found: pd.DataFrame, like: Table | None = None) -> pd.DataFrame:
        """A result with the columns of the training, of the kind of `like` (None: of the training's frame)."""
        form = self._form
        if like is not None:
            form = replace(form, example=taken(like, form, target=False)[1].example)
        return cast("pd.DataFrame", form.back(found))

    def with_calendar(self, calendar: Calendar) -> Self:
        """The same fitted model under another calendar of named days; this one stays as it is."""
        other = copy(self)
        other.calendar = calendar
        other._apart = tuple(one.with_calendar(calendar) for one in self._apart)
        return other

    def forecast(self, panel: Panel, horizon: int) -> tuple[Floats, Tape]:
        """Point forecasts, and what would have been forecast before."""
        return self.point(panel, horizon), self.tape(panel)

    def point(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts (series × steps) within the limits of their series; the mean of short series.

        Never below zero where the series never was, also of a kind that `extrapolates`.
        """
        return self._limited(np.where(panel.short[:, None], _means(panel), self._predict(panel, horizon)), panel)

    def parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        """Named contributions (series × steps) that sum to the point forecast.

        `mean` is all that there is of short series, `limit` is what keeps a forecast above zero, and within the limits
        of its series.
        """
        short = panel.short[:, None]
        parts = {name: np.where(short, 0.0, part) for name, part in self._parts(panel, horizon).items()}
        if short.any():
            parts["mean"] = np.repeat(np.where(short, _means(panel), 0.0), horizon, axis=1)
        total = _sum(parts)
        return parts | {"limit": self._limited(total, panel) - total}

    def composed(self, panel: Panel, horizon: int) -> tuple[dict[str, Floats], Tape]:
        """`forecast`, with the parts in place of the point forecasts."""
        return self.parts(panel, horizon), self.tape(panel)

    def component(self, part: str) -> str:
        """Which of COMPONENTS a part belongs to."""
        return "trend" if part == "mean" else part if part in COMPONENTS else "residual"

    def tape(self, panel: Panel) -> Tape:
        """What would have been forecast: the rehearsals, and after the training every few steps of newer history."""
        tape = self._tape.judged_by(panel)
        first = int(panel.index.get_indexer(pd.Index([self._trained]))[0])
        newest, every = len(panel.index) - 1, panel.granularity.every
        if first < 0 or newest <= first:
            return tape
        since = range(first, newest, every)[-12:]
        return tape.then(self._from(panel, since))

    def save(self, folder: Path | str) -> None:
        """Write everything that `load` needs: JSON, text, Parquet and plain arrays; no pickle.

        Parameters
        ----------
        folder
            Is made where it is not there; files in it are replaced.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> from mlops.forecasting import load
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> with TemporaryDirectory() as folder:
        ...     forecaster("naive")().fit(frame).save(folder)
        ...     load(folder).predict(1)["y_hat"].item()
        5.0
        """
        self._check_fitted()
        folder = Path(folder).expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(
                f"no folder can be made here ({error.strerror}); nothing was saved, name another", where=str(folder)
            ) from error
        card: dict[str, Any] = {"kind": self.kind, "params": self.params}
        card |= {"columns": self._form.names} if self._form.names else {}
        card |= {"coding": self.coding.to_json()} if self.coding.to_json() else {}
        if self._apart:
            card["apart"] = len(self._apart)
            for number, one in enumerate(self._apart):
                one.save(folder / f"part-{number}")
        else:
            ends = {"last": self._history.cutoff.isoformat(), "newest": self._history.newest.isoformat()}
            card |= {"fitted_freq": str(self._history.granularity), "zone": self._history.zone, **ends}
            card |= {} if self._trained == self._history.cutoff else {"trained": self._trained.isoformat()}
        (folder / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
        if self._apart:
            return
        self._history.long().to_parquet(folder / "history.parquet", index=False)
        self._tape.save(folder)
        self._save(folder)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """The fitted forecaster that `save` wrote; `mlops.forecasting.load` does so for any kind.

        Parameters
        ----------
        folder
            What was passed to `save`.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> with TemporaryDirectory() as folder:
        ...     forecaster("naive")().fit(frame).save(folder)
        ...     forecaster("naive").load(folder).predict(1)["y_hat"].item()
        5.0
        """
        folder = Path(folder).expanduser()
        card = read_card(folder)
        if card["kind"] != cls.kind:
            raise BadInput(
                f"a forecaster of kind {card['kind']!r} was saved here, not {cls.kind!r}; mlops.forecasting.load reads"
                " any kind",
                where=str(folder),
            )
        self = cls(**card["params"])
        self._form = Form(**card.get("columns", {}))
        self.coding = Coding.from_json(card.get("coding", {}))
        self._apart = tuple(cls.load(folder / f"part-{number}") for number in range(card.get("apart", 0)))
        if self._apart:
            return self
        frame = pd.read_parquet(folder / "history.parquet")
        self._history = Panel.of_long(
            frame,
            granularity_of(card["fitted_freq"]),
            zone=card.get("zone", UTC),
            last=card.get("last"),
            newest=card.get("newest"),
            coding=self.coding,
        )
        trained = card.get("trained")
        self._trained = pd.Timestamp(trained).as_unit("ns") if trained else self._history.cutoff
        self._tape = Tape.load(folder)
        self._load(folder)
        return self

    @abstractmethod
    def _fit(self, panel: Panel) -> None:
        """Learn from the whole panel."""

    @abstractmethod
    def _predict(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts, one row per series of `panel`, one column per step after its cutoff."""

    @abstractmethod
    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        """Named contributions that sum to `_predict`."""

    @abstractmethod
    def _save(self, folder: Path) -> None: ...

    @abstractmethod
    def _load(self, folder: Path) -> None: ...

    def _memory(self, panel: Panel) -> int:
        """How many steps of history a prediction looks back on."""
        return panel.granularity.year + 13 * panel.granularity.block

    def _rehearse(self, panel: Panel, origins: range) -> Tape:
        """Forecasts from the origins by a model that was fitted on what the first of them knew."""
        self._fit(panel.until(origins[0] + 1))
        return self._from(panel, origins)

    def _from(self, panel: Panel, origins: range) -> Tape:
        """Forecasts from the origins by the model as it is fitted."""
        return rehearse(panel, origins, self.horizon, self._at_last)

    def _at_last(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts from a past origin; NaN where nobody wrote down what has to be known ahead."""
        return self.point(panel, horizon)

    def _limited(self, y_hat: Floats, panel: Panel) -> Floats:
        if self.extrapolates:
            return np.where(panel.never_negative[:, None], np.maximum(y_hat, 0), y_hat)
        return within(y_hat, panel)

    def _asked(self, horizon: object, history: Table | None, future: Table | None) -> "list[tuple[Forecaster, Panel]]":
        """The panels to forecast, and the forecaster of each."""
        self._check_fitted()
        self._check_horizon(horizon)
        history, future = (None if given is None else self.read(given, target=False) for given in (history, future))
        models = self._apart or (self,)
        if history is None and future is None:
            return [(one, one._history) for one in models]
        frame = self._with_zones(self.remembered if history is None else history)
        panels = Panels.of(frame, self._said(), self.covariates, future, coding=self.coding)
        if not self.knows_new_series:
            unknown = panels.ids.difference(self.known)
            if len(unknown):
                raise UnknownName("series", unknown[0], map(str, self.known))
        if history is not None:
            _refuse_short(panels)
        asked = [(self._for(part), part) for part in panels.parts]
        return [(model, panel.with_static(model.horizon)) for model, panel in asked]

    def _with_zones(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A frame with the time zone of each series; of one that was never seen, that of most series."""
        if not self._apart or "time_zone" in frame.columns:
            return frame
        zones = {series: one._history.zone for one in self._apart for series in one.known}
        usual = max(self._apart, key=lambda one: len(one.known))._history.zone
        return frame.assign(time_zone=frame["series_id"].map(zones).fillna(usual))

    def _said(self) -> str:
        """What the steps are called by which frames are read: the granularity, or an alias that labels ends."""
        first = (self._apart or (self,))[0]
        return self.freq if self.freq and labels_ends(self.freq) else first._history.granularity.name

    def _for(self, panel: Panel) -> "Forecaster":
        """The forecaster of the panel's clock and weekday; of one that was never seen, that of most series."""
        if not self._apart:
            return self
        key = (panel.zone, panel.granularity)
        alike = [one for one in self._apart if (one._history.zone, one._history.granularity) == key]
        return alike[0] if alike else max(self._apart, key=lambda one: len(one.known))

    def _panel(self, horizon: int, history: Table | None, future: Table | None) -> Panel:
        """The only panel of `_asked`."""
        return self._asked(horizon, history, future)[0][1]

    def _gathered(self, parts: Mapping[str, Floats]) -> dict[str, Floats]:
        """Parts summed by component; a component without a part is zero."""
        found = {component: np.zeros_like(next(iter(parts.values()))) for component in COMPONENTS}
        for part, values in parts.items():
            found[self.component(part)] = found[self.component(part)] + values
        return found

    @property
    def _inputs(self) -> tuple[str, ...]:
        """The columns of its covariates in a panel."""
        return self.coding.names(self.covariates)

    @property
    def is_fitted(self) -> bool:
        """Whether it can predict."""
        return bool(self._apart) or hasattr(self, "_history")

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise self._unfitted()

    def _unfitted(self) -> Refused:
        return Refused(f"this {self.kind!r} forecaster is not fitted; call fit(frame) first, or load a saved one")

    def _check_horizon(self, horizon: object) -> None:
        whole = isinstance(horizon, int | np.integer) and not isinstance(horizon, bool)
        if not whole or not 1 <= int(horizon) <= self.horizon:  # type: ignore[call-overload]
            raise BadHorizon(horizon, self.horizon)


def read_card(folder: Path | str) -> dict[str, Any]:
    """Kind, parameters and granularity of a saved forecaster; BadInput for a folder in which none was saved."""
    path = Path(folder).expanduser() / CARD
    if not path.is_file():
        raise BadInput(
            f"no forecaster was saved here: there is no {CARD}; name the folder that save() wrote", where=str(folder)
        )
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card


def _refuse_short(panels: Panels) -> None:
    """HistoryTooShort where a history spans fewer steps than a training needs, for its forecasts would be means."""
    longest = max(panels.parts, key=lambda part: len(part.index))
    need = longest.granularity.need
    if len(longest.index) < need:
        got = (~np.isnan(longest.y)).sum(axis=1)
        raise HistoryTooShort(
            longest.ids[int(got.argmax())],
            int(got.max()),
            need,
            hint="history= is all that a forecast looks back on, not only what is new: take new rows by update(), or"
            " add those before them (fitted.remembered has them)",
        )


def opened(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of open steps, without the mark."""
    return rows[~rows["closed"]].drop(columns="closed").reset_index(drop=True)


def _sum(parts: Mapping[str, Floats]) -> Floats:
    return np.asarray(np.sum(list(parts.values()), axis=0))


def _means(panel: Panel) -> Floats:
    """The mean of each series (series × 1), 0 without a value."""
    seen = ~np.isnan(panel.y)
    return np.asarray(np.nansum(panel.y, axis=1) / np.maximum(seen.sum(axis=1), 1))[:, None]


def _long(
    panel: Panel, at: pd.DatetimeIndex, steps: npt.NDArray[np.int64], columns: Mapping[str, Floats]
) -> pd.DataFrame:
    keys = {
        "series_id": panel.ids.repeat(len(at)),
        "ds": np.tile(at.to_numpy(), len(panel.ids)),
        "cutoff": panel.newest,
    }
    return pd.DataFrame(keys | {name: np.asarray(values, float)[:, steps].ravel() for name, values in columns.items()})
