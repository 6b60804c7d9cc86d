"""The views that analysts ask: each says what the library says, and what was really stored."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.postgres.served import NOW, Served

from mlops.db import Database
from mlops.panels.calendar import Calendar
from mlops.series import load
from mlops.series.edit import Edit, edit
from mlops.series.ingest import ingest
from mlops.series.read import history
from mlops.tracking.bridge.calendars import mirror_calendars

DAYS = pd.date_range("2024-01-28", periods=8)
Send = Callable[..., Any]


@pytest.fixture(scope="module")
def lives(new_database: Any, migrated: str) -> Iterator[Database]:
    """One database for all lives of the property; each life has a metric type's sites of its own."""
    with new_database("lives", template=migrated) as (_, url):
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def send(tmp_path: Path) -> Send:
    """Ingests days of sites with a value."""

    def make(database: Database, rows: list[tuple[Any, str, float]], **how: Any) -> Any:
        frame = pd.DataFrame(rows, columns=["observed_at", "site_id", "value"])
        frame["observed_at"] = pd.to_datetime(frame["observed_at"]).dt.strftime("%Y-%m-%dT00:00:00Z")
        path = tmp_path / how.pop("name", "f.csv")
        frame.assign(metric_type=how.pop("metric_type", "collection_weight")).to_csv(path, index=False)
        return ingest(database, path, **how)

    return make


def ask(database: Database, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url) as connection:
        return connection.execute(query, values or None).fetchall()


ROWS = st.lists(
    st.tuples(st.sampled_from(list(DAYS)), st.sampled_from("ab"), st.integers(0, 3)),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[:2],
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), ROWS, st.sampled_from(["auto", "now", "observed"])),
        st.tuples(st.just("redated"), st.integers(0, 7), st.sampled_from(["observed", "now"])),
        st.tuples(st.just("deleted"), st.integers(0, 7), st.none()),
    ),
    min_size=2,
    max_size=7,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, spans=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=2))
def test_values_as_of_a_time_are_those_of_the_library(lives: Database, send: Send, steps: Any, spans: Any):
    with psycopg.connect(lives.url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica; truncate analytics.series cascade")
        connection.execute("truncate analytics.time_series_metrics, analytics.time_series_revisions")
    times = [datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 3, tzinfo=UTC)]
    for what, told, known_at in steps:
        if what == "send":
            send(lives, told, known_at=known_at)
        else:
            ids = [row[0] for row in ask(lives, "select series_id from analytics.series")]
            first = DAYS[told].to_pydatetime().replace(tzinfo=UTC)
            decision = Edit(what, ids, first=first, until=first + timedelta(days=3), known_at=known_at)
            edit(lives, decision, by="me", reason="a test")
        times.append(datetime.now(UTC))
    ids = [row[0] for row in ask(lives, "select series_id from analytics.series order by 1")]
    for at in times:
        for start, end in [(None, None), *((_day(one), _day(other)) for one, other in spans)]:
            for chosen in (None, ids[:1]):
                assert _by_sql(lives, at, chosen, start, end) == _by_library(lives, at, chosen, start, end)


def _day(number: int) -> datetime:
    return DAYS[0].to_pydatetime().replace(tzinfo=UTC) + timedelta(days=number)


def _by_sql(database: Database, at: datetime, ids: Any, start: Any, end: Any) -> list[tuple[Any, ...]]:
    return ask(
        database,
        "select series_id, observed_at at time zone 'UTC', value, quality_score"
        " from analytics.values_as_of(%s, 'collection_weight', %s, %s, %s) order by 1, 2",
        at, ids, start, end,
    )  # fmt: skip


def _by_library(database: Database, at: datetime, ids: Any, start: Any, end: Any) -> list[tuple[Any, ...]]:
    found = history(database, series_ids=ids, metric_type="collection_weight", as_of=at, start=start)
    if end is not None:
        found = found[found["ds"] < pd.Timestamp(end).tz_localize(None)]
    scores = found["quality_score"].astype(object).where(found["quality_score"].notna(), None)
    days = [one.to_pydatetime() for one in found["ds"]]
    return list(zip(found["series_id"].tolist(), days, found["y"].tolist(), scores.tolist(), strict=True))


def test_arrivals_say_when_by_which_file_and_how_late(database: Database, send: Send):
    today = pd.Timestamp(datetime.now(UTC).date())
    past = [(day, "a", 1.0) for day in pd.date_range(end=today - timedelta(days=20), periods=10)]
    first = send(database, past, name="history.csv")
    news = [(today - timedelta(days=number), "a", 2.0) for number in (19, 12, 8, 7, 2, 1)]
    second = send(database, news, name="news.csv")
    third = send(database, [(past[0][0], "a", 5.0), (news[0][0], "a", 6.0)], name="corrected.csv")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "insert into analytics.time_series_staging (series_id, observed_at, value)"
            " select series_id, %s, 3 from analytics.series",
            [(today - timedelta(days=15)).to_pydatetime().replace(tzinfo=UTC)],
        )
    found = ask(
        database,
        "select day, batch_id, source, late, floor(date_part('epoch', late_by) / 86400)::int, corrections,"
        " corrected_batch_id, first_value, value from analytics.arrivals where observed_at >= '2000-01-01' order by 1",
    )
    by_day = {row[0]: row[1:] for row in found}
    sources = {day: None if row[1] is None else Path(row[1]).name for day, row in by_day.items()}
    history_days, news_days = [day.date() for day, *_ in past], [day.date() for day, *_ in news]
    assert {by_day[day][0] for day in history_days} == {first.batch_id}
    assert {by_day[day][0] for day in news_days} == {second.batch_id}
    assert {sources[day] for day in news_days} == {"news.csv"}
    assert all(by_day[day][3] == 0 and not by_day[day][2] for day in history_days)
    # late: more than 7 days after the end of its day
    late = {day for day, row in by_day.items() if row[2]}
    staged = (today - timedelta(days=15)).date()
    assert late == {staged, *((today - timedelta(days=number)).date() for number in (19, 12, 8))}
    assert by_day[staged][0] is None  # it came by SQL
    assert by_day[past[0][0].date()][4:] == (1, third.batch_id, 1.0, 5.0)
    assert by_day[news[0][0].date()][4:] == (1, third.batch_id, 2.0, 6.0)
    assert sum(row[4] for row in by_day.values()) == 2


def test_what_was_stored_before_an_interruption_is_of_the_file_that_was_sent_again(
    database: Database, send: Send, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mlops.series.parsing.external_sort.BATCH_ROWS", 2)
    rows = [(day, f"s{number:02}", 1.0) for number in range(96) for day in DAYS[:2]]
    stored, store = [], load.store

    def interrupted(*arguments: Any, **more: Any) -> Any:
        stored.append(1)
        if len(stored) == 3:
            raise KeyboardInterrupt
        return store(*arguments, **more)

    with monkeypatch.context() as during:
        during.setattr(load, "store", interrupted)
        with pytest.raises(KeyboardInterrupt):
            send(database, rows, known_at="now")
    before = ask(database, "select batch_id, count(*) from analytics.arrivals group by 1")
    report = send(database, rows, known_at="now")
    after = ask(database, "select batch_id, count(*) from analytics.arrivals group by 1")
    assert before == [(None, 128)]
    assert after == [(report.batch_id, 192)]


def test_a_forecast_says_whose_it_is_and_what_became_of_it(served: Served):
    version, series = served.healthy(), served.one("select array_agg(series_id) from analytics.series")
    served.one('update analytics.series set labels = \'{"name": "North"}\' where series_id = %s', series[0])
    served.one("insert into analytics.service_calendar values (%s, '{7}', '{}', now())", series[1])
    rows = served.connection.execute(
        "select series_id, day, site, model, version, champion, unit, freshest, horizon_week, status, outcome, error,"
        " y_hat, target_at from analytics.forecasts where version_id = %s",
        [version],
    ).fetchall()
    assert len(rows) == 36 * 3 + 3 - 3
    assert {row[2] for row in rows if row[0] == series[0]} == {"North"}
    assert {row[3:9] for row in rows} == {("demand", 1, True, "kg", True, 1)}
    for row in rows:
        assert row[1] == row[13].astimezone(UTC).date()
        if row[10] is not None:
            assert row[9] == "matched"
            assert row[11] == pytest.approx(row[12] - row[10])
        else:
            assert row[9] == ("closed" if row[0] == series[1] and row[1].isoweekday() == 7 else "overdue")


def test_a_forecast_of_a_day_that_has_not_come_waits(served: Served):
    version, series, tomorrow = served.model(), served.series(1), datetime.now(UTC).date() + timedelta(days=1)
    served.one("select analytics.ensure_partitions(array[%s]::date[], 'analytics.model_prediction_results')", tomorrow)
    served.forecasts(version, series, until=datetime(*tomorrow.timetuple()[:3], tzinfo=UTC), days=0)
    query = "select day, status, y_hat is not null from analytics.forecasts_between(%s, %s)"
    found = served.connection.execute(query, [tomorrow, tomorrow + timedelta(days=1)]).fetchall()
    assert found == [(tomorrow, "waiting", True)]
    assert served.connection.execute(query, [tomorrow - timedelta(days=9), tomorrow]).fetchall() == []


def test_promotions_recommendations_answers_and_edits_are_one_list(served: Served):
    version = served.healthy()
    asked = served.check(version, "retrain", at=NOW - timedelta(days=7))
    decide = "insert into analytics.recommendation_decisions (recommendation_id, decision, decided_by, reason, until)"
    served.one(f"{decide} values (%s, 'snooze', 'ann', 'after the move', '2024-07-01+00')", asked)
    served.one(
        "insert into analytics.promotions (model_id, alias, version_id, action, decided_by, reason, gates,"
        " recommendation_id, applied_at) select model_id, 'champion', version_id, 'promote', 'ann', 'better',"
        ' \'[{"gate": "skill", "passed": true}]\', %s, clock_timestamp() + interval \'1 second\''
        " from analytics.model_versions where version_id = %s",
        asked,
        version,
    )
    served.one("update analytics.model_aliases set valid_to = '2024-05-01+00'")
    served.one(
        "insert into analytics.model_aliases (model_id, alias, version_id, valid_from)"
        " select model_id, 'shadow', version_id, '2024-05-02+00' from analytics.model_versions"
    )
    served.one(
        "insert into analytics.observation_edits (edit_id, series_id, series, action, first_at, last_at, observations,"
        " corrections, outcomes, decided_by, reason)"
        " select 7, series_id, '{}', 'deleted', '2024-03-01Z', '2024-03-02Z', 2, 0, 1, 'bob', 'wrong unit'"
        " from analytics.series"
    )
    found = served.connection.execute(
        "select kind, what, model, version, alias, who, why, state, recommendation_id, evidence"
        " from analytics.decisions order by kind, alias"
    ).fetchall()
    assert [row[:9] for row in found] == [
        ("alias", "moved", "demand", 1, "champion", None, found[0][6], None, None),
        ("alias", "moved", "demand", 1, "shadow", None, found[0][6], "holds", None),
        ("answer", "snooze", "demand", 1, None, "ann", "after the move", "until 2024-07-01", asked),
        ("observations", "deleted", None, None, None, "bob", "wrong unit", None, None),
        ("promotion", "promote", "demand", 1, "champion", "ann", "better", "applied", asked),
        ("recommendation", "retrain", "demand", 1, None, "monitoring", "the error doubled", "snoozed", asked),
    ]
    assert (found[3][9]["series"], found[3][9]["observations"], found[4][9][0]["gate"]) == (3, 6, "skill")


def test_the_calendar_has_the_holidays_and_events_of_each_version_once(served: Served, served_database: Database):
    events = [{"name": "strike", "first": "2023-12-31", "last": "2024-01-02", "announced": "2023-12-20"}]
    span = {"trained_from": "2023-06-01+00", "trained_to": "2024-05-01+00"}
    recipe = {"recipe": {"country": "DE", "events": events}}
    version = served.model(lineage=json.dumps(recipe), **span)
    odd = served.model("odd", lineage=json.dumps({"recipe": {"country": "Atlantis"}}), **span)
    assert mirror_calendars(served_database) == 1
    found = served.connection.execute(
        "select model, version, country, day, name, kind, share, announced, champion from analytics.calendar"
        " where day between '2023-12-25' and '2024-01-02' order by day, name"
    ).fetchall()
    first = ("demand", 1, "DE")
    known = date(2023, 12, 20)
    assert [row[3:] for row in found if row[:3] == first] == [
        (date(2023, 12, 25), "Christmas Day", "holiday", 1.0, None, True),
        (date(2023, 12, 26), "Second Day of Christmas", "holiday", 1.0, None, True),
        (date(2023, 12, 31), "strike", "event", 1.0, known, True),
        (date(2024, 1, 1), "New Year's Day", "holiday", 1.0, None, True),
        (date(2024, 1, 1), "strike", "event", 1.0, known, True),
        (date(2024, 1, 2), "strike", "event", 1.0, known, True),
    ]
    days = Calendar.of("DE", events).days(date(2023, 1, 1), date(datetime.now(UTC).year + 1, 12, 31))
    assert served.one("select count(*) from analytics.calendar") == len(days)
    assert mirror_calendars(served_database) == 0  # Atlantis has no holidays, and stops nobody
    assert served.one("select array_agg(version_id) from analytics.model_calendars") == [version] != [odd]
    # a new year begins
    served.one("delete from analytics.model_calendar_days where day >= date_trunc('year', now())")
    served.one("update analytics.model_calendars set last_day = date_trunc('year', now())::date - 1")
    assert mirror_calendars(served_database) == 1
    assert served.one("select count(*) from analytics.calendar") == len(days)


def test_names_and_segments_come_from_labels_where_nobody_wrote_any(database: Database):
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("insert into analytics.customers (customer_id, segment) values ('C2', 'hotel')")
        for customer, labels in [("C1", {"name": "Roma", "segment": "cafe"}), ("C2", {"segment": "cafe"}), ("C3", {})]:
            connection.execute(
                "insert into analytics.time_series_staging (series_id, observed_at, value)"
                " select analytics.series_for('collection_weight', customer_id => %s, route_id => 'R1', labels => %s),"
                " '2024-05-01Z', 1",
                [customer, json.dumps(labels)],
            )
        connection.execute(
            "insert into analytics.time_series_staging (series_id, observed_at, value)"
            " select analytics.series_for('fuel_consumption', route_id => 'R1', labels => '{\"name\": \"Harbour\"}'),"
            " '2024-05-01Z', 1"
        )
        connection.execute("select count(*) from analytics.refresh_predictive_views()")
        found = "select customer_id, name, segment from analytics.customer_behavior_summary order by 1"
        assert connection.execute(found).fetchall() == [
            ("C1", "Roma", "cafe"),
            ("C2", None, "hotel"),  # what a user wrote stands
            ("C3", None, None),
        ]
        routes = "select name from analytics.route_performance_summary"
        assert connection.execute(routes).fetchall() == [("Harbour",)]
        again = "select count(*) from analytics.refresh_predictive_views() where refreshed"
        assert connection.execute(again).fetchone() == (0,)
