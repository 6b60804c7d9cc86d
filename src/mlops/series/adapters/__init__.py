"""Formats of files: each adapter turns one into chunks of the long format. A new one is one file and one line here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from mlops.errors import BadInput, Misused, UnknownName
from mlops.tables import header

__all__ = [
    "ADAPTERS",
    "AUTO",
    "Adapter",
    "Chunk",
    "adapter",
    "check_source",
    "is_installed",
    "locate",
    "recognise_adapter",
]

ADAPTERS = {
    "long": "mlops.series.adapters.long:chunks",
    "austin": "mlops.series.adapters.austin:chunks",
    "auckland": "mlops.series.adapters.auckland:chunks",
}
GROUPINGS = {"austin": ("stream", "route")}
"""Adapters whose `by` chooses what rows are added up by, and the choices."""
INSTALLED = {"auckland": "mlops.series.adapters.auckland:auckland_path"}
"""Adapters whose data come in a wheel: the adapter's own name stands for the path."""

AUTO = "auto"
"""In place of an adapter's name: the one whose columns the file has."""
SIGNS = {"austin": "mlops.series.adapters.austin:SIGNS", "auckland": "mlops.series.adapters.auckland:SIGNS"}
"""Sets of columns by which a file is known to be an adapter's."""

REFUSED_COLUMNS = ("line", "column_name", "found", "reason", "raw")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows in the long format with their `line` in the file, and the lines that are not even rows."""

    rows: pd.DataFrame
    refused: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(REFUSED_COLUMNS)))
    notes: tuple[str, ...] = ()


class Adapter(Protocol):
    """Reads a file; `by` chooses between the groupings that an adapter offers."""

    def __call__(self, path: Path, *, by: str | None = None) -> Iterator[Chunk]: ...


def adapter(name: str) -> Adapter:
    """The adapter of that name."""
    if name not in ADAPTERS:
        raise UnknownName("adapter", name, ADAPTERS)
    reader: Adapter = _load(ADAPTERS[name])
    return reader


def is_installed(path: Path) -> bool:
    """Whether this is no file, but the name of an adapter whose data come in a wheel."""
    return str(path) in INSTALLED and not path.exists()


def check_source(path: Path, name: str, by: str | None) -> None:
    """That an adapter (AUTO: the one that is recognised) reads this and has the grouping; else what would do."""
    if name != AUTO and name not in ADAPTERS:
        raise UnknownName("adapter", name, (*ADAPTERS, AUTO))
    if is_installed(path) and name not in (AUTO, str(path)):
        raise Misused(f"{path}: no such file; the data of that wheel are read by --adapter {path}")
    if name == AUTO:
        name = str(path) if is_installed(path) else recognise_adapter(path)
    if by is not None and by not in GROUPINGS.get(name, ()):
        if name not in GROUPINGS:
            raise Misused(f"--by {by} groups rows of the adapter {', '.join(GROUPINGS)}; {name} has no groupings")
        raise UnknownName("grouping", by, GROUPINGS[name])


def locate(path: Path | str, name: str) -> Path:
    """The file to read; the name of an adapter whose data come in a wheel stands for that file."""
    found = Path(path)
    if not found.exists() and str(path) in INSTALLED and name in (AUTO, str(path)):
        find: Callable[[], Path] = _load(INSTALLED[str(path)])
        return find()
    if not found.is_file():
        hint = f"; for the data of the wheel use the adapter {str(path)!r}" if str(path) in INSTALLED else ""
        missing = f"no such file; a path is looked up from {Path.cwd()}"
        what = "is a folder, not a file; name a file in it" if found.is_dir() else missing
        raise Misused(what + hint, where=str(path))
    return found


def recognise_adapter(path: Path) -> str:
    """The adapter whose columns a file has; `long` for any other, which says what is missing."""
    try:
        names = set(header(path))
    except (BadInput, OSError, ValueError):
        return "long"  # it refuses the file with the reason
    for name, target in SIGNS.items():
        signs: tuple[frozenset[str], ...] = _load(target)
        if any(columns <= names for columns in signs):
            return name
    return "long"


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)
