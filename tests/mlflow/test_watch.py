"""The watcher mirrors a change soon after a hint, survives what goes away, and leaves MLflow's tables alone."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.config import Settings
from mlops.db import Database, registry_hints
from mlops.db.listen import address, listening
from mlops.errors import Refused
from mlops.tracking.alerts import Reviewed
from mlops.tracking.bridge.sweep import Swept, differences, repeats_at_once, sweep
from mlops.tracking.bridge.sync import Synced
from mlops.tracking.bridge.watch import Hints, Turn, pause, registry_address, turns
from mlops.tracking.store import Store, open_store

PATIENCE_SECONDS = 20


@pytest.fixture
def template(with_mlflow: str) -> str:
    """Homes of these tests have MLflow's tables and no model."""
    return with_mlflow


@pytest.fixture
def registry(home: Settings, routes: Database) -> str:
    """The address of the registry's own tables."""
    address, ours = registry_address(home, routes.url)
    assert ours
    return address


def add_model(store: Store, name: str = "demand", versions: int = 2) -> None:
    store.client.create_registered_model(name)
    for _ in range(versions):
        store.client.create_model_version(name, source="file:///nowhere")
    store.client.set_registered_model_alias(name, "champion", "1")


def round_of(store: Store, database: Database) -> Swept:
    """A round in which nobody looks at files."""
    return sweep(store, database, lambda _: ())


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so, for as long as it may take on a busy machine."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, "it did not come to be so"
        time.sleep(0.02)


@contextmanager
def watching(work: Callable[[], Swept], hints: Hints, every_seconds: float = 3600) -> Iterator[list[Turn[Swept]]]:
    """The turns of a loop in a thread; its first sync is done when the block begins."""
    done: list[Turn[Swept]] = []

    def run() -> None:
        for turn in turns(work, hints, every_seconds=every_seconds):
            done.append(turn)  # noqa: PERF402  one by one, while the test looks on

    loop = threading.Thread(target=run)
    loop.start()
    try:
        until(lambda: bool(done))
        yield done
    finally:
        hints.stop()
        loop.join(PATIENCE_SECONDS)
        assert not loop.is_alive()


def champion(database: Database) -> int | None:
    with database.transaction() as transaction:
        return next((row["version"] for row in transaction.rows("current_aliases") if row["alias"] == "champion"), None)


# waiting -----------------------------------------------------------------------------------------------------------


def test_a_burst_of_hints_is_one_wake_up():
    hints = Hints()
    for _ in range(50):
        hints.give("trigger")
    hints.give("webhook")
    assert hints.wait(0) == {"trigger", "webhook"}
    assert hints.wait(0) == frozenset()


def test_a_hint_from_another_thread_ends_the_waiting():
    hints = Hints()
    threading.Timer(0.05, hints.give, ["webhook"]).start()
    assert hints.wait(PATIENCE_SECONDS) == {"webhook"}


def test_a_hint_given_during_a_sync_makes_another_sync():
    hints, syncs = Hints(), []

    def work() -> None:
        syncs.append(1)
        if len(syncs) == 1:
            hints.give("trigger")
        else:
            hints.stop()

    assert [turn.because for turn in turns(work, hints, every_seconds=3600)] == [{"start"}, {"trigger"}]


def test_without_hints_the_clock_makes_a_sync():
    hints, syncs = Hints(), []

    def work() -> None:
        syncs.append(1)
        if len(syncs) == 3:
            hints.stop()

    because = [turn.because for turn in turns(work, hints, every_seconds=0.01)]
    assert because == [{"start"}, frozenset(), frozenset()]


@given(failures=st.integers(0, 10_000), every=st.floats(0.1, 86_400))
def test_pauses_grow_with_failures_and_never_outlast_the_clock(failures: int, every: float):
    assert 0 < pause(failures, every) <= every
    assert pause(0, every) == every
    if failures:
        assert pause(failures, every) <= pause(failures + 1, every)


def test_a_failing_sync_is_a_turn_and_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mlops.tracking.bridge.watch.PAUSES_SECONDS", (0.0,))
    hints, outcomes = Hints(), iter([OSError("the server is away"), OSError(), None])

    def work() -> str:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        hints.stop()
        return "found"

    found = [(turn.result, repr(turn.problem)) for turn in turns(work, hints, every_seconds=3600)]
    assert found == [(None, "OSError('the server is away')"), (None, "OSError()"), ("found", "None")]


# triggers ----------------------------------------------------------------------------------------------------------


def test_hints_are_installed_once_and_removed_without_a_trace(registry: str, store: Store):
    before = catalogue(registry)
    assert len(registry_hints.silent(registry)) == 6
    assert len(registry_hints.install(registry)) == 6
    assert registry_hints.silent(registry) == []
    assert registry_hints.install(registry) == []
    assert len(registry_hints.remove(registry)) == 6
    assert registry_hints.remove(registry) == []
    assert catalogue(registry) == before


def test_two_who_install_at_once_wait_for_each_other(registry: str, store: Store):
    with ThreadPoolExecutor(4) as many:
        made = list(many.map(lambda _: registry_hints.install(registry), range(4)))
    assert sorted(map(len, made)) == [0, 0, 0, 6]


def test_who_waits_for_a_long_transaction_of_mlflow_is_refused(
    registry: str, store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(registry_hints, "retrying", lambda work: work())
    with psycopg.connect(address(registry)) as writer:
        writer.execute("lock table registered_models in row exclusive mode")
        with pytest.raises(Refused, match="a long transaction holds MLflow's registry tables"):
            registry_hints.install(registry)
    assert len(registry_hints.silent(registry)) == 6, "all or nothing"


def test_a_database_without_a_registry_is_refused_with_what_to_do(database: Database):
    for act in (registry_hints.install, registry_hints.silent, registry_hints.remove):
        with pytest.raises(Refused, match=r"no MLflow registry at .* use webhooks"):
            act(database.url)


def test_every_kind_of_registry_write_is_heard_and_no_training(registry: str, store: Store):
    registry_hints.install(registry)
    client, heard = store.client, Hints()
    experiment = store.experiment("heard")
    run = client.create_run(experiment).info.run_id
    acts = {
        "create model": lambda: client.create_registered_model("m"),
        "tag model": lambda: client.set_registered_model_tag("m", "k", "v"),
        "untag model": lambda: client.delete_registered_model_tag("m", "k"),
        "describe model": lambda: client.update_registered_model("m", "words"),
        "create version": lambda: client.create_model_version("m", "file:///nowhere", run),
        "tag version": lambda: client.set_model_version_tag("m", "1", "k", "v"),
        "untag version": lambda: client.delete_model_version_tag("m", "1", "k"),
        "set alias": lambda: client.set_registered_model_alias("m", "champion", "1"),
        "delete alias": lambda: client.delete_registered_model_alias("m", "champion"),
        "delete run": lambda: client.delete_run(run),
        "restore run": lambda: client.restore_run(run),
        "rename": lambda: client.rename_registered_model("m", "n"),
        "delete version": lambda: client.delete_model_version("n", "1"),
        "delete model": lambda: client.delete_registered_model("n"),
    }
    unheard = []
    with listening(registry, registry_hints.CHANNEL, heard.give):
        assert heard.wait(PATIENCE_SECONDS) == {""}, "listening began"
        for name, act in acts.items():
            act()
            if not heard.wait(PATIENCE_SECONDS, 0.01):
                unheard.append(name)
        assert unheard == []
        client.log_metric(run, "wape", 0.1)
        client.log_param(run, "trees", 5)
        client.set_tag(run, "k", "v")
        client.set_terminated(run)
        client.create_run(experiment)
        assert heard.wait(0.5) == frozenset(), "training writes to runs all the time"


def test_a_hint_that_fails_breaks_no_write_of_mlflow(registry: str, store: Store):
    registry_hints.install(registry)
    with psycopg.connect(address(registry), autocommit=True) as connection:
        body = connection.execute("select pg_get_functiondef('mlops_registry_hint'::regproc)").fetchone()[0]
        connection.execute(body.replace("pg_notify(", "pg_notify(1 / 0 || "))
        connection.execute("insert into registered_models (name, creation_time) values ('probe', 1)")
    add_model(store)
    assert {model.name for model in store.client.search_registered_models()} == {"demand", "probe"}


def test_a_lost_connection_is_made_again_and_says_that_something_may_be_missed(registry: str, store: Store):
    heard = Hints()
    with listening(registry, "a channel", heard.give):
        assert heard.wait(PATIENCE_SECONDS) == {""}
        cut(registry, "mlops listener")
        assert heard.wait(PATIENCE_SECONDS) == {""}, "it listens again"
        with psycopg.connect(address(registry), autocommit=True) as connection:
            connection.execute("select pg_notify('a channel', 'word')")
        assert heard.wait(PATIENCE_SECONDS) == {"word"}


def test_where_the_registry_is_looked_for(home: Settings, registry: str):
    url = str(home.database_url)
    for uri, place, ours in [
        (registry, registry, True),
        ("postgresql://else/where", "postgresql://else/where", False),
        ("https://mlflow.internal", registry, False),
        ("sqlite:///mlflow.db", registry, False),
    ]:
        assert registry_address(home.model_copy(update={"mlflow_tracking_uri": uri}), url) == (place, ours)


# the loop on a real registry ---------------------------------------------------------------------------------------


def test_a_promotion_is_mirrored_after_a_trigger_without_waiting_for_the_clock(
    registry: str, store: Store, routes: Database
):
    add_model(store)
    registry_hints.install(registry)
    hints = Hints()
    with (
        listening(registry, registry_hints.CHANNEL, lambda _: hints.give("trigger")),
        watching(lambda: round_of(store, routes), hints) as done,
    ):
        assert champion(routes) == 1
        store.client.set_registered_model_alias("demand", "champion", "2")
        until(lambda: champion(routes) == 2)
        until(lambda: {"trigger"} in [turn.because for turn in done])


def test_two_watchers_at_once_are_safe(registry: str, store: Store, routes: Database, home: Settings):
    add_model(store)
    registry_hints.install(registry)
    one, other = Hints(), Hints()
    with (
        listening(registry, registry_hints.CHANNEL, lambda _: (one.give("trigger"), other.give("trigger"))),
        watching(lambda: round_of(store, routes), one) as first,
        watching(lambda: round_of(open_store(home, routes.url), Database(routes.url)), other) as second,
    ):
        for turn in range(6):
            store.client.set_registered_model_alias("demand", "champion", str(1 + turn % 2))
        until(lambda: champion(routes) == 2)
    assert [turn.problem for turn in first + second if turn.problem] == []
    with psycopg.connect(routes.url) as connection:
        overlaps = connection.execute(
            """select count(*) from analytics.model_aliases a join analytics.model_aliases b using (model_id, alias)
                where a.valid_from < b.valid_from and coalesce(a.valid_to, 'infinity') > b.valid_from"""
        ).fetchone()
    assert overlaps == (0,)


def test_the_loop_survives_a_database_that_goes_away(
    store: Store, routes: Database, server_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mlops.tracking.bridge.watch.PAUSES_SECONDS", (0.05,))
    add_model(store)
    hints = Hints()
    with watching(lambda: round_of(store, routes), hints) as done:
        name = psycopg.conninfo.conninfo_to_dict(routes.url)["dbname"]
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'alter database "{name}" allow_connections off')
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
            hints.give("test")
            until(lambda: done[-1].problem is not None)
            connection.execute(f'alter database "{name}" allow_connections on')
        until(lambda: done[-1].problem is None)
        store.client.set_registered_model_alias("demand", "champion", "2")
        hints.give("test")
        until(lambda: champion(routes) == 2)


@pytest.mark.parametrize(
    ("waited", "waits", "expected"),
    [(None, 0, False), (None, 7, True), (7, 5, True), (5, 5, False), (5, 0, False)],
    ids=["nothing waits", "some wait", "some were read", "none could be read", "all were read"],
)
def test_a_round_goes_on_at_once_while_files_wait_that_can_be_read(waited: int | None, waits: int, expected: bool):
    def swept(waiting: int) -> Swept:
        return Swept(Synced(1, 1, 1, "sql", 0.0, {}, waiting), {}, Reviewed((), ()))

    assert repeats_at_once(None if waited is None else swept(waited), swept(waits)) is expected


def test_a_round_says_what_changed_and_nothing_else(store: Store, routes: Database):
    add_model(store)
    first = round_of(store, routes)
    assert differences(None, first)[0] == "the mirror shows 1 models, 2 versions, 1 aliases"
    assert differences(first, round_of(store, routes)) == []
    store.client.create_model_version("demand", source="file:///nowhere")
    store.client.set_registered_model_alias("demand", "champion", "3")
    second = round_of(store, routes)
    assert differences(first, second)[:2] == ["1 versions new", "demand@champion is version 3, it was 1"]
    store.client.delete_registered_model_alias("demand", "champion")
    assert differences(second, round_of(store, routes))[0] == "demand@champion is gone, it was version 3"


# the command -------------------------------------------------------------------------------------------------------


@contextmanager
def command(*options: str) -> Iterator[subprocess.Popen[str]]:
    """`mlops registry sync --watch` as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mlops", "registry", "sync", "--watch", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"MLOPS_WEBHOOK_SECRET": ""},
    )
    giving_up = threading.Timer(5 * PATIENCE_SECONDS, process.kill)  # who reads its lines waits no longer
    giving_up.start()
    try:
        yield process
    finally:
        giving_up.cancel()
        process.kill()
        process.communicate()


def test_the_command_tells_changes_and_ends_by_signal(store: Store, routes: Database):
    add_model(store)
    with command("--every", "3600") as one, command("--json", "--no-triggers") as other:
        assert "the mirror shows 1 models, 2 versions, 1 aliases" in one.stdout.readline()
        document = json.loads(other.stdout.readline())
        assert document["mirror"].items() >= {"models": 1, "versions": 2, "aliases": 1}.items()
        store.client.set_registered_model_alias("demand", "champion", "2")
        assert any("demand@champion is version 2, it was 1" in line for line in one.stdout)
        one.send_signal(signal.SIGTERM)
        other.send_signal(signal.SIGINT)
        told = one.communicate(timeout=PATIENCE_SECONDS)[1], other.communicate(timeout=PATIENCE_SECONDS)[1]
    assert (one.returncode, other.returncode) == (0, 130)
    assert "watching: a sync every 3600 s; after triggers" in told[0]
    assert "triggers" not in told[1]
    assert told[1].endswith("mlops: interrupted; run the same command again to go on\n")


def test_listening_without_a_secret_is_refused(mlops, store: Store, routes: Database):
    code, _, err = mlops("registry", "sync", "--watch", "--listen", "127.0.0.1:0")
    assert code == 2
    assert "MLOPS_WEBHOOK_SECRET" in err


def catalogue(registry: str) -> list[tuple[str, ...]]:
    """Triggers and functions in MLflow's schema."""
    with psycopg.connect(address(registry)) as connection:
        return connection.execute(
            """select 'trigger', tgname, tgrelid::regclass::text from pg_trigger t join pg_class c on c.oid = tgrelid
                where relnamespace = 'mlflow'::regnamespace and not tgisinternal
                union all select 'function', proname, '' from pg_proc where pronamespace = 'mlflow'::regnamespace"""
        ).fetchall()


def cut(url: str, application: str) -> None:
    with psycopg.connect(address(url), autocommit=True) as connection:
        gone = connection.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = %s", [application]
        ).fetchone()
    assert gone[0] > 0
