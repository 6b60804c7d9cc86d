"""What a server of `mlops serve` knows and computes, as pandas frames: the API with retries, pages and errors."""

import io
import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx
import pandas as pd
import pyarrow as pa

from mlops.errors import BadInput, DatabaseUnavailable, MlopsError, ModelNotFound, NothingToDo, Refused, UnknownName

__all__ = ["Client"]

ARROW = "application/vnd.apache.arrow.stream"
PAGE = 10_000
"""Rows of a page: the most that the server gives."""
ATTEMPTS = 5
LONGEST_WAIT = 10.0
"""Seconds before a request is made again; without a word of the server 0.2, 0.4, 0.8 … Chosen, not measured."""
RETRIED = (502, 503, 504)
KINDS: Mapping[str, type[MlopsError]] = {
    "INVALID_PARAMETER_VALUE": BadInput,
    "BAD_REQUEST": BadInput,
    "RESOURCE_DOES_NOT_EXIST": NothingToDo,
    "TEMPORARILY_UNAVAILABLE": DatabaseUnavailable,
}
"""Errors by MLflow's code, where their class is not told or is of no use here; any other is Refused."""
TOLD: Mapping[str, type[MlopsError]] = {
    kind.__name__: kind for kind in (BadInput, DatabaseUnavailable, ModelNotFound, NothingToDo, Refused, UnknownName)
}
"""Errors by the class that the server names."""
When = str | date | datetime


class Client:
    """A server that `mlops serve` started, asked from Python.

    A request that fails because the server is busy or away is made again, with the same X-Request-Id. Errors are those
    of the library: NothingToDo, ModelNotFound, BadInput, Refused, DatabaseUnavailable. Times come back as UTC.

    Parameters
    ----------
    url
        The address of the server, like http://127.0.0.1:8808.
    key
        An API key (`mlops keys create`); a server on this machine needs none.
    timeout
        Seconds that one answer may take.
    transport
        In place of the network: an `httpx` transport, as tests have one.

    Examples
    --------
    >>> from mlops import Client
    >>> client = Client("http://127.0.0.1:8808", key="mlops_…")
    >>> client
    Client('http://127.0.0.1:8808')
    >>> client.close()
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 60.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {} if key is None else {"X-API-Key": key}
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, transport=transport)

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def forecast(
        self,
        model: str,
        series: Sequence[str | int] | str | int = (),
        horizon: int | None = None,
        *,
        levels: Sequence[int] = (80, 95),
        as_of: When = "now",
        decompose: bool = False,
        store: bool = True,
    ) -> pd.DataFrame:
        """Forecast series as of a time: `series_id, name, ds, cutoff, y_hat`, intervals and components.

        `model` is NAME@ALIAS or NAME/VERSION; no `series` are all of the model. `frame.attrs["refused"]` says which
        series could not be forecast and why. With `store` the forecasts are kept; the first of a step stands.
        """
        asked = {"series": _names(series), "horizon": horizon, "levels": list(levels), "as_of": _text(as_of)}
        options = {"model": model, "decompose": decompose, "store": store}
        document = self._json("POST", "/forecasts", json=asked | options)
        frame = _times(pd.DataFrame(document["rows"]), ("ds", "cutoff"))
        frame.attrs.update({name: value for name, value in document.items() if name != "rows"})
        return frame

    def forecasts(
        self,
        model: str | None = None,
        series: Sequence[str | int] | str | int = (),
        *,
        horizon: int | None = None,
        cutoff: When | None = None,
        as_of: When = "now",
    ) -> pd.DataFrame:
        """The newest stored forecast of each series by each model, step by step, with when it was issued."""
        asked = {"model": model, "series": _names(series), "horizon": horizon, "cutoff": cutoff, "as_of": as_of}
        return self._pages("/forecasts", asked)

    def predict(self, model: str, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """What a model says of each row of a frame, by MLflow's scoring protocol; `params` are the model's."""
        split = frame.to_json(orient="split", index=False, date_format="iso")
        more = "" if params is None else ',"params":' + httpx.Request("POST", self.url, json=params).content.decode()
        body = ('{"dataframe_split":' + split + more + "}").encode()
        name = model.removeprefix("models:/")
        answer = self._asked(
            "POST", f"/models/{name}/invocations", content=body, headers={"content-type": "application/json"}
        )
        predictions = answer.json()["predictions"]
        records = bool(predictions) and isinstance(predictions[0], dict)
        return pd.DataFrame(predictions) if records else pd.DataFrame({"prediction": predictions})

    def series(
        self, *, metric_type: str | None = None, granularity: str | None = None, level: str | None = None
    ) -> pd.DataFrame:
        """The series: what they measure, where, and the newest observation of each."""
        return self._pages("/series", {"metric_type": metric_type, "granularity": granularity, "level": level})

    def history(
        self, series: str | int, *, start: When | None = None, end: When | None = None, as_of: When = "now"
    ) -> pd.DataFrame:
        """`series_id, ds, y, quality_score` of a series as it was known at a time, oldest first."""
        path = f"/series/{_quoted(series)}/observations"
        return self._pages(path, {"start": start, "end": end, "as_of": as_of})

    def models(self) -> pd.DataFrame:
        """The live versions of all models, with their aliases."""
        return self._pages("/models", {})

    def findings(self, model: str | None = None, *, as_of: When = "now", everything: bool = False) -> pd.DataFrame:
        """What weekly checks found, the newest first; with `everything` also what is no drift."""
        return self._pages("/findings", {"model": model, "as_of": as_of, "all": everything})

    def recommendations(self, *, everything: bool = False) -> pd.DataFrame:
        """What monitoring recommends, the newest first; with `everything` also what asks for nothing any more."""
        return self._pages("/recommendations", {"all": everything})

    def record_outcomes(self, outcomes: pd.DataFrame) -> dict[str, Any]:
        """Say what really happened: rows of `value` and `prediction_id` or `request_id`, perhaps `row_number`.

        How many are `new`, how many `known`, and which were `refused` and why; the same may be sent again.
        """
        return self._json("POST", "/outcomes", json={"outcomes": _given(outcomes)})

    def record_feedback(self, feedback: pd.DataFrame) -> dict[str, Any]:
        """Say how good answers were: rows of `prediction_id` or `request_id` and `score`, `comment` or `details`."""
        return self._json("POST", "/feedback", json={"feedback": _given(feedback)})

    def _pages(self, path: str, asked: Mapping[str, Any]) -> pd.DataFrame:
        """All pages of an endpoint as one frame."""
        given = {name: _text(value) for name, value in asked.items() if value is not None and value != []}
        tables, url = [], path
        params: dict[str, Any] | None = given | {"limit": PAGE}
        while url:
            answer = self._asked("GET", url, params=params, headers={"accept": ARROW})
            tables.append(pa.ipc.open_stream(io.BytesIO(answer.content)).read_all())
            url, params = answer.links.get("next", {}).get("url", ""), None
        frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
        return frame

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        document: dict[str, Any] = self._asked(method, path, **request).json()
        return document

    def _asked(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        """A good answer, after as many attempts as it takes; each has the same X-Request-Id."""
        named = {"X-Request-Id": str(uuid4()), **(headers or {})}
        for attempt in range(ATTEMPTS):
            last, pause = attempt == ATTEMPTS - 1, 0.2 * 2**attempt
            try:
                answer = self._http.request(method, url, headers=named, **request)
            except httpx.TransportError as error:
                if last:
                    raise DatabaseUnavailable(f"{self.url} does not answer: {error or type(error).__name__}") from error
            else:
                if answer.is_success:
                    return answer
                if last or answer.status_code not in RETRIED:
                    raise _error(answer)
                told = answer.headers.get("retry-after", "")
                pause = float(told) if told.isdecimal() else pause
            time.sleep(min(pause, LONGEST_WAIT))
        raise AssertionError("the last attempt returns or raises")


def _error(answer: httpx.Response) -> MlopsError:
    """What the server refused, as an error of the library's class that it names."""
    try:
        document = answer.json()
        code, message = str(document["error_code"]), str(document["message"])
        name = str(document.get("error_class", ""))
    except (ValueError, KeyError, TypeError):
        return Refused(f"{answer.request.url} answered {answer.status_code}: {answer.text[:200]}")
    if code == "RESOURCE_DOES_NOT_EXIST" and answer.url.path.endswith("/invocations"):
        return ModelNotFound(message)
    kind = TOLD.get(name) or KINDS.get(code, Refused)
    error = kind.__new__(kind, message)  # some make their message of facts that are not told: it is made already
    error.args = (message,)
    return error


def _given(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as JSON takes them, without what is missing."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): _text(value) for name, value in row.items() if value is not None} for row in rows]


def _names(series: Sequence[str | int] | str | int) -> list[str]:
    return [str(series)] if isinstance(series, str | int) else [str(name) for name in series]


def _text(value: Any) -> Any:
    """A parameter as it is written in an address; a time without a zone is UTC."""
    if isinstance(value, pd.Timestamp | datetime):
        return value.isoformat() if value.tzinfo else f"{value.isoformat()}+00:00"
    if isinstance(value, date):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else value


def _quoted(series: str | int) -> str:
    return httpx.URL("/").copy_with(path=f"/{series}").raw_path.decode().removeprefix("/").replace("/", "%2F")


def _times(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True) for name in names if name in frame})
