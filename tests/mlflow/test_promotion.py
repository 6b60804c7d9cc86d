"""Who may serve: promotion by gates and rollback, on record before the alias moves."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from mlops.db import Database
from mlops.errors import NothingToDo, Refused
from mlops.tracking.bridge import sync
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store
from mlops.training import Trained, TrainingSpec, train
from mlops.training import promote as promotion
from mlops.training.spec import params_file

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
AFTER_THE_FALL = datetime(2020, 3, 30, tzinfo=UTC)
CHAMPION = "models:/demand@champion"


def _trained(routes: Database, store: Store, kind: str, as_of: datetime, weeks: int = 3) -> Trained:
    spec = TrainingSpec.from_toml(params_file("lightgbm"), {"weeks": str(weeks), "refit_every": "3"}, as_of=as_of)
    return train(replace(spec, kind=kind, params={}), routes, store)


def _gate(found: promotion.Promotion, name: str) -> tuple[bool, str]:
    return next((gate.passed, gate.found) for gate in found.gates if gate.gate == name)


def _promotions(routes: Database) -> list[tuple[int, str, bool, bool]]:
    with psycopg.connect(routes.url) as connection:
        return connection.execute(
            "select v.version, p.action, p.forced, p.applied_at is not null"
            " from analytics.promotions p join analytics.model_versions v using (version_id) order by promotion_id"
        ).fetchall()


def test_a_version_that_is_not_better_is_refused_with_what_each_gate_found(
    routes: Database, store: Store, champion: Trained
):
    worse = _trained(routes, store, "naive", NEW_YEAR)
    with pytest.raises(Refused, match=r"better: WAPE .*the backtests of both on the same folds"):
        promotion.promote(routes, store, worse.version.uri, "try", margin=0.02)
    assert resolve(store, CHAMPION).version == champion.version.version
    assert len(_promotions(routes)) == 1, "a refusal decides nothing"


def test_force_promotes_all_the_same_and_says_so_for_ever(routes: Database, store: Store, champion: Trained):
    worse = _trained(routes, store, "naive", NEW_YEAR)
    done = promotion.promote(routes, store, worse.version.uri, "the boss wants it", margin=0.02, by="anna", force=True)
    assert (done.forced, done.before, done.decided_by) == (True, 1, "anna")
    assert resolve(store, CHAMPION).version == worse.version.version
    with psycopg.connect(routes.url, autocommit=True) as connection:
        for change in ("delete from analytics.promotions", "update analytics.promotions set forced = false"):
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="stands as it was decided"):
                connection.execute(change)


def test_the_champion_is_judged_on_folds_that_it_has_not_seen(routes: Database, store: Store, champion: Trained):
    newer = _trained(routes, store, "smoothing", AFTER_THE_FALL)
    done = promotion.promote(routes, store, newer.version.uri, "after the fall", margin=0.02, force=True)
    assert "3 folds after version 1 was trained" in _gate(done, "better")[1]
    assert _gate(done, "lineage") == (True, "complete")
    assert _gate(done, "signature") == (True, "as the champion's")
    assert _gate(done, "loads") == (True, "loaded")


def test_a_champion_without_these_folds_is_judged_by_its_recipe(routes: Database, store: Store, champion: Trained):
    first = _trained(routes, store, "average", datetime(2020, 2, 20, tzinfo=UTC))
    promotion.promote(routes, store, first.version.uri, "first", margin=0.02, force=True)
    earlier = _trained(routes, store, "naive", datetime(2019, 12, 1, tzinfo=UTC))
    found = promotion.check(routes, store, earlier.version, 0.02)
    assert "the champion's recipe on the same 3 folds" in found[0].found


def test_promoting_the_champion_again_decides_nothing_new(routes: Database, store: Store, champion: Trained):
    again = promotion.promote(routes, store, CHAMPION, "again", margin=0.02, force=True)
    assert again.reason == "the first"
    assert len(_promotions(routes)) == 1


def test_an_interrupted_promotion_is_carried_out_by_the_same_command(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    other = _trained(routes, store, "naive", NEW_YEAR)

    def died(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(promotion, "move_champion", died)
        with pytest.raises(ConnectionError):
            promotion.promote(routes, store, other.version.uri, "try", margin=0.02, force=True)
    assert _promotions(routes)[-1] == (2, "promote", True, False), "decided, not carried out"
    promotion.promote(routes, store, other.version.uri, "try", margin=0.02, force=True)
    assert _promotions(routes) == [(1, "promote", False, True), (2, "promote", True, True)]
    assert resolve(store, CHAMPION).version == 2


def test_rollback_goes_back_champion_by_champion(routes: Database, store: Store, champion: Trained):
    for kind in ("naive", "average"):
        version = _trained(routes, store, kind, NEW_YEAR).version
        promotion.promote(routes, store, version.uri, kind, margin=0.02, force=True)
    assert promotion.rollback(routes, store, "demand", "3 is bad").version.version == 2
    assert promotion.rollback(routes, store, "demand", "2 is bad, too").version.version == 1
    with pytest.raises(NothingToDo, match="no champion before this one"):
        promotion.rollback(routes, store, "demand", "further")
    assert resolve(store, CHAMPION).version == 1
    assert [row[:2] for row in _promotions(routes)][-2:] == [(2, "rollback"), (1, "rollback")]


def test_a_rollback_that_was_interrupted_after_the_alias_moved_goes_no_further_back(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    for kind in ("naive", "average"):
        version = _trained(routes, store, kind, NEW_YEAR).version
        promotion.promote(routes, store, version.uri, kind, margin=0.02, force=True)
    synced = []

    def dies_after_the_alias(*given: object) -> None:
        synced.append(given)
        if len(synced) == 2:
            raise ConnectionError
        sync(*given)

    with monkeypatch.context() as patched:
        patched.setattr(promotion, "sync", dies_after_the_alias)
        with pytest.raises(ConnectionError):
            promotion.rollback(routes, store, "demand", "3 is bad")
    assert resolve(store, CHAMPION).version == 2
    assert promotion.rollback(routes, store, "demand", "3 is bad").version.version == 2


def test_a_champion_set_past_the_gates_is_shown_as_such_and_can_be_rolled_back(
    routes: Database, store: Store, champion: Trained, mlops
):
    other = _trained(routes, store, "naive", NEW_YEAR)
    store.client.set_registered_model_alias("demand", "champion", str(other.version.version))
    sync(store, routes)
    code, out, _ = mlops("registry", "history", "demand", "--json")
    rows = [row for row in json.loads(out) if row["alias"] == "champion"]
    assert code == 0
    assert [(row["version"], row["promotion_id"] is None) for row in rows] == [(2, True), (1, False)]
    assert "moved without a" in mlops("registry", "history", "demand")[1]
    code, out, _ = mlops("registry", "rollback", "demand", "--reason", "nobody decided it", "--by", "anna", "--json")
    done = json.loads(out)
    assert (code, done["version"]["version"], done["action"], done["decided_by"]) == (0, 1, "rollback", "anna")


def test_two_who_promote_at_once_are_not_mixed_up(routes: Database, store: Store, champion: Trained):
    other = _trained(routes, store, "naive", NEW_YEAR)
    with routes.alone("promotion of demand"), pytest.raises(Refused, match="somebody else is promoting"):
        promotion.promote(routes, store, other.version.uri, "try", margin=0.02)


def test_the_command_says_what_each_gate_found(routes: Database, store: Store, champion: Trained, mlops):
    other = _trained(routes, store, "naive", NEW_YEAR)
    code, _, err = mlops("registry", "promote", other.version.uri)
    assert code == 1
    assert "is not promoted: better: WAPE" in err
    assert "--force promotes it all the same, on record" in err
    code, out, _ = mlops("registry", "promote", other.version.uri, "--force", "--reason", "a test")
    assert code == 0
    assert "models:/demand@champion is version 2, before it version 1" in out
    assert "forced" in out
