"""Fields that are declared personal, taken out of what is kept of a request."""

import csv
import io
import json
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import orjson

__all__ = ["without_personal"]

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"


def without_personal(body: bytes, content_type: str, personal: Collection[str]) -> bytes | None:
    """A body without the fields of these names, whatever their case; None when it can't be told which those are.

    A body that names none of them is returned as it is.
    """
    if not personal:
        return body
    names = frozenset(name.casefold() for name in personal)
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == JSON:
            return _json(body, names)
        if kind == CSV:
            return _csv(body, names)
        if kind == PARQUET:
            return _parquet(body, names)
    except (ValueError, RecursionError, csv.Error):
        pass
    return None


@lru_cache(maxsize=8)
def _mentions(names: frozenset[str]) -> re.Pattern[bytes]:
    """Finds bodies that may name one: by the name itself, or in an alphabet or escapes in which it looks otherwise."""
    spelled = [re.escape(name.encode()) for name in names]
    return re.compile(b"|".join([*spelled, rb"\\", rb"[\x80-\xff]"]), re.IGNORECASE)


def _json(body: bytes, names: frozenset[str]) -> bytes | None:
    try:
        document = orjson.loads(body)
    except ValueError:  # NaN, other alphabets: MLflow's server takes them
        document = json.loads(body)
    rows = document.get("instances", document.get("inputs")) if isinstance(document, dict) else None
    if isinstance(rows, list) and any(isinstance(row, list) for row in rows):
        return None  # rows of a tensor: their values have no names
    return orjson.dumps(_cleaned(document, names)) if _mentions(names).search(body) else body


def _cleaned(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_cleaned(entry, names) for entry in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return _split_cleaned(value, names)
    return {key: _cleaned(entry, names) for key, entry in value.items() if key.casefold() not in names}


def _split_cleaned(table: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Of MLflow's `dataframe_split` the columns, and their places in every row."""
    columns = table["columns"]
    places = [place for place, name in enumerate(columns) if str(name).casefold() not in names]
    if any(not isinstance(row, list) or len(row) != len(columns) for row in table["data"]):
        raise ValueError("a row is not as long as the columns")
    rows = [[_cleaned(row[place], names) for place in places] for row in table["data"]]
    return table | {"columns": [columns[place] for place in places], "data": rows}


def _csv(body: bytes, names: frozenset[str]) -> bytes:
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    if not rows:
        return body
    places = [place for place, name in enumerate(rows[0]) if name.strip().casefold() not in names]
    if any(len(row) != len(rows[0]) for row in rows if row):
        raise ValueError("a line has not as many fields as the header")
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([row[place] for place in places] for row in rows if row)
    return written.getvalue().encode()


def _parquet(body: bytes, names: frozenset[str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(body))
    personal = [name for name in table.column_names if name.casefold() in names]
    written = io.BytesIO()
    pq.write_table(table.drop_columns(personal).replace_schema_metadata(), written)
    return written.getvalue()
