"""Checks of arguments; BadInput names the argument, what was given and what is expected."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from mlops.errors import BadInput, nearest

__all__ = ["choice", "either", "fraction", "in_per_cent", "positive", "whole_number"]


def either(name: str, given: Any, also: str, other: Any, default: Any = None) -> Any:
    """An argument that has two names, by whichever it was given (None: it was not); BadInput for both.

    >>> either("horizon", None, "h", 7)
    7
    """
    if given is not None and other is not None:
        raise BadInput(f"{name} and {also} are the same; pass one of them")
    return default if given is None and other is None else other if given is None else given


def in_per_cent(given: Any) -> tuple[int, ...]:
    """Interval levels as whole per cents, in the order given and each once; a single number is one level.

    >>> in_per_cent([80, 95.0]), in_per_cent(90)
    ((80, 95), (90,))
    """
    levels = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]
    for level in levels:
        if not _is_number(level) or not 1 <= level <= 99 or level != int(level):
            share_of_1 = _is_number(level) and 0 < level < 1
            meant = f": {level * 100:g}, not {level:g}" if share_of_1 else ""
            plain = level.item() if isinstance(level, np.generic) else level  # a number of numpy's as Python writes it
            raise BadInput(f"level {plain!r} is refused; levels are whole per cents from 1 to 99{meant}")
    return tuple(dict.fromkeys(int(level) for level in levels))


def choice(what: str, given: object, choices: Iterable[object]) -> None:
    """BadInput unless it is one of the choices."""
    known = tuple(choices)
    if given not in known:
        close = nearest(given, [option for option in known if isinstance(option, str)])
        meant = f"did you mean {close}? " if close else ""
        raise BadInput(f"{what} = {given!r} is unknown; {meant}expected one of {', '.join(map(str, known))}")


def positive(what: str, given: Any) -> None:
    """BadInput unless it is a finite number above 0."""
    if not _is_number(given) or not 0 < given < np.inf:
        raise BadInput(f"{what} = {given!r} is not a number above 0")


def fraction(what: str, given: Any, of: str) -> None:
    """BadInput unless it is a number from 0 to 1."""
    if not _is_number(given) or not 0 <= given <= 1:
        raise BadInput(f"{what} = {given!r} is not a share of {of}, from 0 to 1")


def whole_number(what: str, given: Any, expected: str = "expected ", least: int = 0) -> None:
    """BadInput unless it is a whole number from `least` up."""
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < least:
        raise BadInput(f"{what} = {given!r} is refused; {expected}a whole number from {least} up")


def _is_number(given: Any) -> bool:
    return not isinstance(given, bool) and isinstance(given, int | float | np.number)
