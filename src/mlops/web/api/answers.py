"""How the read API answers: pages of rows as JSON, CSV or an Arrow stream, with an ETag.

Rows are frozen dataclasses; what they hold is what OpenAPI describes. Times carry their zone, what is no number is
null.
"""

import csv
import io
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from functools import cache
from hashlib import blake2b
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
from fastapi import Request
from fastapi.responses import Response

from mlops.web.api.schema import json_schema, page_of

__all__ = ["ARROW", "CSV", "JSON", "Documented", "answer", "document_of", "objects", "page", "pages_of", "records"]

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
FORMATS = {"json": JSON, "csv": CSV, "arrow": ARROW}
TYPES: Mapping[Any, pa.DataType] = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
    date: pa.date32(),
}
OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
UNCHANGED = {"description": "The ETag is that of If-None-Match: nothing has changed."}
T = TypeVar("T")
Documented = dict[int | str, dict[str, Any]]


def page(
    request: Request, rows: Sequence[Any], of: type, *, as_of: datetime, form: str | None = None, following: str | None
) -> Response:
    """Rows (each an `of`) in the format that is asked for; 304 where the client has them already."""
    content, kind = _written(request, rows, of, form or "")
    body = content
    if kind == JSON:
        head = orjson.dumps({"as_of": as_of, "next": following}, option=OPTIONS)
        body = head[:-1] + b',"rows":' + content + b"}"
    headers = {"X-As-Of": as_of.astimezone(UTC).isoformat(), "Vary": "Accept"}
    if following is not None:
        headers["Link"] = f'<{request.url.include_query_params(cursor=following)}>; rel="next"'
    return _tagged(request, body, kind, headers, content + (following or "").encode())


def answer(request: Request, document: Any) -> Response:
    """One document (a dataclass, or a mapping) as JSON; 304 where the client has it already."""
    body = orjson.dumps(document, default=_plain, option=OPTIONS)
    return _tagged(request, body, JSON, {}, body)


def document_of(kind: Any) -> Documented:
    """What OpenAPI says of an answer that is one document."""
    return {200: {"description": "As asked.", "content": {JSON: {"schema": json_schema(kind)}}}, 304: UNCHANGED}


def pages_of(row: type) -> Documented:
    """What OpenAPI says of an answer that is a page of rows, which can be had as CSV and as an Arrow stream, too."""
    text = {"schema": {"type": "string"}}
    content = {JSON: {"schema": page_of(row)}, CSV: text, ARROW: text}
    return {200: {"description": "As asked.", "content": content}, 304: UNCHANGED}


def records(frame: pd.DataFrame, of: type[T]) -> list[T]:
    """The rows of a frame as dataclasses, by the names of the columns; naive times are UTC, NaN and NaT become None."""
    columns, kind = [], cast(Any, of)
    for column in _columns(kind):
        values = _values(frame[column.name])
        columns.append([None if value is None else int(value) for value in values] if column.type is int else values)
    return [of(*row) for row in zip(*columns, strict=True)]


def objects(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame whose columns depend on what was asked; naive times are UTC, NaN and NaT become None."""
    columns = {name: _values(frame[name]) for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a row as it is written in a table: as a value of its type, or (where a table has no such) as JSON."""

    name: str
    type: Any

    @property
    def kind(self) -> pa.DataType:
        """Arrow's type."""
        return TYPES.get(self.type, pa.string())

    def of(self, rows: Sequence[Any]) -> list[Any]:
        """Its values."""
        values = [getattr(row, self.name) for row in rows]
        if self.type in TYPES:
            return [None if _missing(value) else value for value in values]
        return [None if value is None else orjson.dumps(value, default=_plain).decode() for value in values]


@cache
def _columns(of: Any) -> tuple[Column, ...]:
    hints = get_type_hints(of)
    return tuple(Column(field.name, _type(hints[field.name])) for field in fields(of))


def _type(hint: Any) -> Any:
    """The one type of a value that may be missing; of several texts `str`."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    return str if get_origin(hint) is Literal else hint


def _written(request: Request, rows: Sequence[Any], of: type, form: str) -> tuple[bytes, str]:
    """The rows and their content type: as `form` says, else as `Accept` prefers, else as JSON."""
    accepted = [part.partition(";")[0].strip() for part in request.headers.get("accept", "").lower().split(",")]
    kind = FORMATS.get(form) or next((given for given in accepted if given in FORMATS.values()), JSON)
    if kind == JSON:
        return orjson.dumps(rows, default=_plain, option=OPTIONS), kind
    columns = _columns(of)
    if kind == CSV:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        writer.writerows(zip(*([_text(value) for value in column.of(rows)] for column in columns), strict=True))
        return text.getvalue().encode(), kind
    schema = pa.schema([(column.name, column.kind) for column in columns])
    made = pa.table([pa.array(column.of(rows), column.kind) for column in columns], schema=schema)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(made)
    return sink.getvalue(), kind


def _tagged(request: Request, body: bytes, kind: str, headers: dict[str, str], content: bytes) -> Response:
    """The answer with its ETag, which is of `content`: what changes from call to call (the time) is no part of it."""
    tag = f'W/"{blake2b(content + kind.encode(), digest_size=12).hexdigest()}"'
    headers |= {"ETag": tag, "Cache-Control": "private, no-cache"}
    given = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    if tag in given or "*" in given:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=kind, headers=headers)


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _plain(value: Any) -> Any:
    """What orjson does not write by itself."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def _values(column: "pd.Series[Any]") -> list[Any]:
    if not pd.api.types.is_datetime64_any_dtype(column):
        return [None if _missing(value) else value for value in column.tolist()]
    stamps = column.dt.tz_localize("UTC") if column.dt.tz is None else column
    return [None if pd.isna(stamp) else stamp.to_pydatetime() for stamp in stamps]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value) or value is pd.NaT or value is pd.NA
