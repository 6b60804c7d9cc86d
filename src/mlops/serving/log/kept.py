"""What of an answered request is kept, and the form in which it is stored."""

import hashlib
import json
import struct
from base64 import b64encode
from dataclasses import dataclass
from zlib import crc32

import orjson

from mlops.policy import LogPolicy
from mlops.serving.log.personal import without_personal
from mlops.serving.log.record import ScoringRecord

__all__ = ["COLUMNS", "KeptRequest", "kept", "packed", "unpacked"]

COLUMNS = {
    "request_id": "text",
    "caller": "text",
    "requested_at": "timestamptz",
    "version_id": "int8",
    "alias": "text",
    "content_type": "text",
    "inputs_sha256": "bytea",
    "inputs": "json",
    "outputs": "json",
    "rows": "int4",
    "milliseconds": "float4",
    "memory_mb": "float4",
    "business_context": "jsonb",
}
"""Of `analytics.scoring_requests`, in the order of the fields of KeptRequest, with their types."""
JSON, PARQUET = "application/json", "application/vnd.apache.parquet"
ODD = (b"NaN", b"Infinity", b"\\u", b"\0")
"""What makes JSON worth a second look: words that are not JSON, and escapes that PostgreSQL can't hold as text."""
SHARES = 2**32
HEAD, DIGEST = struct.Struct(">qqiddHHHHiii"), 32
"""Of a packed row: numbers, then the lengths of four texts and of inputs, outputs and context; -1 is none."""


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A row of `analytics.scoring_requests`: JSON is its text in UTF-8, the time microseconds of the Unix epoch."""

    request_id: str
    caller: str
    requested_us: int
    version_id: int
    alias: str
    content_type: str
    inputs_sha256: bytes
    inputs: bytes | None
    outputs: bytes
    rows: int
    milliseconds: float
    memory_mb: float
    context: bytes | None

    @property
    def values(self) -> tuple[object, ...]:
        """The values of COLUMNS."""
        return (
            self.request_id,
            self.caller,
            self.requested_us,
            self.version_id,
            self.alias,
            self.content_type,
            self.inputs_sha256,
            self.inputs,
            self.outputs,
            self.rows,
            self.milliseconds,
            self.memory_mb,
            self.context,
        )


def kept(record: ScoringRecord, policy: LogPolicy) -> KeptRequest:
    """What the policy lets be kept of a request; of the same request it is always the same."""
    inputs: bytes | None = None
    if _inputs_are_kept(record.request_id, policy):
        asked = without_personal(record.inputs, record.content_type, policy.personal)
        inputs = None if asked is None else _json(asked, record.content_type)
    answered = without_personal(record.outputs, JSON, policy.personal)
    return KeptRequest(
        record.request_id,
        record.caller,
        round(record.requested_at * 1e6),
        record.version_id,
        record.alias,
        record.content_type,
        hashlib.sha256(record.inputs).digest(),
        inputs,
        b"null" if answered is None else _json(answered, JSON),
        record.rows,
        record.milliseconds,
        record.memory_mb,
        _context(record.context, policy) if record.context else None,
    )


def _inputs_are_kept(request_id: str, policy: LogPolicy) -> bool:
    """Of a share of the requests: the same ones, whichever worker answers."""
    if policy.inputs == "sampled":
        return crc32(request_id.encode()) < policy.share * SHARES
    return policy.inputs == "all"


def _json(body: bytes, content_type: str) -> bytes:
    """A body as JSON that PostgreSQL takes: as it is, or as one JSON string (Parquet in base64)."""
    if content_type.startswith(PARQUET):
        return b'"' + b64encode(body) + b'"'
    if content_type.lower().startswith(JSON) and _is_json(body):
        return body
    return json.dumps(body.decode("utf-8", "replace").replace("\0", "\ufffd")).encode()


def _is_json(body: bytes) -> bool:
    """Whether PostgreSQL takes it, given that some parser of JSON has."""
    if not any(word in body for word in ODD) and body[:1] in (b"{", b"[") and (body.isascii() or _is_utf8(body)):
        return True
    try:
        orjson.loads(body)  # as strict as PostgreSQL, but for a character that no text of it may have
    except ValueError:
        return False
    return b"\\u0000" not in body


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _context(body: bytes, policy: LogPolicy) -> bytes:
    """What the caller said, in the numbers and texts that jsonb has; what is not that, as one text."""
    said = without_personal(body, JSON, policy.personal)
    try:
        written = orjson.dumps(orjson.loads(said or b"null"))
        if b"\\u0000" not in written:
            return written
    except ValueError:
        pass
    return _json(said or b"", "")


def packed(row: KeptRequest) -> bytes:
    """A row as bytes, for a file; `unpacked` reads them."""
    texts = [text.encode() for text in (row.request_id, row.caller, row.alias, row.content_type)]
    blobs = (row.inputs, row.outputs, row.context)
    head = HEAD.pack(
        row.requested_us,
        row.version_id,
        row.rows,
        row.milliseconds,
        row.memory_mb,
        *(len(text) for text in texts),
        *(-1 if blob is None else len(blob) for blob in blobs),
    )
    return b"".join((head, row.inputs_sha256, *texts, *(blob for blob in blobs if blob is not None)))


def unpacked(data: bytes) -> KeptRequest:
    """The row that was packed."""
    requested_us, version_id, rows, milliseconds, memory_mb, *lengths = HEAD.unpack_from(data)
    place = HEAD.size + DIGEST
    parts: list[bytes | None] = []
    for length in lengths:
        parts.append(None if length < 0 else data[place : place + length])
        place += max(length, 0)
    request_id, caller, alias, content_type = (part.decode() for part in parts[:4] if part is not None)
    inputs, outputs, context = parts[4:]
    assert outputs is not None
    return KeptRequest(
        request_id,
        caller,
        requested_us,
        version_id,
        alias,
        content_type,
        data[HEAD.size : HEAD.size + DIGEST],
        inputs,
        outputs,
        rows,
        milliseconds,
        memory_mb,
        context,
    )
