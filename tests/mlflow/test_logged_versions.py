"""Versions that were logged by yesterday's code load and predict the numbers of that day, whatever the code is now.

Each archive of the folder `logged` is a model folder as `mlops train` logged it, with inputs and the answers of then.
A kind without one fails here. To make it, add a case to CASES of `logged/cases.py` and run

    MLOPS_RENEW_LOGGED=1 .venv/bin/pytest tests/mlflow/test_logged_versions.py

which trains what is missing, packs it and then tests it. An archive that is there is replaced by no run: it is what
users have in their stores. When its answers are others now, it is the code that is to be mended.
"""

import hashlib
import math
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from tests.mlflow.logged.cases import CASES
from tests.mlflow.logged_versions import CODE, FOLDER, FORECASTER, SUFFIX, Kept, archive, make, place, unpack

import mlflow
from mlops.config import Settings
from mlops.db import Database
from mlops.domain.features import FeatureDefinition
from mlops.domain.lineage import parse_lineage
from mlops.feature_store.store import register_features
from mlops.features.standard import as_recorded, standard
from mlops.forecasting import KINDS
from mlops.tracking.artifacts.checked import RELEASED, changed, digests, load_from, load_model
from mlops.tracking.lineage import read_lineage
from mlops.tracking.registry import ModelVersion
from mlops.tracking.store import open_store
from mlops.training.record import Record

RENEW = "MLOPS_RENEW_LOGGED"
HOW = (
    "add a case to CASES in tests/mlflow/logged/cases.py, run"
    f" `{RENEW}=1 .venv/bin/pytest tests/mlflow/test_logged_versions.py` and commit the archive that it makes"
)
ELSEWHERE = 1e-9
"""The tolerance on another machine or with other libraries, relative to the largest number of a column.

It is that of `mlops registry reproduce`. Numerical libraries choose their instructions by the processor:
without AVX-512, AVX2 and FMA the answers were measured to differ by 6e-14 at most.
"""
NAMES = sorted({*CASES, *(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))})
"""What is kept or is to be, also of cases that there are no more."""
RENAMED = re.compile(r"^refuge: ")
"""What the parts of the fallback were called in `explain` before 0.1.0; their numbers are compared all the same."""
KNOWN = {"by name": 0, "newer history": 0, "by name, components": 2, "by name, other levels": 3}
"""From which of RELEASED on the code has known what is asked."""


@pytest.fixture
def template(with_mlflow: str) -> str:
    """Nothing is trained yet."""
    return with_mlflow


@pytest.mark.parametrize("case", CASES)
def test_of_every_case_a_version_is_kept(case: str, request: pytest.FixtureRequest):
    if not archive(case).is_file() and os.environ.get(RENEW):
        home: Settings = request.getfixturevalue("home")
        database = Database(home.database_url or "")
        make(case, database, open_store(home, database.url))
        database.close()
    assert archive(case).is_file(), f"the version of case {case!r} is not kept yet; to make it, {HOW}"


@pytest.mark.parametrize("kind", KINDS)
def test_of_every_kind_there_is_a_case(kind: str):
    assert kind in {case.kind for case in CASES.values()}, f"no version of kind {kind!r} is kept; {HOW}"


@dataclass(frozen=True)
class Mirrored:
    """A kept version in a registry: its row in the mirror, and the model that the product loads.

    That is loaded only when its files are those that were anchored.
    """

    version: ModelVersion
    row: Mapping[str, Any]
    model: Any


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kept]:
    """Every version that is kept, unpacked."""
    there = [archive(name) for name in NAMES if archive(name).is_file()]
    return {one.name: one for one in (unpack(path, tmp_path_factory.mktemp("kept")) for path in there)}


@pytest.fixture(scope="module")
def mirrored(
    kept: dict[str, Kept], new_database: Any, with_mlflow: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Mirrored]]:
    """All of them, registered where today's features are."""
    with new_database("kept", template=with_mlflow) as (_, url):
        database = Database(url)
        store = open_store(Settings(home=tmp_path_factory.mktemp("artifacts"), mlflow_tracking_uri=None), url)
        for one in kept.values():
            register_features(database, features(one))
        versions = {name: one.registered(store, database) for name, one in kept.items()}
        with database.transaction() as transaction:
            rows = {name: transaction.one("live_version", name=name, version=1) or {} for name in versions}
        yield {name: Mirrored(one, rows[name], load_model(database, one)) for name, one in versions.items()}
        database.close()


def features(one: Kept) -> list[FeatureDefinition]:
    """The features that a version was trained with, as they were defined then; of a file there are none."""
    lineage = one.lineage
    if lineage.selection is None:
        return []
    recipe, digests = (
        lineage.recipe or {},
        {name: given["definition_sha256"] for name, given in lineage.features.items()},
    )
    known = standard(lineage.selection, recipe["owner"], list(digests), recipe["country"])
    return as_recorded(known, digests)


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_says_nothing_of_the_machine_on_which_it_was_made(name: str, kept: dict[str, Kept]):
    for path in kept[name].folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not re.search(rb"file:/|(?<![\w.])/(tmp|root|home|work|Users|var|usr)/", content), path
    with tarfile.open(archive(name)) as packed:
        assert {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in packed} == {(0, 0, "", "", 0)}


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_client_of_mlflow_gets_the_answers_of_then(name: str, kept: dict[str, Kept]):
    one = kept[name]
    assert others(one, one.answers(mlflow.pyfunc.load_model(str(one.model)))) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_loader_that_compares_files_with_their_anchor_gives_the_answers_of_then(
    name: str, kept: dict[str, Kept], mirrored: dict[str, Mirrored]
):
    assert others(kept[name], kept[name].answers(mirrored[name].model)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_model_with_a_changed_file_is_another_one(name: str, kept: dict[str, Kept], tmp_path: Path):
    one = kept[name]
    assert list(changed(one.facts["files"], digests(one.model))) == []
    shutil.copytree(one.model, tmp_path / "model")
    with (tmp_path / "model" / FORECASTER / "forecaster.json").open("a") as card:
        card.write(" ")
    assert len(list(changed(one.facts["files"], digests(tmp_path / "model")))) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_lineage_of_then_is_read_with_equal_content(
    name: str, kept: dict[str, Kept], mirrored: dict[str, Mirrored]
):
    one, version, row = kept[name], mirrored[name].version, mirrored[name].row
    document = parse_lineage(one.lineage_text)
    assert one.lineage.to_json() == one.lineage_text
    read = read_lineage(version, one.model)
    for found in (read, row):
        assert (found["lineage_state"], found["lineage"]) == ("complete", document)
        assert found["lineage_sha256"] == one.facts["tags"]["mlops.lineage_sha256"]
    then = {feature: said["definition_sha256"] for feature, said in document["features"].items()}
    assert {feature.name: feature.sha256 for feature in features(one)} == then
    assert bool(then) == ("selection" in document)


@pytest.mark.parametrize("name", NAMES)
def test_the_record_of_the_training_is_read_and_would_be_written_as_it_was(name: str, kept: dict[str, Kept]):
    folder, lineage = kept[name].model / "artifacts" / "training", kept[name].lineage
    record = Record.read(folder)
    assert (record.data.sha256, len(record.observations)) == (lineage.content_sha256, lineage.rows)
    assert record.distributions["lightgbm"] == lineage.environment["distributions"]["lightgbm"]
    assert {file: content for file, content in record.files().items() if file.endswith(".json")} == {
        path.name: path.read_bytes() for path in folder.glob("*.json")
    }


@pytest.mark.parametrize("digest", RELEASED)
def test_the_code_of_every_release_runs_and_answers_what_it_knew(digest: str, kept: dict[str, Kept], tmp_path: Path):
    text = CODE / f"{digest[:8]}.txt"
    assert text.is_file(), f"copy the code file with this digest (src/mlops/tracking/pyfunc.py) to {text}"
    assert hashlib.sha256(text.read_bytes()).hexdigest() == digest
    one = kept["naive"]
    shutil.copytree(one.model, tmp_path / "model")
    shutil.copy(text, tmp_path / "model" / "pyfunc.py")
    version = ModelVersion("naive", 1, "", "", {}, datetime.now(UTC))
    for model in (load_from(tmp_path / "model", version), mlflow.pyfunc.load_model(str(tmp_path / "model"))):
        told = one.answers(model)
        for question, number in KNOWN.items():
            if list(RELEASED).index(digest) >= number:
                assert others(one, {question: told[question]}, only=[question]) == []


def others(one: Kept, now: Mapping[str, Any], only: Sequence[str] = ()) -> list[str]:
    """In words, each answer that is other than it was: bit for bit where machine and libraries are those of then."""
    then = {name: answer for name, answer in one.facts["answers"].items() if not only or name in only}
    tolerance = 0.0 if one.facts["place"] == place() else ELSEWHERE
    found = [f"{name}: is answered by one of them only" for name in sorted(then.keys() ^ now.keys())]
    for name in sorted(then.keys() & now.keys()):
        was = {RENAMED.sub("fallback: ", column): values for column, values in then[name].items()}
        has = now[name]
        if list(was) != list(has):
            found.append(f"{name}: the columns were {list(was)} and are {list(has)}")
            continue
        for column in was:
            apart = _apart(was[column], has[column], tolerance)
            if apart is not None:
                found.append(
                    f"{name}: {column} in row {apart} was {was[column][apart:][:1]}, is {has[column][apart:][:1]}"
                )
    return found


def _apart(was: Sequence[Any], has: Sequence[Any], tolerance: float) -> int | None:
    """The first row in which two columns hold something else, or another type; numbers count within the tolerance."""
    numbers = [abs(value) for value in was if isinstance(value, float) and math.isfinite(value)]
    allowed = tolerance * max(numbers, default=0.0)
    for row, (then, now) in enumerate(zip_longest(was, has)):
        if type(then) is not type(now):
            return row
        equal = then == now or (then != then and now != now)  # both may be NaN
        if not equal and not (isinstance(then, float) and abs(then - now) <= allowed):
            return row
    return None
