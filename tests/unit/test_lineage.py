"""A lineage is read back whole or not at all, and says which code and libraries it came from."""

import json
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.domain.canonical import canonical_json, sha256
from mlops.domain.features import Selection
from mlops.domain.lineage import Lineage, parse_lineage
from mlops.tracking import environment

START, END = datetime(2019, 1, 1, tzinfo=UTC), datetime(2019, 12, 31, tzinfo=UTC)
LINEAGE = Lineage(
    features={"same_season_1": {"version": 1, "definition_sha256": "a" * 64}},
    as_of=datetime(2020, 1, 1, tzinfo=UTC),
    trained_from=START,
    trained_to=END,
    label="value",
    rows=1460,
    columns={"series_id": "int64", "ds": "datetime64[ns]", "y": "float64"},
    content_sha256="b" * 64,
    inputs={"series_id": "long"},
    outputs={"y_hat": "double"},
    code_version="1.0",
    code={"sha256": "c" * 64},
    environment={"distributions": {"numpy": "2.0"}},
    recipe={"kind": "lightgbm"},
    selection=Selection("collection_weight"),
    series=(1, 2),
)
DOCUMENT = json.loads(LINEAGE.to_json())
SINCE_THE_SECOND = {"lineage_version", "inputs", "outputs", "columns", "code", "environment", "files", "tables"}
FIRST_FORMAT = {name: value for name, value in DOCUMENT.items() if name not in SINCE_THE_SECOND}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_a_lineage_is_the_text_that_is_read_back():
    assert parse_lineage(LINEAGE.to_json()) == DOCUMENT
    assert LINEAGE.tags() == {"mlops.lineage_sha256": sha256(LINEAGE.metadata()["feature_lineage"])}
    east = timezone(timedelta(hours=9))
    same = {name: getattr(LINEAGE, name) for name in LINEAGE.__slots__} | {"as_of": LINEAGE.as_of.astimezone(east)}
    assert Lineage(**same).to_json() == LINEAGE.to_json()


def test_a_document_of_the_first_format_is_complete_for_what_it_claims():
    assert parse_lineage(canonical_json(FIRST_FORMAT)) == FIRST_FORMAT


@pytest.mark.parametrize("name", DOCUMENT)
def test_what_a_format_requires_must_be_there(name: str):
    short = canonical_json({key: value for key, value in DOCUMENT.items() if key != name})
    if name in ("recipe", "selection", "series", "tables"):  # of models that `mlops train` made, the last of late
        assert name not in parse_lineage(short)
    elif name == "lineage_version":
        assert parse_lineage(short), (
            "without its number it is a document of the first format, with more than that asks for"
        )
    else:
        with pytest.raises(ValueError, match=f"no '{name}'"):
            parse_lineage(short)


@settings(max_examples=examples(60), deadline=None)
@given(value=JSON, name=st.sampled_from(sorted(DOCUMENT)))
def test_a_value_of_another_kind_is_refused_by_its_name_or_is_one_of_its_kind(value: object, name: str):
    try:
        text = canonical_json(DOCUMENT | {name: value})
        found = parse_lineage(text)
    except ValueError:
        return
    assert canonical_json(found) == text
    json.dumps(found, ensure_ascii=False).encode()


@settings(max_examples=examples(60), deadline=None)
@given(text=st.text(max_size=40) | JSON.map(lambda value: json.dumps(value)) | st.binary(max_size=9) | JSON)
def test_anything_else_is_a_value_error(text: object):
    with pytest.raises(ValueError, match="lineage"):
        parse_lineage(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is a NoneType"),
        ("[" * 100_000, "is no JSON"),
        ("1" * 5_000, "is no JSON"),
        ("x" * (2**24 + 1), "at most"),
        (json.dumps(DOCUMENT), "not canonical"),
        (LINEAGE.to_json()[:-1] + ',"rows":1}', "not canonical"),
        (canonical_json(DOCUMENT | {"label": "\0"}), "no NUL"),
        (canonical_json(DOCUMENT | {"label": "\ud800"}), "is no JSON: .*surrogates"),
        (canonical_json(DOCUMENT | {"rows": True}), "'rows' is True; expected a whole number"),
        (canonical_json(DOCUMENT | {"rows": 2**63}), "'rows'"),
        (canonical_json(DOCUMENT | {"as_of": "2020-01-01"}), "'as_of' is '2020-01-01'; expected a time in UTC"),
        (canonical_json(DOCUMENT | {"as_of": "2019-06-01T00:00:00+00:00"}), "after its 'as_of'"),
        (canonical_json(DOCUMENT | {"trained_from": "2020-01-01T00:00:00+00:00"}), "after its 'trained_to'"),
        (canonical_json(DOCUMENT | {"lineage_version": 3}), "format 3; this program knows 1 to 2"),
        (canonical_json(DOCUMENT | {"features": {"x": {"version": 1}}}), "definition_sha256"),
        (canonical_json(DOCUMENT | {"series": ["1"]}), "ids of series"),
        (canonical_json(DOCUMENT | {"tables": {"backtest": "1"}}), "for each table of the run its SHA-256"),
    ],
    ids=range(17),
)
def test_what_is_wrong_is_told(text: object, words: str):
    with pytest.raises(ValueError, match=words):
        parse_lineage(text)


def test_a_time_without_a_zone_is_refused():
    given_ = {name: getattr(LINEAGE, name) for name in LINEAGE.__slots__} | {"as_of": datetime(2020, 1, 1)}
    with pytest.raises(ValueError, match=r"'as_of' .* without a time zone"):
        Lineage(**given_)


def test_code_of_a_checkout_has_its_commit_and_says_when_it_was_changed(tmp_path: Path):
    def git(*words: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        return subprocess.run(
            ["git", "-C", tmp_path, *identity, *words], capture_output=True, text=True, check=True
        ).stdout

    def code() -> dict[str, object]:
        environment.source_code.cache_clear()
        return environment.source_code(tmp_path / "package")

    (tmp_path / "package").mkdir()
    file = tmp_path / "package" / "model.py"
    file.write_text("x = 1\n")
    plain = code()
    assert set(plain) == {"sha256"}
    git("init", "-q")
    assert code() == plain, "a folder that git does not track is not that repository's code"
    git("add", "package")
    git("commit", "-qm", "first")
    clean = code()
    assert clean == plain | {"commit": git("rev-parse", "HEAD").strip(), "dirty": False}
    (tmp_path / "elsewhere.txt").write_text("not of the package")
    assert code() == clean
    file.write_text("x = 2\n")
    changed = code()
    assert (changed["commit"], changed["dirty"]) == (clean["commit"], True)
    assert changed["sha256"] != clean["sha256"]


def test_without_git_there_is_no_commit_and_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    environment.source_code.cache_clear()
    assert set(environment.source_code()) == {"sha256"}
    environment.source_code.cache_clear()


def test_the_environment_names_the_libraries_that_decide_numbers():
    found = environment.environment()
    assert {"numpy", "pandas", "lightgbm", "holidays"} <= set(found["distributions"])
    everything = environment.installed()
    assert found["distributions"].items() <= everything.items()
    assert found["distributions_sha256"] == sha256("\n".join(f"{name}=={one}" for name, one in everything.items()))
