"""Series are found by name or by id, which may be a number or text. Saved models import `ids_of` from here."""

from collections.abc import Iterable, Mapping
from typing import Any

from mlops.errors import BadInput, UnknownName

__all__ = ["ids_of"]


def ids_of(series: Iterable[Any], known: Mapping[Any, str]) -> dict[Any, Any]:
    """The id of each of the series, given its name or its id (also as text); a name is looked for first.

    `known` has the names of all by their ids. Raises UnknownName with the nearest, and BadInput for a name that several
    have.

    >>> ids_of(["R1", 4, "4"], {3: "R1", 4: "R2"})
    {'R1': 3, 4: 4, '4': 4}
    """
    by_name: dict[str, list[Any]] = {}
    for series_id, name in known.items():
        by_name.setdefault(name, []).append(series_id)
    by_text = {str(series_id): series_id for series_id in known}
    called = {}
    for text in series:
        named = by_name.get(text, []) if isinstance(text, str) else []
        if len(named) > 1:
            ids = ", ".join(map(str, named))
            raise BadInput(f"{len(named)} series are named {text!r}; say which by its id: {ids}")
        if not named and str(text) not in by_text:
            raise UnknownName("series", text, known.values(), stored=True)
        called[text] = named[0] if named else by_text[str(text)]
    return called
