"""API keys in the database and in a server's memory: shown once, revoked within seconds, and no secret anywhere."""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mlops.access import ROLES, Caller, KeyRing, NewKey, Rejection, create_key, list_keys, revoke_key, ring
from mlops.access.keys import digest_of
from mlops.access.rate import RateLimit
from mlops.db import Database
from mlops.errors import BadInput, UnknownName


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: float

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
def keys(database: Database, clock: Clock) -> KeyRing:
    return KeyRing(database, clock=clock, ticks=clock)


def test_a_key_is_stored_by_its_digest_alone(database: Database):
    new = create_key(database, "the web shop", "scientist", by="ann")
    assert re.fullmatch(r"mlops_[0-9a-f]{12}_[0-9a-f]{64}", new.secret)
    with psycopg.connect(database.url) as connection:
        ((row, digest),) = connection.execute("select to_jsonb(k)::text, digest from analytics.api_keys k").fetchall()
    assert digest == digest_of(new.secret.encode())
    assert new.secret.rpartition("_")[2] not in row + repr(new)
    key = new.key
    assert (key.name, key.role, key.scopes, key.tenant_id, key.created_by) == (
        "the web shop",
        "scientist",
        None,
        1,
        "ann",
    )
    assert list_keys(database) == [key]


def test_two_keys_are_never_alike(database: Database):
    made = [create_key(database, "the same name", "viewer") for _ in range(20)]
    assert len({new.secret for new in made}) == len({new.key.key_id for new in made}) == 20


def test_a_revoked_key_stays_on_record_and_is_revoked_once(database: Database):
    new = create_key(database, "a notebook", "viewer")
    gone = revoke_key(database, new.key.key_id, by="bob")
    assert (gone.state(), gone.revoked_by) == ("revoked", "bob")
    assert revoke_key(database, new.key.key_id, by="eve") == gone
    assert list_keys(database) == []
    assert list_keys(database, everything=True) == [gone]
    with pytest.raises(UnknownName, match="unknown key '0123456789ab'; known: " + new.key.key_id):
        revoke_key(database, "0123456789ab")


def test_roles_of_the_table_are_those_of_the_product(database: Database):
    for role in ROLES:
        create_key(database, role, role)
    with psycopg.connect(database.url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("update analytics.api_keys set role = 'root'")


@pytest.mark.parametrize(
    ("name", "expires_at", "words"),
    [
        ("x" * 201, None, "the name of the key has 201 characters; at most 200 are kept"),
        ("x", datetime(2020, 1, 1, tzinfo=UTC), "a key that expires on 2020-01-01 00:00 UTC would be of no use"),
        (" \n", None, "the name of the key is empty"),
    ],
)
def test_what_no_key_can_have_is_refused(database: Database, name: str, expires_at: datetime | None, words: str):
    with pytest.raises(ValueError, match=words) as refused:
        create_key(database, name, "viewer", expires_at=expires_at)
    assert isinstance(refused.value, BadInput) or "empty" in words


# what a server holds of them


def admitted(keys: KeyRing, new: NewKey) -> Caller | Rejection:
    return keys.admit(new.secret.encode(), "score")


def test_a_key_admits_whom_it_names(database: Database, keys: KeyRing):
    new = create_key(database, "the web shop", "operator", scopes=["score"], tenant_id=7)
    keys.read()
    assert admitted(keys, new) == Caller("the web shop", new.key.key_id, "operator", frozenset({"score"}), 7)
    refused = keys.admit(new.secret.encode(), "outcomes")
    assert refused == Rejection("scope", f"the API key {new.key.key_id} (operator) lacks the scope outcomes")


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda secret: secret[:-1],
        lambda secret: secret + b"0",
        lambda secret: secret.upper(),
        lambda secret: secret[:-1] + (b"0" if secret[-1:] != b"0" else b"1"),
        lambda secret: b"mlops_" + b"0" * 12 + secret[18:],
        lambda _: b"mlops_\xff\xfe",
        lambda secret: secret + b"\n",
    ],
)
def test_a_key_that_nobody_made_is_refused_without_a_query(
    database: Database, keys: KeyRing, change: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
):
    new = create_key(database, "a", "admin")
    keys.read()
    monkeypatch.setattr(database, "transaction", lambda: pytest.fail("the database was asked"))
    refused = keys.admit(change(new.secret.encode()), "read")
    assert isinstance(refused, Rejection)
    assert refused.reason == "key"
    assert new.secret.rpartition("_")[2] not in repr(refused)


def test_a_key_expires_by_the_clock_while_the_database_is_away(database: Database, keys: KeyRing, clock: Clock):
    new = create_key(database, "a", "scientist", expires_at=datetime.now(UTC) + timedelta(minutes=5))
    keys.read()
    assert isinstance(admitted(keys, new), Caller)
    assert len(keys) == 1
    clock.now += 301
    assert admitted(keys, new) == Rejection(
        "key", f"the API key {new.key.key_id} has expired; `mlops keys create` makes a new one"
    )
    assert len(keys) == 0
    assert keys.age_seconds == 301


def test_a_limit_is_of_one_key_and_survives_a_reading(database: Database, keys: KeyRing, clock: Clock):
    limited = create_key(database, "a", "scientist", limit=RateLimit(60, 3))
    free = create_key(database, "b", "scientist")
    keys.read()
    assert [isinstance(admitted(keys, limited), Caller) for _ in range(4)] == [True, True, True, False]
    keys.read()
    refused = admitted(keys, limited)
    assert isinstance(refused, Rejection)
    assert (refused.reason, round(refused.seconds, 3)) == ("rate", 1.0)
    assert refused.message == f"the API key {limited.key.key_id} may ask 60 requests a minute; wait a moment"
    assert isinstance(admitted(keys, free), Caller)
    clock.now += 1.001
    assert isinstance(admitted(keys, limited), Caller)
    assert keys.admit(limited.secret.encode(), "decide") != refused, "what is not allowed costs nothing"


def test_a_limit_is_of_all_workers_of_a_server(database: Database, clock: Clock, tmp_path: Path):
    limited = create_key(database, "a", "scientist", limit=RateLimit(60, 4))
    workers = [KeyRing(database, shared=tmp_path / "rates", clock=clock, ticks=clock) for _ in range(3)]
    for worker in workers:
        worker.read()
    answers = [admitted(worker, limited) for _ in range(3) for worker in workers]
    assert [isinstance(answer, Caller) for answer in answers] == [True] * 4 + [False] * 5


def test_when_a_key_was_last_used_is_written_now_and_then(database: Database, keys: KeyRing, clock: Clock):
    used, unused = create_key(database, "a", "scientist"), create_key(database, "b", "scientist")
    keys.read()
    for _ in range(3):
        admitted(keys, used)
        clock.now += 1
    assert [key.last_used_at for key in list_keys(database)] == [None, None]
    keys.write_uses()
    times = {key.key_id: key.last_used_at for key in list_keys(database)}
    at = times[used.key.key_id]
    assert at is not None
    assert at.timestamp() == pytest.approx(clock.now - 1, abs=1e-3)
    assert times[unused.key.key_id] is None
    clock.now -= 100
    admitted(keys, used)
    keys.write_uses()
    assert {key.key_id: key.last_used_at for key in list_keys(database)} == times, "it never goes back"


@pytest.fixture
def kept(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyRing]:
    """A ring that reads again 20 times a second."""
    monkeypatch.setattr(ring, "REFRESH_SECONDS", 0.05)
    with KeyRing(database) as kept:
        yield kept


def until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_new_key_is_admitted_and_a_revoked_one_refused_after_the_next_reading(database: Database, kept: KeyRing):
    new = create_key(database, "a", "scientist")
    until(lambda: isinstance(admitted(kept, new), Caller))
    revoke_key(database, new.key.key_id)
    until(lambda: isinstance(admitted(kept, new), Rejection))


def test_keys_stay_good_while_the_database_is_away(
    database: Database, kept: KeyRing, server_url: str, caplog: pytest.LogCaptureFixture
):
    new = create_key(database, "a", "scientist")
    until(lambda: isinstance(admitted(kept, new), Caller))
    name = conninfo_to_dict(database.url)["dbname"]
    with psycopg.connect(server_url, autocommit=True) as admin, caplog.at_level(logging.WARNING):
        admin.execute(f'alter database "{name}" with allow_connections false')
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        until(lambda: bool(caplog.records))
        read_at = kept.age_seconds
        time.sleep(0.3)
        assert isinstance(admitted(kept, new), Caller)
        assert kept.age_seconds > read_at
        assert len(caplog.records) == 1, "said once, not 20 times a second"
        admin.execute(f'alter database "{name}" with allow_connections true')
        until(lambda: kept.age_seconds < 0.3)
    revoke_key(database, new.key.key_id)
    until(lambda: isinstance(admitted(kept, new), Rejection))


# the command


def test_the_command_shows_the_secret_once(home, mlops: Callable[..., tuple[int, str, str]]):
    code, out, err = mlops(
        "keys", "create", "the web shop", "--role", "scientist", "--scope", "score", "--per-minute", 60, "--json"
    )
    made = json.loads(out)
    assert (code, made["scopes"], made["per_minute"], made["burst"]) == (0, ["score"], 60, 10)
    secret = made.pop("secret")
    for line in (
        ("keys", "list"),
        ("keys", "list", "--all", "--json"),
        ("keys", "revoke", secret),
        ("keys", "list", "--all"),
    ):
        code, out, err = mlops(*line)
        assert code == 0, err
        assert made["key_id"] in out
        assert secret.rpartition("_")[2] not in out + err
    assert mlops("keys", "list")[1] == "there is no key: mlops keys create NAME --role ROLE\n"
    code, out, _ = mlops("keys", "create", "a [b]", "--role", "viewer", "--expires", "2100-01-01")
    assert (code, out.count("mlops_"), "of a [b], viewer" in out) == (0, 2, True)
