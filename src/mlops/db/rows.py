"""Rows of queries as frozen dataclasses, built by the names of their columns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

__all__ = ["as_rows", "column_faults"]

T = TypeVar("T")


def as_rows(of: Callable[..., T], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[T]:
    """Each row as an `of`, a dataclass with a field for each column; TypeError when columns and fields differ."""
    make = _maker(of, tuple(columns))
    return [make(row) for row in rows]


def column_faults(of: type, columns: Sequence[str]) -> str | None:
    """How these columns differ from what the dataclass takes; a field with a default may have no column."""
    if not is_dataclass(of):
        return f"{of.__name__} is no dataclass"
    taken = {field.name: field for field in fields(of) if field.init}
    needed = [name for name, field in taken.items() if field.default is MISSING and field.default_factory is MISSING]
    faults = {
        "gives it twice": sorted({name for name in columns if columns.count(name) > 1}),
        f"gives what {of.__name__} does not have": [name for name in columns if name not in taken],
        f"does not give what {of.__name__} needs": [name for name in needed if name not in columns],
    }
    return "; ".join(f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names) or None


@cache
def _maker(of: Callable[..., T], columns: tuple[str, ...]) -> Callable[[Sequence[Any]], T]:
    assert isinstance(of, type)
    if fault := column_faults(of, columns):
        raise TypeError(f"the query {fault}")
    if columns == tuple(field.name for field in fields(of) if field.init and not field.kw_only):
        return lambda row: of(*row)
    return lambda row: of(**dict(zip(columns, row, strict=True)))
