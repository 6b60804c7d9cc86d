"""The monitoring job on a real registry: who is checked, what is said of what can't be judged, and what stops whom."""

import pickle
import runpy
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlops.db import Database
from mlops.domain.findings import Finding
from mlops.monitoring.decide.recommend import UNLABELLED
from mlops.monitoring.weekly import job
from mlops.monitoring.weekly.history import ServedVersion
from mlops.policy import Policy, read_policy
from mlops.project import policy_file
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import ModelVersion, add_version, move_champion, resolve
from mlops.tracking.store import Store
from mlops.training import Trained
from mlops.training.promote import promote

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)
ROOT = Path(__file__).parents[2]
POLICY = policy_file()


@pytest.fixture
def policy() -> Policy:
    return read_policy(POLICY)


def serve(routes: Database, store: Store, uri: str = "models:/demand@champion", weeks: int = 2) -> datetime:
    """Forecast each Wednesday from New Year, and let outcomes come; the end of the last week."""
    for week in range(weeks):
        predict(routes, store, uri, as_of=NEW_YEAR + week * WEEK, decompose=False)
    match(routes, NEW_YEAR + weeks * WEEK)
    return NEW_YEAR + weeks * WEEK


def again(
    routes: Database, store: Store, champion: Trained, name: str = "demand", run_id: str | None = None
) -> ModelVersion:
    """The champion's model, registered once more: the challenger of a name."""
    version = champion.version
    model = store.client.get_model_version(version.name, str(version.version))
    added = add_version(store, name, run_id or version.run_id, model.source, version.tags)
    sync(store, routes)
    return added


def change(routes: Database, statement: str, *values: Any) -> None:
    with psycopg.connect(routes.url, autocommit=True) as connection:
        connection.execute(statement, values)


def rows(routes: Database, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(routes.url) as connection:
        return connection.execute(statement, values).fetchall()


def drifted(checked: job.CheckResult, *kinds: str) -> dict[str, Finding]:
    return {one.name: one for one in checked.findings.details if one.drifted and one.kind in kinds}


# Who is checked


def test_a_challenger_that_forecasts_is_checked_and_compared_and_asks_for_nothing(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    added = again(routes, store, champion)
    end = serve(routes, store)
    assert [one.alias for one in job.run_checks(routes, store, policy, end)] == ["champion"], "it has forecast nothing"
    serve(routes, store, added.uri)
    change(
        routes,
        "update analytics.model_prediction_results p set y_hat = p.outcome from analytics.model_versions v"
        " where v.version_id = p.version_id and v.version = 2 and p.outcome is not null and p.outcome between p.lo_80"
        " and p.hi_80",
    )
    ours, rival = job.run_checks(routes, store, policy, end)
    assert (ours.alias, ours.version, rival.alias, rival.version) == ("champion", 1, "challenger", 2)
    assert (ours.comparison, rival.recommendation, rival.recommendation_id) == (None, None, None)
    assert rival.comparison is not None
    assert rival.comparison.days == 14
    assert rival.comparison.clear, "it knew most outcomes"
    assert rival.values["wape"] < ours.values["wape"]
    assert len(rival.findings.details) >= 15
    advised = (
        "select v.version from analytics.retraining_recommendations join analytics.model_versions v using (version_id)"
    )
    assert rows(routes, advised) == [(1,)]
    kept = rows(
        routes,
        "select v.version, c.alias, c.state, (c.comparison ->> 'days')::int, o.version from analytics.model_checks c"
        " join analytics.model_versions v using (version_id)"
        " left join analytics.model_versions o on o.version_id = c.compared_with order by 1",
    )
    assert kept == [(1, "champion", "judged", None, None), (2, "challenger", "judged", 14, 1)]
    with routes.transaction() as transaction:
        health = transaction.rows("model_health", as_of=end)
    parts = {row["alias"]: {part["part"]: part for part in row["parts"]} for row in health}
    assert parts["challenger"]["drift"]["weight"] == parts["champion"]["drift"]["weight"] == 2
    assert parts["challenger"]["drift"]["value"] is not None


def test_a_version_behind_another_alias_is_checked_while_it_forecasts(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    added = again(routes, store, champion)
    store.client.set_registered_model_alias("demand", "canary", str(added.version))
    store.client.delete_registered_model_alias("demand", "challenger")
    sync(store, routes)
    serve(routes, store)
    end = serve(routes, store, added.uri)
    assert [one.alias for one in job.run_checks(routes, store, policy, end)] == ["champion", "canary"]
    long_after = job.run_checks(routes, store, policy, end + 12 * WEEK)
    assert [one.alias for one in long_after] == ["champion"], "it serves no more"


# What can't be judged is said


def test_a_champion_that_has_forecast_nothing_yet_is_reported(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    (checked,) = job.run_checks(routes, store, policy, NEW_YEAR + WEEK)
    assert (checked.state, checked.problem) == ("unjudged", "none of its forecasts is of a day that is past")
    assert checked.asks == "none"
    assert rows(routes, "select state, problem from analytics.model_checks") == [(checked.state, checked.problem)]


def test_while_outcomes_are_missing_the_loss_is_estimated_and_forecasts_are_watched(
    mlops, routes: Database, store: Store, champion: Trained, policy: Policy
):
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR)
    (checked,) = job.run_checks(routes, store, policy, NEW_YEAR + 2 * WEEK)
    assert (checked.state, checked.problem) == ("unlabelled", "no outcome of the week is known")
    values = checked.values
    assert values["expected_wape_low"] <= values["expected_wape"] <= values["expected_wape_high"]
    assert values["expected_wape"] == pytest.approx(values["promised_wape"], rel=0.5)
    assert "wape" not in rows(routes, "select measured from analytics.model_checks")[0][0]
    assert {one.name for one in checked.findings.details if one.kind == "prediction"} == {
        "prediction.forecast",
        "prediction.expected_loss",
    }
    assert checked.recommendation is not None
    assert UNLABELLED in checked.recommendation.reasons
    with routes.transaction() as transaction:
        (health,) = transaction.rows("model_health", as_of=NEW_YEAR + 2 * WEEK)
    assert (health["score"], health["status"]) == (None, "unknown")
    code, out, _ = mlops("monitor", "run", "--as-of", "2020-01-15")
    assert code == 0
    assert "the WAPE of its freshest forecasts is expected to be 0." in out


def test_forecasts_that_doubled_drift_before_any_outcome_is_known(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR)
    change(
        routes,
        "update analytics.model_prediction_results set y_hat = 2 * y_hat, lo_80 = lo_80, hi_80 = 2 * hi_80,"
        " hi_95 = 2 * hi_95",
    )
    (checked,) = job.run_checks(routes, store, policy, NEW_YEAR + 2 * WEEK)
    assert "prediction.forecast" in drifted(checked, "prediction")
    assert checked.asks == "watch"


# What has stopped coming


def test_a_series_that_went_silent_is_a_fault_by_its_own_rhythm(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    end = serve(routes, store)
    (calm,) = job.run_checks(routes, store, policy, end)
    assert drifted(calm, "data") == {}
    change(routes, "delete from analytics.time_series_metrics where series_id = 2 and observed_at >= '2020-01-09'")
    (checked,) = job.run_checks(routes, store, policy, end)
    assert set(drifted(checked, "data")) == {"data.R2"}
    assert "R2 has sent nothing for 7 days, since 2020-01-08; it used to come every 1 day, 1 day late" in " ".join(
        one.detail for one in checked.findings.details
    )
    assert checked.asks == "investigate_data"


def test_a_feed_of_which_all_is_silent_is_one_fault_even_without_any_outcome(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR)
    change(routes, "delete from analytics.time_series_metrics where observed_at >= '2020-01-01'")
    (checked,) = job.run_checks(routes, store, policy, NEW_YEAR + 2 * WEEK)
    assert checked.state == "unlabelled"
    assert list(drifted(checked, "data")) == ["data.feed"]
    assert checked.asks == "investigate_data"


def test_forecasts_that_are_issued_no_longer_are_a_finding_of_their_own_and_no_fault_of_the_data(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR)
    match(routes, NEW_YEAR + 5 * WEEK)
    (checked,) = job.run_checks(routes, store, policy, NEW_YEAR + 5 * WEEK)
    found = drifted(checked, "data", "serving")
    assert list(found) == ["serving.forecasts"], "28 days were forecast, and the window of the newest week is empty"
    told = (
        "no forecasts since 2020-01-28 00:00; the newest was issued on 2020-01-01 00:00 UTC:"
        " run mlops predict models:/demand@champion"
    )
    assert found["serving.forecasts"].detail == told
    assert (checked.asks, checked.recommendation.reasons) == ("watch", (told,)), "and retraining is not refused for it"


def test_days_and_series_that_were_not_forecast_are_not_said_to_be_broken_data(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    end = serve(routes, store)
    change(routes, "delete from analytics.model_prediction_results where series_id = 2 and target_at >= '2020-01-08'")
    change(routes, "delete from analytics.model_prediction_results where target_at = '2020-01-10'")
    (checked,) = job.run_checks(routes, store, policy, end)
    assert drifted(checked, "data") == {}
    found = drifted(checked, "serving")
    assert found["serving.R2"].detail == "R2 has no forecasts in 6 days; it used to come on 100% of days"
    assert (found["serving.R2"].subject, found["serving.R2"].place) == ("2", "R2")
    assert checked.asks == "watch"


# Slices


def test_a_slice_that_alone_goes_wrong_is_found_and_named(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    change(
        routes,
        "insert into analytics.routes (route_id, attributes)"
        " values ('R1', '{\"route_type\": \"urban\"}'), ('R2', '{\"route_type\": \"urban\"}'),"
        " ('R3', '{\"route_type\": \"rural\"}')",
    )
    change(routes, "update analytics.series set labels = '{\"route_type\": \"rural\"}' where route_id = 'R4'")
    end = serve(routes, store, weeks=3)
    (calm,) = job.run_checks(routes, store, policy, end)
    slices = {one.slice for one in calm.findings.details}
    assert slices == {"", "route_type=urban", "route_type=rural"}
    assert not [one for one in calm.findings.details if one.slice and one.drifted]
    change(
        routes,
        "update analytics.model_prediction_results p set outcome = outcome * 1.3 from analytics.series s"
        " where s.series_id = p.series_id and s.route_id in ('R1', 'R2')",
    )
    (checked,) = job.run_checks(routes, store, policy, end)
    named = {one.slice for one in checked.findings.details if one.drifted and one.slice}
    assert named == {"route_type=urban"}
    kept = rows(routes, "select distinct slice from analytics.model_performance_tracking where drifted and slice <> ''")
    assert kept == [("route_type=urban",)]


# What breaks stops nothing else


def test_a_version_whose_backtest_is_gone_fails_in_a_sentence_and_stops_no_other(
    mlops, weekly_review, routes: Database, store: Store, champion: Trained, policy: Policy
):
    bare = store.client.create_run(store.experiment("apples")).info.run_id
    move_champion(store, again(routes, store, champion, "apples", bare), "for a test")
    sync(store, routes)
    serve(routes, store)
    end = serve(routes, store, "models:/apples@champion")
    told: list[str] = []
    histories: job.Histories = {}
    broken, fine = job.run_checks(
        routes, store, policy, end, done=lambda one: told.append(one.name), histories=histories
    )
    assert list(histories) == [fine.version_id], "what may have broken in the middle is read anew"
    assert told == ["apples", "demand"]
    assert (broken.name, broken.state, fine.name, fine.state) == ("apples", "failed", "demand", "judged")
    assert broken.problem.startswith(f"the table 'backtest' of run {bare} is gone")
    code, out, err = mlops("monitor", "run", "--as-of", "2020-01-15")
    assert code == 1
    assert "demand version 1: none" in out
    assert "1 of 2 checks failed; apples version 1: the table 'backtest'" in err
    code, out, err = weekly_review(POLICY, end)
    assert code == 1
    assert "weekly review: apples version 1 is not checked: the table 'backtest'" in err
    assert "review-2020-01-15.html" in out


def test_a_week_checked_by_two_at_once_is_written_once(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    end = serve(routes, store)
    with ThreadPoolExecutor(2) as both:
        results = list(both.map(lambda _: job.run_checks(Database(routes.url), store, policy, end), range(2)))
    assert results[0] == results[1] == job.run_checks(routes, store, policy, end)
    assert rows(routes, "select count(*) from analytics.retraining_recommendations") == [(1,)]
    assert (
        rows(
            routes, "select count(*), count(distinct (kind, subject, slice)) from analytics.model_performance_tracking"
        )[0]
        == (len(results[0][0].findings.details),) * 2
    )


def test_what_a_worker_is_given_travels_and_is_enough(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    end = serve(routes, store)
    here = job.run_checks(routes, store, policy, end)
    with routes.transaction() as transaction:
        (version,) = transaction.rows("served_versions", of=ServedVersion, as_of=end)
    place = job._Place(routes.url, store.uri, store.artifacts.parent, policy, (end,))
    there = pickle.loads(pickle.dumps(job._elsewhere(*pickle.loads(pickle.dumps((place, version))))))
    job._opened.cache_clear()
    assert there == here


def test_weeks_in_one_go_are_the_weeks_one_by_one(routes: Database, store: Store, champion: Trained, policy: Policy):
    end = serve(routes, store, weeks=4)
    times = [end - 2 * WEEK, end - WEEK, end]
    together = job.replay(routes, store, policy, times)
    apart = [job.run_checks(routes, store, policy, time)[0] for time in times]
    histories: job.Histories = {}
    goes_on = [job.run_checks(routes, store, policy, time, histories=histories)[0] for time in times]
    assert list(histories) == [apart[0].version_id]
    for weeks in (together, goes_on):
        for one, other in zip(weeks, apart, strict=True):
            assert list(map(str, one.findings.details)) == list(map(str, other.findings.details))
            assert (one.asks, one.values) == (other.asks, other.values)


# Acting


def test_a_champion_that_is_merely_old_is_challenged_once_in_a_holdout(
    routes: Database, store: Store, champion: Trained, policy: Policy
):
    old = replace(policy, recommend=replace(policy.recommend, max_age_days=7, challengers=("naive",)))
    serve(routes, store, weeks=4)
    times = [NEW_YEAR + week * WEEK for week in (2, 3, 4)]
    asked = [job.run_checks(routes, store, old, time)[0].recommendation for time in times]
    assert ["challenged" in one.evidence for one in asked if one is not None] == [True, False, True]
    (repeated,) = job.run_checks(routes, store, old, times[0])
    assert repeated.recommendation == asked[0], "a repeated check is the same check"


def test_the_weekly_script_acts_on_a_rollback_only_where_the_policy_lets_it(
    weekly_review, routes: Database, store: Store, champion: Trained, tmp_path: Path
):
    added = again(routes, store, champion)
    promote(routes, store, added.uri, "the newest", margin=0.02, by="tester", force=True)
    end = serve(routes, store, weeks=2)
    change(
        routes,
        "update analytics.model_prediction_results set y_hat = y_hat * 2, hi_80 = hi_80 * 2, hi_95 = hi_95 * 2",
    )
    assert weekly_review(POLICY, end)[0] == 0
    assert resolve(store, "models:/demand@champion").version == 2, "as it comes, nobody acts without a person"
    willing = tmp_path / "policy.toml"
    willing.write_text(POLICY.read_text().replace("auto_retrain = false", "auto_retrain = true"))
    code, out, _ = weekly_review(willing, end)
    assert code == 0
    assert "version 1" in out
    assert resolve(store, "models:/demand@champion").version == 1
    decided = rows(routes, "select decision, decided_by from analytics.recommendation_decisions")
    assert decided == [("accept", "policy.toml")]
    assert weekly_review(willing, end)[0] == 0
    assert resolve(store, "models:/demand@champion").version == 1, "and not back again"


@pytest.fixture
def weekly_review(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run the weekly script in this process: (exit code, stdout, stderr)."""

    def run(policy: Path, as_of: datetime) -> tuple[int, str, str]:
        script = ROOT / "monitoring" / "weekly_review.py"
        monkeypatch.setattr(sys, "argv", [str(script), "--as-of", as_of.isoformat(), "--policy", str(policy)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(script), run_name="__main__")
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return run
