"""Prophet's design matrix: seasonalities by its rules, holidays by name, the columns of its regression.

Everything here is computed as Prophet's `fit` computes it (its forecaster.py), for many series at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import NotRequired, TypedDict, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.canonical import JsonObject
from mlops.domain.granularity import Granularity
from mlops.errors import BadInput, UnknownName
from mlops.panels.arguments import choice, fraction, positive, whole_number
from mlops.panels.calendar import Calendar

__all__ = [
    "RESERVED",
    "Layout",
    "Recipe",
    "Seasonality",
    "SeasonalityDocument",
    "Term",
    "event_days",
    "holiday_columns",
    "lay_out",
    "matrix",
    "nanoseconds",
    "too_short_for",
]

DAY = 86_400 * 10**9
"""In nanoseconds."""
MONTHS_OF_YEAR = 12
MODES = ("additive", "multiplicative")
GROWTHS = ("linear", "flat", "logistic")
RESERVED = ("ds", "y", "trend", "holidays", "zeros", "yhat", "cap", "floor", "y_scaled", "cap_scaled", "t", "limit")
"""Names that Prophet or the forecast's parts use."""


class SeasonalityDocument(TypedDict):
    """A seasonality as people give it; its `period` is in days."""

    name: str
    period: float
    fourier_order: int
    prior_scale: NotRequired[float]
    mode: NotRequired[str]


class WholeSeasonality(TypedDict):
    """A seasonality as a saved model has it."""

    name: str
    period: float
    fourier_order: int
    prior_scale: float
    mode: str


class LayoutDocument(TypedDict):
    """A layout as a saved model has it; one of before there were events has none."""

    seasonalities: list[WholeSeasonality]
    holidays: list[str]
    counted: bool
    regressors: list[str]
    events: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class Seasonality:
    """A cycle of `period` days, as sines and cosines up to the multiple `fourier_order`."""

    name: str
    period: float
    fourier_order: int
    prior_scale: float
    mode: str

    @classmethod
    def of(cls, given: SeasonalityDocument, prior_scale: float, mode: str) -> "Seasonality":
        """From `name, period, fourier_order[, prior_scale][, mode]`; the defaults are those of the model."""
        known = {key.name for key in fields(cls)}
        for key in given:
            if key not in known:
                raise UnknownName("key of a seasonality", key, known)
        missing = [key for key in ("name", "period", "fourier_order") if key not in given]
        if missing:
            raise BadInput(f"the seasonality {dict(given)!r} has no {', '.join(missing)}; a period is in days")
        defaults: JsonObject = {"prior_scale": prior_scale, "mode": mode}
        seasonality = cls(**defaults | dict(given))
        positive(f"the period of seasonality {seasonality.name!r}", seasonality.period)
        positive(f"the prior_scale of seasonality {seasonality.name!r}", seasonality.prior_scale)
        whole_number(f"the fourier_order of seasonality {seasonality.name!r}", seasonality.fourier_order, least=1)
        choice(f"the mode of seasonality {seasonality.name!r}", seasonality.mode, MODES)
        return seasonality

    @property
    def columns(self) -> tuple[str, ...]:
        """Prophet's names of its columns."""
        return tuple(f"{self.name}_delim_{number}" for number in range(1, 2 * self.fourier_order + 1))

    def features(self, index: pd.DatetimeIndex) -> Floats:
        """Sine and cosine of each order, in turn (steps × 2 · order)."""
        angle = np.pi * 2 * (nanoseconds(index) / DAY)
        waves = np.arange(1, self.fourier_order + 1) / self.period * angle[:, None]
        return np.stack([np.sin(waves), np.cos(waves)], axis=2).reshape(len(index), -1)


@dataclass(frozen=True)
class Recipe:
    """Prophet's settings, by Prophet's names; raises BadInput for what it would refuse."""

    growth: str = "linear"
    n_changepoints: int = 25
    changepoint_range: float = 0.8
    changepoint_prior_scale: float = 0.05
    seasonality_mode: str = "additive"
    holidays_mode: str | None = None
    yearly_seasonality: str | bool | int = "auto"
    weekly_seasonality: str | bool | int = "auto"
    daily_seasonality: str | bool | int = "auto"
    seasonalities: tuple[SeasonalityDocument, ...] = ()
    seasonality_prior_scale: float = 10.0
    holidays_prior_scale: float = 10.0
    mcmc_samples: int = 0
    cap: float | Mapping[str, float] | None = None
    floor: float | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        choice("growth", self.growth, GROWTHS)
        choice("seasonality_mode", self.seasonality_mode, MODES)
        choice("holidays_mode", self.holidays_mode, (*MODES, None))
        whole_number("n_changepoints", self.n_changepoints)
        whole_number("mcmc_samples", self.mcmc_samples)
        fraction("changepoint_range", self.changepoint_range, "the history")
        for scale in ("changepoint_prior_scale", "seasonality_prior_scale", "holidays_prior_scale"):
            positive(scale, getattr(self, scale))
        for name in BUILT_IN:
            self._order(name, disabled=False)
        if (self.growth == "logistic") != (self.cap is not None):
            need = "needs a cap (a number, or one by series)" if self.cap is None else "has no cap"
            raise BadInput(f"growth = {self.growth!r} {need}; cap and growth = 'logistic' belong together")
        if self.floor is not None and self.cap is None:
            raise BadInput(f"floor = {self.floor!r} means nothing without growth = 'logistic' and a cap")
        names = [seasonality.name for seasonality in self.custom]
        for name in names:
            if name in RESERVED or "_delim_" in name or names.count(name) > 1:
                raise BadInput(f"a seasonality can't be called {name!r}: the name is taken; choose another")

    @property
    def settings(self) -> JsonObject:
        """Every setting that is not None, by name, as JSON takes it."""
        settings = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        settings = {name: value for name, value in settings.items() if value is not None and name != "seasonalities"}
        return settings | (
            {"seasonalities": [dict(seasonality) for seasonality in self.seasonalities]} if self.seasonalities else {}
        )

    @cached_property
    def custom(self) -> tuple[Seasonality, ...]:
        """The user's own seasonalities."""
        return tuple(
            Seasonality.of(given, self.seasonality_prior_scale, self.seasonality_mode) for given in self.seasonalities
        )

    @cached_property
    def orders(self) -> dict[str, str | bool | int]:
        """Prophet's arguments for its own seasonalities; text is read as the Boolean or number that it spells."""
        wanted = {f"{name}_seasonality": getattr(self, f"{name}_seasonality") for name in BUILT_IN}
        return {name: _meant(value) if isinstance(value, str) else value for name, value in wanted.items()}

    def seasons(self, without: frozenset[str]) -> tuple[Seasonality, ...]:
        """The seasonalities of a series that Prophet's rules leave `without` some, in Prophet's order."""
        seasons = {season.name: season for season in self.custom}
        for name, (period, _) in BUILT_IN.items():
            order = self._order(name, disabled=name in without)
            if order:
                seasons[name] = Seasonality(name, period, order, self.seasonality_prior_scale, self.seasonality_mode)
        return tuple(seasons.values())

    def _order(self, name: str, *, disabled: bool) -> int:
        """The Fourier order of a built-in seasonality, 0 for none; `disabled` is Prophet's verdict for "auto"."""
        wanted = self.orders[f"{name}_seasonality"]
        if wanted == "auto":
            return 0 if disabled or name in {season.name for season in self.custom} else BUILT_IN[name][1]
        if isinstance(wanted, bool):
            return BUILT_IN[name][1] if wanted else 0
        whole_number(f"{name}_seasonality", wanted, 'expected "auto", true, false or ')
        return int(wanted)


def too_short_for(span: int, gap: int) -> frozenset[str]:
    """The built-in seasonalities that Prophet's "auto" leaves out of a series.

    It spans `span` nanoseconds, and its closest observations are `gap` apart.
    """
    rules = {
        "yearly": span < 730 * DAY,
        "weekly": span < 14 * DAY or gap >= 7 * DAY,
        "daily": span < 2 * DAY or gap >= DAY,
    }
    return frozenset(name for name, broken in rules.items() if broken)


BUILT_IN = {"yearly": (365.25, 10), "weekly": (7.0, 3), "daily": (1.0, 4)}
"""Period in days and order of Prophet's own seasonalities."""


@dataclass(frozen=True, slots=True)
class Term:
    """One component of the forecast: columns of the regression that share a prior scale and a mode.

    `name` is Prophet's, `part` is how the forecast's decomposition calls it.
    """

    name: str
    part: str
    columns: tuple[str, ...]
    scale: float
    multiplicative: bool


@dataclass(frozen=True)
class Layout:
    """The terms of a panel's models, additive ones first; a series has zeros for what Prophet would not give it."""

    seasonalities: tuple[Seasonality, ...]
    holidays: tuple[str, ...]
    counted: bool
    """Whether holidays are counts of days in a step (weeks, months) rather than dates."""
    regressors: tuple[str, ...]
    events: tuple[str, ...]
    """Those of the regressors that are events of some series."""
    terms: tuple[Term, ...] = field(compare=False)

    @property
    def scales(self) -> Floats:
        """Prior scale of each column."""
        return np.array([term.scale for term in self.terms for _ in term.columns])

    @property
    def columns(self) -> list[str]:
        """Prophet's name of each column."""
        return [column for term in self.terms for column in term.columns]

    @property
    def multiplicative(self) -> int:
        """How many of the last columns multiply the trend."""
        return sum(len(term.columns) for term in self.terms if term.multiplicative)

    def spans(self) -> Iterable[tuple[Term, slice]]:
        """Each term with its columns' place."""
        first = 0
        for term in self.terms:
            yield term, slice(first, first + len(term.columns))
            first += len(term.columns)

    def to_json(self) -> LayoutDocument:
        """As a JSON object, which `from_json` reads."""
        return cast("LayoutDocument", {key: value for key, value in asdict(self).items() if key != "terms"})

    @classmethod
    def from_json(cls, recipe: Recipe, card: LayoutDocument) -> "Layout":
        """The layout that `to_json` described."""
        seasons = [Seasonality(**season) for season in card["seasonalities"]]
        return lay_out(
            recipe,
            seasons,
            card["holidays"],
            counted=card["counted"],
            regressors=card["regressors"],
            events=card.get("events", ()),
        )


def lay_out(
    recipe: Recipe,
    seasonalities: Iterable[Seasonality],
    named: Iterable[str],
    *,
    counted: bool,
    regressors: Iterable[str],
    events: Iterable[str] = (),
) -> Layout:
    """The terms of these seasonalities, holidays (their names) and regressors (theirs), some of which are events."""
    seasonalities, named, regressors, events = tuple(seasonalities), tuple(named), tuple(regressors), tuple(events)
    of_holidays = (recipe.holidays_mode or recipe.seasonality_mode) == "multiplicative"
    of_regressors = recipe.seasonality_mode == "multiplicative"
    scale = recipe.holidays_prior_scale
    terms = [
        Term(season.name, season.name, season.columns, season.prior_scale, season.mode == "multiplicative")
        for season in seasonalities
    ]
    for name in named:
        column = name if counted else f"{name}_delim_+0"
        terms.append(Term(name, f"holiday: {name}", (column,), scale, of_holidays))
    terms += [Term(name, name, (name,), scale, of_holidays if name in events else of_regressors) for name in regressors]
    ordered = tuple(sorted(terms, key=lambda term: term.multiplicative))
    return Layout(seasonalities, named, counted, regressors, events, ordered)


def holiday_columns(calendar: Calendar, index: pd.DatetimeIndex, granularity: Granularity) -> dict[str, Floats]:
    """Per named day that `index` meets: its share of each date, or how many of its days lie in each longer step.

    None for years: each has the same days.
    """
    return {} if granularity.months >= MONTHS_OF_YEAR else dict(sorted(calendar.counts(index, granularity).items()))


def event_days(calendar: Calendar) -> pd.DataFrame:
    """Every day of the calendar's events, in Prophet's columns `ds, holiday`."""
    rows = {(day, event.name) for event in calendar.events for day in pd.date_range(event.first, event.last)}
    return pd.DataFrame(sorted(rows), columns=["ds", "holiday"])


def matrix(terms: Layout, index: pd.DatetimeIndex, named: Mapping[str, Floats]) -> Floats:
    """The columns of the design that all series share (steps × columns): seasons, and the holidays `named`.

    Zeros for regressors, which are each series' own.
    """
    seasons = {season.name: season for season in terms.seasonalities}
    design = np.zeros((len(index), len(terms.columns)))
    for term, place in terms.spans():
        if term.part in seasons:
            design[:, place] = seasons[term.part].features(index)
        elif term.part not in terms.regressors and term.name in named:
            design[:, place.start] = named[term.name]
    return design


def nanoseconds(index: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """The times of an index as nanoseconds since 1970-01-01, without a time zone."""
    return index.to_numpy().astype("datetime64[ns]").astype(np.int64)


def _meant(text: str) -> str | bool | int:
    """The Boolean or number that a text spells."""
    return {"true": True, "false": False}.get(text.lower(), int(text) if text.isdecimal() else text)
