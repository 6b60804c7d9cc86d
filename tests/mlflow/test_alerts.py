"""What is wrong with the versions that aliases point to is told once, with what to do, until it is no longer so."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse

import psycopg
import pytest

from mlops.db import Database
from mlops.tracking.alerts import Reviewed, review
from mlops.tracking.artifacts.files import Look, Looking, look
from mlops.tracking.bridge.sweep import sweep
from mlops.tracking.store import Store
from mlops.training import Trained

Mlops = Callable[..., tuple[int, str, str]]
CHAMPION = "models:/demand@champion"


def alerts(store: Store, database: Database) -> Reviewed:
    """What one round opens and resolves, with a look at all files."""
    return sweep(store, database, lambda _: look(store, database)).alerts


def kinds(reviewed: Reviewed) -> tuple[list[str], list[str]]:
    return [alert.kind for alert in reviewed.opened], [alert.kind for alert in reviewed.resolved]


def rows(database: Database, query: str = "select * from analytics.alerts order by alert_id") -> list[tuple]:
    with psycopg.connect(database.url) as connection:
        done = connection.execute(query)
        return done.fetchall() if done.description else []


@pytest.fixture
def files(store: Store, champion: Trained, tmp_path: Path) -> Path:
    """The champion's model files; a copy that the test may take away and that comes back afterwards."""
    place = Path(urlparse(store.client.get_model_version_download_uri("demand", "1")).path)
    shutil.copytree(place, tmp_path / "copy")
    yield place
    if not place.exists():
        shutil.copytree(tmp_path / "copy", place)


def add_version(store: Store, alias: str | None = None) -> str:
    """A version that somebody registered by hand: no lineage, no files."""
    version = store.client.create_model_version("demand", source="file:///nowhere").version
    if alias is not None:
        store.client.set_registered_model_alias("demand", alias, version)
    return str(version)


def test_a_promoted_champion_with_run_files_and_lineage_has_no_alert(store: Store, routes: Database, champion):
    assert alerts(store, routes) == Reviewed((), ())


def test_model_files_that_are_gone_open_an_alert_and_come_back_resolve_it(
    store: Store, routes: Database, champion, files: Path, tmp_path: Path
):
    shutil.rmtree(files)
    opened = alerts(store, routes).opened
    assert [(alert.kind, alert.subject, alert.severity) for alert in opened] == [("files_gone", CHAMPION, "critical")]
    assert str(files) in opened[0].message
    assert "mlops registry rollback demand" in opened[0].todo
    shutil.copytree(tmp_path / "copy", files)
    assert review(routes, []) == Reviewed((), ()), "who does not look resolves nothing"
    assert kinds(alerts(store, routes)) == ([], ["files_gone"])


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("artifacts/forecaster/booster.txt", "tree", "twig", "its file artifacts/forecaster/booster.txt was "),
        ("MLmodel", '"rows":', '"rows":1', "the lineage in the model has the digest "),
    ],
    ids=["a file", "the lineage"],
)
def test_a_champion_that_was_changed_is_told_within_an_hour_until_it_is_as_it_was(
    store: Store, routes: Database, champion, files: Path, name: str, old: str, new: str, words: str
):
    assert alerts(store, routes) == Reviewed((), ())
    whole = (files / name).read_text()
    try:
        (files / name).write_text(whole.replace(old, new))
        assert whole != (files / name).read_text()
        assert alerts(store, routes) == Reviewed((), ()), "it was compared just now"
        rows(routes, "update analytics.model_versions set verified_at = verified_at - interval '61 minutes'")
        (told,) = alerts(store, routes).opened
        assert (told.kind, told.subject, told.severity) == ("model_changed", CHAMPION, "critical")
        assert words in told.message
        assert alerts(store, routes) == Reviewed((), ())
    finally:
        (files / name).write_text(whole)
    assert kinds(alerts(store, routes)) == ([], ["model_changed"]), "what was found changed is looked at every time"


def test_files_that_can_not_be_read_for_now_are_compared_the_next_time(
    store: Store, routes: Database, champion, files: Path, monkeypatch: pytest.MonkeyPatch
):
    class Throttled(Exception):
        """As some artifact stores have one of their own."""

    def fail(*_: object, **__: object) -> None:
        raise Throttled

    compared = "select verified_at is not null from analytics.model_versions"
    with monkeypatch.context() as patched:
        patched.setattr("mlflow.artifacts.download_artifacts", fail)
        assert alerts(store, routes) == Reviewed((), ())
        assert rows(routes, compared) == [(False,)]
    assert alerts(store, routes) == Reviewed((), ())
    assert rows(routes, compared) == [(True,)]


def test_an_artifact_store_that_does_not_answer_says_nothing_about_files(
    store: Store, routes: Database, champion, files: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr("mlflow.artifacts.list_artifacts", fail)
        assert alerts(store, routes) == Reviewed((), ())
    shutil.rmtree(files)
    assert kinds(alerts(store, routes)) == (["files_gone"], [])
    monkeypatch.setattr("mlflow.artifacts.list_artifacts", fail)
    assert alerts(store, routes) == Reviewed((), ())


def test_a_deleted_run_opens_an_alert_and_a_restored_one_resolves_it(store: Store, routes: Database, champion):
    run = store.client.get_model_version("demand", "1").run_id
    store.client.delete_run(run)
    opened = alerts(store, routes).opened
    assert [(alert.kind, alert.severity) for alert in opened] == [("run_gone", "critical")]
    assert f"mlflow runs restore --run-id {run}" in opened[0].todo
    store.client.restore_run(run)
    assert kinds(alerts(store, routes)) == ([], ["run_gone"])


def test_what_comes_back_is_a_new_row(store: Store, routes: Database, champion):
    run = store.client.get_model_version("demand", "1").run_id
    for _ in range(2):
        store.client.delete_run(run)
        alerts(store, routes)
        store.client.restore_run(run)
        alerts(store, routes)
    assert [(row[1], row[11] is None) for row in rows(routes)] == [("run_gone", False)] * 2


def test_an_alias_that_was_moved_past_the_record_is_told_until_a_decision_is_on_record(
    store: Store, routes: Database, champion
):
    version = add_version(store, "champion")
    reviewed = alerts(store, routes)
    assert "alias_unrecorded" in kinds(reviewed)[0]
    told = next(alert for alert in reviewed.opened if alert.kind == "alias_unrecorded")
    assert told.message.startswith(f"it is version {version} since 2")
    assert f"mlops registry promote models:/demand/{version}" in told.todo
    rows(
        routes,
        f"""insert into analytics.promotions (model_id, alias, version_id, action, decided_by, reason, gates, forced)
            select model_id, 'champion', version_id, 'promote', 'ann', 'it is meant', '[]', true
              from analytics.model_versions where name = 'demand' and version = {version}""",
    )
    assert kinds(alerts(store, routes))[1] == ["alias_unrecorded"]


def test_an_alias_that_is_moved_back_past_the_record_is_told_although_it_was_promoted_once(
    store: Store, routes: Database, champion
):
    add_version(store, "champion")
    alerts(store, routes)
    store.client.set_registered_model_alias("demand", "champion", "1")
    opened, resolved = kinds(alerts(store, routes))
    assert (opened, resolved) == ([], ["files_gone", "lineage_incomplete"]), "the alert goes on, with other words"
    open_ones = "select message from analytics.alerts where kind = 'alias_unrecorded' and resolved_at is null"
    assert rows(routes, open_ones)[0][0].startswith("it is version 1 since")


@pytest.mark.parametrize(("alias", "severity"), [("champion", "critical"), ("challenger", "warning")])
def test_a_version_without_lineage_is_told_when_an_alias_points_to_it(
    store: Store, routes: Database, champion, alias: str, severity: str
):
    version = add_version(store)
    assert alerts(store, routes) == Reviewed((), ())
    store.client.set_registered_model_alias("demand", alias, version)
    found = {alert.kind: alert for alert in alerts(store, routes).opened}
    assert found["lineage_incomplete"].severity == severity
    assert found["lineage_incomplete"].subject == f"models:/demand@{alias}"
    assert ("alias_unrecorded" in found) == (alias == "champion"), "training sets the challenger"
    store.client.delete_registered_model_alias("demand", alias)
    assert set(kinds(alerts(store, routes))[1]) == set(found)


def test_an_alert_is_open_once_and_written_only_when_something_changed(store: Store, routes: Database, champion):
    add_version(store, "challenger")
    alerts(store, routes)
    before = rows(routes, "select xmin::text, a.* from analytics.alerts a order by alert_id")
    for _ in range(3):
        assert alerts(store, routes) == Reviewed((), ())
    assert rows(routes, "select xmin::text, a.* from analytics.alerts a order by alert_id") == before
    rows(
        routes, "update analytics.alerts set opened_at = now() - interval '1 day', seen_at = now() - interval '2 hours'"
    )
    assert alerts(store, routes) == Reviewed((), ())
    assert all(
        recent for (recent,) in rows(routes, "select seen_at > now() - interval '1 minute' from analytics.alerts")
    )


def test_alerts_are_listed_the_critical_first_and_health_is_bad(
    mlops: Mlops, store: Store, routes: Database, champion, files: Path
):
    assert mlops("registry", "alerts")[1].strip() == "no alert is open"
    add_version(store, "challenger")
    mlops("registry", "sync")
    assert mlops("health")[1].count("→ read mlops alerts list") == 1
    shutil.rmtree(files)
    code, out, _ = mlops("registry", "sync")
    assert code == 0
    assert "critical: models:/demand@champion files_gone" in out
    assert "what to do: mlops registry alerts" in out
    code, out, _ = mlops("registry", "alerts")
    assert code == 0
    assert out.splitlines()[0].startswith("critical  models:/demand@champion  files_gone, since 2")
    assert out.splitlines()[2].startswith("    → bring the files back from a backup")
    assert len(json.loads(mlops("registry", "alerts", "--json")[1])) == 3
    code, out, _ = mlops("health")
    assert code == 1
    assert "alerts  3 open, 1 critical" in out
    store.client.delete_registered_model_alias("demand", "challenger")
    mlops("registry", "sync")
    assert len(json.loads(mlops("registry", "alerts", "--json")[1])) == 1
    assert len(json.loads(mlops("registry", "alerts", "--all", "--json")[1])) == 3
    assert " to 2" in mlops("registry", "alerts", "--all")[1]


def test_a_store_that_does_not_answer_is_asked_once_and_holds_up_no_round(
    store: Store, routes: Database, champion, monkeypatch: pytest.MonkeyPatch
):
    add_version(store, "challenger")
    asked, answer = [], threading.Event()

    def hang(artifact_uri: str, **_: object) -> None:
        asked.append(artifact_uri)
        answer.wait()
        raise ConnectionError("the store is away")

    monkeypatch.setattr("mlflow.artifacts.list_artifacts", hang)
    looking = Looking(lambda: look(store, routes), lambda: None, every_seconds=0)
    for _ in range(3):
        assert not any(alert.kind == "files_gone" for alert in sweep(store, routes, looking.seen).alerts.opened)
    assert len(asked) == 1, "one look at a time"
    answer.set()
    looking._thread.join()
    assert len(asked) == 1, "both versions lie on the host that did not answer"


def test_a_look_that_saw_something_new_is_told_and_one_that_did_not_is_not():
    told, seen = [], iter([[Look(1, "a", True)], [Look(1, "a", True)], [Look(1, "a", False)]])
    looking = Looking(lambda: iter(next(seen)), lambda: told.append(1), every_seconds=3600)
    aliases = {"demand@champion": 1}
    for expected in (1, 1, 2):
        looking.seen(aliases)
        looking._thread.join()
        assert len(told) == expected
        assert looking.seen(aliases) == looking._seen, "no new look while the aliases stand"
        aliases = {"demand@champion": aliases["demand@champion"] + 1}
    assert looking._seen == [Look(1, "a", False)]
