"""A waste company with known truth: its observations in the long input format, what really went on, and the files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from mlops.arrays import Floats, Ints
from mlops.errors import BadInput
from mlops.panels.calendar import Event
from mlops.simulation.company.arrivals import Arrivals, arrive
from mlops.simulation.company.customers import Customers, draw_customers, produced
from mlops.simulation.company.faults import Faults, draw_faults
from mlops.simulation.company.fleet import Fleet, draw_fleet
from mlops.simulation.company.names import Names
from mlops.simulation.company.operations import Operations, by_group, operate
from mlops.simulation.company.plan import Company, Happenings, draw_happenings
from mlops.simulation.company.rounds import Rounds, drive
from mlops.simulation.company.truth import CompanyTruth, describe
from mlops.simulation.processes import Rng, streams

__all__ = ["Books", "Format", "simulate_company", "write_books"]

Format = Literal["csv", "parquet"]
OF_ROUTES = (
    "collection_weight",
    "collection_count",
    "missed_collections",
    "route_distance",
    "route_duration",
    "route_efficiency",
    "fuel_consumption",
    "service_delay",
)
PLACES = ("customer_id", "route_id", "vehicle_id", "driver_id", "site_id")
PRICE_A_KILOGRAM, PRICE_A_LIFT = 0.18, 6.0
"""Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Books:
    """What a company reports, in deliveries; the events that `--events` takes; and the truth, as plain data."""

    arrivals: Arrivals
    events: tuple[Event, ...]
    truth: CompanyTruth
    series: int


def simulate_company(company: Company, seed: int) -> Books:
    """The books of a company, the same for the same seed.

    Weights add up: a route's is the sum of its customers', and what is thrown away is collected or still there.
    """
    weather, fleets, contracts, wastes, chance, reports, errors, arriving = streams(seed, 8)
    happenings = draw_happenings(company, weather)
    fleet = draw_fleet(company, happenings, fleets)
    customers = draw_customers(company, fleet, contracts)
    faults = draw_faults(customers, len(happenings.days), errors)
    thrown = faults.grown(produced(customers, happenings, wastes), customers)
    rounds = drive(thrown, customers, fleet, happenings, chance)
    operations = operate(rounds, customers, fleet, happenings, reports)
    names = Names.of(company)
    frames = [
        *_of_customers(names, customers, fleet, happenings, rounds, faults),
        *_of_operations(names, fleet, happenings, operations),
        *_by_month(names, customers, fleet, happenings, rounds, reports),
    ]
    # all rows; their categories are united
    columns: dict[str, pd.Series[Any] | pd.Categorical[Any]] = {}
    for name in frames[0].columns:
        parts = [frame[name] for frame in frames]
        if isinstance(parts[0].dtype, pd.CategoricalDtype):
            columns[name] = pd.api.types.union_categoricals([part.array.as_unordered() for part in parts])
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    true = pd.DataFrame(columns)
    arrivals = arrive(true, arriving)
    truth = describe(company, seed, names, happenings, fleet, customers, faults, arrivals)
    # a series begins where any of its codes is another than in the row before
    codes = [true[name].cat.codes.to_numpy() for name in true if name not in ("observed_at", "value")]
    series = int(np.any([np.diff(code) != 0 for code in codes], axis=0).sum()) + 1
    return Books(arrivals, happenings.events, truth, series)


def write_books(books: Books, folder: Path, form: Format = "csv") -> dict[str, Path]:
    """The files by what they hold; files of the same names are replaced. Raises BadInput if they can't be written.

    observations, late and corrections are in the long input format, to be ingested in this order; arrivals says when
    each late or corrected value became known (UTC) and what stood there before.
    """
    frames = {
        "observations": books.arrivals.observations,
        "late": books.arrivals.late,
        "corrections": books.arrivals.corrections,
        "arrivals": books.arrivals.log,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = {name: _write(frame, folder / f"{name}.{form}") for name, frame in frames.items()}
        columns = ("event", "first", "last", "announced")
        events = [(event.name, event.first, event.last, event.announced) for event in books.events]
        files |= {"events": folder / "events.csv", "truth": folder / "truth.json"}
        pd.DataFrame(events, columns=columns).to_csv(files["events"], index=False)
        files["truth"].write_text(json.dumps(books.truth, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"can't be written: {error.strerror or error}", where=str(folder)) from error
    return files


def _of_customers(
    names: Names, customers: Customers, fleet: Fleet, happenings: Happenings, rounds: Rounds, faults: Faults
) -> Iterator[pd.DataFrame]:
    """Weights on the days of a collection; fill levels in the evening of every contract day, where a sensor is."""
    days, places, labels = happenings.days, names.of_customers(customers, fleet), names.segments(customers)
    weight = np.where(rounds.emptied, rounds.collected, np.nan)
    yield _long("collection_weight", days, weight, places, labels=labels)
    there = customers.active(len(days)) & customers.sensor
    level = np.where(there, np.minimum(100 * rounds.left / customers.capacity_kg, 100), np.nan)
    yield _long("container_fill_level", days, faults.sensed(level), places, labels=labels)


def _of_operations(
    names: Names, fleet: Fleet, happenings: Happenings, operations: Operations
) -> Iterator[pd.DataFrame]:
    days, routes, streamed = happenings.days, names.of_routes(fleet), names.streams(fleet)
    for metric in OF_ROUTES:
        yield _long(metric, days, getattr(operations, metric), routes, labels=streamed)
    yield _long("vehicle_utilization", days, operations.vehicle_utilization, {"vehicle_id": names.vehicles})
    yield _long("driver_efficiency", days, operations.driver_efficiency, {"driver_id": names.drivers})
    for metric in ("waste_volume", "contamination_rate"):
        yield _long(metric, days, getattr(operations, metric), {"site_id": names.sites})


def _by_month(
    names: Names, customers: Customers, fleet: Fleet, happenings: Happenings, rounds: Rounds, rng: Rng
) -> Iterator[pd.DataFrame]:
    """Revenue of each customer and satisfaction at each site; only of whole months."""
    # what follows the last whole month is in that
    starts = np.flatnonzero(happenings.days.day == 1)
    whole = happenings.days[starts] + pd.offsets.MonthEnd(1) <= happenings.days[-1]
    months = happenings.days[starts[whole]]
    charge = PRICE_A_KILOGRAM * rounds.collected + PRICE_A_LIFT * rounds.emptied
    revenue = np.add.reduceat(charge, starts)
    revenue = np.where(np.logical_or.reduceat(rounds.emptied, starts), revenue, np.nan)[: len(months)]
    places, labels = names.of_customers(customers, fleet), names.segments(customers)
    yield _long("revenue", months, revenue, places, granularity="monthly", labels=labels)
    site, sites = fleet.site[customers.route], len(names.sites)
    missed, active = (
        np.add.reduceat(by_group(part.astype(float), site, sites), starts)[: len(months)]
        for part in (rounds.missed, customers.active(len(happenings.days)))
    )
    score = 8.5 - 60 * missed / np.maximum(active, 1) + 0.15 * rng.standard_normal(missed.shape)
    yield _long("customer_satisfaction", months, np.clip(score, 0, 10), {"site_id": names.sites}, granularity="monthly")


def _long(
    metric_type: str,
    days: pd.DatetimeIndex,
    values: Floats,
    places: Mapping[str, Sequence[str]],
    *,
    granularity: str = "daily",
    labels: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Rows of `values` (days × series) where there is one, rounded to the thousandth; places and labels per series."""
    there = np.isfinite(values.T)
    series, day = np.nonzero(there)
    columns: dict[str, object] = {
        "metric_type": _constant(metric_type, len(series)),
        "observed_at": days[day],
        "value": np.round(values.T[there], 3),
        **{name: _taken(places[name], series) if name in places else _constant(None, len(series)) for name in PLACES},
        "granularity": _constant(granularity, len(series)),
        "labels": _constant(None, len(series)) if labels is None else _taken(labels, series),
    }
    return pd.DataFrame(columns)


def _taken(names: Sequence[str], series: Ints) -> "pd.Categorical[str]":
    """The name of each row's series."""
    codes, distinct = pd.factorize(np.asarray(names, dtype=object))
    return pd.Categorical.from_codes(codes[series], pd.Index(distinct))


def _constant(name: str | None, rows: int) -> "pd.Categorical[str]":
    codes = np.full(rows, -1 if name is None else 0)
    return pd.Categorical.from_codes(codes, pd.Index([] if name is None else [name], dtype=object))


def _write(frame: pd.DataFrame, path: Path) -> Path:
    """Text as text, times to the second (Parquet keeps milliseconds at least)."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    schema = []
    for field in table.schema:
        kind = field.type if pa.types.is_floating(field.type) else pa.string()
        schema.append((field.name, pa.timestamp("s", tz="UTC") if pa.types.is_timestamp(field.type) else kind))
    table = table.cast(pa.schema(schema))
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        arrow_csv.write_csv(table, path)
    return path
