"""How often somebody may ask: a token bucket without a clock, whose whole state is one number."""

import fcntl
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RateLimit", "SharedBuckets"]

ROUNDING_SECONDS = 1e-6
"""A wait this short is the rounding of sums of times, not a wait; a clock that counts from the start of the machine
rounds to 1e-10 s or so, and a burst adds up some hundreds of them."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A bucket of `burst` tokens, into which `per_minute` drop evenly; a request takes one.

    Its state is the time at which it will be full again (any time that is past means that it is full), so nothing has
    to be done while nobody asks. Times are in seconds of a clock that nobody sets (`time.monotonic`).

    >>> limit = RateLimit(per_minute=60, burst=2)
    >>> full_at = limit.take(limit.take(0.0, now=100.0), now=100.0)
    >>> limit.wait(full_at, now=100.0), limit.wait(full_at, now=101.0)
    (1.0, 0.0)
    """

    per_minute: float
    burst: int

    def wait(self, full_at: float, now: float) -> float:
        """Seconds until there is a token; 0.0 when there is one now.

        It is never longer than one token takes: a bucket is not emptier than empty, whatever clock its state is of.
        """
        token = 60.0 / self.per_minute
        wait = min(full_at - now - (self.burst - 1) * token, token)
        return wait if wait > ROUNDING_SECONDS else 0.0

    def take(self, full_at: float, now: float) -> float:
        """When the bucket will be full after one more token is taken; only for when `wait` is 0.0."""
        return max(full_at, now) + 60.0 / self.per_minute


class SharedBuckets:
    """The states of buckets by the ids of keys (twelve hexadecimal digits), shared by the workers of a server.

    A state is eight bytes of a file that all of them have mapped. Two workers that take at the same instant may take
    the same token; nobody waits for a lock.
    """

    SLOTS = 16_384
    """Of as many keys with a limit; 256 KiB. Chosen, not measured."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, 16 * self.SLOTS)
        shared = memoryview(mmap.mmap(self._file, 16 * self.SLOTS))
        self._ids, self._times = shared[: 8 * self.SLOTS].cast("Q"), shared[8 * self.SLOTS :].cast("d")
        self._places: dict[str, int] = {}

    def get(self, key_id: str, default: float) -> float:
        """The state of a key's bucket, the default when it has none."""
        return self._times[self._place(key_id)] or default

    def __setitem__(self, key_id: str, full_at: float) -> None:
        self._times[self._place(key_id)] = full_at

    def _place(self, key_id: str) -> int:
        place = self._places.get(key_id)
        return self._new(key_id) if place is None else place

    def _new(self, key_id: str) -> int:
        """The place of a key that this worker did not know: one that another has taken for it, or a free one."""
        number = int(key_id, 16) + 1  # 0 is a free place
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            for step in range(self.SLOTS):
                place = (number + step) % self.SLOTS
                if self._ids[place] in (0, number):
                    break
            self._ids[place] = number  # when all are taken, two keys have one bucket
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._places[key_id] = place
        return place
