"""What is measured at several levels counts once, by a computation that shares nothing with the SQL."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from tests.campaign import examples

START = date(2024, 1, 1)  # a Monday
END = date(2024, 5, 1)
PLACES = ("customer", "driver", "vehicle", "route", "site")
LEVELS = (*PLACES, "company")
METRICS = {"collection_weight": "sum", "contamination_rate": "mean", "container_fill_level": "last"}
STEPS = {"daily": 1, "weekly": 7, "monthly": 31}
TENANTS = count(1)


@dataclass
class Series:
    """What a series is, and its values by day; `number` is its id once it is stored."""

    places: dict[str, str]
    labels: dict[str, str]
    granularity: str
    values: dict[date, float]
    number: int = field(default=0, compare=False)

    @property
    def level(self) -> str:
        return next((name for name in PLACES if name in self.places), "company")

    def span(self, day: date) -> set[date]:
        """The days that a value covers."""
        days = STEPS[self.granularity]
        every = {day + timedelta(n) for n in range(days)}
        return {one for one in every if self.granularity != "monthly" or one.month == day.month}

    @property
    def covered(self) -> set[date]:
        return set().union(*(self.span(day) for day in self.values))

    def key(self) -> Any:
        return sorted(self.places.items()), sorted(self.labels.items()), self.granularity


def is_part(part: Series, whole: Series) -> bool:
    """Whether what one measures is in what the other measures, from the words of docs/decisions/0021."""
    for mine, other in ((part.places, whole.places), (part.labels, whole.labels)):
        if any(mine[name] != other[name] for name in mine.keys() & other.keys()):
            return False
    if part.level == whole.level:
        named = whole.places.items() <= part.places.items() and whole.labels.items() <= part.labels.items()
        fewer = len(whole.places) < len(part.places) or whole.labels != part.labels
        return named and (fewer or STEPS[whole.granularity] > STEPS[part.granularity])
    if LEVELS.index(whole.level) < LEVELS.index(part.level):
        return False
    if whole.level == "company" or whole.level in part.places:
        return True
    return part.level in ("driver", "vehicle")


def counted(series: list[Series]) -> list[tuple[Series, date, float]]:
    """The values of one entity's series that count."""
    found = []
    for part in series:
        wholes = set().union(*(one.covered for one in series if one is not part and is_part(part, one)), set())
        found += [(part, day, value) for day, value in part.values.items() if not part.span(day) & wholes]
    return found


def added_up(rows: list[tuple[Series, date, float]], aggregate: str) -> float:
    values = [value for _, _, value in rows]
    if aggregate == "last":
        newest = {one.number: value for one, _, value in sorted(rows, key=lambda row: row[1])}
        values = list(newest.values())
    return sum(values) if aggregate == "sum" else sum(values) / len(values)


def entities(series: list[Series], dimension: str) -> set[str]:
    return {one.places[dimension] for one in series if dimension in one.places}


def of_entity(series: list[Series], dimension: str, entity: str) -> list[Series]:
    return [one for one in series if dimension == "company" or one.places.get(dimension) == entity]


@pytest.fixture(scope="module")
def levels(new_database, migrated) -> Iterator[psycopg.Connection]:
    """One database for all examples: each is a tenant of its own."""
    with new_database("counted", template=migrated) as (_, url), psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select analytics.ensure_partitions('2024-01-01Z', '2024-04-30Z')")
        yield connection


class Stored:
    """A tenant's series of one metric type, as they are stored."""

    def __init__(self, connection: psycopg.Connection, metric_type: str) -> None:
        self.connection, self.metric_type, self.tenant = connection, metric_type, next(TENANTS)
        self.series: list[Series] = []

    def add(self, series: Series) -> None:
        if any(one.key() == series.key() for one in self.series):
            return
        columns = {f"{name}_id": value for name, value in series.places.items()}
        columns |= {"tenant_id": self.tenant, "metric_type": self.metric_type, "granularity": series.granularity}
        columns |= {"labels": Jsonb(series.labels)}
        names, slots = ", ".join(columns), ", ".join(["%s"] * len(columns))
        query = f"insert into analytics.series ({names}) values ({slots}) returning series_id"
        series.number = self.connection.execute(query, list(columns.values())).fetchone()[0]
        self.series.append(series)
        for day, value in series.values.items():
            self.connection.execute(
                "insert into analytics.time_series_metrics (series_id, observed_at, value) values (%s, %s, %s)",
                [series.number, f"{day}Z", value],
            )
        self.mark(series)

    def delete(self, place: int) -> None:
        if self.series:
            series = self.series.pop(place % len(self.series))
            self.connection.execute(
                "select analytics.edit_observations('deleted', null, %s, null, null, 'me', 'never was')",
                [[series.number]],
            )

    def shorten(self, place: int) -> None:
        """The later half of a series' values goes."""
        if self.series:
            series = self.series[place % len(self.series)]
            gone = sorted(series.values)[(len(series.values) + 1) // 2 :]
            series.values = {day: value for day, value in series.values.items() if day not in gone}
            self.connection.execute(
                "delete from analytics.time_series_metrics where series_id = %s and observed_at::date = any(%s)",
                [series.number, gone],
            )
            self.mark(series)

    def move(self, place: int) -> None:
        """A series is said to be of another route."""
        if self.series:
            series = self.series[place % len(self.series)]
            moved = Series(series.places | {"route": "R3"}, series.labels, series.granularity, series.values)
            if any(one.key() == moved.key() for one in self.series):
                return
            series.places = moved.places
            self.connection.execute("update analytics.series set route_id = 'R3' where series_id = %s", [series.number])

    def mark(self, series: Series) -> None:
        self.connection.execute("select analytics.mark_dirty(%s, %s, %s)", [[series.number], START, END])

    def refresh(self) -> None:
        self.connection.execute("select analytics.refresh_daily_summary()")
        self.connection.execute("select analytics.refresh_monthly_aggregates()")

    def months(self) -> dict[tuple[str, str, date], tuple[float, int, int]]:
        rows = self.connection.execute(
            """select dimension, entity_id, month, value, days, series from analytics.entity_months
                where tenant_id = %s and days > 0""",
            [self.tenant],
        )
        return {row[:3]: row[3:] for row in rows}

    def by(self, dimension: str, grain: str) -> dict[tuple[str, str, date], tuple[float, int, int]]:
        rows = self.connection.execute(
            """select entity_id, period, value, observed_days, series
                 from analytics.aggregate_values(%s, %s, %s, %s, %s, p_tenant_id => %s) where observed_days > 0""",
            [dimension, grain, self.metric_type, START, END, self.tenant],
        )
        return {(dimension, *row[:2]): row[2:] for row in rows}


def expected(stored: Stored, dimensions: tuple[str, ...], grain: str) -> dict[Any, tuple[Any, int, int]]:
    found: dict[Any, tuple[Any, int, int]] = {}
    for dimension in dimensions:
        for entity in {"company"} if dimension == "company" else entities(stored.series, dimension):
            periods: dict[date, list[tuple[Series, date, float]]] = {}
            for row in counted(of_entity(stored.series, dimension, entity)):
                day = row[1]
                begins = {"day": day, "week": day - timedelta(day.weekday()), "month": day.replace(day=1)}[grain]
                periods.setdefault(begins, []).append(row)
            for period, rows in periods.items():
                value = pytest.approx(added_up(rows, METRICS[stored.metric_type]), abs=1e-9)
                days, series = len({row[1] for row in rows}), len({row[0].number for row in rows})
                found[dimension, entity, period] = (value, days, series)
    return found


def begins(granularity: str, numbers: list[int]) -> list[date]:
    if granularity == "monthly":
        return sorted({(START + timedelta(n)).replace(day=1) for n in numbers})
    return sorted({START + timedelta(n - n % STEPS[granularity]) for n in numbers})


@st.composite
def a_series(draw: Any) -> Series:
    choices = {"customer": ("C1", "C2"), "driver": ("D1",), "vehicle": ("V1",), "route": ("R1", "R2"), "site": ("S1",)}
    places = {name: draw(st.sampled_from(ids)) for name, ids in choices.items() if draw(st.integers(0, 2)) > 0}
    labels = draw(st.sampled_from([{}, {}, {"waste": "paper"}, {"waste": "glass"}, {"segment": "retail"}]))
    granularity = draw(st.sampled_from(["daily", "daily", "daily", "weekly", "monthly"]))
    days = begins(granularity, draw(st.lists(st.integers(0, 100), min_size=1, max_size=12)))
    return Series(places, labels, granularity, {day: float(draw(st.integers(1, 99))) for day in days})


ACTS = st.one_of(
    st.tuples(st.just("add"), a_series()),
    st.tuples(st.sampled_from(["delete", "shorten", "move"]), st.integers(0, 9)),
    st.tuples(st.just("refresh"), st.none()),
)
WHOLE = {START + timedelta(n): 10.0 for n in range(70)}
OF_ROUTE = Series({"route": "R1", "site": "S1"}, {"waste": "paper"}, "daily", {START + timedelta(40): 50.0})
OF_CUSTOMERS = [
    Series({"customer": name, "route": "R1", "site": "S1"}, {"segment": "retail"}, "daily", dict(WHOLE))
    for name in ("C1", "C2")
]
WEEKLY = Series({"route": "R1"}, {}, "weekly", {START + timedelta(28): 140.0})


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(METRICS)), st.lists(ACTS, min_size=2, max_size=10))
@example("collection_weight", [*(("add", one) for one in OF_CUSTOMERS), ("refresh", None), ("add", OF_ROUTE)])
@example("collection_weight", [("add", OF_CUSTOMERS[0]), ("add", WEEKLY), ("refresh", None), ("delete", 1)])
@example("contamination_rate", [("add", OF_CUSTOMERS[0]), ("add", OF_ROUTE), ("refresh", None), ("move", 1)])
def test_every_aggregate_counts_each_day_once_whatever_there_is(
    levels: psycopg.Connection, metric_type: str, acts: list[tuple[str, Any]]
):
    stored = Stored(levels, metric_type)
    for name, argument in acts:
        if name == "add":
            stored.add(Series(dict(argument.places), argument.labels, argument.granularity, dict(argument.values)))
        elif name == "refresh":
            stored.refresh()
        else:
            getattr(stored, name)(argument)
    stored.refresh()
    assert stored.months() == expected(stored, PLACES, "month")
    for dimension in ("route", "site", "company"):
        for grain in ("day", "week", "month"):
            assert stored.by(dimension, grain) == expected(stored, (dimension,), grain)
