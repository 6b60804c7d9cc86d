"""Totals in the store: their outcomes are those of their parts, once all are known, and nothing counts them twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.postgres.served import Served

from mlops.analytics.refresh import refresh_views
from mlops.db import Database
from mlops.errors import NothingToDo, Refused, UnknownName
from mlops.series.totals import check_totals, totals_of
from mlops.serving.outcomes import match

MONDAY = datetime(2024, 5, 6, tzinfo=UTC)
DAY = timedelta(days=1)
LATER = MONDAY + timedelta(days=60)
FORECASTS = """
insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at, horizon,
       y_hat, lo_80, hi_80, lo_95, hi_95, parts)
select {version}, s.series_id, '{cutoff}', '{cutoff}',
       timestamptz '{monday}' + day * interval '1 day', day + 1,
       10, 5, 15, 1, 19, case when s.total then 2 end
  from analytics.series s
 cross join lateral generate_series(0, case s.granularity when 'daily' then 6 else 0 end) day"""


@pytest.fixture
def place(served: Served) -> Served:
    """Customers 1 and 2 on route R, and 3 without a route; no observation."""
    for number, route in ((1, "R"), (2, "R"), (3, None)):
        served.one(
            "insert into analytics.series (metric_type, customer_id, route_id) values ('route_distance', %s, %s)"
            " returning series_id",
            f"C{number}",
            route,
        )
    return served


def series(place: Served) -> list[int]:
    return [row[0] for row in place.connection.execute("select series_id from analytics.series order by series_id")]


def observe(place: Served, customer: int, day: int, value: float) -> None:
    at = MONDAY + day * DAY
    place.one(
        "insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)"
        " select series_id, %s, %s, %s from analytics.series where customer_id = %s and not total"
        " on conflict (series_id, observed_at) do update"
        " set value = excluded.value, recorded_at = excluded.recorded_at",
        at,
        value,
        at + DAY,
        f"C{customer}",
    )


def issue(place: Served, database: Database, *, metric_type: str = "route_distance") -> int:
    """Forecasts of a week of all three, and of the totals of route and company, with their weeks; the version."""
    place.one("update analytics.series set metric_type = %s", metric_type)
    version = place.model()
    totals = totals_of(database, series(place), ("route", "company", "week"), {})
    with database.transaction() as transaction:
        ids = totals.ids(transaction)
        members = totals.members
        transaction.run(
            "store_forecast_parts",
            version_id=version,
            cutoff=MONDAY - DAY,
            totals=[ids[key] for key in members["total"]],
            parts=members["series_id"].tolist(),
        )
        daily = sorted({*members["series_id"], *ids.values()})
        transaction.run("add_weekly_series", series_ids=daily)
    place.one(FORECASTS.format(version=version, cutoff=MONDAY - DAY, monday=MONDAY))
    return version


def outcomes(place: Served, name: str) -> list[Any]:
    """Outcomes by target of the series with this name."""
    found = place.connection.execute(
        "select p.outcome from analytics.model_prediction_results p join analytics.series s using (series_id)"
        " where analytics.series_name(s) = %s order by p.target_at",
        [name],
    )
    return [row[0] for row in found]


def test_a_total_has_an_outcome_when_all_of_its_parts_have_theirs(place: Served, served_database: Database):
    issue(place, served_database)
    observe(place, 1, 0, 7)
    match(served_database, LATER)
    assert outcomes(place, "R · route total") == [None] * 7
    observe(place, 2, 0, 5)
    found = match(served_database, LATER)
    assert (found.matched, found.totals) == (1, 1)
    assert outcomes(place, "R · route total") == [12] + [None] * 6
    assert outcomes(place, "company total") == [None] * 7, "the third customer is not known"
    assert match(served_database, LATER).totals == 0, "matching again changes nothing"


def test_a_total_follows_a_correction_of_a_part_and_so_does_its_week(place: Served, served_database: Database):
    issue(place, served_database)
    for day in range(7):
        for customer in (1, 2, 3):
            observe(place, customer, day, customer)
    assert match(served_database, LATER).totals == 7 + 7 + 5, (
        "days of two totals, weeks of these and of three customers"
    )
    assert outcomes(place, "R · route total") == [3] * 7
    assert outcomes(place, "R · route total · weekly total") == [21]
    assert outcomes(place, "C3 · weekly total") == [21]
    observe(place, 2, 3, 12)
    found = match(served_database, LATER)
    assert (found.matched, found.totals) == (1, 2 + 3), "a day of route and company; weeks of these and of the customer"
    assert outcomes(place, "R · route total · weekly total") == [31]
    assert outcomes(place, "company total · weekly total") == [52]
    ((error,),) = place.connection.execute(
        "select p.error from analytics.model_prediction_results p join analytics.series s using (series_id)"
        " where analytics.series_name(s) = 'company total' and p.target_at = %s",
        [MONDAY + 3 * DAY],
    ).fetchall()
    assert error == 10 - (1 + 12 + 3)


def test_what_was_not_known_then_is_no_outcome(place: Served, served_database: Database):
    issue(place, served_database)
    for customer in (1, 2, 3):
        observe(place, customer, 0, 1)
    assert match(served_database, MONDAY + timedelta(hours=12)).totals == 0
    assert match(served_database, MONDAY + DAY).totals == 2


def test_an_absent_part_is_zero_where_absence_means_zero_once_its_series_goes_on(
    place: Served, served_database: Database
):
    issue(place, served_database, metric_type="collection_weight")
    observe(place, 1, 0, 7)
    match(served_database, MONDAY + 2 * DAY)
    assert outcomes(place, "R · route total")[0] is None, "the other customer may still report"
    observe(place, 2, 1, 5)
    match(served_database, MONDAY + 3 * DAY)
    assert outcomes(place, "R · route total")[:2] == [7, None]
    match(served_database, MONDAY + 28 * DAY)
    assert outcomes(place, "R · route total")[0] == 7
    match(served_database, MONDAY + 40 * DAY)
    assert outcomes(place, "R · route total") == [7, 5, 0, 0, 0, 0, 0], "four weeks later nothing comes any more"
    assert outcomes(place, "R · route total · weekly total") == [12]


def test_accuracy_health_and_waiting_judge_series_not_totals(place: Served, served_database: Database):
    version = issue(place, served_database)
    for day in range(7):
        for customer in (1, 2, 3):
            observe(place, customer, day, 10)
    match(served_database, MONDAY + 7 * DAY)
    assert (
        place.one(
            "select forecasts from analytics.forecast_accuracy(array[%s::bigint], %s) where recent",
            version,
            MONDAY + 7 * DAY,
        )
        == 3 * 7
    )
    assert place.one(
        "select labelled from analytics.health_of_models(%s) where version_id = %s", MONDAY + 7 * DAY, version
    ) in (3 * 6, 3 * 7)
    with served_database.transaction() as transaction:
        waiting = transaction.one("count_waiting_predictions", as_of=MONDAY + 7 * DAY)
    assert waiting == {"waiting": 0, "overdue": 0}


def test_the_accuracy_summary_tells_levels_routes_and_horizon_weeks_and_what_was_not_judged(
    place: Served, served_database: Database
):
    issue(place, served_database)
    for day in range(7):
        observe(place, 1, day, 8)
    for day in (0, 1, 6):
        observe(place, 2, day, 12)
    match(served_database, LATER)
    place.one("select analytics.mark_dirty(array(select series_id from analytics.series), '2024-05-01', '2024-05-31')")
    refresh_views(served_database)
    refresh_views(served_database, force=True)
    rows = place.connection.execute(
        "select level, total, granularity, route_id, horizon_week, forecasts, wape, without_service, overdue, waiting"
        " from analytics.model_accuracy_summary order by level, total, granularity, route_id nulls last"
    ).fetchall()
    assert rows == [
        ("company", True, "daily", None, 1, 0, None, 0, 7, 0),
        ("company", True, "weekly", None, 1, 0, None, 0, 1, 0),
        ("customer", False, "daily", "R", 1, 10, pytest.approx(20 / 92), 4, 0, 0),
        ("customer", False, "daily", None, 1, 0, None, 0, 7, 0),
        ("customer", True, "weekly", "R", 1, 1, pytest.approx(46 / 56), 0, 1, 0),
        ("customer", True, "weekly", None, 1, 0, None, 0, 1, 0),
        ("route", True, "daily", "R", 1, 3, pytest.approx(30 / 60), 0, 4, 0),
        ("route", True, "weekly", "R", 1, 0, None, 0, 1, 0),
    ]


def test_a_total_of_an_entity_with_a_series_of_its_own_is_judged_by_that(place: Served, served_database: Database):
    own = place.one(
        "insert into analytics.series (metric_type, route_id, labels)"
        " values ('route_distance', 'R', '{\"s\": \"paper\"}') returning series_id"
    )
    customers = [one for one in series(place) if one != own]
    place.one(
        "insert into analytics.time_series_metrics (series_id, observed_at, value) values (%s, %s, 9)", own, MONDAY
    )
    (total,) = totals_of(served_database, customers, ("route",), {}).each
    assert (total.own, total.parts) == (own, tuple(customers[:2]))
    assert totals_of(served_database, [*customers, own], ("route",), {}).each == (), "the model forecasts it itself"
    (company,) = totals_of(served_database, [*customers, own], ("company",), {}).each
    assert company.parts == tuple(customers), "customers' values are in their route's already"


def test_nothing_but_forecasts_knows_of_totals(place: Served, served_database: Database):
    issue(place, served_database)
    assert place.one("select count(*) from analytics.series where total") == 2 + 5
    with served_database.transaction() as transaction:
        for query, parameters in (
            (
                "names_of_selected_series",
                {"metric_type": "route_distance", "granularity": "daily", "labels": None, "level": None},
            ),
            ("selected_series", dict.fromkeys(("metric_type", "granularity", "labels", "series_ids", "level"))),
            ("series_with_all_names", {"metric_type": None, "labels": None}),
        ):
            assert len(transaction.rows(query, **parameters)) == 3, query
        kinds = transaction.rows("metric_types_with_data", granularity=None)
        assert [row["granularity"] for row in kinds] == ["daily"]


def test_totals_that_cannot_be_are_refused(place: Served, served_database: Database):
    ids = series(place)
    with pytest.raises(UnknownName, match="route"):
        check_totals(["routes"])
    with pytest.raises(NothingToDo, match="names its vehicle"):
        totals_of(served_database, ids, ("vehicle",), {})
    place.one("update analytics.series set metric_type = 'contamination_rate'")
    with pytest.raises(Refused, match="don't add up"):
        totals_of(served_database, ids, ("route",), {})
    place.one("update analytics.series set metric_type = 'route_distance', granularity = 'weekly'")
    with pytest.raises(Refused, match="daily"):
        totals_of(served_database, ids, ("week",), {})
