"""How much memory is taken and left: a server refuses requests before the machine kills it."""

import os
import time
from pathlib import Path

__all__ = ["Memory"]


class Memory:
    """Whether this machine (or the container) is about to run out of memory, looked at again every half second.

    `resident_mb` is this process's own.
    """

    def __init__(self, reserve_mb: float = 256.0) -> None:
        self.reserve, self._until, self._low, self._resident = reserve_mb * 2**20, 0.0, False, 0.0

    @property
    def low(self) -> bool:
        """Whether less than the reserve is left."""
        self._look()
        return self._low

    @property
    def resident_mb(self) -> float:
        """Memory of this process, MiB."""
        self._look()
        return self._resident

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._until:
            return
        self._until = now + 0.5
        self._resident = _resident_mb()
        left = _left_bytes()
        self._low = left is not None and left < self.reserve


def _resident_mb() -> float:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


def _left_bytes() -> float | None:
    """What the container's limit and the machine leave, the less of both; None where neither says."""
    return min((left for left in (_left_in_container(), _left_in_machine()) if left is not None), default=None)


def _left_in_container() -> float | None:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        taken = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")
        return None if limit == "max" else float(limit) - float(taken)
    except (OSError, ValueError):
        return None


def _left_in_machine() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
