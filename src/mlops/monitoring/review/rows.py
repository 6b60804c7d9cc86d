"""Rows of queries as dataclasses, and by what they are about. Pure."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Row", "all_of", "by", "grouped", "one_of"]

Row = Mapping[str, Any]
T = TypeVar("T", bound="DataclassInstance")
K = TypeVar("K", bound=Hashable)


def one_of(shape: type[T], row: Row, /, **more: Any) -> T:
    """A dataclass from the columns of a row that are its fields, and from what else is given."""
    return shape(**{field.name: row[field.name] for field in fields(shape) if field.name in row} | more)


def all_of(shape: type[T], rows: Sequence[Row]) -> tuple[T, ...]:
    """A dataclass for each row."""
    return tuple(one_of(shape, row) for row in rows)


def by(rows: Sequence[Row], key: Callable[[Row], K]) -> dict[K, Row]:
    """The one row of each key."""
    return {key(row): row for row in rows}


def grouped(rows: Sequence[Row], column: str) -> dict[Any, list[Row]]:
    """The rows of each value of a column, in their order."""
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return dict(found)
