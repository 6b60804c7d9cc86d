"""What a scorer is: bytes of a request in, bytes of an answer out, or an error in MLflow's words."""

from dataclasses import dataclass
from typing import Protocol

from mlops.errors import MlopsError

__all__ = [
    "BAD_REQUEST",
    "INVALID_PARAMETER",
    "NOT_FOUND",
    "SCHEMA",
    "UNSUPPORTED",
    "Code",
    "Scored",
    "Scorer",
    "ScoringError",
]


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


class ScoringError(MlopsError):
    """A request that is not answered, with the code that MLflow has for it. The message never repeats the input."""

    def __init__(self, message: str, code: Code = BAD_REQUEST) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Scored:
    """An answer: JSON in UTF-8 (NaN and infinities are null), how many rows were scored, `params` nobody knows."""

    body: bytes
    rows: int
    ignored: tuple[str, ...] = ()


class Scorer(Protocol):
    """A loaded model as the server asks it. Both raise ScoringError; neither keeps anything of a request."""

    def inline(self, body: bytes, content_type: str) -> Scored | None:
        """The answer within microseconds, asked on the event loop; None when this request is not of that kind."""

    def score(self, body: bytes, content_type: str) -> Scored:
        """The answer to any request, asked in a thread of a bounded pool."""
