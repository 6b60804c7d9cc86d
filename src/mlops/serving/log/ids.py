"""Names of requests: UUIDs of version 7 (RFC 9562), which begin with the time and so lie together in an index."""

import os
import time

__all__ = ["uuid7"]

VERSION, VARIANT = 0x7000, 0x8000


def uuid7() -> str:
    """A new one, in the usual form: 48 bits of milliseconds, 74 random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    milliseconds = time.time_ns() // 1_000_000
    first, second = VERSION | random >> 68, VARIANT | random >> 48 & 0x3FFF
    high = f"{milliseconds:012x}"
    return f"{high[:8]}-{high[8:]}-{first:04x}-{second:04x}-{random & 0xFFFFFFFFFFFF:012x}"
