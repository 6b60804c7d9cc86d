"""One table of a policy file: its options by name and type, what it may not have, and where it stands."""

import math
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, TypeVar, get_type_hints

from mlops.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Section"]

T = TypeVar("T", bound="DataclassInstance")
EXPECTED: dict[object, str] = {
    str: "a text",
    float: "a number",
    int: "a whole number above 0",
    bool: "true or false",
    tuple[str, ...]: "a list of texts",
}


@dataclass(frozen=True, slots=True)
class Section:
    """The options of `[name]` in a file. Everything that is wrong with them is BadInput that names file and section."""

    file: str
    name: str
    options: Mapping[str, object]

    @property
    def where(self) -> str:
        """The place that messages name."""
        return f"{self.file}, [{self.name}]" if self.name else self.file

    def section(self, name: str) -> "Section":
        """A table within this one, empty where there is none."""
        full = f"{self.name}.{name}" if self.name else name
        table = self.options.get(name, {})
        if not isinstance(table, dict):
            raise BadInput(f"{table!r} is not a table", where=f"{self.file}, [{full}]")
        return Section(self.file, full, table)

    def allow(self, names: Collection[str], what: str = "option") -> None:
        """Refuse what is none of these names."""
        for name in self.options:
            if name not in names:
                raise BadInput(str(UnknownName(what, name, names)), where=self.where)

    def read(self, shape: type[T], *, others: Collection[str] = (), **given: object) -> T:
        """The section as a dataclass: its fields are the options, and those without a default have to be there.

        `given` are fields that are no options, `others` options that are no fields. Options are checked by the fields'
        types, and by the dataclass itself.
        """
        types = get_type_hints(shape)
        wanted = [field for field in fields(shape) if field.name not in given]
        self.allow({*others, *(field.name for field in wanted)})
        for field in wanted:
            if field.name in self.options or field.default is MISSING:
                given[field.name] = self.value(field.name, types[field.name])
        try:
            return shape(**given)
        except BadInput as error:
            raise BadInput(str(error), where=self.where) from None

    def number(self, name: str) -> float:
        """An option that is a finite number."""
        value = self._given(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise self._unexpected(name, float)

    def text(self, name: str) -> str:
        """An option that is a text with something in it that can be printed on one line."""
        value = self._given(name)
        if _is_text(value):
            return str(value)
        raise self._unexpected(name, str)

    def value(self, name: str, kind: object) -> object:
        """An option of a type: str, float, int, bool or tuple[str, ...]; whole numbers are above 0."""
        value = self._given(name)
        if kind is float:
            return self.number(name)
        if kind is str:
            return self.text(name)
        if kind is bool and isinstance(value, bool):
            return value
        if kind is int and isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if kind == tuple[str, ...] and isinstance(value, list) and all(map(_is_text, value)):
            return tuple(value)
        raise self._unexpected(name, kind)

    def _given(self, name: str) -> object:
        if name not in self.options:
            raise BadInput(f"has no {name!r}", where=self.where)
        return self.options[name]

    def _unexpected(self, name: str, kind: object) -> BadInput:
        return BadInput(f"{name} is {self.options[name]!r}; expected {EXPECTED[kind]}", where=self.where)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()
