"""The default kind: a weighted mean of other kinds, with weights by series and step ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.canonical import JsonObject, Parameters
from mlops.domain.features import FeatureDefinition, Selection
from mlops.errors import UnknownName
from mlops.forecasting.base import GAIN, Forecaster
from mlops.forecasting.ensemble.weights import blend, fallback_share, shares, weigh
from mlops.forecasting.groups import open_rows
from mlops.forecasting.hybrid import Hybrid
from mlops.forecasting.lightgbm.model import LightGBM
from mlops.forecasting.out_of_sample import OutOfSample
from mlops.panels.arguments import either
from mlops.panels.calendar import Calendar, Events
from mlops.panels.inputs import Table
from mlops.panels.panel import Panel
from mlops.parallel import one_thread

__all__ = ["Auto", "Lean"]

MOVEMENT = "movement of the forecast"
FALLBACK_FOLDER = "refuge"
"""As it is called in models that are saved already."""


class Auto(Forecaster):
    """A mean of members, weighted by the errors that each made at past origins (`forecasting.ensemble.weights`).

    In a shock (a lockdown), when they all fail and the seasonal naive does not, it takes over until they recover.

    With newer history the weights follow it, without a new training.

    Parameters
    ----------
    members
        The kinds that are averaged.
    settings
        Parameters of members, by kind: `{"lightgbm": {"trees": 80}}`.
    """

    kind = "auto"
    defaults = MappingProxyType({"lightgbm": {"refit": False}})
    inner = MappingProxyType({f"settings.{kind}": kind for kind in ("lightgbm", "hybrid", "prophet")})
    search = MappingProxyType(
        {
            **{f"settings.lightgbm.{name}": given for name, given in LightGBM.search.items()},
            **{f"settings.hybrid.{name}": given for name, given in Hybrid.search.items()},
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
        members: Sequence[str] = ("smoothing", "lightgbm", "hybrid"),
        settings: Mapping[str, Parameters] | None = None,
    ) -> None:
        super().__init__(
            freq=freq, country=country, horizon=horizon, events=events, covariates=covariates, absence=absence
        )
        from mlops.forecasting import forecaster

        self.settings = {kind: dict(given) for kind, given in (settings or {}).items()}
        for kind in self.settings:
            if kind not in members:
                raise UnknownName("member", kind, members)
        common = super().params
        self._fallback: Forecaster = forecaster("naive")(**common)
        self.members = {
            kind: forecaster(kind)(**common, **dict(self.defaults.get(kind, {})) | self.settings.get(kind, {}))
            for kind in members
        }

    @property
    def params(self) -> JsonObject:
        own = {"members": list(self.members)}
        return super().params | own | ({"settings": self.settings} if self.settings else {})

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(sorted({name for member in self.members.values() for name in member.sources}))

    def definitions(self, selection: Selection, owner: str) -> tuple[FeatureDefinition, ...]:
        """The definitions of its members, each once."""
        members = (member for group in self._apart or (self,) for member in group.members.values())
        definitions = [each for member in members for each in member.definitions(selection, owner)]
        return tuple({definition.name: definition for definition in definitions}.values())

    def importance(self) -> dict[str, float]:
        """Of the first member that has features, as of each kind; `member_importance` has all members.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=112)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 16})
        >>> round(sum(forecaster("lean")(horizon=7).fit(frame).importance().values()), 6)
        1.0
        """
        if self._apart:
            return super().importance()
        self._check_fitted()
        # of the first member that has features; member_importance has all members
        return next((shares for member in self.members.values() if (shares := member.importance())), {})

    def member_importance(self) -> pd.DataFrame:
        """What each member has learned from: `member, feature, share, measured_by`; the shares of a member sum to 1.

        Of `lightgbm` it is the gain of the trees, as in `importance`. Other members have no features: of these it is
        how far each part moves their forecasts from step to step ahead (its standard deviation over the horizon, added
        over the series).

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=84)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 12})
        >>> found = forecaster("auto")(members=["smoothing", "average"]).fit(frame).member_importance()
        >>> found.loc[found["share"] > 0.5, ["member", "feature"]].values.tolist()
        [['smoothing', 'weekly'], ['average', 'weekly']]
        """
        total: dict[tuple[str, str, str], float] = {}
        groups = self._apart or (self,)
        for group in groups:
            weight = len(group.known) / sum(len(other.known) for other in groups)
            for member, model in group.members.items():
                measured_by, shares_ = GAIN, model.importance()
                if not shares_:
                    measured_by, shares_ = MOVEMENT, _movement(model)
                for feature, share in shares_.items():
                    key = (member, feature, measured_by)
                    total[key] = total.get(key, 0.0) + weight * share
        order = list(self.members)
        rows = [(member, feature, share, how) for (member, feature, how), share in total.items()]
        rows.sort(key=lambda row: (order.index(row[0]), -row[2]))
        return pd.DataFrame(rows, columns=["member", "feature", "share", "measured_by"])

    @one_thread()
    def weights(
        self,
        horizon: int | None = None,
        *,
        history: Table | None = None,
        future: Table | None = None,
        h: int | None = None,
    ) -> pd.DataFrame:
        """How much each member counts in a forecast: `series_id, ds, cutoff`, then a column per member; they sum to 1.

        `fallback` is the seasonal naive, which has a weight while all members fail. Closed steps have no row.

        Parameters
        ----------
        horizon
            Steps ahead (None: the forecaster's own horizon); `h` is the same.
        history, future
            As in `predict`: newer history moves the weights.
        h
            See `horizon`.

        Examples
        --------
        >>> import pandas as pd
        >>> from mlops.forecasting import forecaster
        >>> days = pd.date_range("2024-01-01", periods=84)
        >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 12})
        >>> found = forecaster("auto")(members=["smoothing", "average"]).fit(frame).weights(h=7)
        >>> list(found.columns), found[["smoothing", "average", "fallback"]].sum(axis=1).round(9).unique().tolist()
        (['series_id', 'ds', 'cutoff', 'smoothing', 'average', 'fallback'], [1.0])
        """

        def shares_of(model: Auto, panel: Panel, steps: int) -> dict[str, Floats]:
            share = shares(model._points(panel, steps), model._blended(panel)[0][-1][..., :steps])
            return {name: share[:, column] for column, name in enumerate((*model.members, "fallback"))}

        steps = either("horizon", horizon, "h", h, self.horizon)
        return self.given_back(open_rows(self._each(steps, history, future, shares_of)), history)

    def _importance(self) -> pd.DataFrame:
        return self.member_importance()

    def _member_weights(self, horizon: int, **asked: Any) -> pd.DataFrame:
        return self.weights(horizon, **asked)

    def forecast(self, panel: Panel, horizon: int) -> tuple[Floats, OutOfSample]:
        """The members' forecasts by the newest weights; past forecasts are by the weights that their origin knew."""
        weights, out_of_sample = self._blended(panel)
        return blend(self._points(panel, horizon), weights[-1][..., :horizon]), out_of_sample

    def out_of_sample(self, panel: Panel) -> OutOfSample:
        return self._blended(panel)[1]

    def point(self, panel: Panel, horizon: int) -> Floats:
        return self.forecast(panel, horizon)[0]

    def _calibration_backtest(self, panel: Panel, origins: range) -> OutOfSample:
        """The members are backtested and fitted here; the weights come from their own past forecasts."""
        for member in (*self.members.values(), self._fallback):
            member.fit_panel(panel.without(set(self.sources) - set(member.sources)), origins)
        self.features = tuple(dict.fromkeys(name for member in self.members.values() for name in member.features))
        return self._fallback._out_of_sample

    def _fit(self, panel: Panel) -> None:
        """The members are fitted."""

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        return self.point(panel, horizon)

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        return self._weighted(panel, horizon, self._blended(panel)[0])

    def composed(self, panel: Panel, horizon: int) -> tuple[dict[str, Floats], OutOfSample]:
        weights, out_of_sample = self._blended(panel)
        return self._weighted(panel, horizon, weights), out_of_sample

    def with_calendar(self, calendar: Calendar) -> Self:
        other = super().with_calendar(calendar)
        other.members = {kind: member.with_calendar(calendar) for kind, member in self.members.items()}
        other._fallback = self._fallback.with_calendar(calendar)
        return other

    def _weighted(self, panel: Panel, horizon: int, weights: Floats) -> dict[str, Floats]:
        """The parts of every member, each by the member's newest weight; named `member: part`."""
        members = self.members | {"fallback": self._fallback}
        points = np.full((len(panel.ids), len(members), horizon), np.nan)
        parts: dict[str, dict[str, Floats]] = {}
        for column, (kind, member) in enumerate(members.items()):
            rows = self._rows(member, panel)
            parts[kind] = member.parts(panel.take(rows), horizon) if rows.any() else {}
            if rows.any():
                points[rows, column] = np.sum(list(parts[kind].values()), axis=0)
        share, weighted = shares(points, weights[-1][..., :horizon]), {}
        for column, (kind, member) in enumerate(members.items()):
            rows = self._rows(member, panel)
            for part, values in parts[kind].items():
                weighted[f"{kind}: {part}"] = np.zeros((len(panel.ids), horizon))
                weighted[f"{kind}: {part}"][rows] = values * share[rows, column]
        return weighted

    def component(self, part: str) -> str:
        """Which of COMPONENTS the part is in its member."""
        kind, _, name = part.partition(": ")
        if kind in self.members:
            return self.members[kind].component(name)
        return self._fallback.component(name) if kind == "fallback" else super().component(part)

    def _memory(self, panel: Panel) -> int:
        return max(member._memory(panel) for member in self.members.values())

    def _save(self, folder: Path) -> None:
        for kind, member in self.members.items():
            member.save(folder / kind)
        self._fallback.save(folder / FALLBACK_FOLDER)

    def _load(self, folder: Path) -> None:
        for kind, member in self.members.items():
            self.members[kind] = type(member).load(folder / kind)
        self._fallback = type(self._fallback).load(folder / FALLBACK_FOLDER)

    def _blended(self, panel: Panel) -> tuple[Floats, OutOfSample]:
        """Weights (origins + 1 × series × members × steps), the last member being the fallback, and past blends."""
        season, plain = panel.granularity, self._fallback.out_of_sample(panel).of(panel.ids)
        by_member = []
        for member in self.members.values():
            rows = self._rows(member, panel)
            unknown = replace(plain, y_hat=np.full_like(plain.y_hat, np.nan))
            by_member.append(member.out_of_sample(panel.take(rows)).of(panel.ids) if rows.any() else unknown)
        forecasts = np.stack([out_of_sample.y_hat for out_of_sample in (*by_member, plain)], axis=2).astype(float)
        weights = weigh(by_member, season.block)
        first = replace(plain, y_hat=blend(forecasts[:, :, :-1], weights[:-1]).astype(np.float32))
        part = fallback_share(first, plain, season.block, season.every)[:, :, None, None]
        rest = np.broadcast_to(part, (*part.shape[:3], weights.shape[3]))
        weights = np.concatenate([weights * (1 - part), rest], axis=2)
        return weights, replace(plain, y_hat=blend(forecasts, weights[:-1]).astype(np.float32))

    def _points(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts (series × members × steps); NaN for series that a member can't forecast."""
        points = np.full((len(panel.ids), len(self.members) + 1, horizon), np.nan)
        points[:, -1] = self._fallback.point(panel, horizon)
        for column, member in enumerate(self.members.values()):
            rows = self._rows(member, panel)
            if rows.any():
                points[rows, column] = member.point(panel.take(rows), horizon)
        return points

    def _rows(self, member: Forecaster, panel: Panel) -> npt.NDArray[np.bool_]:
        """Which series a member can forecast."""
        return np.ones(len(panel.ids), bool) if member.knows_new_series else np.asarray(panel.ids.isin(member.known))


def _movement(model: Forecaster) -> dict[str, float]:
    """The share of each part in the variation of the next forecasts from step to step."""
    panel = model._history
    ahead = [panel.extra[name].shape[1] - len(panel.index) for name in model._inputs]
    steps = min([model.horizon, *ahead])
    if steps < 2:
        return {}  # covariates that are known one step ahead at most leave no movement to measure
    moved = {part: float(np.nansum(np.nanstd(values, axis=1))) for part, values in model.parts(panel, steps).items()}
    total = sum(moved.values())
    return {part: value / total for part, value in moved.items()} if total > 0 else {}


class Lean(Auto):
    """Auto with a small LightGBM: three fifths to four fifths of the time, at nearly its accuracy."""

    kind = "lean"
    defaults = MappingProxyType(
        {"lightgbm": {"refit": False, "trees": 60, "num_leaves": 15, "learning_rate": 0.15, "origins": 5}}
    )
