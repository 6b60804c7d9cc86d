"""Definition files: what they declare, and what is said of those that can't stand."""

from pathlib import Path

import pytest

from mlops.domain.features import FeatureDefinition
from mlops.errors import BadInput, UnknownName
from mlops.features import FeatureSet, Selection, day_of_week, feature, lag, rolling_mean
from mlops.features.definitions import checked_set, declared

OWN = """
from mlops.features import FeatureSet, Selection, day_of_week, feature, lag

FEATURES = [
    feature("before", source="collection_weight", transformation=lag(1), owner="me", description="a day before"),
    feature("weekday", transformation=day_of_week(), owner="me", description="weekday"),
]
FEATURE_SETS = [FeatureSet("mine", Selection("collection_weight"), tuple(FEATURES))]
"""


def test_the_room_declares_sets_of_declared_features():
    found = declared()
    assert "demand_daily" in found.sets
    for one in found.sets.values():
        assert set(one.names) <= set(found.features)


def test_a_file_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(BadInput, match=r"none\.py: there is no such definition file"):
        declared(tmp_path / "none.py")


def test_a_definition_read_back_from_its_document_is_the_same():
    for one in declared().features.values():
        assert FeatureDefinition.of(one.document) == one
        assert FeatureDefinition.of(one.document).sha256 == one.sha256


def test_only_what_is_declared_enters_the_digest():
    before = {
        "name": "x",
        "dtype": "float64",
        "entity": "series",
        "granularity": "daily",
        "source_metric_types": ("collection_weight",),
        "transformation": "lag(n=1)",
        "owner": "o",
        "description": "d",
    }
    assert FeatureDefinition(**before).sha256[:16] == "3c842e7ba53a178e", (
        "the digest that it had before there were bounds"
    )
    assert FeatureDefinition(**before, max_value=1.0).sha256 != FeatureDefinition(**before).sha256


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FEATURES = [\n  feature(", "mine.py, line 2: doesn't load"),
        ("from mlops.features import lag\n\nlag(0)", "mine.py, line 3: doesn't load: n=0 of lag can't be taken"),
        ("import nothing_like_it", "mine.py, line 1: doesn't load: ModuleNotFoundError"),
        ("FEATURE_SETS = ['a']", "mine.py: FEATURE_SETS is not a list of FeatureSet"),
        (OWN + "FEATURES += FEATURES[:1]", "mine.py: declares two features named 'before'; rename one"),
        (OWN + "FEATURE_SETS *= 2", "mine.py: declares two feature sets named 'mine'; rename one"),
        (OWN.replace('"before"', '"lag_1"'), "'lag_1' is one of the standard features"),
        (OWN.replace("tuple(FEATURES)", "(*FEATURES, FEATURES[0])"), "'mine' has two features named 'before'"),
        (
            OWN.replace("lag(1)", '"lagg(1)"'),
            "line 5: doesn't load: unknown transformation 'lagg'; did you mean 'lag'?",
        ),
        (OWN.replace('"before"', '"Before"'), "feature 'Before' can't be taken as a name"),
        (OWN.replace('"before"', '"y"'), "feature 'y' is a column of every feature set"),
        (OWN.replace('source="collection_weight", ', ""), "name their metric type with source="),
        (OWN.replace('Selection("collection_weight")', 'Selection("x", "hourly")'), "'before' is daily, feature set"),
        (OWN.replace("tuple(FEATURES)", "()"), "'mine' has no features"),
    ],
    ids=lambda value: value[-40:].strip() if "\n" not in value else "file",
)
def test_a_file_that_can_not_stand_is_told_with_its_place(tmp_path: Path, text: str, words: str):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(BadInput) as refused:
        declared(path)
    assert words in str(refused.value)


def test_an_unknown_set_is_told_with_the_nearest(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    with pytest.raises(UnknownName, match="unknown feature set 'mines'; did you mean 'mine'"):
        declared(path).feature_set("mines")


def test_a_feature_of_another_metric_type_may_see_its_own_time():
    def a_set(transformation, source):
        one = feature("x", transformation=transformation, source=source, owner="o", description="d")
        return FeatureSet("s", Selection("collection_weight"), (one,))

    assert checked_set(a_set(rolling_mean(7, lag=0), "container_fill_level"))
    for leaking in (rolling_mean(7, lag=0), "ratio(lag(1), value)", "lag(1, of='revenue') if 0 else 0"):
        with pytest.raises(BadInput):
            checked_set(a_set(leaking, "collection_weight"))
    with pytest.raises(BadInput, match="contains the collection_weight of its own time"):
        checked_set(a_set('ratio(lag(1), value(of="collection_weight"))', "container_fill_level"))


def test_a_whole_place_says_how_its_series_are_put_together():
    def of_route(transformation):
        return feature("x", transformation=transformation, source="revenue", entity="route", owner="o", description="d")

    assert of_route(lag(1, across="sum")).transformation == 'lag(n=1, across="sum")'
    with pytest.raises(BadInput, match="needs across="):
        of_route(lag(1))
    with pytest.raises(BadInput, match="takes no across="):
        feature("x", transformation=lag(1, across="sum"), source="revenue", owner="o", description="d")
    with pytest.raises(BadInput, match="entity 'street' can't be taken; expected series, customer, route"):
        feature("x", transformation=day_of_week(), entity="street", owner="o", description="d")
