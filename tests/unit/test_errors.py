"""What a sentence names: what was meant, what was typed, and nothing that steers a terminal."""

import pickle
from zoneinfo import available_timezones

import pytest

from mlops import errors
from mlops.errors import BadHorizon, BadInput, Misused, MlopsError, UnknownName, nearest, quoted, typed, visible

NAMES = ("lightgbm", "prophet", "num_leaves", "weekly", "daily", "Pacific/Auckland", "America/New_York", "route_count")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("numm_leaves", "num_leaves"),
        ("num-leaves", "num_leaves"),
        ("LightGBM", "lightgbm"),
        ("lgbm", "lightgbm"),
        ("auckland", "Pacific/Auckland"),
        ("new york", "America/New_York"),
        ("week", "weekly"),
        ("xyz", None),
        ("", None),
        ("l", None),
        ("prophet" * 10_000, None),
    ],
    ids=lambda text: str(text)[:20],
)
def test_the_nearest_name_is_found_whatever_its_case_and_marks(typed: str, meant: str | None):
    assert nearest(typed, NAMES) == meant


def test_of_several_that_a_beginning_fits_the_one_that_is_spelled_most_alike_is_offered():
    assert nearest("route", ["route_count", "route_id"]) == "route_id"
    assert nearest("NZL", ["NZ", "AU"], {"NZL": "NZ", "New Zealand": "NZ"}) == "NZ"


def test_every_zone_is_found_by_its_place_when_the_place_is_alone():
    zones = sorted(available_timezones())
    assert nearest("berlin", zones) == "Europe/Berlin"
    assert nearest("Europe/Berlinn", zones) == "Europe/Berlin"


def test_an_unknown_name_lists_few_and_counts_the_rest():
    some = str(UnknownName("country", "N", [f"C{number}" for number in range(40)]))
    assert some.endswith("… and 10 more")
    assert str(UnknownName("country", "C400", [f"C{number}" for number in range(40)])).endswith("40 are known")
    assert len(str(UnknownName("kind", "x" * 10**6, ["a"]))) < 250


def test_the_exit_code_says_whose_fault_it_is():
    assert [error.exit_code for error in (Misused("x"), UnknownName("kind", "x", []), BadHorizon(0, 9))] == [2, 2, 2]
    assert UnknownName("series", 9, [], stored=True).exit_code == 1
    assert BadInput("x", where="rows.csv", line=2).exit_code == MlopsError.exit_code == 1
    again = pickle.loads(pickle.dumps(UnknownName("series", 9, [], stored=True)))
    assert again.exit_code == 1, "a worker's error keeps it"
    assert set(errors.__all__) >= {one.__name__ for one in MlopsError.__subclasses__()}


def test_what_is_wrong_with_a_typed_value_is_misused_and_names_its_option():
    with pytest.raises(Misused, match=r"^--set: trees is 0$"), typed("--set"):
        raise BadInput("trees is 0")
    with pytest.raises(BadInput, match=r"params\.toml: ") as raised, typed("--set"):
        raise BadInput("is no TOML", where="params.toml")
    assert raised.value.exit_code == 1, "what a file holds was not typed"


def test_nothing_in_a_sentence_steers_the_terminal():
    assert visible("R\x1b[2J\u202e\x9b名\u200d\n") == "R\\x1b[2J\\u202e\\x9b名\u200d\\n"
    assert visible("a\nb\t", but="\n\t") == "a\nb\t"
    assert quoted("é" * 500).endswith("… (500 characters)")
