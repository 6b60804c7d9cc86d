"""Everything that can be refused, drawn once.

    MlopsError
    ├── BadInput            a file, row or value that can't be taken (ValueError)
    │   └── Misused         … because of what was typed                                        exit 2
    ├── UnknownName         a kind, adapter, metric type … that nobody declared (LookupError)  exit 2
    ├── BadHorizon          a horizon that is not a whole number in range (ValueError)         exit 2
    ├── HistoryTooShort     a series with too few observations (ValueError)
    ├── NothingToDo         nothing to train on, to predict or to review
    ├── ModelNotFound       a registry URI that leads nowhere (LookupError)
    ├── DatabaseUnavailable the server can't be reached or started
    ├── NotMigrated         the schema is missing or of another version
    └── Refused             an act that the current state does not allow

Each message says what was found and what would do; the facts stay on the error as attributes.
The command line prints the message, exits with `exit_code` and shows a traceback only with ``--debug``.

The exit code says where the fault is. 2: in what was typed (an option, a name that nobody declared, a path that leads
nowhere, a variable MLOPS_…), which no data can make right; it is found before data are read. 1: in what was found (a
file's rows, a version or series that is not stored, a gate, a server, a disk); the same command may work tomorrow.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

__all__ = [
    "BadHorizon",
    "BadInput",
    "DatabaseUnavailable",
    "HistoryTooShort",
    "Misused",
    "MlopsError",
    "ModelNotFound",
    "NotMigrated",
    "NothingToDo",
    "Refused",
    "UnknownName",
    "nearest",
    "quoted",
    "typed",
    "visible",
]

LISTED, SHOWN = 30, 120
"""How many choices a message lists, and how many characters of what was typed it repeats. Chosen, not measured."""
ALIKE = 0.65
"""How like a name must be to be the one that was meant, of difflib's ratio; `lgbm` is 0.67 of `lightgbm`."""
TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Classes of characters that turn the direction of the text after them."""


class MlopsError(Exception):
    """Something was refused, with a reason that a person can act on."""

    exit_code: int = 1
    """2 where the fault is in what was typed."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Workers hand it on as it is: the message is not made again from itself."""
        return _as_it_was, (type(self), self.args, vars(self))


def _as_it_was(kind: type[MlopsError], args: tuple[Any, ...], state: dict[str, Any]) -> MlopsError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class BadInput(MlopsError, ValueError):
    """A file, row or value that can't be taken."""

    def __init__(self, message: str, *, where: str = "", line: int | None = None) -> None:
        self.where, self.line = where, line
        place = where + (f", line {line}" if line is not None else "")
        super().__init__(f"{place}: {message}" if place else message)


class Misused(BadInput):
    """What was typed can't be taken, whatever is stored."""

    exit_code = 2


class UnknownName(MlopsError, LookupError):
    """A name that nobody declared, or (`stored`) of something that comes and goes and is not there.

    `known_as` gives further names by which a choice is known: of a country its English name. `hint` says what else
    would do.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        name: object,
        choices: Iterable[str],
        *,
        known_as: Mapping[str, str] | None = None,
        stored: bool = False,
        hint: str = "",
    ) -> None:
        self.what, self.name, self.choices = what, name, tuple(sorted(set(choices)))
        if stored:
            self.exit_code = 1
        close = nearest(name, self.choices, known_as)
        meant = f"did you mean {close!r}? " if close else ""
        more = len(self.choices) - LISTED
        shown = ", ".join(map(visible, self.choices[:LISTED])) + (f", … and {more:,} more" if more > 0 else "")
        known = f"{len(self.choices):,} are known" if close and more > 0 else f"known: {shown or 'none'}"
        super().__init__(f"unknown {what} {quoted(name)}; {meant}{known}{f'; {hint}' if hint else ''}")


class BadHorizon(MlopsError, ValueError):
    """A horizon that is not a whole number in range."""

    exit_code = 2

    def __init__(self, horizon: object, most: int) -> None:
        self.horizon, self.most = horizon, most
        super().__init__(f"horizon {horizon!r} is refused; it must be a whole number from 1 to {most}")


class HistoryTooShort(MlopsError, ValueError):
    """A series with too few observations; `hint` says what would do."""

    def __init__(self, series_id: object, got: int, need: int, *, hint: str = "") -> None:
        self.series_id, self.got, self.need = series_id, got, need
        whose = repr(series_id) if isinstance(series_id, str) else str(series_id)
        super().__init__(f"series {whose} has {got} observations; {need} are needed{f'; {hint}' if hint else ''}")


class NothingToDo(MlopsError):
    """There is nothing to train on, to predict or to review; `retry_with` are options with which there may be."""

    def __init__(self, message: str, *, retry_with: tuple[str, ...] = ()) -> None:
        self.retry_with = retry_with
        super().__init__(message)


class ModelNotFound(MlopsError, LookupError):
    """A registry URI that leads nowhere."""


class DatabaseUnavailable(MlopsError, ConnectionError):
    """The database server can't be reached or started."""


class NotMigrated(MlopsError):
    """The schema is missing or of another version."""

    def __init__(self, found: str | None, want: str, *, newer: bool = False, development: bool = False) -> None:
        self.found, self.want, self.newer, self.development = found, want, newer, development
        if development:
            super().__init__(
                f"the database is at schema version {found} of a development version before 0.1.0, which can't be"
                " migrated; nothing was changed; export the observations with the version that made it"
                " (`mlops series export`) and `mlops series ingest` them into a new database"
            )
        elif newer:
            super().__init__(
                f"the database is at schema version {found}, this program knows versions up to {want}; nothing was"
                " changed; upgrade the program to the release that made the schema (`mlops --version` there)"
            )
        else:
            super().__init__(
                f"the database is at schema version {found or 'none'}, this program needs {want};"
                " run `mlops db upgrade`"
            )


class Refused(MlopsError):
    """An act that the current state does not allow."""


@contextmanager
def typed(option: str = "") -> Iterator[None]:
    """What is refused inside was typed, as the value of `option`: BadInput and ValueError become Misused.

    What a file holds (BadInput that says where) was not.
    """
    try:
        yield
    except (Misused, UnknownName, BadHorizon):
        raise
    except ValueError as error:
        if isinstance(error, BadInput) and error.where:
            raise
        raise Misused(f"{option}: {error}" if option else str(error)) from error


def nearest(name: object, choices: Iterable[str], known_as: Mapping[str, str] | None = None) -> str | None:
    """The choice that a mistyped name most likely means, or None where nothing is like it.

    Neither case nor what parts words makes a difference; a part of the name (`Auckland`), or its beginning, is enough
    where it fits one choice. `known_as` maps further names to choices.
    """
    meant = {_plain(choice): choice for choice in reversed(tuple(choices))}
    meant |= {_plain(other): choice for other, choice in (known_as or {}).items() if _plain(other) not in meant}
    wanted = _plain(str(name)[:SHOWN])
    if len(wanted) < 2:
        return meant.get(wanted)
    # the name, a part of it, its beginning
    ways: tuple[Callable[[str], bool], ...] = (
        lambda plain: plain == wanted,
        lambda plain: plain.endswith(f" {wanted}") or plain.startswith(f"{wanted} "),
        lambda plain: plain.startswith(wanted),
    )
    for fits in ways:
        fitting = {choice for plain, choice in meant.items() if fits(plain)}
        if len(fitting) == 1:
            return fitting.pop()
    close = get_close_matches(wanted, meant, n=1, cutoff=ALIKE)
    return meant[close[0]] if close else None


def quoted(given: object) -> str:
    """What was typed, in quotes and short enough for a sentence; what no terminal shows is written as its code."""
    text = str(given)
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}… ({len(text):,} characters)"


def visible(text: str, but: str = "") -> str:
    """A text in which nothing steers the terminal that shows it: control characters, those in `but` apart, as codes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character in but or not _steers(character) else ascii(character)[1:-1] for character in text
    )


def _steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in TURNS


def _plain(text: str) -> str:
    return " ".join(re.split(r"[\W_]+", text.casefold())).strip()
