"""Who may serve: promotion by gates and rollback, on record before the alias moves."""

import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pandas as pd
import psycopg
import pytest

from mlops.cli.output import console
from mlops.db import Database
from mlops.errors import BadInput, DatabaseUnavailable, ModelNotFound, NothingToDo, Refused
from mlops.series.ingest import ingest
from mlops.serving.predict import predict
from mlops.tracking.alerts import review
from mlops.tracking.bridge.mirror import live_version
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import ModelVersion, add_version, alias_of, resolve
from mlops.tracking.store import Store
from mlops.training import Trained, TrainingSpec, train
from mlops.training import promote as promotion
from mlops.training.comparison import MirroredVersion, compare_with_champion
from mlops.training.gates import Gate
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


def test_a_model_that_is_worse_than_forecasting_nothing_is_told_at_training_and_not_promoted(
    routes: Database, store: Store, tmp_path: Path
):
    random, ds = np.random.default_rng(5), pd.date_range("2019-01-01", "2019-12-31", tz="UTC")
    rarely = np.where(random.random(len(ds)) < 0.12, random.gamma(2, 30, len(ds)), 0).round(2)
    stamps = ds.strftime("%Y-%m-%dT00:00:00Z")
    rows = pd.DataFrame(
        {"metric_type": "missed_collections", "observed_at": stamps, "value": rarely, "route_id": "spare"}
    )
    rows.to_csv(tmp_path / "rare.csv", index=False)
    ingest(routes, tmp_path / "rare.csv", known_at="observed")
    spec = TrainingSpec("rare", "average", "us", "missed_collections", "daily", None, 28, {}, 6, 6, as_of=NEW_YEAR)
    rare = train(spec, routes, store)
    assert rare.metrics["wape"] < rare.metrics["wape_naive"], "the naive alone would let it pass"
    assert rare.notes[-1] == (
        f"in the backtest the WAPE is {rare.metrics['wape']:.3f}: forecasting zero every time would have been better;"
        " `mlops registry promote` refuses such a model"
    )
    with pytest.raises(
        Refused, match=r"trivial: WAPE [12]\.\d+, zero's 1\.000, the mean's 1\.\d+: forecasting zero every"
    ):
        promotion.promote(routes, store, rare.version.uri, "the first", margin=0.02)


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
    found = promotion.check_gates(routes, store, earlier.version, 0.02)
    assert "the champion's recipe on the same 3 folds" in found[0].found


def test_promoting_the_champion_again_decides_nothing_new(routes: Database, store: Store, champion: Trained):
    again = promotion.promote(routes, store, CHAMPION, "again", margin=0.02, force=True)
    assert again.reason == "the first"
    assert len(_promotions(routes)) == 1


def test_an_interrupted_promotion_is_carried_out_by_the_same_command(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    other = _trained(routes, store, "naive", NEW_YEAR)

    with monkeypatch.context() as patched:
        patched.setattr(promotion, "move_champion", _died)
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
    with pytest.raises(NothingToDo, match="no champion before version 1"):
        promotion.rollback(routes, store, "demand", "further")
    assert resolve(store, CHAMPION).version == 1
    assert [row[:2] for row in _promotions(routes)][-2:] == [(2, "rollback"), (1, "rollback")]


def _died(*_: object) -> None:
    raise ConnectionError


def _copies(store: Store, champion: Trained, count: int) -> None:
    """Versions 2 … of demand, of the same model as version 1."""
    first = champion.version
    for _ in range(count):
        store.client.create_model_version("demand", first.source, first.run_id, tags=dict(first.tags))


def _back(routes: Database, store: Store) -> int | None:
    try:
        return promotion.rollback(routes, store, "demand", "back").version.version
    except NothingToDo:
        return None


def test_rollbacks_do_not_go_round_in_circles_whoever_moved_the_alias(
    routes: Database, store: Store, champion: Trained
):
    _copies(store, champion, 2)
    for number in "23":
        store.client.set_registered_model_alias("demand", "champion", number)
        sync(store, routes)
    promotion.promote(routes, store, "models:/demand/1", "the first again", margin=0.02, force=True)
    assert [_back(routes, store) for _ in range(4)] == [3, 2, 1, None]


def test_a_rollback_that_was_interrupted_after_the_alias_moved_goes_no_further_back(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    for kind in ("naive", "average"):
        version = _trained(routes, store, kind, NEW_YEAR).version
        promotion.promote(routes, store, version.uri, kind, margin=0.02, force=True)
    synced = []

    def dies_after_the_alias(*given: object, **options: object) -> None:
        synced.append(given)
        if len(synced) == 2:
            raise ConnectionError
        sync(*given, **options)

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


def test_an_old_decision_for_the_same_version_is_no_decision_for_what_was_done_past_it_since(
    routes: Database, store: Store, champion: Trained, mlops
):
    _copies(store, champion, 1)
    for number in "21":  # away from the champion of the first decision and back, past us
        store.client.set_registered_model_alias("demand", "champion", number)
        sync(store, routes)
    review(routes, [])
    assert [alert[1] for alert in _open_alerts(routes)] == ["alias_unrecorded"]
    assert _behind(mlops) == [(1, None), (2, None), (1, "the first")]
    code, _, err = mlops("registry", "promote", "models:/demand/1", "--reason", "on record", "--force")
    assert code == 0, err
    assert [row[:2] for row in _promotions(routes)] == [(1, "promote"), (1, "promote")]
    assert _behind(mlops) == [(1, "on record"), (2, None), (1, "the first")]
    review(routes, [])
    assert _open_alerts(routes) == []
    mlops("registry", "promote", "models:/demand/1", "--reason", "once more", "--force")
    assert len(_promotions(routes)) == 2, "that is on record"


def test_a_decision_that_waits_while_somebody_moves_the_alias_past_it_is_made_anew(
    routes: Database, store: Store, champion: Trained, mlops, monkeypatch: pytest.MonkeyPatch
):
    _copies(store, champion, 2)
    with monkeypatch.context() as patched:
        patched.setattr(promotion, "move_champion", _died)
        with pytest.raises(ConnectionError):
            promotion.promote(routes, store, "models:/demand/2", "waits", margin=0.02, force=True)
    store.client.set_registered_model_alias("demand", "champion", "3")
    promotion.promote(routes, store, "models:/demand/2", "made anew", margin=0.02, force=True)
    assert _behind(mlops) == [(2, "made anew"), (3, None), (1, "the first")]


def test_an_alias_that_was_taken_away_and_given_back_needs_a_decision_of_its_own(
    routes: Database, store: Store, champion: Trained, mlops
):
    store.client.delete_registered_model_alias("demand", "champion")
    sync(store, routes)
    store.client.set_registered_model_alias("demand", "champion", "1")
    sync(store, routes)
    assert _behind(mlops) == [(1, None), (1, "the first")]


def test_trace_names_the_decision_that_was_in_force_when_the_forecast_was_issued(
    routes: Database, store: Store, champion: Trained, mlops
):
    _copies(store, champion, 1)

    def forecast(version: int, day: int) -> int:
        as_of = datetime(2020, 1, day, tzinfo=UTC)
        predict(routes, store, f"models:/demand/{version}", as_of=as_of, horizon=1)
        with psycopg.connect(routes.url) as connection:
            return connection.execute("select max(prediction_id) from analytics.model_prediction_results").fetchone()[0]

    decided = forecast(1, 1)
    store.client.set_registered_model_alias("demand", "champion", "2")
    sync(store, routes)
    beside, past_us = forecast(1, 2), forecast(2, 2)
    promotion.promote(routes, store, "models:/demand/2", "on record afterwards", margin=0.02, force=True)
    recorded = forecast(2, 3)

    def reason(number: int) -> str | None:
        traced = json.loads(mlops("registry", "trace", number, "--json")[1])["promotion"]
        return None if traced is None else traced["reason"]

    assert reason(decided) == "the first"
    assert reason(beside) is None, "version 1 was not champion any more"
    assert reason(past_us) is None, "nobody had decided for version 2 yet"
    assert reason(recorded) == "on record afterwards"


def test_what_syncs_on_its_way_reads_no_file_of_a_version_that_claims_no_lineage(
    routes: Database, store: Store, champion: Trained, mlops
):
    store.client.create_registered_model("stranger")
    store.client.create_model_version("stranger", "file:///nowhere/model")

    def read() -> bool:
        with psycopg.connect(routes.url) as connection:
            query = "select lineage_read_at is not null from analytics.model_versions where name = 'stranger'"
            return connection.execute(query).fetchone()[0]

    promotion.promote(routes, store, CHAMPION, "again", margin=0.02, force=True)
    _trained(routes, store, "naive", NEW_YEAR)
    predict(routes, store, "models:/demand/2", as_of=NEW_YEAR, horizon=1)
    promotion.promote(routes, store, "models:/demand/2", "try", margin=0.02, force=True)
    promotion.rollback(routes, store, "demand", "back")
    assert mlops("registry", "lineage", CHAMPION)[0] == 0
    assert not read()
    assert mlops("registry", "sync")[0] == 0
    assert read()


def _behind(mlops) -> list[tuple[int, str | None]]:
    """Versions that were champion, the newest first, each with the reason on record."""
    rows = json.loads(mlops("registry", "history", "demand", "--json")[1])
    return [(row["version"], row["reason"]) for row in rows if row["alias"] == "champion"]


def _open_alerts(routes: Database) -> list[tuple]:
    with psycopg.connect(routes.url) as connection:
        return connection.execute("select alert_id, kind from analytics.alerts where resolved_at is null").fetchall()


@pytest.mark.parametrize("reason", ["", " \n", "a\0b", "half a \ud800 pair", "x" * 5001])
def test_a_reason_that_can_not_be_kept_is_refused_before_anything_is_decided(
    routes: Database, store: Store, champion: Trained, reason: str
):
    with pytest.raises(BadInput, match="the reason"):
        promotion.promote(routes, store, CHAMPION, reason, margin=0.02)
    with pytest.raises(BadInput, match="the reason"):
        promotion.rollback(routes, store, "demand", reason)
    with pytest.raises(BadInput, match="who decides"):
        promotion.promote(routes, store, CHAMPION, "again", margin=0.02, by=reason)


def test_what_people_write_is_shown_as_they_wrote_it(
    routes: Database, store: Store, champion: Trained, mlops, monkeypatch
):
    monkeypatch.setattr(console, "_width", 200)
    _copies(store, champion, 1)
    odd = ("--reason", "all [red]routes[/] \\[/b] and 'R7'", "--by", "eve [bold]")
    for command in (("promote", "models:/demand/2", "--force", *odd), ("history", "demand")):
        code, out, _ = mlops("registry", *command)
        assert code == 0
        assert "all [red]routes[/] \\[/b] and 'R7'" in out
        assert "eve [bold]" in out


def test_a_name_that_nobody_registered_is_told_by_a_rollback(routes: Database, store: Store, champion: Trained):
    with pytest.raises(ModelNotFound, match="registered models: demand"):
        promotion.rollback(routes, store, "damand", "back")


def test_a_champion_whose_model_is_gone_or_has_no_signature_can_be_replaced(
    routes: Database, store: Store, champion: Trained
):
    _copies(store, champion, 1)
    lost = store.client.create_model_version("demand", "file:///nowhere/model", champion.version.run_id)
    store.client.set_registered_model_alias("demand", "champion", lost.version)
    with pytest.raises(Refused, match="signature: the champion has no signature that can be read"):
        promotion.promote(routes, store, "models:/demand/2", "it is gone", margin=0.02)
    done = promotion.promote(routes, store, "models:/demand/2", "it is gone", margin=0.02, force=True)
    assert (done.forced, resolve(store, CHAMPION).version) == (True, 2)


def test_a_version_or_a_backtest_of_another_origin_can_not_be_compared_and_says_so(
    routes: Database, store: Store, champion: Trained, tmp_path: Path
):
    row = live_version(routes, champion.version)
    assert row is not None
    made, foreign = (
        MirroredVersion(champion.version, row),
        MirroredVersion(champion.version, replace(row, lineage={"recipe": {}})),
    )
    for ours, theirs, why in (
        (foreign, made, "the lineage of version 1 has no digest of the table 'backtest'"),
        (made, foreign, "it was not trained by `mlops train`"),
    ):
        found = compare_with_champion(routes, store, ours, theirs)
        assert (found.champion, found.first) == (None, False)
        assert why in found.on
    run = store.client.create_run(store.experiment("demand")).info.run_id
    pd.DataFrame({"series_id": [1]}).to_parquet(tmp_path / "backtest.parquet")
    store.client.log_artifact(run, str(tmp_path / "backtest.parquet"))
    tables = {"backtest": hashlib.sha256((tmp_path / "backtest.parquet").read_bytes()).hexdigest()}
    other = replace(row, lineage=row.lineage | {"tables": tables})
    found = compare_with_champion(routes, store, MirroredVersion(replace(champion.version, run_id=run), other), None)
    assert f"'backtest' of run {run} has no column cutoff, ds, y, y_hat" in found.on


def test_a_backtest_that_was_written_over_wins_nothing_and_loses_nothing(
    routes: Database, store: Store, champion: Trained, tmp_path: Path
):
    def written_over(version: ModelVersion, name: str, *, times: float = 1.0) -> Path:
        path = Path(urlparse(store.client.get_run(version.run_id).info.artifact_uri).path) / f"{name}.parquet"
        shutil.copy(path, tmp_path / path.name)
        forged = pd.read_parquet(path)
        forged.assign(y_hat=forged["y"] * times).to_parquet(path, index=False)
        return path

    ours = _trained(routes, store, "naive", NEW_YEAR).version
    honest = promotion.check_gates(routes, store, ours, 0.02)
    path = written_over(champion.version, "backtest", times=3)
    try:
        found = promotion.check_gates(routes, store, ours, 0.02)
    finally:
        shutil.copy(tmp_path / path.name, path)
    assert "the backtests of both" in honest[0].found
    assert "the champion's recipe on the same" in found[0].found
    assert not found[0].passed, "the champion is as good as its recipe, whatever stands in the file"

    path = written_over(ours, "backtest")
    with pytest.raises(
        Refused, match=r"better: the table 'backtest' of run \w+ is not the one that the training wrote"
    ):
        promotion.promote(routes, store, ours.uri, "perfect", margin=0.02)
    shutil.copy(tmp_path / path.name, path)
    written_over(ours, "backtest_naive")
    with pytest.raises(Refused, match=r"naive: the table 'backtest_naive' of run \w+ is not the one .* SHA-256 is"):
        promotion.promote(routes, store, ours.uri, "perfect", margin=0.02)


def test_a_name_with_a_quote_is_registered_and_found(store: Store, champion: Trained):
    first = champion.version
    added = add_version(store, "Ulm's demand", first.run_id, first.source, {"mlops.request": "Ulm"})
    assert resolve(store, "models:/Ulm's demand/1") == added


def test_a_model_that_was_changed_since_it_was_mirrored_fails_the_gate_of_lineage(
    routes: Database, store: Store, champion: Trained, tmp_path: Path
):
    origin = store.client.get_model_version_download_uri("demand", "1")
    model = tmp_path / "model"
    shutil.copytree(unquote(urlparse(origin).path), model)
    first = champion.version
    copy = store.client.create_model_version("demand", model.as_uri(), first.run_id, tags=dict(first.tags))

    def gate() -> tuple[bool, str]:
        sync(store, routes)
        found = promotion.structure(routes, resolve(store, f"models:/demand/{copy.version}"), first)
        return found[0].passed, found[0].found

    assert gate() == (True, "complete")
    code = (model / "pyfunc.py").read_text()
    (model / "pyfunc.py").write_text(code.replace("forecast = self", "forecast = 2 * self"))
    assert gate()[0] is False
    assert gate()[1].startswith("its file pyfunc.py was ")
    (model / "pyfunc.py").write_text(code)
    facts = (model / "MLmodel").read_text()
    (model / "MLmodel").write_text(facts.replace('"rows":', '"rows":1'))
    assert "the lineage in the model has the digest" in gate()[1]
    shutil.rmtree(model)
    assert "files can't be read" in gate()[1]


def test_a_registry_that_does_not_answer_is_not_a_registry_without_champion(
    routes: Database, store: Store, champion: Trained
):
    with psycopg.connect(routes.url, autocommit=True) as connection:
        connection.execute("alter table mlflow.registered_model_aliases rename to gone")
    with pytest.raises(DatabaseUnavailable, match="the registry can't say what models:/demand@champion is"):
        alias_of(store, "demand", "champion")


def test_a_forced_promotion_is_no_promotion_that_waited_since_its_gates_held(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    _copies(store, champion, 1)
    passed = [Gate("loads", True, "loaded", "")]
    with monkeypatch.context() as patched:
        patched.setattr(promotion, "move_champion", _died)
        sync(store, routes)
        with pytest.raises(ConnectionError):
            promotion.decide(routes, store, resolve(store, "models:/demand/2"), "its gates held", passed)
    done = promotion.promote(routes, store, "models:/demand/2", "all the same", margin=0.02, force=True)
    assert (done.forced, done.reason) == (True, "all the same")


def test_two_who_promote_at_once_are_not_mixed_up(routes: Database, store: Store, champion: Trained):
    other = _trained(routes, store, "naive", NEW_YEAR)
    with routes.alone("promotion of demand"), pytest.raises(Refused, match="somebody else is promoting"):
        promotion.promote(routes, store, other.version.uri, "try", margin=0.02)
    with routes.alone("promotion of demand"), pytest.raises(Refused, match="somebody else is promoting"):
        promotion.decide(routes, store, other.version, "a retraining won", [])


def test_a_comparison_with_a_champion_that_was_replaced_since_promotes_nothing(
    routes: Database, store: Store, champion: Trained
):
    other = _trained(routes, store, "naive", NEW_YEAR)
    with pytest.raises(Refused, match="was compared with version 7, but demand@champion is version 1 now"):
        promotion.decide(routes, store, other.version, "won", [], over=7)
    promotion.decide(routes, store, other.version, "won", [], over=1)
    assert resolve(store, CHAMPION).version == 2


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
