"""Everything that can be refused, drawn once.

    MlopsError
    ├── BadInput            a file, row or value that can't be taken (ValueError)
    ├── UnknownName         a kind, adapter, series, feature … that nobody declared (LookupError)
    ├── BadHorizon          a horizon that is not a whole number in range (ValueError)
    ├── HistoryTooShort     a series with too few observations (ValueError)
    ├── NothingToDo         nothing to train on, to predict or to review
    ├── ModelNotFound       a registry URI that leads nowhere (LookupError)
    ├── DatabaseUnavailable the server can't be reached or started
    ├── NotMigrated         the schema is missing or of another version
    └── Refused             an act that the current state does not allow

Each message says what was found and what would do; the facts stay on the error as attributes.
The command line prints the message, exits with 1 and shows a traceback only with ``--debug``.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

__all__ = [
    "BadHorizon",
    "BadInput",
    "DatabaseUnavailable",
    "HistoryTooShort",
    "MlopsError",
    "ModelNotFound",
    "NotMigrated",
    "NothingToDo",
    "Refused",
    "UnknownName",
]


class MlopsError(Exception):
    """Something was refused, with a reason that a person can act on."""

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


class UnknownName(MlopsError, LookupError):
    """A name that nobody declared."""

    def __init__(self, what: str, name: object, choices: Iterable[str]) -> None:
        self.what, self.name, self.choices = what, name, tuple(sorted(choices))
        close = get_close_matches(str(name), self.choices, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        shown = ", ".join(self.choices[:30]) + (", …" if len(self.choices) > 30 else "")
        super().__init__(f"unknown {what} {str(name)!r}; {hint}known: {shown or 'none'}")


class BadHorizon(MlopsError, ValueError):
    """A horizon that is not a whole number in range."""

    def __init__(self, horizon: object, most: int) -> None:
        self.horizon, self.most = horizon, most
        super().__init__(f"horizon {horizon!r} is refused; it must be a whole number from 1 to {most}")


class HistoryTooShort(MlopsError, ValueError):
    """A series with too few observations."""

    def __init__(self, series_id: object, got: int, need: int) -> None:
        self.series_id, self.got, self.need = series_id, got, need
        whose = repr(series_id) if isinstance(series_id, str) else str(series_id)
        super().__init__(f"series {whose} has {got} observations; {need} are needed")


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

    def __init__(self, found: str | None, want: str, *, newer: bool = False) -> None:
        self.found, self.want, self.newer = found, want, newer
        if newer:
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
