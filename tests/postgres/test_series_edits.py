"""Observations are deleted and dated anew: told first, done as one decision, kept on record, and everything follows."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

from mlops.db import Database
from mlops.errors import BadInput, Refused, UnknownName
from mlops.series import load
from mlops.series.edit import Edit, edit, look_up, meant
from mlops.series.ingest import ingest
from mlops.series.read import history, list_series, show_series
from mlops.series.rescore import rescore

DAYS = pd.date_range("2024-01-30", periods=4)


@pytest.fixture
def template(migrated: str) -> str:
    """Commands on series need no MLflow."""
    return migrated


@pytest.fixture
def send(tmp_path: Path) -> Callable[..., Any]:
    """Ingests four days (two in January, two in February) of some sites."""

    def make(database: Database, sites: str = "ab", *, plus: float = 0, known_at: str = "auto", **more: Any) -> Any:
        rows = [(day, site, 10 + plus + place) for site in sites for place, day in enumerate(DAYS)]
        frame = pd.DataFrame(rows, columns=["observed_at", "site_id", "value"])
        frame["observed_at"] = frame["observed_at"].dt.strftime("%Y-%m-%dT00:00:00Z")
        path = tmp_path / "f.csv"
        frame.assign(metric_type="collection_weight", **more).to_csv(path, index=False)
        return ingest(database, path, known_at=known_at)

    return make


def ask(database: Database, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url) as connection:
        return connection.execute(query).fetchall()


def ids(database: Database, *names: str) -> list[int]:
    return [one.series_id for one in look_up(database, names, metric_type="collection_weight")]


def redate(database: Database, *names: str, known_at: Any = "observed", **span: datetime) -> list[dict[str, Any]]:
    return edit(database, Edit("redated", ids(database, *names), known_at=known_at, **span), by="me", reason="history")


def remove(database: Database, *names: str, **span: datetime) -> list[dict[str, Any]]:
    return edit(database, Edit("deleted", ids(database, *names), **span), by="me", reason="wrong unit")


def as_known(database: Database, day: str) -> list[float]:
    return history(database, as_of=datetime.fromisoformat(day).replace(tzinfo=UTC))["y"].tolist()


def forecast(database: Database) -> None:
    """A stored forecast for each observation, with its outcome."""
    with psycopg.connect(database.url) as connection:
        connection.execute("insert into analytics.registered_models (name, created_at) values ('demand', now())")
        connection.execute(
            "insert into analytics.model_versions (model_id, name, version, created_at, status, lineage_state)"
            " select model_id, name, 1, now(), 'READY', 'complete' from analytics.registered_models"
        )
        connection.execute(
            "select analytics.ensure_partitions(array['2024-01-01', '2024-02-01']::date[],"
            " 'analytics.model_prediction_results')"
        )
        connection.execute(
            "insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at,"
            " horizon, y_hat, outcome, outcome_recorded_at, matched_at)"
            " select v.version_id, m.series_id, '2024-01-01', '2024-01-01', m.observed_at, 1, 9, m.value,"
            " m.recorded_at, now() from analytics.time_series_metrics m cross join analytics.model_versions v"
        )


def test_history_that_came_in_late_is_dated_to_the_ends_of_its_periods(database: Database, send):
    send(database, known_at="now")
    assert as_known(database, "2024-02-02") == []
    done = redate(database, "a")
    assert [(row.observations, row.corrections, row.decided_by, row.reason) for row in done] == [
        (4, 0, "me", "history")
    ]
    assert as_known(database, "2024-02-02") == [10, 11, 12]  # of a, and nothing of b
    assert redate(database, "a") == []  # nothing is left to be changed
    assert history(database)["y"].tolist() == [10, 11, 12, 13] * 2


def test_a_correction_keeps_the_time_at_which_it_became_known(database: Database, send):
    send(database, "a", known_at="now")
    between = datetime.now(UTC)
    send(database, "a", plus=100)
    [done] = redate(database)
    assert (done.observations, done.corrections) == (0, 4)
    assert as_known(database, "2024-02-02") == [10, 11, 12]
    assert history(database, as_of=between)["y"].tolist() == [10, 11, 12, 13]
    assert history(database)["y"].tolist() == [110, 111, 112, 113]


def test_what_counts_as_known_too_early_is_dated_to_now_but_for_what_was_corrected(database: Database, send):
    send(database, "a")
    since = datetime(2024, 2, 1, tzinfo=UTC)
    [done] = redate(database, known_at="now", first=since)
    assert done.observations == 2
    assert as_known(database, "2024-03-01") == [10, 11]
    send(database, "a", plus=1)
    assert redate(database, known_at="now") == []  # each was corrected


def test_nothing_is_dated_forward_to_the_end_of_its_period(database: Database, send, tmp_path):
    path = tmp_path / "plan.csv"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    pd.DataFrame([{"metric_type": "collection_weight", "observed_at": tomorrow, "value": 1}]).to_csv(path, index=False)
    ingest(database, path)
    assert redate(database) == []


def test_deleted_observations_are_gone_with_their_corrections_and_can_be_sent_again(database: Database, send):
    send(database)
    send(database, "a", plus=100)
    done = remove(database, "a")
    assert [(row.observations, row.corrections) for row in done] == [(4, 4)]
    assert list_series(database)["site_id"].tolist() == ["b"]
    assert ask(database, "select count(*) from analytics.time_series_revisions") == [(0,)]
    again = send(database, "a")
    assert (again.inserted, again.backdated) == (4, 4)  # a new series, whose first file this is


def test_a_part_is_deleted_and_the_rest_is_summarised_and_scored_anew(database: Database, send):
    send(database, "a")
    summary = "select day::text, value from analytics.daily_metrics_summary order by 1"
    ask(database, "select analytics.refresh_daily_summary()")
    remove(database, first=datetime(2024, 1, 31, tzinfo=UTC), until=datetime(2024, 2, 2, tzinfo=UTC))
    ask(database, "select analytics.refresh_daily_summary()")
    assert ask(database, summary) == [("2024-01-30", 10.0), ("2024-02-02", 13.0)]
    rescore(database)
    assert ask(database, "select count(*) from analytics.unscored") == [(0,)]


@pytest.mark.parametrize("action", ["deleted", "redated"])
def test_outcomes_follow_their_observations(database: Database, send, action: str):
    send(database, "a", known_at="now")
    forecast(database)
    [done] = remove(database) if action == "deleted" else redate(database)
    assert done.outcomes == 4
    outcomes = ask(
        database,
        "select outcome, outcome_recorded_at::date::text from analytics.model_prediction_results order by target_at",
    )
    expected = (
        [(None, None)] * 4
        if action == "deleted"
        else [(10 + place, str((day + pd.Timedelta(days=1)).date())) for place, day in enumerate(DAYS)]
    )
    assert outcomes == expected
    assert len(list_series(database)) == 1  # the forecasts name it


def test_the_record_of_a_decision_stands(database: Database, send):
    send(database)
    remove(database, "a")
    for change in (
        "update analytics.observation_edits set reason = 'x'",
        "delete from analytics.observation_edits",
        "truncate analytics.observation_edits",
    ):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="as they were recorded"):
            ask(database, change)
    [(series,)] = ask(database, "select series from analytics.observation_edits")
    assert series["site_id"] == "a"


def test_corrections_at_the_same_time_lose_nothing(database: Database, send, tmp_path):
    send(database, "abcdefgh", known_at="now")

    def correct(number: int) -> Any:
        path = tmp_path / f"{number}.csv"
        rows = [(f"{day:%Y-%m-%dT00:00:00Z}", site, 1000 + number) for site in "abcdefgh" for day in DAYS]
        pd.DataFrame(rows, columns=["observed_at", "site_id", "value"]).assign(metric_type="collection_weight").to_csv(
            path, index=False
        )
        return ingest(database, path)

    with ThreadPoolExecutor(3) as pool:
        corrected = [pool.submit(correct, number) for number in range(2)]
        redated = pool.submit(redate, database)
        assert sum(one.result().corrected for one in corrected) == 64
        redated.result()
    assert ask(database, "select count(*) from analytics.time_series_revisions") == [(64,)]
    redate(database)
    assert (
        len(as_known(database, "2024-02-03")) == 32
    )  # whoever came first: what stood at first counts as known since then
    assert set(history(database)["y"]) <= {1000, 1001}


def orphans(database: Database) -> int:
    query = "select count(*) from analytics.time_series_metrics m left join analytics.series s using (series_id)"
    query += " where s.series_id is null"
    return int(ask(database, query)[0][0])


def removed_beside(database: Database, statement: str, *names: str) -> list[dict[str, Any]]:
    """Delete while another session that has done `statement` is about to commit."""
    with ThreadPoolExecutor(1) as pool, psycopg.connect(database.url) as other:
        other.execute(statement)
        removing = pool.submit(remove, database, *names)
        for _ in range(200):
            if removing.done() or ask(database, "select from pg_locks where not granted"):
                break
            time.sleep(0.02)
        other.commit()
        return removing.result()


def test_no_outcome_is_taken_from_what_is_deleted_at_the_same_time(database: Database, send):
    send(database, "a")
    forecast(database)
    ask(
        database,
        "update analytics.model_prediction_results"
        " set outcome = null, outcome_recorded_at = null, matched_at = null returning 1",
    )
    match = (
        "select pg_advisory_xact_lock(hashtextextended('outcomes', 0));"
        "update analytics.model_prediction_results p"
        " set outcome = m.value, outcome_recorded_at = m.recorded_at, matched_at = now()"
        " from analytics.time_series_metrics m where m.series_id = p.series_id and m.observed_at = p.target_at"
    )
    [done] = removed_beside(database, match)
    assert done.outcomes == 4
    assert ask(database, "select count(outcome) from analytics.model_prediction_results") == [(0,)]


def test_what_is_staged_while_its_series_is_deleted_goes_with_it(database: Database, send):
    send(database, "a")
    [number] = ids(database, "a")
    staged = (
        f"insert into analytics.time_series_staging (series_id, observed_at, value) values ({number}, '2024-02-09', 1)"
    )
    [done] = removed_beside(database, staged, "a")
    assert (done.observations, orphans(database)) == (5, 0)
    with pytest.raises(psycopg.errors.CheckViolation, match="there is no such series"):
        ask(database, staged)


def test_a_file_whose_series_is_deleted_while_it_is_stored_leaves_no_orphan(database: Database, send, monkeypatch):
    send(database, "a")
    later, really = DAYS + pd.Timedelta(days=30), load.prepare

    def prepare(*about: Any) -> Any:
        judged = really(*about)
        remove(database, "a")
        return judged

    monkeypatch.setattr(load, "prepare", prepare)
    monkeypatch.setattr(f"{__name__}.DAYS", later)
    with pytest.raises(BadInput, match=r"deleted series \d+ while this file was stored"):
        send(database, "a")
    monkeypatch.undo()
    assert orphans(database) == 0
    assert send(database, "a").inserted == 4


@pytest.mark.parametrize("known_at", ["observed", "now"])
def test_what_is_told_is_what_is_done_also_of_what_was_corrected_twice(home, mlops, send, known_at: str):
    database = Database(home.database_url)
    send(database, "a", known_at="now" if known_at == "observed" else "observed")
    send(database, "b", known_at="now" if known_at == "observed" else "observed")
    for plus in (1, 2):
        send(database, "a", plus=plus)
    _, told, _ = mlops("series", "redate", "--metric-type", "collection_weight", "--known-at", known_at)
    done = redate(database, known_at=known_at)
    changed = sum(row.observations + row.corrections for row in done)
    assert f"{changed} of 8 observations " in told


def test_a_decision_that_begins_within_an_archived_month_is_refused(database: Database, send):
    send(database, "a")
    ask(
        database,
        "insert into analytics.partition_archives (parent, partition, lower_bound, upper_bound, path, rows, bytes,"
        " sha256, digest, dropped_at) values ('analytics.time_series_metrics', 'p', '2024-01-01', '2024-02-01', 'f', 1,"
        " 1, repeat('a', 64), repeat('b', 64), now()) returning 1",
    )
    with pytest.raises(Refused, match="2024-01"):
        remove(database, first=datetime(2024, 1, 31, tzinfo=UTC))
    assert remove(database, first=datetime(2024, 2, 1, tzinfo=UTC))[0].observations == 2


def test_the_name_that_is_listed_is_the_one_that_is_taken(database: Database, send):
    send(database, labels='{"stream": "paper", "customer": "C1"}')
    listed = list_series(database)
    assert list(listed["name"]) == ["a · C1 · paper", "b · C1 · paper"]
    for row in listed.itertuples():
        assert [one.series_id for one in look_up(database, [row.name])] == [row.series_id]
        assert show_series(database, row.name).series_id == row.series_id


def test_series_are_chosen_by_name_id_metric_type_and_label(database: Database, send):
    send(database, labels='{"stream": "paper"}')
    first, second = (one.series_id for one in look_up(database, metric_type="collection_weight"))
    assert [one.name for one in look_up(database, ["a"])] == ["a · paper"]
    assert [one.series_id for one in look_up(database, ["paper"])] == [first, second]
    assert [one.series_id for one in look_up(database, [str(second)])] == [second]
    assert [one.series_id for one in look_up(database, ids=[first], labels={"stream": "paper"})] == [first]
    with pytest.raises(UnknownName, match="a · paper"):
        look_up(database, ["a papr"])
    with pytest.raises(BadInput, match="which series"):
        look_up(database)
    send(database, str(first), labels='{"stream": "glass"}')  # a site whose name is another's id
    with pytest.raises(BadInput, match="the id of one series and the name of another"):
        look_up(database, [str(first)])


def test_the_commands_tell_first_and_do_with_yes(home, mlops, send):
    database = Database(home.database_url)
    send(database, known_at="now")
    code, told, _ = mlops("series", "redate", "a")
    assert code == 0
    assert "collection_weight daily" in told
    assert "4 of 4 observations are dated back: they count as known since their period ended" in told
    assert "mlops series redate a --yes --reason 'WHY'" in told
    assert as_known(database, "2024-02-02") == []
    code, _, said = mlops("series", "redate", "a", "--yes")
    assert (code, "--reason" in said) == (2, True)
    code, printed, _ = mlops("series", "redate", "a", "--yes", "--reason", "a history", "--by", "ann", "--json")
    assert (code, json.loads(printed)["changed"]["observations"]) == (0, 4)
    assert len(as_known(database, "2024-02-02")) == 3
    told = mlops("series", "redate", "a")[1]
    assert "all 4 observations count as known since their period ended already\nthere is nothing to change" in told
    code, told, _ = mlops("series", "delete", "--metric-type", "collection_weight", "--until", "2024-02-01")
    assert (code, "4 observations and 0 corrected values are deleted" in told) == (0, True)
    assert len(history(database)) == 8
    code, told, _ = mlops("series", "delete", "b", "--yes", "--reason", "wrong")
    assert (code, "recorded as edit" in told) == (0, True)
    assert list_series(database)["site_id"].tolist() == ["a"]


def test_what_is_meant_names_what_depends_on_it(database: Database, send):
    send(database)
    found = meant(database, Edit("deleted", ids(database)))
    assert (found.total("observations"), found.total("forecasts"), found.models, found.builds) == (8, 0, (), ())
    with pytest.raises(BadInput, match="swap them"):
        meant(
            database, Edit("deleted", ids(database), datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
        )
