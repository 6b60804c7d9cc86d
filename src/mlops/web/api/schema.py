"""What OpenAPI says of an answer: the JSON Schema of the dataclass that it is, so that the two can't differ."""

import dataclasses
import inspect
import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

__all__ = ["json_schema", "page_of"]

Schema = dict[str, Any]
PLAIN: Mapping[Any, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    type(None): {"type": "null"},
}


def page_of(row: type) -> Schema:
    """Of a page of rows: `as_of` is the time whose knowledge they have, `next` the cursor of those after them."""
    properties = {
        "as_of": PLAIN[datetime],
        "rows": {"type": "array", "items": json_schema(row)},
        "next": {"type": ["string", "null"], "description": "The cursor of the next page; null on the last one."},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


@cache
def json_schema(kind: Any) -> Schema:
    """Of a type: dataclasses and typed dicts are objects of their fields; what has no known type may be anything."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _either([json_schema(one) for one in inner])
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is NotRequired:
        return json_schema(inner[0])
    if origin in (list, tuple, Sequence, set, frozenset):
        return {"type": "array", "items": json_schema(inner[0]) if inner else {}}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": json_schema(inner[1])}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _object(kind, [field.name for field in dataclasses.fields(kind)])
    if is_typeddict(kind):
        return _object(kind, sorted(kind.__required_keys__))
    return {}


def _object(kind: type, required: list[str]) -> Schema:
    properties = {name: json_schema(hint) for name, hint in get_type_hints(kind).items()}
    if dataclasses.is_dataclass(kind):
        properties = {name: properties[name] for name in required}
    said = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    return {
        "title": kind.__name__,
        "description": said,
        "type": "object",
        "properties": properties,
        "required": required,
    }


def _either(kinds: list[Schema]) -> Schema:
    """One of several; where all are plain types, in one word."""
    if all(set(one) == {"type"} for one in kinds):
        return {"type": [one["type"] for one in kinds]}
    return {"anyOf": kinds}
