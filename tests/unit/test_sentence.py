"""What people write is kept in one line, or refused with what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.domain.sentence import LONGEST, sentence


@given(st.text(st.characters(codec=None), max_size=30))
def test_what_is_kept_is_one_line_of_text_and_kept_as_it_is(text: str):
    try:
        told = sentence("reason", text)
    except ValueError:
        return
    assert told.splitlines() == [told]
    assert sentence("reason", told) == told
    assert told.encode().decode() == told
    assert "\0" not in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" \n ", "the reason is empty"),
        ("a\x1b[31mred", "leave control characters out"),
        ("a\udcffb", r"is no text \(UTF-8\)"),
        ("x" * (LONGEST + 1), "has 5,001 characters; at most 5,000"),
    ],
    ids=["empty", "control", "broken", "long"],
)
def test_what_can_not_be_kept_is_refused(text: str, words: str):
    with pytest.raises(ValueError, match=words):
        sentence("reason", text)
