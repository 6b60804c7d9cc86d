"""What a scorer is: bytes of a request in, bytes of an answer out, or an error in MLflow's words."""

from typing import Protocol

from mlops.tracking.scoring import Scored

__all__ = ["Scorer"]


class Scorer(Protocol):
    """A loaded model as the server asks it. Both raise ScoringError; neither keeps anything of a request."""

    def inline(self, body: bytes, content_type: str) -> Scored | None:
        """The answer within microseconds, asked on the event loop; None when this request is not of that kind."""

    def score(self, body: bytes, content_type: str) -> Scored:
        """The answer to any request, asked in a thread of a bounded pool."""
