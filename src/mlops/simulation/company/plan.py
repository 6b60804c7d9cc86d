"""What kind of company is simulated, and the days on which something happens to all of it."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from mlops.arrays import Bools, Floats, Ints
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import BadInput
from mlops.panels.calendar import Calendar, Event
from mlops.simulation.processes import Rng

__all__ = ["Bools", "Company", "Happenings", "Ints", "draw_happenings"]


DAYS_OF_YEAR = 365
STORMS_PER_YEAR, STRIKES_PER_YEAR = 5.0, 0.7
ROUTES_PER_SITE = 8


@dataclass(frozen=True, slots=True)
class Company:
    """So many customers on so many routes over so many years from `first` on; holidays are those of `country`."""

    customers: int = 100
    routes: int = 8
    years: float = 3.0
    country: str | None = "NZ"
    first: date = date(2023, 1, 1)

    def __post_init__(self) -> None:
        if self.routes < 1 or self.customers < self.routes:
            raise BadInput(f"{self.customers} customers on {self.routes} routes; expected at least one on each route")
        if not 0.25 <= self.years <= 50:
            raise BadInput(f"{self.years:g} years; expected 0.25 to 50")

    @property
    def days(self) -> pd.DatetimeIndex:
        """The days in UTC."""
        return pd.date_range(self.first, periods=round(self.years * DAYS_OF_YEAR), freq="D", tz="UTC")

    @property
    def sites(self) -> int:
        """Depots: one for every eight routes."""
        return -(-self.routes // ROUTES_PER_SITE)


@dataclass(frozen=True, slots=True)
class Happenings:
    """Per day: whether it is a holiday, how strong a storm is, and (days × sites) whether a site is on strike."""

    days: pd.DatetimeIndex
    holiday: Bools
    storm: Floats
    strike: Bools
    events: tuple[Event, ...]
    """The storms, known when they come, and the strikes, announced three days before; for `--events`."""

    @property
    def year(self) -> Floats:
        """The angle of the year."""
        return np.asarray(2 * np.pi * self.days.dayofyear.to_numpy(float) / 365.25)

    @property
    def age(self) -> Floats:
        """Years since the first day."""
        return np.arange(len(self.days)) / 365.25


def draw_happenings(company: Company, rng: Rng) -> Happenings:
    """Storms of one to three days, more in winter; strikes of two to five days at one site."""
    days = company.days
    holiday = Calendar.of(company.country).count(days.tz_localize(None), GRANULARITIES["daily"]) > 0
    storm, strike = np.zeros(len(days)), np.zeros((len(days), company.sites), dtype=bool)
    events = []
    winter = 1 + 0.6 * np.cos(2 * np.pi * (days.dayofyear.to_numpy(float) - 200) / 365.25)
    for start in _starts(rng, STORMS_PER_YEAR * winter):
        last = min(start + int(rng.integers(0, 3)), len(days) - 1)
        storm[start : last + 1] = 0.5 + rng.exponential(0.7)
        events.append(Event("storm", days[start].date(), days[last].date(), days[start].date()))
    for start in _starts(rng, np.full(len(days), STRIKES_PER_YEAR)):
        last = min(start + int(rng.integers(1, 5)), len(days) - 1)
        strike[start : last + 1, rng.integers(0, company.sites)] = True
        announced = days[start] - pd.Timedelta(days=3)
        events.append(Event("strike", days[start].date(), days[last].date(), announced.date()))
    return Happenings(days, holiday, storm, strike, tuple(events))


def _starts(rng: Rng, per_year: Floats) -> list[int]:
    """Days on which something begins that happens so often a year."""
    return [int(day) for day in np.flatnonzero(rng.random(len(per_year)) < per_year / DAYS_OF_YEAR)]
