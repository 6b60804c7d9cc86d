"""What the server hands over for each answered request, and to whom."""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["RequestLog", "ScoringRecord"]


@dataclass(frozen=True, slots=True)
class ScoringRecord:
    """One answered request as it went over the line.

    `requested_at` is in seconds of the Unix epoch; `request_id` the client's, or a UUID of version 7; `alias` is empty
    where a version was asked for; `caller` names the key, never its secret; `inputs` is the body of the request,
    `outputs` that of the answer, `context` a JSON object of the caller's (b"" for none); `milliseconds` is from the
    last byte of the request to the answer, `memory_mb` the resident memory of the process.
    """

    request_id: str
    requested_at: float
    version_id: int
    alias: str
    caller: str
    content_type: str
    inputs: bytes
    outputs: bytes
    rows: int
    milliseconds: float
    memory_mb: float
    context: bytes = b""


class RequestLog(Protocol):
    """Where records go. A record that was taken by `durable` is stored exactly once, whatever dies afterwards."""

    @property
    def accepts(self) -> bool:
        """Whether there is room for more: in memory, in the database or on disk."""

    def append(self, record: ScoringRecord) -> bool:
        """Take a record without waiting; False (and counted) when there is no room."""

    def durable(self, record: ScoringRecord) -> None:
        """Take a record; it is on disk when this returns. Refused when the disk takes nothing."""
