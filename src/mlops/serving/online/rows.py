"""Rows of numbers for a LightGBM model: parsed, checked and predicted without a frame."""

import math
from itertools import chain
from typing import Any

import numpy as np
import orjson

from mlops.arrays import Floats
from mlops.forecasting.lightgbm.single_row import RowPredictor, row_predictor
from mlops.serving.online.general import AnyModel
from mlops.tracking.scoring import JSON_TYPES, Columns, Scored, columns_of, table_of

__all__ = ["RowModel", "row_model"]

NUMBERS = ("double", "long")
"""Types of columns whose values JSON has as numbers, and which a frame holds as they are."""
INLINE_CELLS, INLINE_TREES = 2_000, 20_000
"""The largest table, and the most trees of all its rows together, that the event loop computes: a millisecond."""
NUMERIC = {float, int}
WORDS = (b"true", b"false", b"null")
EXACT = 2**53
"""Up to which a whole number is the same as a double, as LightGBM takes it."""


def row_model(model: Any) -> "RowModel | None":
    """The scorer of a LightGBM model (a loaded pyfunc) whose columns are all of numbers; else None."""
    schema = model.metadata.get_input_schema()
    columns = columns_of(schema)
    if columns is None or not set(columns.types) <= set(NUMBERS):
        return None
    native = getattr(model, "get_raw_model", None)
    predictor = row_predictor(native()) if native is not None else None
    if predictor is None or predictor.columns != len(columns.names):
        return None
    return RowModel(model, predictor, columns)


class RowModel(AnyModel):
    """A scorer of rows in JSON; what is anything else than a table of numbers is left to MLflow's own function."""

    def __init__(self, model: Any, predictor: RowPredictor, columns: Columns) -> None:
        super().__init__(model)
        self.predictor = predictor
        self.names = list(columns.names)
        self.known = frozenset(self.names)
        self.whole = [place for place, kind in enumerate(columns.types) if kind == "long"]

    def inline(self, body: bytes, content_type: str) -> Scored | None:
        """The predictions of a table of few numbers; None for any other request."""
        if content_type not in JSON_TYPES or len(body) > 40 * INLINE_CELLS:
            return None
        rows = self._rows(body)
        most = min(INLINE_CELLS // len(self.names), INLINE_TREES // self.predictor.trees)
        if rows is None or len(rows) > most:
            return None
        if len(rows) > 1:
            return self._many(rows, body)
        row = self._numbers(rows[0])
        return None if row is None else _answer([self.predictor.one(row)])

    def score(self, body: bytes, content_type: str) -> Scored:
        """The answer to any request. Raises ScoringError."""
        rows = self._rows(body) if content_type in JSON_TYPES else None
        scored = self._many(rows, body) if rows else None
        return super().score(body, content_type) if scored is None else scored

    def _rows(self, body: bytes) -> list[list[Any]] | None:
        """The table of a request, its columns in the model's order; None where it is in none of the usual forms."""
        given = table_of(body)
        if given is None or given.params:
            return None
        if given.format == "dataframe_split":
            return self._split(given.table)
        return self._records(given.table)

    def _split(self, table: Any) -> list[list[Any]] | None:
        if type(table) is not dict or table.keys() != {"columns", "data"}:
            return None
        columns, rows = table["columns"], table["data"]
        if type(columns) is not list or type(rows) is not list or not rows or set(map(type, rows)) != {list}:
            return None
        if set(map(len, rows)) != {len(columns)}:
            return None
        if columns == self.names:
            return rows
        if not all(type(name) is str for name in columns) or len(set(columns)) != len(columns):
            return None
        if not self.known <= set(columns):
            return None
        order = [columns.index(name) for name in self.names]
        return [[row[place] for place in order] for row in rows]

    def _records(self, table: Any) -> list[list[Any]] | None:
        """Of a list of objects with the same names in each."""
        if type(table) is not list or not table or any(type(row) is not dict for row in table):
            return None
        names = self.names
        try:
            return [[row[name] for name in names] for row in table]
        except KeyError:
            return None

    def _numbers(self, row: list[Any]) -> list[Any] | None:
        """A row of numbers, whole ones where these are due, NaN for null; None when it is anything else."""
        for place, value in enumerate(row):
            if type(value) is int:
                if not -EXACT <= value <= EXACT:
                    return None
            elif value is None:
                row[place] = math.nan
            elif type(value) is not float:
                return None
        return row if all(type(row[place]) is int for place in self.whole) else None

    def _has_only_numbers(self, body: bytes) -> bool:
        """Whether a body of the format split has no text but its names, and no word: quicker than a look at each."""
        return body.count(b'"') == 2 * (len(self.names) + 3) and not any(word in body for word in WORDS)

    def _many(self, rows: list[list[Any]], body: bytes) -> Scored | None:
        """The predictions of a table; None when a value in it is no plain number."""
        numbers = _table(rows, only_numbers=self._has_only_numbers(body))
        if numbers is None:
            return None
        for place in self.whole:
            column = numbers[:, place]
            if not (np.abs(column) <= EXACT).all() or (column % 1 != 0).any():
                return None
        return _answer(self.predictor.many(numbers).tolist())


def _table(rows: list[list[Any]], *, only_numbers: bool) -> Floats | None:
    """Rows of numbers as an array; None when they are not that."""
    if not only_numbers and not set(map(type, chain.from_iterable(rows))) <= NUMERIC:
        return None
    width = len(rows[0])
    try:
        return np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * width).reshape(-1, width)
    except (TypeError, ValueError, OverflowError):  # lists in lists, whole numbers beyond all doubles
        return None


def _answer(predictions: list[Any]) -> Scored:
    return Scored(orjson.dumps({"predictions": predictions}), len(predictions))
