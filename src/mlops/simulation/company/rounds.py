"""The rounds: containers fill, are emptied when it is due, or are missed and emptied later."""

from dataclasses import dataclass

import numpy as np

from mlops.arrays import Bools, Floats
from mlops.simulation.company.customers import Customers
from mlops.simulation.company.fleet import Fleet
from mlops.simulation.company.plan import Happenings
from mlops.simulation.processes import Rng

__all__ = ["Rounds", "drive"]


@dataclass(frozen=True, slots=True)
class Rounds:
    """Days × customers: kilograms collected, kilograms in the containers in the evening, and what was missed."""

    collected: Floats
    left: Floats
    emptied: Bools
    missed: Bools


def drive(thrown: Floats, customers: Customers, fleet: Fleet, happenings: Happenings, rng: Rng) -> Rounds:
    """All rounds; nothing is lost: what was thrown away is collected or still in a container.

    A collection is missed if the route is not driven, or by chance: 1 %, more with a spare vehicle or in a storm. It
    is then due on the next day on which the route is in the timetable. The last collection is on the last contract day.
    """
    days, count = thrown.shape
    timetable = customers.visits.T[happenings.days.dayofweek.to_numpy()] & fleet.planned[:, customers.route]
    risk = 0.01 + 0.1 * fleet.broken + 0.15 * np.minimum(happenings.storm, 2)[:, None]
    reached = fleet.runs[:, customers.route] & (rng.random((days, count)) >= risk[:, customers.route])
    active, planned = customers.active(days), fleet.planned[:, customers.route]
    ends = customers.until - 1
    rounds = Rounds(
        np.zeros(thrown.shape), np.zeros(thrown.shape), np.zeros(thrown.shape, bool), np.zeros(thrown.shape, bool)
    )
    inside, owed = np.zeros(count), np.zeros(count, bool)
    for day in range(days):
        inside = inside + thrown[day]
        due = (timetable[day] | (owed & planned[day])) & active[day]
        last = (ends == day) & (ends < days - 1)
        emptied = (due & reached[day]) | last
        rounds.collected[day] = np.where(emptied, inside, 0.0)
        inside = np.where(emptied, 0.0, inside)
        rounds.left[day], rounds.emptied[day], rounds.missed[day] = inside, emptied, due & ~emptied
        owed = (owed | due) & ~emptied
    return rounds
