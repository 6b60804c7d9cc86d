"""Tables in a terminal: as wide as it is, numbers to the right, nothing lost; and one default horizon, told by help."""

from io import StringIO

import pytest

from mlops.cli.options import USUAL
from mlops.cli.output import Terminal, table
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import BadInput, UnknownName
from mlops.series.names import find

LONG = "a site with a name that is longer than most others of its kind"


def printed(**options: object) -> list[str]:
    """A table of names and numbers."""
    shown = table("series", "last", "observations", "share", "range")
    shown.add_row(LONG, "2025-12-31", "1,234,567", "9.5%", "12 to 1,400.5")
    shown.add_row("short", "", "7", "-12.5%", "1 to 2")
    out = StringIO()
    Terminal(file=out, **options).print(shown)
    return out.getvalue().splitlines()


def test_numbers_are_read_from_their_right_end_and_words_from_their_left():
    header, first, second = printed()
    assert first.startswith(LONG)
    assert second.startswith("short ")
    for column in ("observations", "share", "range"):
        end = header.index(column) + len(column)
        assert first[end - 1] != " "
        assert second[end - 1] != " "


def test_a_table_keeps_to_the_terminal_and_loses_nothing():
    lines = printed(width=80)
    assert max(map(len, lines)) <= 80
    words = " ".join(lines).split()
    assert {"1,234,567", "2025-12-31", "-12.5%", "1,400.5", *LONG.split()} <= set(words)


def test_what_no_terminal_shows_is_not_wrapped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert len(printed()) == 3
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, printed())) <= 60


def test_the_help_of_a_horizon_says_what_each_granularity_takes():
    words = {"hourly": "hours", "daily": "days", "business_daily": "business days", "weekly": "weeks"}
    words |= {"monthly": "months", "quarterly": "quarters", "yearly": "years"}
    said = (f"{one.horizon} {words.get(name, 'of ' + name)}" for name, one in GRANULARITIES.items())
    assert ", ".join(said) == USUAL


def test_a_series_is_found_by_name_or_id_and_a_name_counts_first():
    known = {1: "North", 2: "South", 3: "1", 4: "East", 5: "East"}
    assert [find(text, known) for text in ("South", "2", "1", "5")] == [2, 2, 3, 5]
    with pytest.raises(UnknownName, match="did you mean 'North'"):
        find("Nort", known)
    with pytest.raises(BadInput, match="2 series are named 'East'; say which by its id: 4, 5"):
        find("East", known)
