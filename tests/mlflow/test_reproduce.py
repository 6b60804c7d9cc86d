"""A version is rebuilt from its lineage bit for bit, or it is told exactly what is other than it was."""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pandas as pd
import psycopg
import pytest
from tests.retention import newest_is_today

from mlops.db import Database
from mlops.db.archive import Month, archive
from mlops.domain.features import Selection
from mlops.errors import Refused
from mlops.feature_store.build import selection_history
from mlops.features.standard import WORDS
from mlops.series.edit import Edit, edit
from mlops.series.ingest import ingest
from mlops.series.quality import usable
from mlops.tracking.bridge.sync import sync
from mlops.tracking.environment import environment, installed
from mlops.tracking.store import Store
from mlops.training import Trained, TrainingSpec, train
from mlops.training.record import public_holidays
from mlops.training.reproduce import Reproduction, reproduce
from mlops.training.spec import params_file

URI = "models:/demand@champion"
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
SMALL = {"trees": "5", "weeks": "1"}


def execute(database: Database, statement: str) -> int:
    with psycopg.connect(database.url, options="-ctimezone=UTC") as connection:
        return connection.execute(statement).rowcount


def told(found: Reproduction, what: str) -> list[str]:
    return [one.message for one in (*found.differences, *found.changed_since) if one.what == what]


@pytest.fixture
def booster(store: Store, champion: Trained) -> Iterator[Path]:
    """The file of the champion's trees, which is as it was after the test."""
    model = store.client.get_model_version_download_uri("demand", "1")
    file = Path(unquote(urlparse(model).path)) / "artifacts" / "forecaster" / "booster.txt"
    content = file.read_bytes()
    yield file
    file.write_bytes(content)


def test_a_model_is_rebuilt_bit_for_bit_whatever_was_corrected_since(
    routes: Database, store: Store, champion: Trained, daily_series: Path, tmp_path: Path
):
    frame = pd.read_csv(daily_series)
    corrected = frame[frame["observed_at"].str.startswith(("2019-03-0", "2019-12-3"))]
    path = tmp_path / "corrected.csv"
    corrected.assign(value=corrected["value"] * 3).to_csv(path, index=False)
    assert ingest(routes, path).corrected == len(corrected)
    found = reproduce(routes, store, URI)
    assert found.verdict == "reproduced", found.differences
    assert (found.largest, found.forecasts, found.corrected_since) == (0.0, 4 * 28, len(corrected))
    assert found.content_now == found.content_then
    assert found.changed_since == ()


def test_a_score_that_is_made_later_does_not_change_what_was_learned_from(routes: Database, store: Store):
    june = "series_id = 2 and observed_at >= '2019-06-01' and observed_at < '2019-07-01'"
    assert execute(routes, f"update analytics.time_series_metrics set quality_score = 0 where {june}") == 30
    trained = train(TrainingSpec.from_toml(params_file("lightgbm"), SMALL, as_of=NEW_YEAR), routes, store)
    execute(routes, f"update analytics.time_series_metrics set quality_score = 1 where {june}")
    known, _ = usable(
        selection_history(routes, Selection("collection_weight"), NEW_YEAR),
        "daily",
        end=pd.Timestamp(2020, 1, 1),
        need=180,
    )
    assert len(known) == 4 * 365, "what is judged as usable now is more than what was"
    found = reproduce(routes, store, trained.version.uri)
    assert found.verdict == "reproduced", found.differences
    assert found.observations == 4 * 365 - 30


def test_what_became_of_the_data_is_told_exactly(routes: Database, store: Store, champion: Trained):
    execute(routes, "delete from analytics.time_series_metrics where series_id = 1 and observed_at = '2019-05-07'")
    execute(
        routes, "delete from analytics.time_series_metrics where series_id = 3 and observed_at < '2019-02-01' and"
        " extract(day from observed_at) > 20"
    )  # fmt: skip
    execute(
        routes,
        "update analytics.time_series_metrics set value = 1 where series_id = 4 and observed_at = '2019-11-04'",
    )
    execute(routes, "drop table analytics.time_series_metrics_p2019_03")
    staged = "insert into analytics.time_series_staging (series_id, observed_at, value) values (2, '2019-08-09', 7)"
    execute(routes, staged)
    execute(routes, "delete from analytics.time_series_revisions")
    day = datetime(2019, 6, 3, tzinfo=UTC)
    edit(routes, Edit("deleted", [2], day, day + timedelta(days=2)), by="ann", reason="a broken scale")
    edit(routes, Edit("redated", [1], day, day + timedelta(days=1), "now"), by="ann", reason="came late")
    found = reproduce(routes, store, URI)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    data = [
        re.sub(rf"{today} \d\d:\d\d", "today", re.sub(r"was [\d.]+ and", "was other and", line))
        for line in told(found, "data")
    ]
    assert data == [
        "2019-03: 124 observations of 4 series are not in the database any more: the month was dropped",
        "series 1: 1 observation of 2019-05 was removed (2019-05-07)",
        "series 1: 1 observation of 2019-06 was dated later than then on today by ann: came late (2019-06-03)",
        "series 2: 2 observations of 2019-06 were deleted on today by ann: a broken scale (2019-06-03, 2019-06-04)",
        "series 2: 1 observation corrected on today, and the old value is gone (2019-08-09)",
        "series 3: 11 observations of 2019-01 were removed (2019-01-21, 2019-01-22, 2019-01-23, …)",
        "series 4: values of 2019-11 are other ones, and no correction is recorded (2019-11-04 was other and is 1)",
    ]
    assert found.verdict == "differs"
    assert len(told(found, "forecast")) == 1
    assert found.content_now not in (None, found.content_then)


@pytest.mark.parametrize("known_at", ["now", "observed"])
def test_what_was_deleted_and_sent_anew_is_told_by_the_decision(
    routes: Database, store: Store, champion: Trained, daily_series: Path, tmp_path: Path, known_at: Any
):
    frame = pd.read_csv(daily_series)
    path = tmp_path / "anew.csv"
    frame[frame["observed_at"].str.startswith("2019-06-0")].assign(value=lambda one: one["value"] * 3).to_csv(
        path, index=False
    )
    day = datetime(2019, 6, 1, tzinfo=UTC)
    edit(routes, Edit("deleted", [1, 2, 3, 4], day, day + timedelta(days=9)), by="ann", reason="a broken scale")
    assert ingest(routes, path, known_at=known_at).inserted == 4 * 9
    lines = told(reproduce(routes, store, URI), "data")
    assert len(lines) == 4
    how = "9 observations of 2019-06 were" if known_at == "now" else "values of 2019-06 are other ones, sent anew after"
    assert all(how in line and "by ann: a broken scale" in line for line in lines), lines


def test_a_model_is_rebuilt_from_archived_months(mlops, routes: Database, store: Store, champion: Trained):
    staged = "insert into analytics.time_series_staging (series_id, observed_at, value) values (2, '2019-08-09', 7)"
    execute(routes, staged)
    newest_is_today(routes.url)
    assert mlops("db", "maintain", "--yes")[0] == 0
    assert execute(routes, "select from analytics.time_series_metrics where series_id > 0") == 0
    found = reproduce(routes, store, URI)
    assert (found.verdict, found.corrected_since) == ("reproduced", 1)
    execute(routes, "update analytics.partition_archives set path = path || '.gone' where lower_bound = '2019-04-01'")
    with pytest.raises(Refused, match=r"history of 2019-04 is in the archive .* can't be read"):
        reproduce(routes, store, URI)


def test_a_month_that_somebody_dropped_by_hand_is_brought_back_by_the_command_it_names(
    mlops, routes: Database, store: Store, champion: Trained, tmp_path: Path
):
    april = (datetime(2019, 4, 1, tzinfo=UTC), datetime(2019, 5, 1, tzinfo=UTC))
    done = archive(
        routes, Month("analytics.time_series_metrics", "analytics.time_series_metrics_p2019_04", *april), tmp_path
    )
    execute(routes, "drop table analytics.time_series_metrics_p2019_04")
    (message,) = told(reproduce(routes, store, URI), "data")
    assert message.startswith("2019-04: 120 observations of 4 series are not in the database any more: the month was")
    command = re.search(r"`mlops (db restore-archive .*)`", message)[1].split()
    assert command[-1] == str(done.path)
    assert mlops(*command)[0] == 0
    assert reproduce(routes, store, URI).verdict == "reproduced"


def test_a_series_that_is_gone_altogether_is_told(routes: Database, store: Store, champion: Trained):
    execute(routes, "delete from analytics.time_series_metrics")
    found = reproduce(routes, store, URI)
    assert told(found, "data")[-1] == "and so in 43 more months of 4 series"
    assert "can't be followed" in told(found, "retraining")[0]
    assert found.largest is None


def test_observations_of_a_series_that_is_not_there_are_not_called_corrected(
    routes: Database, store: Store, champion: Trained
):
    execute(routes, "delete from analytics.series where series_id = 2")
    message, *_, more = told(reproduce(routes, store, URI), "data")
    assert message.startswith(
        "series 2: 31 observations of 2019-01 can't be read, for the series is not in the database"
    )
    assert more == "and so in 7 more months of 1 series"


def test_a_changed_definition_is_told_with_both_digests(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    with routes.transaction() as transaction:
        was = transaction.one("lineage_of_version", name="demand", version=1)["lineage"]["features"]["same_season_1"]
    monkeypatch.setitem(WORDS, "same_season_1", "something else")
    found = reproduce(routes, store, URI)
    (message,) = told(found, "feature")
    digests = re.findall(r"[0-9a-f]{64}", message)
    assert "version 1 of feature same_season_1" in message
    assert digests[0] == was["definition_sha256"] != digests[1]
    assert (found.verdict, found.largest) == ("differs", 0.0), "the same numbers by another definition are not the same"


def test_other_libraries_code_machine_and_holidays_are_told_and_are_no_difference_by_themselves(
    routes: Database, store: Store, champion: Trained, monkeypatch: pytest.MonkeyPatch
):
    facts, everything = environment(), installed()
    other = facts | {"processor": "abacus", "distributions": facts["distributions"] | {"numpy": "9.9"}}
    monkeypatch.setattr("mlops.training.reproduce.environment", lambda: other)
    monkeypatch.setattr("mlops.training.reproduce.installed", lambda: everything | {"numpy": "9.9", "rich": "99"})
    code = {"sha256": "f" * 64, "commit": "c" * 40, "dirty": True}
    monkeypatch.setattr("mlops.training.reproduce.source_code", lambda: code)
    days = {"2019-07-04": "Independence Day (moved)"}
    monkeypatch.setattr("mlops.training.reproduce.public_holidays", lambda *given: public_holidays(*given) | days)
    found = reproduce(routes, store, URI)
    assert (found.verdict, found.largest) == ("reproduced", 0.0)
    numpy, rich = facts["distributions"]["numpy"], everything["rich"]
    assert told(found, "library") == [
        f"numpy was {numpy} and is 9.9",
        f"of the other distributions rich {rich} → 99",
    ]
    assert told(found, "machine") == [f"processor was {facts['processor']} and is abacus"]
    assert told(found, "holidays") == ["of US: 2019-07-04 was Independence Day and is Independence Day (moved)"]
    (message,) = told(found, "code")
    assert "commit cccccccccccc and changes (sources ffffffffffff…)" in message


def test_a_changed_model_file_is_named(routes: Database, store: Store, champion: Trained, booster: Path):
    booster.write_bytes(booster.read_bytes().replace(b"tree", b"bush", 1))
    found = reproduce(routes, store, URI)
    (message,) = told(found, "file")
    assert message.startswith("artifacts/forecaster/booster.txt was ")
    assert (found.verdict, found.content_now) == ("differs", None)


def test_a_model_that_serves_other_code_or_other_files_than_were_trained_is_told(
    routes: Database, store: Store, champion: Trained, booster: Path
):
    model = booster.parents[2]
    code, facts = (model / "pyfunc.py").read_text(), (model / "MLmodel").read_text()
    try:
        (model / "pyfunc.py").write_text(code.replace("forecast = self", "forecast = 2 * self"))
        assert [one.split(" was ")[0] for one in told(reproduce(routes, store, URI), "file")] == ["pyfunc.py"]
        (model / "pyfunc.py").write_text(code)
        (model / "twice.py").write_text(code)
        assert told(reproduce(routes, store, URI), "file") == ["twice.py has been added to the model"]
        (model / "twice.py").unlink()
        shutil.copytree(booster.parent, model / "other")
        (model / "MLmodel").write_text(facts.replace("artifacts/forecaster", "other"))
        first, *added = told(reproduce(routes, store, URI), "file")
        assert first.startswith("MLmodel was ")
        assert "other/booster.txt has been added to the model" in added
    finally:
        (model / "pyfunc.py").write_text(code)
        (model / "MLmodel").write_text(facts)
        shutil.rmtree(model / "other", ignore_errors=True)


def test_a_version_is_rebuilt_from_what_was_anchored_whatever_its_tag_says_now(
    routes: Database, store: Store, champion: Trained
):
    store.client.set_model_version_tag("demand", "1", "mlops.lineage_sha256", "0" * 64)
    found = reproduce(routes, store, URI)
    (message,) = told(found, "lineage")
    assert message.startswith("the version has the tag of a lineage 000000000000…, and ")
    assert (found.verdict, found.largest, found.backtest) == ("differs", 0.0, 3 * 14 * 4 * 28)


def test_what_has_no_lineage_to_rebuild_from_is_refused(routes: Database, store: Store, champion: Trained):
    store.client.create_model_version("demand", source="file:///nowhere")
    with pytest.raises(Refused, match="demand/2 can't be rebuilt: it is not in the mirror"):
        reproduce(routes, store, "models:/demand/2")
    sync(store, routes)
    with pytest.raises(Refused, match="demand/2 can't be rebuilt: the model's files can't be read"):
        reproduce(routes, store, "models:/demand/2")


def test_the_command_says_the_verdict_and_writes_nothing(mlops, routes: Database, store: Store, champion: Trained):
    def written() -> list[object]:
        version = store.client.get_model_version("demand", "1")
        runs = store.client.search_runs([one.experiment_id for one in store.client.search_experiments()])
        return [len(store.client.search_model_versions("name = 'demand'")), version.tags, len(runs)]

    before = written()
    code, out, _ = mlops("registry", "reproduce", URI)
    assert code == 0
    assert "models:/demand/1 reproduced" in out
    assert "112 with their bounds, equal bit for bit" in out
    execute(routes, "delete from analytics.time_series_metrics where series_id = 1 and observed_at = '2019-12-31'")
    code, out, _ = mlops("registry", "reproduce", URI, "--json")
    assert code == 1
    assert json.loads(out)["verdict"] == "differs"
    assert json.loads(out)["differences"][0]["what"] == "data"
    code, out, _ = mlops("registry", "reproduce", URI)
    assert code == 1
    assert "series 1: 1 observation of 2019-12 was removed (2019-12-31)" in out
    assert mlops("registry", "reproduce", URI, "--tolerance", "2")[0] == 2
    assert written() == before
