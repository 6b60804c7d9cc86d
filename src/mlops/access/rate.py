"""How often somebody may ask: a token bucket without a clock, whose whole state is one number."""

from dataclasses import dataclass

__all__ = ["RateLimit"]

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
        """Seconds until there is a token; 0.0 when there is one now."""
        wait = full_at - now - (self.burst - 1) * 60.0 / self.per_minute
        return wait if wait > ROUNDING_SECONDS else 0.0

    def take(self, full_at: float, now: float) -> float:
        """When the bucket will be full after one more token is taken; only for when `wait` is 0.0."""
        return max(full_at, now) + 60.0 / self.per_minute
