"""What a server asks: a scorer (bytes in, bytes out, or an error in MLflow's words), live models, and who has them."""

from typing import Protocol

from mlops.tracking.registry import ModelVersion
from mlops.tracking.scoring import Scored

__all__ = ["Live", "Models", "Scorer"]


class Scorer(Protocol):
    """A loaded model as the server asks it. Both raise ScoringError; neither keeps anything of a request."""

    def inline(self, body: bytes, content_type: str) -> Scored | None:
        """The answer within microseconds, asked on the event loop; None when this request is not of that kind."""

    def score(self, body: bytes, content_type: str) -> Scored:
        """The answer to any request, asked in a thread of a bounded pool."""


class Live(Protocol):
    """A version that is loaded and warm."""

    @property
    def version(self) -> ModelVersion:
        """Which one."""

    @property
    def version_id(self) -> int:
        """Its number in the mirror."""

    @property
    def scorer(self) -> Scorer:
        """Who answers."""


class Models(Protocol):
    """The versions that are live, by the names and aliases (or numbers) that requests have."""

    @property
    def ready(self) -> bool:
        """Whether every model that is to be served is warm."""

    def find(self, name: str, *, alias: str = ..., version: int | None = None) -> Live | None:
        """The one that an alias means now, or a numbered one; None when it is not live. It takes no time."""

    def load(self, name: str, *, alias: str = ..., version: int | None = None) -> Live:
        """The same, loaded when it is not live. Raises ModelNotFound, Refused, DatabaseUnavailable."""
