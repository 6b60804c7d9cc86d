"""Evidently beside the monitor: the snapshot on the model's run, and the workspace that is built from Postgres."""

import json
import math
import shutil
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from tests.checks import champion_of

from mlops.db import Database
from mlops.domain.findings import Finding, Findings, Recommendation
from mlops.monitoring.weekly import job
from mlops.monitoring.weekly.history import ServedVersion
from mlops.monitoring.weekly.record import WeeklyCheck, record
from mlops.policy import read_policy
from mlops.project import policy_file
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.runs import CHECKS, attach_check
from mlops.tracking.store import Store

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def check(database: Database, week: int, *, wape: float = 0.1) -> ServedVersion:
    """A check of the champion in a week after New Year; its row in the mirror."""
    version = champion_of(database)
    findings = Findings(
        (
            Finding("feature", "log_level", 1.0 + week, 4.0, week > 3, "log_level is higher"),
            Finding("performance", "coverage", math.nan, 3.0, False, "not judged"),
        )
    )
    found = WeeklyCheck(
        version, NEW_YEAR + week * WEEK, findings, Recommendation("none"), {"wape": wape, "coverage_80": 0.7}
    )
    record(database, read_policy(policy_file()), found)
    return version


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    found = [path for path in folder.rglob("*.json") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_a_snapshot_lies_with_the_models_run_and_a_repeated_check_replaces_it(routes, store: Store, champion):
    run = champion.version.run_id
    for text in ('{"a": 1}', '{"a": 2}'):
        assert attach_check(store, run, NEW_YEAR, text) is None
    kept = store.client.download_artifacts(run, "monitoring/evidently/2020-01-01.json")
    assert json.loads(Path(kept).read_text()) == {"a": 2}


def test_a_check_leaves_its_snapshot_in_postgres_and_with_the_run(routes, store: Store, champion):
    at = NEW_YEAR + 2 * WEEK
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, decompose=False)
    match(routes, at)
    policy = read_policy(policy_file())
    for _ in range(2):
        (checked,) = job.run_checks(routes, store, policy, at)
    with routes.transaction() as transaction:
        stored = transaction.value("evidently_snapshot", version_id=checked.version_id, as_of=at)
    run = champion.version.run_id
    kept = Path(store.client.download_artifacts(run, f"{CHECKS}/2020-01-15.json")).read_text()
    assert json.loads(kept) == json.loads(stored)


def test_artifacts_that_can_not_be_written_break_no_check(routes, store: Store, champion, caplog):
    at = NEW_YEAR + 2 * WEEK
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, decompose=False)
    match(routes, at)
    folder = Path(store.client.get_run(champion.version.run_id).info.artifact_uri.removeprefix("file://"))
    shutil.rmtree(folder / "monitoring", ignore_errors=True)
    (folder / "monitoring").write_text("in the way")
    try:
        (checked,) = job.run_checks(routes, store, read_policy(policy_file()), at)
    finally:
        (folder / "monitoring").unlink()
    assert checked.state == "judged"
    assert "is in Postgres only" in caplog.text


@pytest.mark.parametrize("run", ["0" * 32, None, "../../etc"])
def test_a_run_that_is_not_there_is_told_and_stops_nothing(routes, store: Store, run):
    assert attach_check(store, run, NEW_YEAR, "{}")


def test_a_run_that_was_deleted_keeps_or_tells(routes, store: Store, champion):
    store.client.delete_run(champion.version.run_id)
    assert attach_check(store, champion.version.run_id, NEW_YEAR, "{}") is None


def test_the_workspace_is_built_from_postgres_and_building_it_again_writes_nothing(mlops, home, routes, champion):
    for week in (1, 2, 3, 4):
        check(routes, week)
    code, out, _ = mlops("review", "--evidently", "--json")
    built = json.loads(out)
    assert (code, built["projects"], built["runs"], built["written"]) == (0, 1, 4, 6)
    assert "DO_NOT_TRACK=1 evidently ui --workspace" in built["command"]
    folder = Path(built["path"])
    before = files(folder)
    assert json.loads(mlops("review", "--evidently", "--json")[1])["written"] == 0
    assert files(folder) == before
    shutil.rmtree(folder)
    mlops("review", "--evidently")
    assert {name: content for name, (content, _) in files(folder).items()} == {
        name: content for name, (content, _) in before.items()
    }


def test_a_corrected_check_takes_the_place_of_its_run(mlops, home, routes, champion):
    from evidently.ui.workspace import Workspace

    check(routes, 1)
    mlops("review", "--evidently")
    check(routes, 1, wape=0.3)
    assert json.loads(mlops("review", "--evidently", "--json")[1])["written"] == 1
    workspace = Workspace(str(home.root / "evidently"))
    (project,) = workspace.list_projects()
    (run,) = workspace.list_runs(project.id)
    values = {one.display_name: one.value for one in workspace.get_run(project.id, run).metric_results.values()}
    assert values["wape"] == 0.3
    assert values["promised_wape"] == pytest.approx(champion.metrics["wape"])
    assert workspace.get_run(project.id, run).tags == ["champion"]
    assert values["drifted.feature"] == 0


def test_a_counter_shows_0_as_0(mlops, home, routes, champion):
    """Evidently's counters say "no value" of what JavaScript takes for false, and round the rest to two digits."""
    from evidently.ui.workspace import Workspace

    check(routes, 1, wape=0.0)
    mlops("review", "--evidently")
    workspace = Workspace(str(home.root / "evidently"))
    (project,) = workspace.list_projects()
    (run,) = workspace.list_runs(project.id)
    values = {one.display_name: one.value for one in workspace.get_run(project.id, run).metric_results.values()}
    assert values["wape"]
    assert values["drifted"]
    assert (f"{values['wape']:.2f}", f"{values['drifted']:.2f}") == ("0.00", "0.00")


def test_the_pages_of_stored_checks_are_laid_out_anew(mlops, home, routes, champion):
    check(routes, 4)
    with psycopg.connect(routes.url) as connection:
        connection.execute("update analytics.evidently_snapshots set snapshot = snapshot || '{\"widgets\": []}'")
    mlops("review", "--evidently")
    (path,) = (home.root / "evidently").rglob("snapshots/*.json")
    titles = [one["title"] for one in json.loads(path.read_text())["widgets"]]
    assert titles[1] == "What drifted"
    assert titles[-1] == "Numbers of the week"


def test_the_dashboard_shows_the_weeks_and_the_statistics(mlops, home, routes, champion):
    from evidently.ui.workspace import Workspace

    check(routes, 4)
    mlops("review", "--evidently")
    (project,) = Workspace(str(home.root / "evidently")).list_projects()
    shown = project.dashboard.model()
    assert project.name == "demand"
    drawn = {value.metric_labels["name"] for panel in shown.panels for value in panel.values}
    assert {"drifted", "drifted.feature", "wape", "promised_wape", "coverage_80", "feature.log_level"} <= drawn
    assert set(shown.tabs[0].panels) == {panel.id for panel in shown.panels}


def test_evidentlys_own_ui_reads_the_workspace(mlops, home, routes, champion):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.ui.service.app import create_app, get_config
        from litestar.testing import TestClient

    check(routes, 1, wape=0.1)
    check(routes, 2, wape=0.2)
    mlops("review", "--evidently")
    wape = {"tags": [], "metadata": {}, "metric": "evidently:metric_v2:Precomputed", "metric_labels": {"name": "wape"}}
    with TestClient(create_app(get_config(workspace=str(home.root / "evidently")))) as ui:
        (project,) = ui.get("/api/projects").json()
        reports = ui.get(f"/api/projects/{project['id']}/snapshots").json()
        address = f"/api/v2/snapshots/{project['id']}/data_series_batch"
        (series,) = ui.post(address, json={"series_filter": [wape]}).json()["series"]
    assert project["name"] == "demand"
    assert {report["metadata"]["model"] for report in reports} == {"demand v1"}
    assert series["values"] == [0.1, 0.2]


def test_only_what_was_known_is_in_the_workspace(mlops, home, routes, champion):
    check(routes, 1)
    check(routes, 2)
    assert json.loads(mlops("review", "--evidently", "--as-of", "2020-01-10", "--json")[1])["runs"] == 1
    code, _, err = mlops("review", "--evidently", "--as-of", "2020-01-02")
    assert code == 1
    assert "nothing was checked by 2020-01-02" in err


def test_serving_needs_evidently(mlops, home):
    code, _, err = mlops("review", "--serve")
    assert code == 2
    assert "--evidently" in err


def test_presets_of_a_champion_are_a_page_and_a_snapshot_with_a_warning(mlops, home, routes, store: Store, champion):
    predict(routes, store, "models:/demand@champion", as_of=NEW_YEAR, decompose=False)
    match(routes, NEW_YEAR + 4 * WEEK)
    code, out, _ = mlops("monitor", "presets", "demand", "--as-of", "2020-01-29", "--json")
    page = json.loads(out)
    assert code == 0
    assert {"target", "prediction", "mean_1_cycle"} <= set(page["columns"])
    assert "twelve weeks before" in page["reference"]
    assert "alarm in weeks in which nothing changed" in page["warning"]
    assert Path(page["html"]).stat().st_size > 1_000_000
    assert json.loads(Path(page["snapshot"]).read_text())["timestamp"].startswith("2020-01-29")


@pytest.mark.parametrize(
    ("name", "as_of", "said"),
    [("nobody", "2020-01-29", "nobody"), ("demand", "2019-12-01", "has forecast no day before 2019-12-01")],
)
def test_presets_without_a_champion_or_forecasts_are_refused(mlops, home, routes, champion, name, as_of, said):
    code, _, err = mlops("monitor", "presets", name, "--as-of", as_of)
    assert code == 1
    assert said in err
