"""The laws of a simulated company: chance by seed alone, weights that add up, a truth that the files agree with."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples
from typer.testing import CliRunner, Result

from mlops.cli.simulate import simulate
from mlops.domain.metric_types import METRIC_TYPES
from mlops.errors import BadInput, UnknownName
from mlops.panels.calendar import read_events
from mlops.series.adapters import adapter
from mlops.series.parsing.validate import Rules, check_columns, validate
from mlops.simulation.company import Books, Company, simulate_company, write_books
from mlops.simulation.company.arrivals import arrive
from mlops.simulation.company.customers import draw_customers, produced
from mlops.simulation.company.fleet import draw_fleet
from mlops.simulation.company.plan import draw_happenings
from mlops.simulation.company.rounds import drive
from mlops.simulation.processes import streams

SMALL = Company(customers=40, routes=10, years=1.0)
RULES = Rules.of(METRIC_TYPES.values(), np.datetime64("2030-01-01", "us"), {}, None)


@pytest.fixture(scope="module")
def books() -> Books:
    return simulate_company(replace(SMALL, years=2.5), 4)


@pytest.fixture(scope="module")
def true(books: Books) -> pd.DataFrame:
    """What really was: everything, corrected."""
    arrivals = books.arrivals
    rows = pd.concat([arrivals.observations, arrivals.late, arrivals.corrections], ignore_index=True)
    key = [name for name in rows if name != "value"]
    rows = rows.astype(dict.fromkeys((name for name in key if name != "observed_at"), object))
    return rows.drop_duplicates(key, keep="last").set_index("observed_at").sort_index()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=examples(3), deadline=None)
def test_the_same_seed_gives_the_same_bytes(seed, tmp_path_factory):
    company = Company(customers=12, routes=3, years=0.3)
    folders = [tmp_path_factory.mktemp("books") for _ in range(2)]
    first, again = (write_books(simulate_company(company, seed), folder) for folder in folders)
    for name, file in first.items():
        assert file.read_bytes() == again[name].read_bytes()


def test_another_seed_gives_other_books():
    one, other = (simulate_company(SMALL, seed).arrivals.observations for seed in (1, 2))
    assert not one["value"].equals(other["value"])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_ingest_takes_every_row(books, form, tmp_path):
    files = write_books(books, tmp_path, form)
    for name in ("observations", "late", "corrections"):
        taken = 0
        for chunk in adapter("long")(files[name]):
            rows = chunk.rows.drop(columns="line", errors="ignore")
            check_columns(list(rows), name)
            checked = validate(rows.assign(line=np.arange(len(rows))), RULES)
            assert checked.count == len(chunk.refused) == 0
            taken += len(checked.good)
        assert taken == books.truth["rows"][name]


def test_a_late_or_corrected_value_is_in_the_log_with_its_time(books):
    log, arrivals = books.arrivals.log, books.arrivals
    assert log["what"].value_counts().to_dict() == {"late": len(arrivals.late), "corrected": len(arrivals.corrections)}
    assert log["known_at"].is_monotonic_increasing
    assert (log["known_at"] > log["observed_at"] + pd.Timedelta(days=1)).all()
    corrected = log[log["what"] == "corrected"]
    assert (corrected["before"] < corrected["value"]).all()
    key = ["metric_type", "observed_at", "customer_id", "route_id", "vehicle_id", "driver_id", "site_id"]
    first = arrivals.observations.astype(dict.fromkeys(key, object)).merge(
        corrected.astype(dict.fromkeys(key, object)), on=key, suffixes=("_first", "_true")
    )
    assert len(first) == len(corrected)
    np.testing.assert_array_equal(first["value_first"], first["before"])


def test_nothing_is_delivered_twice_or_lost():
    days = pd.date_range("2024-01-01", periods=3000, tz="UTC")
    rows = pd.DataFrame({"observed_at": days, "value": np.arange(1.0, 3001), "granularity": "daily"})
    found = arrive(rows, np.random.default_rng(0))
    both = pd.concat([found.observations, found.late])
    assert sorted(both["observed_at"]) == sorted(days)
    assert set(found.corrections["observed_at"]) <= set(found.observations["observed_at"])


def test_the_weight_of_a_route_is_the_sum_of_its_customers(true):
    weights = true[true["metric_type"] == "collection_weight"]
    route, customer = weights[weights["customer_id"].isna()], weights[weights["customer_id"].notna()]
    summed, said = (part.groupby(["route_id", "observed_at"])["value"].sum() for part in (customer, route))
    np.testing.assert_allclose(said, summed.reindex(said.index), atol=0.05)
    assert len(summed) == len(said)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=examples(5), deadline=None)
def test_waste_is_collected_or_still_in_a_container(seed):
    weather, fleets, contracts, wastes, chance = streams(seed, 5)
    happenings = draw_happenings(SMALL, weather)
    fleet = draw_fleet(SMALL, happenings, fleets)
    customers = draw_customers(SMALL, fleet, contracts)
    thrown = produced(customers, happenings, wastes)
    rounds = drive(thrown, customers, fleet, happenings, chance)
    np.testing.assert_allclose(thrown.cumsum(0), rounds.collected.cumsum(0) + rounds.left, rtol=1e-9, atol=1e-6)
    active = customers.active(len(thrown))
    assert not (rounds.emptied & rounds.missed).any()
    assert not (rounds.emptied | rounds.missed)[~active].any()
    assert (rounds.left[~active] == 0).all()
    last = np.arange(len(thrown))[:, None] == customers.until - 1
    assert not (rounds.emptied & ~fleet.runs[:, customers.route] & ~last).any()


def test_a_customer_is_seen_only_under_contract(books, true):
    seen = true[true["customer_id"].notna() & (true["granularity"] == "daily")].reset_index()
    span = seen.groupby("customer_id")["observed_at"].agg(["min", "max"])
    left = 0
    for customer in books.truth["customers"]:
        first, last = span.loc[customer["customer_id"]]
        assert first >= pd.Timestamp(customer["first"], tz="UTC")
        if customer["last"] is not None:
            left += 1
            assert last == pd.Timestamp(customer["last"], tz="UTC")
    assert left > 0


def test_on_a_strike_nobody_of_the_site_drives_and_collections_are_missed():
    books = next(
        found
        for seed in range(20)
        if (found := simulate_company(SMALL, seed)) and any(event.name == "strike" for event in found.events)
    )
    rows = books.arrivals.observations.astype({"route_id": object, "site_id": object})
    strike = next(event for event in books.events if event.name == "strike")
    assert strike.announced < strike.first
    days = pd.date_range(strike.first, strike.last, tz="UTC")
    on_strike = rows[rows["observed_at"].isin(days) & rows["site_id"].notna()]
    drove = on_strike[on_strike["metric_type"] == "route_distance"]
    missed = (
        on_strike[on_strike["metric_type"] == "missed_collections"].groupby("site_id", observed=True)["value"].sum()
    )
    sites = {route["site_id"] for route in books.truth["routes"]}
    idle = sites - set(drove["site_id"]) if len(sites) > 1 else sites
    assert len(idle) == 1 or not days.dayofweek.isin(range(5)).any()
    assert all(missed.get(site, 0) > 0 for site in idle)


def test_a_dead_sensor_repeats_itself_and_then_is_silent(books, true):
    (dead,) = books.truth["dead_sensors"]
    level = true[(true["customer_id"] == dead["customer_id"]) & (true["metric_type"] == "container_fill_level")][
        "value"
    ]
    frozen = level[dead["first"] : dead["frozen_until"]]
    assert frozen.nunique() == 1
    assert len(frozen) == 30
    assert len(level[dead["first"] : dead["last"]]) == 30
    assert pd.Timestamp(dead["last"]) - pd.Timestamp(dead["frozen_until"]) == pd.Timedelta(days=30)
    assert level[: dead["first"]].nunique() > 10
    assert level[dead["last"] :].nunique() > 10


def test_a_level_shift_has_its_factor(books, true):
    (shift,) = books.truth["level_shifts"]
    weight = true[(true["metric_type"] == "collection_weight") & true["customer_id"].isna()]
    weekly = weight.groupby("route_id")["value"].resample("W").sum().unstack(0)
    onset = pd.Timestamp(shift["first"], tz="UTC")
    change = weekly[onset:].iloc[1:21].mean() / weekly[:onset].iloc[-21:-1].mean()
    assert change[shift["route_id"]] / change.drop(shift["route_id"]).median() == pytest.approx(
        shift["factor"], abs=0.2
    )


def test_storms_are_unannounced_and_events_can_be_read_back(books, tmp_path):
    events = read_events(write_books(books, tmp_path)["events"])
    assert events == books.events
    assert all(event.announced == event.first for event in events if event.name == "storm")


def test_the_truth_is_plain_and_whole(books, tmp_path):
    read = json.loads(write_books(books, tmp_path)["truth"].read_text())
    assert read == json.loads(json.dumps(books.truth))
    assert len(read["customers"]) == 40
    assert len(read["routes"]) == 10
    assert {"holidays", "events", "failures", "absences", "dead_sensors", "level_shifts", "segments"} <= set(read)
    assert read["company"]["first"] == "2023-01-01"
    assert "2023-02-06" in read["holidays"]  # Waitangi Day


def test_a_venue_is_intermittent_and_a_household_is_not():
    company = Company(customers=300, routes=3, years=1.0)
    weather, fleets, contracts, wastes = streams(1, 4)
    happenings = draw_happenings(company, weather)
    customers = draw_customers(company, draw_fleet(company, happenings, fleets), contracts)
    busy = (produced(customers, happenings, wastes) > 0).sum(0) / customers.active(365).sum(0)
    assert (busy[customers.segment == 0] == 1).all()
    assert busy[customers.segment == 4].mean() < 0.15


def test_the_number_of_series_is_counted(books, true):
    key = ["metric_type", "customer_id", "route_id", "vehicle_id", "driver_id", "site_id", "granularity"]
    assert books.series == len(true[key].drop_duplicates())


def test_a_company_that_can_not_be_is_refused():
    with pytest.raises(BadInput, match="expected at least one on each route"):
        Company(customers=3, routes=4)
    with pytest.raises(BadInput, match=r"0\.25 to 50"):
        Company(years=0.1)
    with pytest.raises(UnknownName, match="country"):
        simulate_company(replace(SMALL, country="Atlantis"), 0)


def test_a_folder_that_is_a_file_is_refused(books, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="can't be written"):
        write_books(books, tmp_path / "file")


def test_a_company_begins_on_any_day():
    books = simulate_company(replace(SMALL, first=date(2024, 2, 29), years=0.5), 0)
    assert books.truth["company"]["first"] == "2024-02-29"
    monthly = books.arrivals.observations.query("granularity == 'monthly'")["observed_at"]
    assert monthly.min() == pd.Timestamp("2024-03-01", tz="UTC")
    assert monthly.max() == pd.Timestamp("2024-07-01", tz="UTC")


def run(*words: str) -> Result:
    app = typer.Typer()
    app.command()(simulate)
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_writes_files_and_says_what_to_do_next(tmp_path):
    done = run(tmp_path, "--customers", "9", "--routes", "3", "--years", "0.5", "--format", "parquet")
    assert done.exit_code == 0
    assert f"mlops series ingest {tmp_path}/observations.parquet --known-at observed" in done.output
    names = {"observations.parquet", "late.parquet", "corrections.parquet", "arrivals.parquet"}
    assert {path.name for path in tmp_path.iterdir()} == names | {"events.csv", "truth.json"}


def test_the_command_speaks_json(tmp_path):
    done = run(tmp_path, "--customers", "9", "--routes", "3", "--years", "0.5", "--country", "", "--json")
    document = json.loads(done.output)
    assert document["rows"] == json.loads((tmp_path / "truth.json").read_text())["rows"]
    assert document["files"]["observations"] == str(tmp_path / "observations.csv")
    assert json.loads((tmp_path / "truth.json").read_text())["holidays"] == []
