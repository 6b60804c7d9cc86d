"""Options that belong together are one noun: Typer sees its fields, the command gets it whole."""

from dataclasses import dataclass, field
from typing import Annotated

import pytest
import typer

from mlops.cli.options import Data, with_nouns
from mlops.cli.typed import given
from mlops.errors import Misused


@dataclass(frozen=True)
class Places:
    """Where."""

    route: Annotated[str, typer.Argument(help="A route.")]
    depth: Annotated[int, typer.Option(min=0, help="How deep.")] = 1
    names: Annotated[list[str], typer.Option("--name", help="A name; may be repeated.")] = field(default_factory=list)


def called(*words: str) -> tuple[Places, bool]:
    """What a command with that noun gets of a command line."""
    got: list[tuple[Places, bool]] = []
    app = typer.Typer(add_completion=False)

    @app.command()
    @with_nouns
    def command(places: Places, loud: Annotated[bool, typer.Option("--loud", help="Aloud.")] = False) -> None:
        """Go."""
        got.append((places, loud))

    app(list(words), standalone_mode=False)
    return got[0]


def test_a_command_gets_its_noun_made_of_the_options_that_are_its_fields():
    assert called("R1") == (Places("R1", 1, []), False)
    assert called("--name", "a", "R1", "--depth", "3", "--loud", "--name", "b") == (Places("R1", 3, ["a", "b"]), True)


def test_options_of_a_noun_are_checked_as_others_are():
    with pytest.raises(typer.BadParameter):
        called("R1", "--depth", "-1")


def test_what_was_said_of_the_data_is_typed_again_word_by_word():
    data = Data(horizon=14, level="route", labels=["stream=paper"], as_of="last-4w", changes=["trees=5"])
    assert data.words() == (
        *("--as-of", "last-4w", "--set", "trees=5", "--label", "stream=paper"),
        *("--level", "route", "--horizon", "14"),
    )
    assert Data().words() == ()


def test_an_option_that_is_left_out_is_not_checked():
    def refuse(text: str) -> str:
        raise ValueError(f"{text} is refused")

    checked = given(refuse, "--day")
    assert (checked(None), checked("")) == (None, "")
    with pytest.raises(Misused, match=r"^--day: monday is refused$"):
        checked("monday")
