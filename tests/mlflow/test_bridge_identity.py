"""Which row of the mirror a model is: laws of the decision, without a database."""

from hypothesis import given
from hypothesis import strategies as st

from mlops.tracking.bridge.sync import MirroredModel, RegistryModel, recognise

TIMES = st.integers(1, 3)
VERSIONS = st.dictionaries(st.integers(1, 3), st.integers(1, 4), max_size=3)
SEEN = st.lists(
    st.builds(RegistryModel, st.sampled_from("abcd"), TIMES, VERSIONS), unique_by=lambda one: one.name, max_size=4
)
KNOWN = st.lists(
    st.builds(MirroredModel, st.integers(1, 9), st.sampled_from("abcd"), TIMES, VERSIONS, st.booleans()),
    unique_by=lambda one: one.model_id,
    max_size=5,
)


@given(SEEN, KNOWN)
def test_a_row_is_one_model_and_was_made_when_that_was(seen, known):
    found = recognise(seen, known)
    assert len(set(found.values())) == len(found)
    made = {one.name: one.created_at for one in seen}
    rows = {one.model_id: one for one in known}
    assert all(made[name] == rows[row].created_at for name, row in found.items())


@given(SEEN, KNOWN)
def test_no_number_has_two_times_within_a_row(seen, known):
    versions = {one.name: one.versions for one in seen}
    rows = {one.model_id: one.versions for one in known}
    for name, row in recognise(seen, known).items():
        both = versions[name].keys() & rows[row].keys()
        assert all(versions[name][number] == rows[row][number] for number in both)


@given(SEEN, KNOWN, st.randoms(use_true_random=False))
def test_the_order_of_reading_decides_nothing(seen, known, random):
    mixed = random.sample(seen, len(seen)), random.sample(known, len(known))
    assert recognise(*mixed) == recognise(seen, known)


@given(KNOWN.filter(lambda known: all(one.live for one in known)))
def test_what_did_not_change_is_recognised_under_any_names(known):
    """Rows that can be told apart by their versions are found again, however their names were exchanged."""
    told_apart = [
        one
        for one in known
        if one.versions
        and not any(
            other is not one
            and other.created_at == one.created_at
            and set(other.versions.items()) & set(one.versions.items())
            for other in known
        )
    ]
    seen = [RegistryModel(f"new name {one.model_id}", one.created_at, one.versions) for one in told_apart]
    found = recognise(seen, known)
    assert found == {f"new name {one.model_id}": one.model_id for one in told_apart}


def test_of_two_models_of_one_ms_that_exchanged_names_the_versions_decide():
    known = [MirroredModel(1, "a", 0, {1: 10}, True), MirroredModel(2, "b", 0, {1: 20, 2: 30}, True)]
    assert recognise([RegistryModel("a", 0, {1: 20, 2: 30}), RegistryModel("b", 0, {1: 10})], known) == {"a": 2, "b": 1}


def test_without_versions_the_name_decides_and_a_live_row_goes_before_a_tombstone():
    known = [
        MirroredModel(1, "a", 0, {}, False),
        MirroredModel(2, "a", 0, {}, True),
        MirroredModel(3, "b", 0, {}, True),
    ]
    assert recognise([RegistryModel("b", 0, {}), RegistryModel("a", 0, {})], known) == {"a": 2, "b": 3}


def test_a_number_from_another_time_means_another_model():
    assert recognise([RegistryModel("a", 0, {1: 11})], [MirroredModel(1, "a", 0, {1: 10}, True)]) == {}
