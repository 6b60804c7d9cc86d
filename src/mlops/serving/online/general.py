"""Any model with a signature, by MLflow's own function for requests of every kind."""

from typing import Any

from mlops.tracking.scoring import Scored, invoke

__all__ = ["AnyModel"]


class AnyModel:
    """A scorer of a loaded pyfunc, which builds a frame of each request: milliseconds."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def inline(self, body: bytes, content_type: str) -> Scored | None:  # noqa: ARG002  none is quick
        """None: a frame takes too long for the event loop."""
        return None

    def score(self, body: bytes, content_type: str) -> Scored:
        """The answer to any request. Raises ScoringError."""
        return invoke(self.model, body, content_type)
