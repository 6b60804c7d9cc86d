"""Models that are live: loaded only as they were anchored, swapped while asked, by all processes at one time."""

import gc
import shutil
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from tests.mlflow.live import answer, asking, files, live_models, register, until

from mlops.db import Database
from mlops.errors import ModelNotFound, Refused
from mlops.serving.online import agreement, loading, watch
from mlops.serving.online.models import LiveModels
from mlops.serving.online.scorer import scorer_of
from mlops.tracking.aliases import ApiReader, QueryReader, alias_reader
from mlops.tracking.artifacts.example import Example
from mlops.tracking.bridge.sync import sync
from mlops.tracking.scoring import ScoringError
from mlops.tracking.store import Store, open_store
from mlops.training import promote as promotion

DEMAND = "demand"


@pytest.fixture
def template(with_mlflow: str) -> str:
    """These tests need no trained model."""
    return with_mlflow


@pytest.fixture
def versions(routes: Database, store: Store) -> None:
    """Versions 1 and 2 of `demand`, both decided on; 1 is champion."""
    register(store, routes, DEMAND, 1)
    register(store, routes, DEMAND, 2)
    move(store, 1)
    sync(store, routes)


def move(store: Store, number: int, alias: str = "champion") -> None:
    """What MLflow's own client does."""
    store.client.set_registered_model_alias(DEMAND, alias, str(number))


def version(models: LiveModels, **which: object) -> int:
    model = models.find(DEMAND, **which)
    return 0 if model is None else model.version.version


def open_alerts(database: Database) -> list[tuple[str, str, str]]:
    with psycopg.connect(database.url) as connection:
        return connection.execute(
            "select subject, severity, message from analytics.alerts"
            " where kind = 'version_not_loaded' and resolved_at is null"
        ).fetchall()


# finding and loading -------------------------------------------------------------------------------------------------


def test_every_champion_is_served_and_another_version_is_loaded_when_it_is_asked_for(
    routes: Database, store: Store, versions
):
    with live_models(routes, store) as models:
        champion = models.find(DEMAND)
        assert answer(champion) == 1
        assert champion.signature["required"] == {"load": "double", "rain": "double"}
        assert models.find(DEMAND, version=2) is None
        loaded = models.load(DEMAND, version=2)
        assert (answer(loaded), models.find(DEMAND, version=2)) == (2, loaded)
        assert models.load(DEMAND, version=1) is champion, "it is in memory once"
        state = models.state()
        assert [(model.alias, model.version, model.role) for model in state.models] == [
            ("", 1, "asked"),
            ("", 2, "asked"),
            ("champion", 1, "served"),
        ]
        assert (state.ready, state.failures, state.swaps, state.registry_problem) == (True, (), 0, None)
        assert state.memory == champion.memory + loaded.memory > 0


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ({"alias": "champoin"}, r"did you mean models:/demand@champion\?"),
        ({"version": 9}, "its newest version is 2"),
    ],
)
def test_what_the_registry_does_not_have_is_not_found_with_what_there_is(
    routes: Database, store: Store, versions, which: dict[str, object], words: str
):
    with live_models(routes, store) as models:
        for _ in range(2):  # the second time without asking the registry
            with pytest.raises(ModelNotFound, match=words):
                models.load(DEMAND, **which)
        with pytest.raises(ModelNotFound, match="registered models: demand"):
            models.load("other")


def test_without_loading_on_demand_only_what_was_given_is_served(routes: Database, store: Store, versions):
    with live_models(routes, store, "demand@champion", on_demand=False) as models:
        assert answer(models.find(DEMAND)) == 1
        with pytest.raises(ModelNotFound, match=r"models:/demand/2 is not served here"):
            models.load(DEMAND, version=2)


def test_a_given_address_that_leads_nowhere_ends_the_start(routes: Database, store: Store, versions):
    with pytest.raises(ModelNotFound), live_models(routes, store, "demand@nobody"):
        pass


def test_a_model_without_a_signature_is_not_served(routes: Database, store: Store):
    register(store, routes, DEMAND, 1, signed=False)
    with live_models(routes, store) as models:
        with pytest.raises(Refused, match="has no signature, so nobody can say which requests fit it"):
            models.load(DEMAND)
        assert models.find(DEMAND) is None
        assert models.state().failures[0].uri == "models:/demand@champion"


def test_a_version_that_nobody_decided_on_is_refused_with_what_to_do(routes: Database, store: Store):
    register(store, routes, DEMAND, 1, decided=False)
    with live_models(routes, store) as models, pytest.raises(Refused, match="mlops registry promote models:/demand/1"):
        models.load(DEMAND, version=1)


def test_a_file_that_was_changed_is_found_before_anything_of_it_is_loaded(routes: Database, store: Store, versions):
    model = files(store, DEMAND, 2) / "model.lgb"
    model.write_text(model.read_text().replace("leaf_value=2", "leaf_value=9"))
    with live_models(routes, store) as models:
        with pytest.raises(Refused, match=r"its file model\.lgb"):
            models.load(DEMAND, version=2)
        move(store, 2)
        until(lambda: models.state().failures != ())
        assert answer(models.find(DEMAND)) == 1


def test_challengers_answer_beside_the_champion_unless_they_are_it(routes: Database, store: Store, versions):
    move(store, 2, "challenger")
    with live_models(routes, store) as models:
        until(lambda: len(models.shadows(DEMAND)) == 1)
        assert [answer(model) for model in models.shadows(DEMAND)] == [2]
        move(store, 1, "challenger")
        until(lambda: models.shadows(DEMAND) == ())


def test_over_the_budget_the_model_not_asked_for_longest_is_let_go_and_comes_back(
    routes: Database, store: Store, versions
):
    for name in ("a", "b"):
        register(store, routes, name, 1)
    with live_models(routes, store) as probe:
        size = probe.find("a").memory / 2**20
    with live_models(routes, store, memory_mb=2.5 * size) as models:
        assert sum(models.find(name) is not None for name in ("a", "b", DEMAND)) == 2
        assert models.state().memory <= 2.5 * 2**20 * size
        gone = next(name for name in ("a", "b", DEMAND) if models.find(name) is None)
        kept = [name for name in ("a", "b", DEMAND) if name != gone]
        models.find(kept[1])
        assert answer(models.load(gone)) == 1
        assert [models.find(name) is not None for name in kept] == [False, True]
        assert [model.let_go for model in models.state().models if model.name == kept[0]] == [True]
        assert models.ready


# swapping ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["promote", "client"])
def test_a_promotion_and_a_rollback_are_served(routes: Database, store: Store, versions, how: str):
    with live_models(routes, store) as models:
        if how == "promote":
            promotion.promote(routes, store, "models:/demand/2", "better", margin=0.02, force=True)
        else:
            move(store, 2)
        until(lambda: version(models) == 2)
        assert answer(models.find(DEMAND)) == 2
        if how == "promote":
            promotion.rollback(routes, store, DEMAND, "it was not")
        else:
            move(store, 1)
        until(lambda: version(models) == 1)
        until(lambda: models.state().swaps == 2)


def test_while_versions_swap_every_request_is_answered_by_the_version_that_it_got(
    routes: Database, store: Store, versions
):
    def ask() -> int:
        model = models.find(DEMAND)
        number = answer(model)
        assert number == model.version.version
        return number

    with live_models(routes, store) as models, asking(ask) as answers:
        for turn in range(24):
            number = 2 - turn % 2
            move(store, number)
            until(lambda number=number: version(models) == number)
            assert ask() == number
    assert set(answers) == {1, 2}
    assert models.state().swaps == 24


def test_the_old_version_is_kept_for_a_rollback_and_the_one_before_it_is_freed_after_its_last_request(
    routes: Database, store: Store, versions
):
    register(store, routes, DEMAND, 3)
    move(store, 1)
    with live_models(routes, store) as models:
        request = models.find(DEMAND)
        first = weakref.ref(request)
        for number in (2, 3):
            move(store, number)
            until(lambda number=number: version(models) == number)
        until(lambda: models.state().models[0].next_version is None)
        assert answer(request) == 1, "who has it is answered by it"
        del request
        until(lambda: gc.collect() >= 0 and first() is None)


def test_a_version_that_does_not_load_keeps_the_old_one_with_an_alert_until_it_is_mended(
    routes: Database, store: Store, versions, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "PAUSES_SECONDS", (0.1,))
    place = files(store, DEMAND, 2)
    shutil.move(place, place.with_name("away"))
    with live_models(routes, store) as models:
        move(store, 2)
        until(lambda: open_alerts(routes) != [])
        subject, severity, message = open_alerts(routes)[0]
        assert (subject, severity) == ("models:/demand@champion", "critical")
        assert message.startswith(
            "it is version 2, which `mlops serve` can't load (version 1 goes on answering): models:/demand/2 is"
        )
        failure = models.state().failures[0]
        assert (failure.uri, failure.version, failure.away) == ("models:/demand@champion", 2, False)
        assert (answer(models.find(DEMAND)), models.ready) == (1, True)
        shutil.move(place.with_name("away"), place)
        until(lambda: version(models) == 2)
        until(lambda: open_alerts(routes) == [])
        assert models.state().failures == ()


def test_the_alert_goes_when_the_alias_means_what_is_served(routes: Database, store: Store, versions):
    shutil.rmtree(files(store, DEMAND, 2))
    with live_models(routes, store):
        move(store, 2)
        until(lambda: open_alerts(routes) != [])
        move(store, 1)
        until(lambda: open_alerts(routes) == [])


def test_a_sync_resolves_the_alert_of_a_server_that_is_gone_when_the_alias_has_moved(
    routes: Database, store: Store, versions, mlops
):
    shutil.rmtree(files(store, DEMAND, 2))
    with live_models(routes, store):
        move(store, 2)
        until(lambda: open_alerts(routes) != [])
    assert mlops("registry", "sync")[0] == 0
    assert len(open_alerts(routes)) == 1
    move(store, 1)
    assert mlops("registry", "sync")[0] == 0
    assert open_alerts(routes) == []


def test_a_server_that_starts_with_a_broken_champion_answers_with_the_version_before(
    routes: Database, store: Store, versions
):
    move(store, 2)
    sync(store, routes)
    shutil.rmtree(files(store, DEMAND, 2))
    with live_models(routes, store) as models:
        until(lambda: version(models) == 1)
        until(lambda: len(open_alerts(routes)) == 1 and "version 1 goes on answering" in open_alerts(routes)[0][2])


def test_a_version_that_fails_on_its_own_example_is_not_served(routes: Database, store: Store, versions, monkeypatch):
    monkeypatch.setattr(loading, "example_of", lambda _: Example(b"{}", given=True))
    why = "it fails on its own input example: KeyError: 'weights'"
    with live_models(routes, store, scorers=lambda _: Broken()) as models, pytest.raises(Refused, match=why):
        models.load(DEMAND)


class Broken:
    """A scorer whose model raises something."""

    def inline(self, *_: object) -> None:
        raise ScoringError("the model failed", unexpected=KeyError("weights"))


# aliases that go -----------------------------------------------------------------------------------------------------


def test_an_alias_that_is_deleted_and_set_again_fails_no_request(routes: Database, store: Store, versions):
    with live_models(routes, store) as models, asking(lambda: answer(models.find(DEMAND))):
        store.client.delete_registered_model_alias(DEMAND, "champion")
        time.sleep(3 * models._watch._reader.every_seconds)
        move(store, 2)
        until(lambda: version(models) == 2)


def test_an_alias_that_stays_deleted_is_not_found(
    routes: Database, store: Store, versions, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "GRACE_SECONDS", 0.3)
    with live_models(routes, store) as models:
        store.client.delete_registered_model_alias(DEMAND, "champion")
        until(lambda: models.find(DEMAND) is None)
        with pytest.raises(ModelNotFound, match="demand has no alias"):
            models.load(DEMAND)


def test_a_version_that_is_deleted_is_not_found_by_its_number(
    routes: Database, store: Store, versions, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watch, "VERSIONS_SECONDS", 0.0)
    with live_models(routes, store) as models:
        models.load(DEMAND, version=2)
        store.client.delete_model_version(DEMAND, "2")
        until(lambda: models.find(DEMAND, version=2) is None)
        with pytest.raises(ModelNotFound):
            models.load(DEMAND, version=2)


def test_a_model_that_was_deleted_and_made_again_is_another_one_though_its_numbers_are_the_same(
    routes: Database, store: Store, versions
):
    with live_models(routes, store) as models:
        before = models.find(DEMAND)
        store.client.delete_registered_model(DEMAND)
        register(store, routes, DEMAND, 1)
        until(lambda: (now := models.find(DEMAND)) is not None and now.version_id != before.version_id)


# what goes away ------------------------------------------------------------------------------------------------------


def test_without_the_database_what_is_loaded_is_served_on_and_afterwards_the_newest(
    routes: Database, store: Store, versions, server_url: str
):
    name = psycopg.conninfo.conninfo_to_dict(routes.url)["dbname"]
    with live_models(routes, store) as models, asking(lambda: answer(models.find(DEMAND))):
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'alter database "{name}" allow_connections off')
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
            until(lambda: models.state().registry_problem is not None)
            until(lambda: models.state().database_problem is not None)
            state = models.state()
            assert state.ready
            assert state.registry_problem.since <= datetime.now(UTC)
            assert "can't reach the database" in state.registry_problem.reason
            connection.execute(f'alter database "{name}" allow_connections on')
        until(lambda: models.state().registry_problem is None)
        move(store, 2)
        until(lambda: version(models) == 2)
        until(lambda: models.state().database_problem is None)


# several processes ---------------------------------------------------------------------------------------------------


def test_who_is_answered_by_several_processes_never_sees_the_new_version_and_then_the_old_one(
    routes: Database, store: Store, versions
):
    def slow(model: object) -> object:
        time.sleep(0.3)  # one of them takes longer to load
        return scorer_of(model)

    register(store, routes, DEMAND, 3)
    move(store, 1)
    with live_models(routes, store) as one, live_models(routes, store, scorers=slow) as other:
        seen: list[int] = []
        ask = (lambda: seen.append(answer(one.find(DEMAND))), lambda: seen.append(answer(other.find(DEMAND))))
        for number in (2, 3, 1):
            move(store, number)
            end = time.monotonic() + 20
            while not (version(one) == version(other) == number) and time.monotonic() < end:
                for asked in ask:
                    asked()
                    time.sleep(0.004)  # a change takes effect by the clock of the database, within a millisecond or two
    changes = [number for place, number in enumerate(seen) if place == 0 or seen[place - 1] != number]
    assert changes == [1, 2, 3][: len(changes)] or changes == [1, 2, 3, 1][: len(changes)]
    assert one.state().swaps == other.state().swaps == 3


def test_a_process_that_starts_answers_with_what_the_others_answer_with(
    routes: Database, store: Store, versions, monkeypatch: pytest.MonkeyPatch
):
    with live_models(routes, store) as one:
        one._loader._scorer_of = _failing  # it can't load version 2, and stays with 1
        move(store, 2)
        until(lambda: one.state().failures != ())
        with live_models(routes, store) as other:
            assert version(other) == 1
            one._loader._scorer_of = scorer_of
            until(lambda: version(one) == version(other) == 2)


def _failing(model: object) -> object:
    raise ValueError("not here")


@pytest.mark.parametrize(
    ("host", "seen", "waits"),
    [("elsewhere", "now()", True), ("elsewhere", "now() - interval '1 minute'", False), ("", "now()", False)],
    ids=["one that was just seen", "one that was not seen for long", "one of this machine that was killed"],
)
def test_a_change_waits_for_another_process_only_while_that_may_live(
    routes: Database, store: Store, versions, host: str, seen: str, waits: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(agreement, "PATIENCE_SECONDS", 5.0)
    with live_models(routes, store) as models:
        with psycopg.connect(routes.url) as connection:
            worker = uuid4()
            connection.execute(
                f"insert into analytics.live_workers (worker_id, host, pid, seen_at) values (%s, %s, %s, {seen})",
                [worker, host or agreement.socket.gethostname(), 2**22 - 1],
            )
            connection.execute(
                "insert into analytics.live_models (worker_id, model_id, alias, version_id)"
                " select %s, model_id, 'champion', version_id from analytics.model_versions where version = 1",
                [worker],
            )
        move(store, 2)
        took = until(lambda: version(models) == 2)
    assert (took > 3) == waits, took


def test_what_is_live_can_be_read_by_sql_and_goes_with_its_process(routes: Database, store: Store, versions):
    question = "select alias, version from analytics.live_models join analytics.model_versions using (version_id)"
    with live_models(routes, store), psycopg.connect(routes.url, autocommit=True) as connection:
        until(lambda: connection.execute(question).fetchall() == [("champion", 1)])
    with psycopg.connect(routes.url) as connection:
        assert connection.execute("select count(*) from analytics.live_workers").fetchone() == (0,)


# what the registry says ----------------------------------------------------------------------------------------------


def test_sql_and_api_say_the_same_of_aliases(routes: Database, store: Store, versions):
    move(store, 2, "challenger")
    store.client.create_registered_model("bare")
    by_query, by_api = alias_reader(store), ApiReader(store)
    assert isinstance(by_query, QueryReader)
    assert by_query.read() == by_api.read()
    assert set(by_query.read()) == {(DEMAND, "champion"), (DEMAND, "challenger")}
    store.client.delete_registered_model(DEMAND)
    assert by_query.read() == by_api.read() == {}
    by_query.close()


def test_an_mlflow_server_is_asked_by_its_api(mlflow_server: str, home, routes: Database):
    store = open_store(home.model_copy(update={"mlflow_tracking_uri": mlflow_server}), routes.url)
    client, name = store.client, f"m{uuid4().hex}"
    client.create_registered_model(name)
    client.create_model_version(name, source="s3://nowhere/model")
    client.set_registered_model_alias(name, "champion", "1")
    reader = alias_reader(store)
    assert isinstance(reader, ApiReader)
    (pointed,) = [pointed for pointed in reader.read().values() if pointed.name == name]
    assert (pointed.alias, pointed.version) == ("champion", 1)
    client.delete_registered_model(name)
    assert [pointed for pointed in reader.read().values() if pointed.name == name] == []


def test_a_notice_comes_from_moved_aliases_and_gone_versions_alone(routes: Database, store: Store, versions):
    def heard(act: Callable[[], object]) -> int:
        connection.execute("listen mlops_aliases")
        act()
        return len(list(connection.notifies(timeout=0.3)))

    with psycopg.connect(routes.url, autocommit=True) as connection:
        assert heard(lambda: sync(store, routes)) == 0, "nothing changed"
        store.client.set_model_version_tag(DEMAND, "1", "k", "v")
        assert heard(lambda: sync(store, routes)) == 0, "a tag"
        move(store, 2)
        assert heard(lambda: sync(store, routes)) == 1
        store.client.delete_model_version(DEMAND, "1")
        assert heard(lambda: sync(store, routes)) == 1
        with psycopg.connect(routes.url) as other:
            functions = other.execute("select proname from pg_proc where prosrc like '%pg_notify(%'").fetchall()
        assert [name for (name,) in functions] == ["hint_aliases"], "nothing else notifies"
