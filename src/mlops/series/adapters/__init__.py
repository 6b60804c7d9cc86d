"""Formats of files: each adapter turns one into chunks of the long format. A new one is one file and one line here."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from mlops.errors import Misused, UnknownName

__all__ = ["ADAPTERS", "Adapter", "Chunk", "adapter", "locate"]

ADAPTERS = {
    "long": "mlops.series.adapters.long:chunks",
    "austin": "mlops.series.adapters.austin:chunks",
    "auckland": "mlops.series.adapters.auckland:chunks",
}
GROUPINGS = {"austin": ("stream", "route")}
"""Adapters whose `by` chooses what rows are added up by, and the choices."""
INSTALLED = {"auckland": "mlops.series.adapters.auckland:auckland_path"}
"""Adapters whose data come in a wheel: the adapter's own name stands for the path."""

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


def locate(path: Path | str, name: str) -> Path:
    """The file to read; the name of an adapter whose data come in a wheel stands for that file."""
    found = Path(path)
    if not found.exists() and str(path) == name and name in INSTALLED:
        find: Callable[[], Path] = _load(INSTALLED[name])
        return find()
    if not found.is_file():
        hint = f"; for the data of the wheel use the adapter {str(path)!r}" if str(path) in INSTALLED else ""
        missing = f"no such file; a path is looked up from {Path.cwd()}"
        what = "is a folder, not a file; name a file in it" if found.is_dir() else missing
        raise Misused(what + hint, where=str(path))
    return found


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)
