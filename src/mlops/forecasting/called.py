"""Series by what people call them: a name, or an id as a number or a text."""

from collections.abc import Iterable, Mapping
from typing import Any

from mlops.errors import BadInput, UnknownName

__all__ = ["ids_of"]


def ids_of(series: Iterable[Any], known: Mapping[Any, str]) -> dict[Any, Any]:
    """The id of each of the series, by what it is called: its name, or its id (also as text); a name counts first.

    `known` has the names of all by their ids. Raises UnknownName with the nearest, and BadInput for a name that several
    have.

    >>> ids_of(["R1", 4, "4"], {3: "R1", 4: "R2"})
    {'R1': 3, 4: 4, '4': 4}
    """
    by_name: dict[str, list[Any]] = {}
    for one, name in known.items():
        by_name.setdefault(name, []).append(one)
    by_text = {str(one): one for one in known}
    found = {}
    for one in series:
        named = by_name.get(one, []) if isinstance(one, str) else []
        if len(named) > 1:
            ids = ", ".join(map(str, named))
            raise BadInput(f"{len(named)} series are named {one!r}; say which by its id: {ids}")
        if not named and str(one) not in by_text:
            raise UnknownName("series", one, known.values(), stored=True)
        found[one] = named[0] if named else by_text[str(one)]
    return found
