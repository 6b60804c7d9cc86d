"""Forecasts of named series by a model of ours: computed once for each horizon, then joined from what is encoded.

A request that names series and gives no newer history is answered from the end of the training, so its forecasts are
always the same ones: those of all series are computed together, and each is encoded when it is first asked for.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pandas as pd

from mlops.domain.forecasts import LEVELS
from mlops.errors import MlopsError
from mlops.forecasting.base import Forecaster
from mlops.serving.online.general import AnyModel
from mlops.tracking.scoring import JSON_TYPES, Scored, table_of

__all__ = ["ForecastModel", "forecast_model"]

MOST_TABLES = 8
"""Of horizons and levels, whose forecasts are kept; the oldest goes. Chosen, not measured."""
MOST_ENCODED = 2_000
"""Series of a table whose JSON is kept: 11 MB of 28 days each. Chosen, not measured."""
INLINE_BYTES, INLINE_ROWS = 20_000, 500
"""The largest request, and the most rows of its answer, that are joined on the event loop: a millisecond or two."""
PARAMS = frozenset({"horizon", "levels"})
Key = tuple[int, tuple[int, ...]]


def forecast_model(model: Any) -> "ForecastModel | None":
    """The scorer of a loaded pyfunc that is a forecaster of ours; else None."""
    try:
        inner = model.unwrap_python_model()
    except Exception:  # noqa: BLE001  MLflow says in several ways that a model is of another flavour
        return None
    if not isinstance(getattr(inner, "forecaster", None), Forecaster):
        return None
    return ForecastModel(model, inner.forecaster, inner.names)


@dataclass(frozen=True)
class Table:
    """The forecasts of all series: the rows of each, and the JSON of those that were asked for."""

    frame: pd.DataFrame
    rows: Mapping[Any, tuple[int, int]]
    encoded: dict[Any, list[bytes]] = field(default_factory=dict)

    def fragments(self, series: Any) -> list[bytes]:
        """The rows of a series as JSON objects without their first brace."""
        known = self.encoded.get(series)
        if known is None:
            start, stop = self.rows[series]
            records = self.frame.iloc[start:stop].to_dict("records")
            known = [orjson.dumps(record)[1:] for record in records]
            if len(self.encoded) < MOST_ENCODED:
                self.encoded[series] = known
        return known


class ForecastModel(AnyModel):
    """A scorer of requests that name series; what brings newer history is left to MLflow's function."""

    def __init__(self, model: Any, forecaster: Forecaster, names: Mapping[Any, str]) -> None:
        super().__init__(model)
        self.forecaster = forecaster
        self.ids = _ids(names)
        self.order = {series: place for place, series in enumerate(forecaster.known.tolist())}
        self.tables: OrderedDict[Key, Table] = OrderedDict()

    def inline(self, body: bytes, content_type: str) -> Scored | None:
        """The forecasts of named series, where those of that horizon are computed; else None."""
        asked = self._asked(body, content_type) if len(body) <= INLINE_BYTES else None
        if asked is None:
            return None
        series, key = asked
        table = self.tables.get(key)
        return None if table is None or len(series) * key[0] > INLINE_ROWS else self._answer(series, table)

    def score(self, body: bytes, content_type: str) -> Scored:
        """The answer to any request. Raises ScoringError."""
        asked = self._asked(body, content_type)
        if asked is not None:
            try:
                return self._answer(asked[0], self._table(asked[1]))
            except MlopsError:  # a horizon or a level that it can't do: MLflow's function says so in its words
                pass
        return super().score(body, content_type)

    def warm(self) -> None:
        """Compute what is asked for by default."""
        self._table((self.forecaster.horizon, LEVELS))

    def _asked(self, body: bytes, content_type: str) -> tuple[dict[Any, Any], Key] | None:
        """The called series by their ids, and the horizon with the levels; None when it is another kind of request."""
        given = table_of(body) if content_type in JSON_TYPES else None
        called = None if given is None else _called(given.format, given.table)
        if given is None or not called:
            return None
        key = self._key(given.params)
        series = {self.ids.get(name, self.ids.get(str(name))): name for name in called}
        return None if key is None or None in series or len(series) < len(called) else (series, key)

    def _key(self, params: Any) -> Key | None:
        if params is None:
            return self.forecaster.horizon, LEVELS
        if type(params) is not dict or not params.keys() <= PARAMS:
            return None
        horizon, levels = params.get("horizon", self.forecaster.horizon), params.get("levels", list(LEVELS))
        if type(horizon) is not int or type(levels) is not list or any(type(level) is not int for level in levels):
            return None
        return horizon, tuple(levels)

    def _table(self, key: Key) -> Table:
        """The forecasts of all series; those of a key are computed once."""
        table = self.tables.get(key)
        if table is None:
            horizon, levels = key
            frame = self.forecaster.predict(horizon, levels=levels)
            table = self.tables[key] = Table(_as_text(frame.drop(columns="series_id")), _places(frame["series_id"]))
            while len(self.tables) > MOST_TABLES:
                self.tables.popitem(last=False)
        return table

    def _answer(self, series: dict[Any, Any], table: Table) -> Scored:
        parts = []
        for one in sorted(series, key=self.order.__getitem__):
            head = b'{"series_id":' + orjson.dumps(series[one]) + b","
            parts += [head + row for row in table.fragments(one)]
        return Scored(b'{"predictions":[' + b",".join(parts) + b"]}", len(parts))


def _ids(names: Mapping[Any, str]) -> dict[Any, Any]:
    """The id of each series by everything it may be called; a name that several have means none of them."""
    by_name: dict[str, list[Any]] = {}
    for series, name in names.items():
        by_name.setdefault(name, []).append(series)
    ids: dict[Any, Any] = {key: series for series in names for key in (series, str(series))}
    return ids | {name: series[0] if len(series) == 1 else None for name, series in by_name.items()}


def _called(form: str, table: Any) -> list[Any] | None:
    """What the series are called in a request that only names them, each once; None for any other."""
    if form == "dataframe_split":
        if type(table) is not dict or table.keys() != {"columns", "data"} or table["columns"] != ["series_id"]:
            return None
        rows = table["data"]
        if type(rows) is not list or any(type(row) is not list or len(row) != 1 for row in rows):
            return None
        called = [row[0] for row in rows]
    elif type(table) is list:
        if any(type(row) is not dict or row.keys() != {"series_id"} for row in table):
            return None
        called = [row["series_id"] for row in table]
    else:
        return None
    kinds = {type(name) for name in called}
    return list(dict.fromkeys(called)) if len(kinds) == 1 and kinds <= {str, int} else None


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Times as MLflow writes them, other values as Python's."""
    times = frame.select_dtypes("datetime").columns
    return frame.assign(**{name: frame[name].map(pd.Timestamp.isoformat) for name in times})


def _places(series: pd.Series) -> dict[Any, tuple[int, int]]:
    """Where the rows of each series begin and end; they lie together."""
    values = series.to_numpy()
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    stops = np.r_[starts[1:], len(values)]
    return {
        values[start : start + 1].tolist()[0]: (int(start), int(stop))
        for start, stop in zip(starts, stops, strict=True)
    }
