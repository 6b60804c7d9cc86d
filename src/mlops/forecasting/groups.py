"""A model of series that may begin their steps apart: which group forecasts which rows, and its user's frames."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Self, cast

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.granularity import labels_ends
from mlops.domain.html import html_table
from mlops.errors import BadHorizon, BadInput, HistoryTooShort, Refused, UnknownName
from mlops.forecasting.kind import COMPONENTS, PanelForecaster
from mlops.forecasting.out_of_sample import OutOfSample
from mlops.panels.calendar import Calendar
from mlops.panels.from_frame import Panels
from mlops.panels.inputs import Form, Table, taken
from mlops.panels.panel import Panel
from mlops.panels.service_calendar import closed
from mlops.times import UTC, longest_shift

__all__ = ["Grouped", "open_rows"]

HOUR = pd.Timedelta(hours=1)
DATE, TIME = "%Y-%m-%d", "%Y-%m-%d %H:%M"
LONGEST = 120
"""Characters of a parameter that are shown. Chosen, not measured."""
OF_KINDS = ("coding", "defaults", "definitions", "extrapolates", "inner", "knows_new_series", "refit", "search")
OF_PANELS = ("bounded", "component", "composed", "fit_panel", "forecast", "gathered", "parts", "point", "out_of_sample")
OF_FRAMES = ("given_back", "plain", "read", "sources", "out_of_sample_by_group", "with_calendar")
INTERNAL = frozenset((*OF_KINDS, *OF_PANELS, *OF_FRAMES))
"""What is public to other modules of the package and of no use to whoever has a forecaster."""


class Grouped(PanelForecaster):
    """A model with a forecaster for each group of series that begin their steps together and live by one clock."""

    _apart: tuple[Self, ...] = ()
    """A forecaster for each group of series that begin their steps apart; empty where there is one group."""
    _form = Form()
    """What its user's frames look like."""

    @property
    def is_fitted(self) -> bool:
        """Whether it can predict."""
        return bool(self._apart) or hasattr(self, "_history")

    @property
    def known(self) -> pd.Index:
        """The series that it was trained on."""
        self._check_fitted()
        if self._apart:
            return self._apart[0].known.append([group.known for group in self._apart[1:]])
        return self._history.ids

    @property
    def remembered(self) -> pd.DataFrame:
        """The observations that it keeps to forecast from: `series_id, ds, y`, the covariates, `time_zone` if local."""
        self._check_fitted()
        return pd.concat([group._history.frame() for group in self._apart or (self,)], ignore_index=True)

    @property
    def local(self) -> bool:
        """Whether a series that it was trained on lives by another clock than UTC."""
        self._check_fitted()
        return any(group._history.zone != UTC for group in self._apart)

    @property
    def out_of_sample_by_group(self) -> tuple[OutOfSample, ...]:
        """Out-of-sample forecasts from before the end of the training, one for each group of series."""
        self._check_fitted()
        return tuple(group._out_of_sample for group in self._apart) or (self._out_of_sample,)

    def read(self, frame: Table, *, target: bool = True) -> pd.DataFrame:
        """A user's frame as `series_id, ds, y` and further columns, by the column names of the training."""
        rows, form = taken(frame, self._form, target=target)
        if form.series is None and self._form.series is not None:
            if len(self.known) > 1:
                raise BadInput(f"the frame has no column {self._form.series}; the model knows {len(self.known)} series")
            return rows.assign(series_id=self.known[0])
        return rows

    def plain(self) -> Self:
        """The same fitted model, whose results are `series_id, ds, …` in pandas' frames."""
        other = copy(self)
        other._form = Form()
        return other

    def given_back(self, result: pd.DataFrame, like: Table | None = None) -> pd.DataFrame:
        """A result with the columns of the training, of the kind of `like` (None: of the training's frame)."""
        form = self._form
        if like is not None:
            form = replace(form, example=taken(like, form, target=False)[1].example)
        return cast("pd.DataFrame", form.back(result))

    def with_calendar(self, calendar: Calendar) -> Self:
        """The same fitted model under another calendar of named days; this one stays as it is."""
        other = copy(self)
        other.calendar = calendar
        other._apart = tuple(group.with_calendar(calendar) for group in self._apart)
        return other

    def __dir__(self) -> list[str]:
        """What users call, without what only other modules of the package need."""
        every = (name for name in super().__dir__() if name not in INTERNAL)
        return [name for name in every if name.startswith("__") or not name.startswith("_")]

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={_shortened(repr(value))}" for name, value in self.params.items())
        state = "not fitted"
        if self.is_fitted:
            state = (
                f"{len(self.known):,} series until {max(group._shown('cutoff') for group in self._apart or (self,))}"
            )
        return f"<forecaster {self.kind!r} ({given}): {state}>"

    def _repr_html_(self) -> str:
        """Kind, state and parameters as a table for a notebook."""
        rows: list[tuple[str, str]] = [("state", "not fitted")]
        if self.is_fitted:
            groups = self._apart or (self,)
            apart = f", in {len(groups)} groups that begin their steps apart" if len(groups) > 1 else ""
            rows = [
                ("series", f"{len(self.known):,}{apart}"),
                ("steps", groups[0]._history.granularity.name),
                ("trained until", max(group._shown("trained") for group in groups)),
                ("knows until", max(group._shown("cutoff") for group in groups)),
            ]
        rows += [(name, _shortened(str(value))) for name, value in self.params.items()]
        return html_table(("", ""), rows, title=f"forecaster {self.kind!r}")

    def _shown(self, which: str) -> str:
        """The newest step that this group was trained on, or knows by now, as text by its clock."""
        at = self._trained if which == "trained" else self._history.cutoff
        return f"{at:{DATE if self._history.granularity.dated else TIME}}"

    def _like(self, panel: Panel) -> Self:
        """An unfitted forecaster for one panel, with room for the steps that its clock may skip."""
        spare = 0
        if not panel.granularity.dated:  # it may be asked for a new series in another zone, too
            spare = max(longest_shift(panel.zone), HOUR) // pd.Timedelta(seconds=panel.granularity.seconds)
        params = self.params | {"freq": str(panel.granularity), "horizon": self.horizon + spare}
        return type(self)(**params)

    def _each(
        self,
        horizon: object,
        history: Table | None,
        future: Table | None,
        columns: Callable[[Self, Panel, int], dict[str, Floats]],
    ) -> pd.DataFrame:
        """The columns of every panel's forecasts, each by the forecaster that knows its clock and weekday."""
        tables = []
        for model, panel in self._asked(horizon, history, future):
            at, steps = panel.ahead_of(int(horizon))  # type: ignore[call-overload]
            steps = np.minimum(steps, model.horizon - 1)  # only of a series whose clock skips more than those known
            ahead = int(steps.max()) + 1
            shut = closed(panel, panel.future(ahead))
            numbers = columns(model, panel, ahead)
            if self.absence == "zero":
                numbers = {name: np.where(shut, 0.0, values) for name, values in numbers.items()}
            keys = {
                "series_id": panel.ids.repeat(len(at)),
                "ds": np.tile(at.to_numpy(), len(panel.ids)),
                "cutoff": panel.newest,
            }
            columns_ = {name: np.asarray(values, float)[:, steps].ravel() for name, values in numbers.items()}
            rows = pd.DataFrame(keys | columns_)
            rows.insert(sum(name not in COMPONENTS for name in rows.columns), "closed", shut[:, steps].ravel())
            tables.append(rows)
        if len(tables) == 1:
            return tables[0]
        together = pd.concat(tables, ignore_index=True)  # a part that one forecaster has and another has not is zero
        return together.fillna(dict.fromkeys(together.columns[4:], 0.0))

    def _asked(self, horizon: object, history: Table | None, future: Table | None) -> list[tuple[Self, Panel]]:
        """The panels to forecast, and the forecaster of each."""
        self._check_fitted()
        whole = isinstance(horizon, int | np.integer) and not isinstance(horizon, bool)
        if not whole or not 1 <= int(horizon) <= self.horizon:  # type: ignore[call-overload]
            raise BadHorizon(horizon, self.horizon)
        history, future = (None if rows is None else self.read(rows, target=False) for rows in (history, future))
        models = self._apart or (self,)
        if history is None and future is None:
            return [(model, model._history) for model in models]
        frame = self._with_zones(self.remembered if history is None else history)
        panels = Panels.of(
            frame, self._freq_of_frames(), self.covariates, future, sources=self.sources, coding=self.coding
        )
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
        zones = {series: group._history.zone for group in self._apart for series in group.known}
        usual = max(self._apart, key=lambda group: len(group.known))._history.zone
        return frame.assign(time_zone=frame["series_id"].map(zones).fillna(usual))

    def _freq_of_frames(self) -> str:
        """The frequency by which frames are read: the granularity, or an alias that labels the ends of steps."""
        first = (self._apart or (self,))[0]
        return self.freq if self.freq and labels_ends(self.freq) else first._history.granularity.name

    def _for(self, panel: Panel) -> Self:
        """The forecaster of the panel's clock and weekday; of one that was never seen, that of most series."""
        if not self._apart:
            return self
        key = (panel.zone, panel.granularity)
        alike = [group for group in self._apart if (group._history.zone, group._history.granularity) == key]
        return alike[0] if alike else max(self._apart, key=lambda group: len(group.known))

    def _panel(self, horizon: int, history: Table | None, future: Table | None) -> Panel:
        """The only panel of `_asked`."""
        return self._asked(horizon, history, future)[0][1]

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise self._unfitted()

    def _unfitted(self) -> Refused:
        return Refused(f"this {self.kind!r} forecaster is not fitted; call fit(frame) first, or load a saved one")


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


def open_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of open steps, without the column `closed`."""
    return rows[~rows["closed"]].drop(columns="closed").reset_index(drop=True)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
