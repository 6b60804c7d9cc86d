"""The public interface of every model kind: fit on a frame, predict with intervals, explain, plot, save."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.features import FeatureDefinition, Selection
from mlops.domain.forecasts import LEVELS
from mlops.errors import NothingToDo
from mlops.features.standard import standard
from mlops.forecasting import saved, update
from mlops.forecasting.groups import Grouped, open_rows
from mlops.forecasting.kind import summed
from mlops.panels.arguments import either, in_per_cent
from mlops.panels.from_frame import Panels
from mlops.panels.inputs import Table, taken
from mlops.panels.panel import Panel
from mlops.panels.service_calendar import service
from mlops.parallel import one_thread

if TYPE_CHECKING:
    from mlops.forecasting.plots import Picture

__all__ = ["GAIN", "Forecaster"]

GAIN = "gain of the trees"


class Forecaster(Grouped):
    """A model of many series.

    Series that begin their weeks on different days, or live by different clocks, are fitted apart: each such group has
    a forecaster of its own inside of this one.

    Parameters
    ----------
    freq
        The name of a granularity or pandas' offset alias (None: inferred from the data, `panels.timestamps`).
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

    def definitions(self, selection: Selection, owner: str) -> tuple[FeatureDefinition, ...]:
        """The definitions of its features, for series of a selection."""
        return standard(selection, owner, self.features, self.country)

    def fit(
        self,
        frame: Table,
        *,
        id_col: str | None = None,
        time_col: str | None = None,
        target_col: str | None = None,
    ) -> Self:
        """Learn from a frame `series_id, ds, y`: without its newest weeks first, to calibrate intervals, then from all.

        The frame is of pandas, polars, Arrow or another kind that narwhals takes, and so is what `predict` gives then.

        Parameters
        ----------
        frame
            A row per series and step: `series_id`, `ds` (the beginning of the step, in UTC), `y` (NaN or no row where
            nothing was observed) and the covariates, whose rows may go farther than those of `y`. A column `time_zone`
            names the clock by which hours repeat.
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
        panels = Panels.of(frame, self.freq, self.covariates, sources=self.sources)
        self.calendar.check_series(panels.ids)
        self.coding = panels.parts[0].coding
        self._apart = () if panels.plain else tuple(self._like(part).fit_panel(part) for part in panels.parts)
        if not self._apart:
            return self.fit_panel(panels.parts[0])
        self.features = tuple(dict.fromkeys(name for group in self._apart for name in group.features))
        return self

    def update(self, frame: Table, *, overwrite: bool = False, allow_gap: bool = False) -> Self:
        """Add newer rows without a new training: forecasts begin after them.

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
        update.update(self, frame, overwrite=overwrite, allow_gap=allow_gap)
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
            (HistoryTooShort where they span fewer steps than a training needs; `update` takes what is new). What would
            have been forecast of them since the training counts as well, so that intervals widen when forecasts have
            begun to fail.
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
        forecasts = self._each(
            either("horizon", horizon, "h", h, self.horizon),
            history,
            future,
            lambda model, panel, steps: model.bounded(panel, steps, wanted, decompose=decompose)[0],
        )
        return self.given_back(forecasts, history)

    @one_thread()
    def explain(
        self,
        horizon: int | None = None,
        *,
        history: Table | None = None,
        future: Table | None = None,
        h: int | None = None,
    ) -> pd.DataFrame:
        """The parts of forecasts: `series_id, ds, cutoff, y_hat`, then a column per part; their sum is `y_hat`.

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

        def makings(model: Self, panel: Panel, steps: int) -> dict[str, Floats]:
            parts = model.parts(panel, steps)
            return {"y_hat": summed(parts), **parts}

        steps = either("horizon", horizon, "h", h, self.horizon)
        return self.given_back(open_rows(self._each(steps, history, future, makings)), history)

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

        def gathered(model: Self, panel: Panel, steps: int) -> dict[str, Floats]:
            parts = model.parts(panel, steps)
            return {"y_hat": summed(parts), **model.gathered(parts)}

        steps = either("horizon", horizon, "h", h, self.horizon)
        return self.given_back(open_rows(self._each(steps, history, future, gathered)), history)

    def service(self, *, history: Table | None = None) -> pd.DataFrame:
        """The weekdays and months in which each series of `history` (None: of the training data) is not served.

        `series_id, closed_weekdays, closed_months`: lists of 1 (Monday) to 7 and of 1 (January) to 12, mostly empty, by
        the clock of the series and as of the end of its history.

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
        rows = pd.concat(
            [model.out_of_sample(model._history).frame(model._history) for model in models], ignore_index=True
        )
        if all_origins:
            return self.given_back(rows)
        newest = rows.sort_values("cutoff", kind="stable").drop_duplicates(["series_id", "ds"], keep="last")
        return self.given_back(newest.sort_index(kind="stable").reset_index(drop=True))

    def importance(self) -> dict[str, float]:
        """Share of each feature in what the model has learned, summing to 1; empty for a kind without features.

        Of series that are apart it is the mean over them.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=63)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 9})
        >>> forecaster("naive")().fit(frame).importance()
        {}
        """
        self._check_fitted()
        shares: dict[str, float] = {}
        for group in self._apart:
            for feature, share in group.importance().items():
                shares[feature] = shares.get(feature, 0.0) + share * len(group.known) / len(self.known)
        return shares

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
        """A Matplotlib figure of its forecasts, of their components, or of what it has learned.

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
        from mlops.forecasting.plots import plot_model

        self._check_fitted()
        steps = either("horizon", horizon, "h", h, self.horizon)
        wanted = either("levels", None if levels is LEVELS else levels, "level", level, LEVELS)
        return plot_model(self, what, steps, wanted, history=history, future=future, series=series)

    def _importance(self) -> pd.DataFrame:
        """`member, feature, share, measured_by` of the importance of features; NothingToDo for a kind without it."""
        rows = [(self.kind, feature, share, GAIN) for feature, share in self.importance().items()]
        if not rows:
            raise NothingToDo(f"kind {self.kind!r} has no importance of features; lightgbm, auto and lean have one")
        return pd.DataFrame(rows, columns=["member", "feature", "share", "measured_by"])

    def _member_weights(self, horizon: int, **asked: Any) -> pd.DataFrame:  # noqa: ARG002  of kinds with members
        """`weights` of a kind that has members; NothingToDo for one that has none."""
        raise NothingToDo(f"kind {self.kind!r} has no members, so there are no weights; auto and lean have")

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
        saved.write_model(self, folder)

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
        return saved.read_model(cls, folder)
