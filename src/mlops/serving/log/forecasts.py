"""Forecasts of known series that a server answered, as rows that outcomes are matched with and monitoring judges."""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
import pandas as pd

from mlops.db import Transaction
from mlops.errors import MlopsError
from mlops.forecasting.called import ids_of
from mlops.forecasting.kind import COMPONENTS
from mlops.serving.log.kept import KeptRequest
from mlops.serving.stored import store_forecasts

__all__ = ["AnsweredForecasts"]

FORECASTS = re.compile(rb'\{"predictions": ?\[\{"series_id"')
"""How an answer of a forecaster begins (`tracking.pyfunc`)."""
COLUMNS = ("y_hat", "lo_80", "hi_80", "lo_95", "hi_95")
REMEMBERED_BYTES = 8 << 20
"""Of answers whose forecasts are stored: the same question is mostly answered the same. Chosen, not measured."""
Answer = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class NamedSeries:
    """A series that a version was trained on, by its id and its name."""

    series_id: int
    name: str


class AnsweredForecasts:
    """Stores the forecasts in answered requests; what it has stored already costs a look at a dictionary."""

    def __init__(self) -> None:
        self._known: dict[int, Mapping[int, str]] = {}
        self._stored: OrderedDict[Answer, None] = OrderedDict()
        self._bytes = 0

    def among(self, rows: Sequence[KeptRequest]) -> list[KeptRequest]:
        """Requests whose answers have forecasts that are not stored yet, each answer once."""
        new: dict[Answer, KeptRequest] = {}
        for row in rows:
            if FORECASTS.match(row.outputs) and (row.version_id, row.outputs) not in self._stored:
                new.setdefault((row.version_id, row.outputs), row)
        return list(new.values())

    def store(self, transaction: Transaction, rows: Sequence[KeptRequest]) -> None:
        """Store the forecasts of these requests; series that are not in the database are left out."""
        frames = [frame for row in rows if (frame := self._frame(transaction, row)) is not None]
        if frames:
            store_forecasts(transaction, pd.concat(frames, ignore_index=True))

    def remember(self, rows: Sequence[KeptRequest]) -> None:
        """That the forecasts of these are stored, and that is committed."""
        for row in rows:
            if (row.version_id, row.outputs) not in self._stored:
                self._stored[row.version_id, row.outputs] = None
                self._bytes += len(row.outputs)
        while self._bytes > REMEMBERED_BYTES:
            (_, oldest), _ = self._stored.popitem(last=False)
            self._bytes -= len(oldest)

    def _frame(self, transaction: Transaction, row: KeptRequest) -> pd.DataFrame | None:
        """The forecasts of one answer as they are stored; None where it has none of a known series."""
        frame = pd.DataFrame(orjson.loads(row.outputs)["predictions"])
        if not {"ds", "cutoff", "y_hat"} <= set(frame.columns):
            return None
        frame = frame.assign(horizon=frame.groupby("series_id").cumcount() + 1)  # closed steps count
        try:
            ids = ids_of(frame["series_id"].unique().tolist(), self._series(transaction, row.version_id))
        except MlopsError:  # of a file, or of a database that has other names now
            return None
        open_steps = frame["y_hat"].notna() & ~frame.get("closed", pd.Series(False, frame.index)).astype(bool)
        frame = frame[open_steps]
        components = [name for name in COMPONENTS if name in frame]
        return frame.assign(
            version_id=row.version_id,
            series_id=frame["series_id"].map(ids),
            issued_at=pd.Timestamp(row.requested_us, unit="us"),
            target_at=pd.to_datetime(frame["ds"]),
            cutoff=pd.to_datetime(frame["cutoff"]),
            execution_ms=row.milliseconds,
            memory_mb=row.memory_mb,
            request_id=row.request_id,
            decomposition=[orjson.dumps(parts).decode() for parts in frame[components].to_dict("records")]
            if components
            else None,
            business_context=None if row.context is None else row.context.decode(),
        )[
            ["version_id", "series_id", "issued_at", "cutoff", "target_at", "horizon"]
            + [name for name in COLUMNS if name in frame]
            + ["execution_ms", "memory_mb", "request_id", "decomposition", "business_context"]
        ]

    def _series(self, transaction: Transaction, version_id: int) -> Mapping[int, str]:
        """The names of the series that a version knows, by their ids; none of a version that was trained on a file."""
        if not self._known.get(version_id):
            series = transaction.rows("series_of_version", of=NamedSeries, version_id=version_id)
            self._known[version_id] = {known.series_id: known.name for known in series}
        return self._known[version_id]
