"""MLflow's scoring protocol: its formats, its codes, and its own function for requests of every kind.

`invoke` answers as MLflow's scoring server does, but for what is written at `DIFFERENCES`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel, scoring_server
from mlflow.types import DataType
from mlflow.types.schema import Schema

import mlflow
from mlops.errors import BadInput, MlopsError

__all__ = [
    "BAD_REQUEST",
    "CONTENT_TYPES",
    "DIFFERENCES",
    "FORMATS",
    "INVALID_PARAMETER",
    "JSON_TYPES",
    "NOT_FOUND",
    "SCHEMA",
    "UNSUPPORTED",
    "Code",
    "Columns",
    "Given",
    "Scored",
    "ScoringError",
    "columns_of",
    "invoke",
    "media_type",
    "mlflow_version",
    "table_of",
]

DIFFERENCES = (
    "a request without a content type is answered 415, not 500",
    "an error carries no stack trace, and its message repeats nothing of the input",
    "NaN and infinities of an answer are null, so that it is JSON",
    "a number with a fraction for a column of whole numbers is refused, not cut",
    "params that the model does not know are named in the header X-Ignored-Params",
    "a content type is the same in capitals",
    "a model without a signature is not served",
)
"""In which answers are other ones than MLflow's, on purpose; a test holds everything else against MLflow's server."""
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
LLM_FORMATS = ("messages", "prompt", "input")
"""Keys by which MLflow takes a body for a chat, wherever else the input is."""
CONTENT_TYPES = ("application/json", "text/csv", "application/vnd.apache.parquet")
JSON_TYPES = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})
"""Content types of JSON as clients write them, in small letters."""
WHOLE = (DataType.integer, DataType.long)


UNEXPECTED = "Encountered an unexpected error"
"""How MLflow begins when a model has raised something."""
READ_AS = (
    ("valid JSON formatted string. Error", "the body is not valid JSON"),
    ("exactly one of the input fields", f"the body has to be a JSON object with exactly one of {', '.join(FORMATS)}"),
    ("split format must be", "dataframe_split has to be an object with `columns` and `data`"),
    ("split format must have", "dataframe_split has to have `data`, and nothing else but `columns` and `index`"),
    ("records format must be", "dataframe_records has to be a list of objects"),
    ("not a valid dataframe representation", "the rows do not fit the columns"),
    ("UTF-8", "the body is not UTF-8"),
    ("valid CSV", "the body can't be read as CSV with these columns"),
    ("arquet", "the body can't be read as a Parquet file"),
)
"""Parts of MLflow's messages, and what is said in their place."""


@dataclass(frozen=True, slots=True)
class Code:
    """An error as MLflow's clients know it: its code, SQL state and class (`mlflow.exceptions`)."""

    error_code: str
    sqlstate: str
    error_class: str


BAD_REQUEST = Code("BAD_REQUEST", "KAM00", "INVALID_PARAMETER_VALUE")
"""A body that can't be read, values that don't fit, a model that fails."""
INVALID_PARAMETER = Code("INVALID_PARAMETER_VALUE", "KAM00", "INVALID_PARAMETER_VALUE")
"""`params` that don't fit the model's."""
SCHEMA = Code("INVALID_PARAMETER_VALUE", "KAM01", "SCHEMA_ENFORCEMENT_FAILED")
"""Columns that the signature asks for and that are not there."""
NOT_FOUND = Code("RESOURCE_DOES_NOT_EXIST", "KAM00", "RESOURCE_NOT_FOUND")
UNSUPPORTED = Code("", "", "")
"""A content type that nobody reads: MLflow answers it as plain text, without a code."""


class ScoringError(BadInput):
    """A request that is not answered, with the code that MLflow has for it; `status` is that of HTTP.

    `unexpected` is what the model itself raised: for the server's log, not for who asked.
    """

    def __init__(
        self, message: str, code: Code = BAD_REQUEST, status: int = 400, *, unexpected: BaseException | None = None
    ) -> None:
        self.code, self.status, self.unexpected = code, status, unexpected
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Scored:
    """An answer: JSON in UTF-8 (NaN and infinities are null), how many rows were scored, `params` nobody knows."""

    body: bytes
    rows: int
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a signature in their order: names, their types in MLflow's words, and which have to be there."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    required: tuple[bool, ...]

    @property
    def shown(self) -> str:
        """As messages name them."""
        optional = ("" if needed else ", optional" for needed in self.required)
        return ", ".join(
            f"{name} ({kind}{more})" for name, kind, more in zip(self.names, self.types, optional, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Given:
    """The table of a request in JSON, in which of the FORMATS it is, and the params beside it."""

    format: str
    table: Any
    params: Any


def table_of(body: bytes) -> Given | None:
    """What a request in JSON asks for, quickly; None where it is not plainly a table in one format."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:  # it may be JSON to Python: with NaN, in UTF-16
        return None
    if type(document) is not dict or any(key in document for key in LLM_FORMATS):
        return None
    given = [key for key in FORMATS if key in document]
    return Given(given[0], document[given[0]], document.get("params")) if len(given) == 1 else None


def mlflow_version() -> str:
    """Of the MLflow that is installed."""
    return str(mlflow.__version__)


def columns_of(schema: Schema) -> Columns | None:
    """The columns of a signature; None where it is one of tensors or of columns without names."""
    if schema.is_tensor_spec() or not schema.has_input_names():
        return None
    return Columns(
        tuple(map(str, schema.input_names())),
        tuple(getattr(column.type, "name", str(column.type)) for column in schema.inputs),
        tuple(bool(column.required) for column in schema.inputs),
    )


def media_type(content_type: str) -> str:
    """A content type with its first part in small letters, as HTTP means it."""
    kind, semicolon, parameters = content_type.partition(";")
    return kind.strip().lower() + semicolon + parameters


def invoke(model: PyFuncModel, body: bytes, content_type: str) -> Scored:
    """The answer of a model with a signature to any request; ScoringError with MLflow's code where there is none."""
    if not content_type:
        raise ScoringError(
            f"the request has no content type; expected one of {', '.join(CONTENT_TYPES)}", UNSUPPORTED, 415
        )
    schema: Schema = model.metadata.get_input_schema()  # type: ignore[no-untyped-call]
    content_type = media_type(content_type)
    document = _document(body) if content_type.startswith("application/json") else {}
    _check_whole_numbers(document, schema)
    try:
        answer = scoring_server.invocations(body, content_type, model, schema)  # type: ignore[no-untyped-call]
    except MlflowException as error:
        raise _explained(error, schema) from error
    if answer.status != 200:
        raise ScoringError(_unread(answer.response), UNSUPPORTED, answer.status)
    text = answer.response
    if "NaN" in text or "Infinity" in text:
        text = json.dumps(json.loads(text, parse_constant=lambda _: None))
    return Scored(text.encode(), _rows(text), _ignored(model, document))


def _document(body: bytes) -> dict[str, object]:
    """The request as far as it is a JSON object; what is none is left to MLflow, which says why."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _check_whole_numbers(document: Mapping[str, object], schema: Schema) -> None:
    """Refuse what MLflow would cut: 2.5 in a column of whole numbers."""
    if any(key in document for key in LLM_FORMATS) or schema.is_tensor_spec() or not schema.has_input_names():
        return
    whole = {column.name for column in schema.inputs if column.type in WHOLE}
    given = [key for key in FORMATS if key in document]
    if not whole or len(given) != 1:
        return
    for name, value in _cells(document[given[0]]):
        if name in whole and isinstance(value, float) and value % 1 != 0 and value - value == 0:
            raise ScoringError(
                f"column {name} has a number with a fraction, and the model takes whole numbers there; round it as you"
                " mean it",
                SCHEMA,
            )


def _cells(table: object) -> Iterator[tuple[object, object]]:
    """Every value with the name of its column, of a table in any of the formats."""
    match table:
        case {"columns": list(columns), "data": list(data)}:
            for row in data:
                if isinstance(row, list):
                    yield from zip(columns, row, strict=False)
        case dict():
            for name, values in table.items():
                yield from ((name, value) for value in (values if isinstance(values, list) else (values,)))
        case list():
            for row in table:
                if isinstance(row, dict):
                    yield from row.items()


def _ignored(model: PyFuncModel, document: Mapping[str, object]) -> tuple[str, ...]:
    """The params of a request that the model does not know."""
    params = document.get("params")
    if not isinstance(params, dict) or any(key in document for key in LLM_FORMATS):
        return ()
    schema = model.metadata.get_params_schema()  # type: ignore[no-untyped-call]
    known = {param.name for param in schema.params} if schema is not None else set()
    return tuple(name for name in params if name not in known)


def _rows(text: str) -> int:
    """How many predictions an answer has."""
    answer = json.loads(text)
    predictions = answer.get("predictions") if isinstance(answer, dict) else answer
    return len(predictions) if isinstance(predictions, list) else 1


def _explained(error: MlflowException, schema: Schema) -> ScoringError:
    """MLflow's error with a message of ours: it says what was expected, and repeats nothing of the input."""
    shown = json.loads(error.serialize_as_json())  # type: ignore[no-untyped-call]
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    code = Code(str(shown["error_code"]), str(shown.get("sqlstate", "")), str(shown.get("error_class", "")))
    raised = error.__context__ if str(error.message).startswith(UNEXPECTED) else None
    return ScoringError(
        _message(error, code, schema), code, status, unexpected=None if isinstance(raised, MlopsError) else raised
    )


def _message(error: MlflowException, code: Code, schema: Schema) -> str:
    ours = next((cause for cause in _causes(error) if isinstance(cause, MlopsError)), None)
    if ours is not None:
        return str(ours)
    columns = columns_of(schema)
    takes = f"; the model takes {columns.shown}" if columns else ""
    text = str(error.message)
    if missing := re.search(r"Model is missing inputs (\[[^\]]*\])", text):
        return f"columns are missing: {missing[1]}{takes}"
    if wrong := re.search(r"Failed to convert column (.+?) to type '([^']*)'", text, re.DOTALL):
        known = wrong[1] if columns and wrong[1] in columns.names else "a column"
        return f"the values of {known} can't be read as {wrong[2]}{takes}"
    for part, said in READ_AS:
        if part in text:
            return said
    if text.startswith(UNEXPECTED):
        return f"the model failed on this input; the server's log says why{takes}"
    if "arameters" in text and code == INVALID_PARAMETER:
        return "params do not fit those of the model"
    if code.error_class == SCHEMA.error_class:
        return f"the input does not fit the model's signature{takes}"
    if code.error_code == NOT_FOUND.error_code:
        return "the model knows nothing of what was asked for"
    return f"the input can't be read in the format that it says it has{takes}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from or while."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _unread(response: str) -> str:
    """What MLflow says of a content type that it does not read, without the type itself."""
    if response.startswith("This predictor"):
        return f"this content type is not read; expected one of {', '.join(CONTENT_TYPES)}"
    if response.startswith("Unrecognized"):
        return "the content type has a parameter other than charset"
    return response
