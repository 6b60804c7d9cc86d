"""What the commands leave for SQL: the days on which series are not served, and the calendars of models."""

from datetime import date, timedelta

import psycopg
from tests.conftest import NEW_YEAR

from mlops.db import Database
from mlops.panels.calendar import Calendar
from mlops.serving.predict import predict
from mlops.tracking.bridge.calendars import calendar_days
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store
from mlops.training import Trained


def test_training_leaves_the_holidays_of_its_model(routes: Database, store: Store, champion: Trained):
    query = "select day, name from analytics.calendar where version = %s and champion order by 1, 2"
    with psycopg.connect(routes.url, autocommit=True) as connection:
        mirrored = "select xmin, version_id, day from analytics.model_calendar_days order by 2, 3"
        before = connection.execute(mirrored).fetchall()
        found = connection.execute(query, [champion.version.version]).fetchall()
        sync(store, routes)
        assert connection.execute(mirrored).fetchall() == before
    days = Calendar.of("US").days(date(2019, 1, 1), date(2020, 12, 31))
    expected = list(zip(days["ds"].dt.date, days["name"], strict=True))
    assert [row for row in found if row[0] <= date(2020, 12, 31)] == expected


def test_a_forecast_of_a_weekday_that_closed_since_is_closed(routes: Database, store: Store, champion: Trained):
    uri = champion.version.uri
    predict(routes, store, uri, as_of=NEW_YEAR)
    with psycopg.connect(routes.url, autocommit=True) as connection:
        served = "select count(*) from analytics.service_calendar where closed_weekdays <> '{}'"
        assert connection.execute(served).fetchone() == (0,)
        connection.execute(
            "delete from analytics.time_series_metrics where observed_at < '2020-02-01Z'"
            " and date_part('isodow', observed_at at time zone 'UTC') = 7 and series_id = 1"
        )
        connection.execute("delete from analytics.time_series_metrics where observed_at >= '2020-02-01Z'")
        later = NEW_YEAR + timedelta(days=31)
        predict(routes, store, uri, as_of=later)
        closed = connection.execute(
            "select series_id, closed_weekdays, closed_months, as_of from analytics.service_calendar"
            " where closed_weekdays <> '{}'"
        ).fetchall()
        assert closed == [(1, [7], [], later)]
        predict(routes, store, uri, as_of=NEW_YEAR + timedelta(days=1))  # what was known later stands
        assert connection.execute(served).fetchone() == (1,)
        found = connection.execute(
            "select distinct status, date_part('isodow', day)::int = 7 from analytics.forecasts"
            " where series_id = 1 and status <> 'overdue'"
        ).fetchall()
    assert found == [("closed", True)]


def test_an_event_of_some_series_is_in_the_calendar_with_these():
    events = [
        {"name": "strike", "first": "2020-02-03", "last": "2020-02-04", "series": ["R1"]},
        {"name": "strike", "first": "2020-02-04", "series": ["R3"]},
        {"name": "fair", "first": "2020-02-04"},
    ]
    found = calendar_days(None, events, date(2020, 2, 1), date(2020, 2, 29))
    assert [(day["day"], day["name"], day["series"]) for day in found] == [
        ("2020-02-03", "strike", ["R1"]),
        ("2020-02-04", "fair", None),
        ("2020-02-04", "strike", ["R1", "R3"]),
    ]
