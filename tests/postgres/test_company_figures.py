"""Every figure of a simulated company, by SQL, is what its files say; and what its truth says of who left."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

from mlops.analytics.operations import aggregate
from mlops.analytics.refresh import refresh_views
from mlops.db import Database
from mlops.series.ingest import ingest
from mlops.simulation.company import Company, simulate_company, write_books
from mlops.training.dataset import BacktestPlan, dataset_of
from mlops.training.spec import TrainingSpec

PLACES = ["customer_id", "route_id", "vehicle_id", "driver_id", "site_id"]
COARSER = {"customer": ["driver", "vehicle", "route", "site"], "route": ["site"]}
DIMENSIONS = ("customer", "route", "vehicle", "driver", "site")


@dataclass
class Books:
    """A company in a database, the rows of its files by what was known in the end, and its truth."""

    database: Database
    rows: pd.DataFrame
    truth: dict[str, Any]
    aggregates: dict[str, str]

    def ask(self, query: str, *parameters: Any) -> pd.DataFrame:
        with psycopg.connect(self.database.url) as connection:
            done = connection.execute(query, parameters or None)
            return pd.DataFrame(done.fetchall(), columns=[column.name for column in done.description or ()])

    def of(self, dimension: str) -> pd.DataFrame:
        """The rows that count for each entity of a dimension: those of the coarsest level that there is on the day."""
        rows = self.rows if dimension == "company" else self.rows.dropna(subset=[f"{dimension}_id"])
        rows = rows.assign(entity="company" if dimension == "company" else rows.get(f"{dimension}_id"))
        counts = pd.Series(True, index=rows.index)
        for fine, coarser in COARSER.items():
            for coarse in coarser:
                key = ["metric_type", "entity", "day", f"{coarse}_id"]
                own = rows.loc[rows["level"] == coarse, key].drop_duplicates().assign(own=True)
                covered = rows[key].merge(own, how="left", on=key)["own"].notna().to_numpy()
                counts &= ~(covered & (rows["level"] == fine).to_numpy() & rows[f"{coarse}_id"].notna().to_numpy())
        return rows[counts]

    def figures(self, dimension: str, grain: str) -> pd.DataFrame:
        """`metric_type, entity, period` and value, days, observations, by pandas."""
        rows = self.of(dimension)
        begins = {"day": "D", "week": "W-SUN", "month": "M"}[grain]
        rows = rows.assign(period=rows["day"].dt.to_period(begins).dt.start_time.dt.date).sort_values("day")
        found = []
        for (metric, entity, period), part in rows.groupby(["metric_type", "entity", "period"], observed=True):
            how = self.aggregates[metric]
            value = part.groupby("series")["value"].last().mean() if how == "last" else part["value"].agg(how)
            found.append((metric, entity, period, value, part["day"].nunique(), len(part)))
        names = ["metric_type", "entity", "period", "value", "days", "observations"]
        return pd.DataFrame(found, columns=names)


@pytest.fixture(scope="module")
def books(new_database, migrated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    folder = tmp_path_factory.mktemp("company")
    simulated = simulate_company(Company(customers=36, routes=9, years=1), 3)
    write_books(simulated, folder)
    with new_database("company", template=migrated) as (_, url):
        database = Database(url)
        for name in ("observations", "late", "corrections"):
            ingest(database, folder / f"{name}.csv", known_at="observed" if name == "observations" else "auto")
        refresh_views(database)
        with psycopg.connect(url) as connection:
            aggregates = dict(connection.execute("select name, aggregate from analytics.metric_types").fetchall())
        yield Books(database, _rows(folder), simulated.truth, aggregates)
        database.close()


def _rows(folder: Path) -> pd.DataFrame:
    """The rows of the files, the newest of each series and day, with whose they are."""
    parts = [pd.read_csv(folder / f"{name}.csv", dtype="str") for name in ("observations", "late", "corrections")]
    rows = pd.concat(parts, ignore_index=True)
    identity = ["metric_type", "granularity", *PLACES, "labels"]
    rows["series"] = rows[identity].fillna("").agg("|".join, axis=1)
    rows = rows.drop_duplicates(["series", "observed_at"], keep="last")
    rows["value"] = rows["value"].astype(float)
    rows["day"] = pd.to_datetime(rows["observed_at"]).dt.tz_localize(None)
    named = [name.removesuffix("_id") for name in ("site_id", "route_id", "vehicle_id", "driver_id", "customer_id")]
    for name in named:  # the finest is the last to be written
        rows.loc[rows[f"{name}_id"].notna(), "level"] = name
    return rows.reset_index(drop=True)


def same(found: pd.DataFrame, want: pd.DataFrame, keys: list[str]) -> None:
    found, want = (frame.sort_values(keys).reset_index(drop=True) for frame in (found, want))
    assert found[keys].to_numpy().tolist() == want[keys].to_numpy().tolist()
    for name in ("value", "days", "observations"):
        assert found[name].to_numpy(float) == pytest.approx(want[name].to_numpy(float), rel=1e-9, abs=1e-9), name


KEYS = ["metric_type", "entity", "period"]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_month_of_every_metric_is_what_the_files_say(books: Books, dimension: str):
    view, name, where = (
        ("customer_behavior_aggregates", "customer_id", "true")
        if dimension == "customer"
        else ("operational_metrics_aggregates", "entity_id", f"dimension = '{dimension}'")
    )
    found = books.ask(
        f"""select metric_type, {name} as entity, month as period, value, days, observations
              from analytics.{view} where days > 0 and {where}"""
    )
    assert len(found)
    same(found, books.figures(dimension, "month"), KEYS)


@pytest.mark.parametrize("dimension", [*DIMENSIONS, "company"])
@pytest.mark.parametrize("grain", ["day", "week", "month"])
def test_every_aggregate_of_any_span_is_what_the_files_say(books: Books, dimension: str, grain: Any):
    want = books.figures(dimension, grain)
    first, last = books.rows["day"].min().date(), books.rows["day"].max().date() + pd.Timedelta(days=1)
    parts = []
    for metric in want["metric_type"].unique():
        frame = aggregate(books.database, by=dimension, grain=grain, metric_type=metric, start=first, end=last)
        parts.append(frame.assign(metric_type=metric))
    found = pd.concat(parts, ignore_index=True).rename(columns={"entity_id": "entity", "y": "value"})
    found = found.assign(days=found["observed_days"], period=found["ds"].dt.date)[found["observed_days"] > 0]
    same(found, want, KEYS)


def test_a_route_weighs_what_its_customers_weigh_and_the_company_what_its_routes_weigh(books: Books):
    weights = books.rows[books.rows["metric_type"] == "collection_weight"]
    of_customers = weights[weights["level"] == "customer"].groupby("route_id")["value"].sum()
    found = books.ask(
        """select entity_id, sum(value) as kg from analytics.operational_metrics_aggregates
            where dimension = 'route' and metric_type = 'collection_weight' group by 1"""
    ).set_index("entity_id")["kg"]
    assert found.to_dict() == pytest.approx(of_customers.to_dict(), rel=1e-4)
    sites = books.ask(
        """select sum(value) as kg from analytics.operational_metrics_aggregates
            where dimension = 'site' and metric_type = 'collection_weight'"""
    )
    assert float(sites["kg"].iloc[0]) == pytest.approx(of_customers.sum(), rel=1e-4)


def test_litres_per_ton_are_those_of_the_files(books: Books):
    routes = books.ask("select route_id, last_month, litres_per_ton from analytics.route_performance_summary")
    since = pd.Timestamp(max(routes["last_month"])) - pd.DateOffset(months=11)
    year = books.rows[(books.rows["level"] == "route") & (books.rows["day"] >= since)]
    sums = year.pivot_table("value", "route_id", "metric_type", aggfunc="sum")
    want = sums["fuel_consumption"] / (sums["collection_weight"] / 1000)
    assert routes.set_index("route_id")["litres_per_ton"].to_dict() == pytest.approx(want.to_dict(), rel=1e-9)


def test_who_left_falls_and_who_stayed_does_not_fall_to_nothing(books: Books):
    changes = books.ask(
        """select customer_id, quarter_change, quarter_days, quarter_expected_days
             from analytics.customer_behavior_summary where metric_type = 'collection_weight'"""
    ).set_index("customer_id")
    last = pd.Timestamp(books.truth["company"]["last"])
    quarter = last.replace(day=1) - pd.DateOffset(months=2)
    for customer in books.truth["customers"]:
        row = changes.loc[customer["customer_id"]]
        left = pd.Timestamp(customer["last"]) if customer["last"] else None
        if left is not None and quarter - pd.DateOffset(months=3) < left < quarter:
            assert row["quarter_change"] == -1
            assert row["quarter_days"] == 0
            assert row["quarter_expected_days"] > 0
        if left is None and customer["segment"] != "venue":
            assert row["quarter_days"] >= 0.6 * row["quarter_expected_days"], "holidays, storms and strikes cost some"


@pytest.mark.parametrize("level", ["customer", "route"])
def test_a_backtest_of_a_level_is_on_its_series_alone(books: Books, level: str):
    spec = TrainingSpec.of("naive", {"metric_type": "collection_weight", "level": level, "horizon": "7"})
    dataset, _ = dataset_of(spec.check(), BacktestPlan(1, 1, 0.8), lambda: books.database)
    learned = set(dataset.outcomes["series_id"])
    found = books.ask(
        "select level, count(*) as n from analytics.series where series_id = any(%s) group by 1", [*learned]
    )
    assert found["level"].tolist() == [level]
    assert dataset.source == f"daily collection_weight of a {level}"
