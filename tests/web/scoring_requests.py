"""Requests to a scoring server: every format that MLflow reads, and every way to get it wrong."""

import io
import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["OTHER_ROUTES", "REQUESTS", "TENSORS", "Request"]

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"


@dataclass(frozen=True)
class Request:
    """A request by what is special about it, and which of tracking.scoring.DIFFERENCES it shows (by place)."""

    name: str
    body: bytes
    content_type: str | None = JSON
    differs: int | None = None

    def __str__(self) -> str:
        return self.name


def of(name: str, document: Any, content_type: str | None = JSON, differs: int | None = None) -> Request:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Request(name, body, content_type, differs)


def split(*row: Any, columns: tuple[str, ...] = ("a", "b"), **more: Any) -> dict[str, Any]:
    return {"dataframe_split": {"columns": list(columns), "data": [list(row)], **more}}


def parquet() -> bytes:
    file = io.BytesIO()
    pd.DataFrame({"a": [1.5], "b": [2]}).to_parquet(file)
    return file.getvalue()


ROW = split(1, 2)
TEXT = json.dumps(ROW).encode()
REQUESTS = (
    of("split", split(1.5, 2)),
    of("split with an index", split(1.5, 2, index=[7])),
    of("records", {"dataframe_records": [{"a": 1.5, "b": 2}]}),
    of("columns in another order, and one more", {"dataframe_records": [{"b": 2, "more": 9, "a": 1.5}]}),
    of("inputs as lists by column", {"inputs": {"a": [1.5], "b": [2]}}),
    of("inputs as records", {"inputs": [{"a": 1.5, "b": 2}]}),
    of("inputs as one record", {"inputs": {"a": 1.5, "b": 2}}),
    of("instances as records", {"instances": [{"a": 1.5, "b": 2}]}),
    of("params", ROW | {"params": {"horizon": 3}}),
    of("params that nobody knows", ROW | {"params": {"nope": 3}}),
    of("params of another type", ROW | {"params": {"horizon": "x"}}),
    of("params with a fraction for a whole number", ROW | {"params": {"horizon": 3.0}}),
    of("params that are a list", ROW | {"params": [1]}),
    of("params that are null", ROW | {"params": None}),
    of("another key beside the table", ROW | {"client_request_id": "x"}),
    of("no JSON", b"{oops"),
    of("nothing", b""),
    of("a list", [1, 2]),
    of("a number", 5),
    of("null", None),
    of("no format", {"data": [[1, 2]]}),
    of("an empty object", {}),
    of("two formats", ROW | {"inputs": [1]}),
    of("split that is a list", {"dataframe_split": [[1, 2]]}),
    of("split without data", {"dataframe_split": {"columns": ["a", "b"]}}),
    of("split with another key", split(1, 2, more=1)),
    of("a row that is too long", split(1, 2, 3)),
    of("records that are an object", {"dataframe_records": {"a": 1, "b": 2}}),
    of("a missing column", split(1, columns=("a",))),
    of("a column twice", split(1, 2, 3, columns=("a", "a", "b"))),
    of("a text for a number", split("x", 2)),
    of("a number as a text", split("1.5", 2)),
    of("a fraction for a whole number", split(1, 2.5), differs=3),
    of("a whole number written with a point", split(1, 2.0)),
    of("null for a whole number", split(1, None)),
    of("null for a number", split(None, 2), differs=2),
    of("NaN", b'{"dataframe_split":{"columns":["a","b"],"data":[[NaN,2]]}}', differs=2),
    of("infinity", b'{"dataframe_split":{"columns":["a","b"],"data":[[Infinity,2]]}}', differs=2),
    of("true for a whole number", split(1, True)),
    of("a whole number of 71 bits", split(1, 2**70)),
    of("a time", split(1, 2, "2026-01-01T00:00:00", columns=("a", "b", "t"))),
    of("no time", split(1, 2, "yesterday", columns=("a", "b", "t"))),
    of("a number for a text", split(1, 2, 3, columns=("a", "b", "c"))),
    of("no rows", {"dataframe_split": {"columns": ["a", "b"], "data": []}}),
    of(
        "one answer that is no number",
        {"dataframe_split": {"columns": ["a", "b"], "data": [[None, 2], [1, 2]]}},
        differs=2,
    ),
    of("a model that fails", ROW | {"params": {"horizon": 101}}),
    of("a model that knows no such thing", ROW | {"params": {"horizon": 77}}),
    of("plain text", b"a", "text/plain"),
    of("no content type", TEXT, None, differs=0),
    of("another charset", TEXT, "application/json; charset=latin-1"),
    of("the charset in capitals", TEXT, "application/json; charset=UTF-8"),
    of("a parameter of the content type", TEXT, "application/json; format=pandas-split"),
    of("the content type in capitals", TEXT, "APPLICATION/JSON", differs=5),
    of("JSON that is not UTF-8", b"\xff\xfe{"),
    of("JSON with a byte order mark", b"\xef\xbb\xbf" + TEXT),
    of("JSON in UTF-16", TEXT.decode().encode("utf-16")),
    of("CSV", b"a,b\n1.5,2\n", CSV),
    of("CSV with a text for a number", b"a,b\nx,2\n", CSV),
    of("CSV with a fraction for a whole number", b"a,b\n1,2.5\n", CSV),
    of("CSV with nothing in it", b"", CSV),
    of("CSV with rows of several lengths", b"a,b\n1,2,3,4\n1\n", CSV),
    of("CSV that is not UTF-8", b"a,b\n\xff,2\n", CSV),
    of("Parquet", parquet(), PARQUET),
    of("no Parquet", b"PAR1junk", PARQUET),
    of("a key of chats", {"input": [1]}),
    of("a key of chats beside a table", ROW | {"prompt": "x"}),
)
"""To a model of the columns a (double), b (long), c (string, optional), t (datetime, optional)."""

TENSORS = (
    of("inputs", {"inputs": [[1, 2, 3]]}),
    of("instances", {"instances": [[1, 2, 3]]}),
    of("too few numbers", {"inputs": [[1, 2]]}),
    of("rows of several lengths", {"inputs": [[1], [2, 3]]}),
    of("split", {"dataframe_split": {"data": [[1, 2, 3]]}}),
)
"""To a model of one tensor of three columns."""

OTHER_ROUTES = (
    ("GET", "/ping"),
    ("GET", "/health"),
    ("HEAD", "/ping"),
    ("POST", "/ping"),
    ("GET", "/version"),
    ("GET", "/invocations"),
    ("GET", "/nowhere"),
    ("GET", "/openapi.json"),
    ("POST", "/invocations/"),
)
