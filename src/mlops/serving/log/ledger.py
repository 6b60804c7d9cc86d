"""How many records each worker took and what became of them, in a file that says so when the worker is dead.

The file is mapped into memory: what was counted is there whatever ends the process (the machine apart). Its lock says
that the worker lives; whoever gets the lock of a dead one owns its segments, and settles its account.
"""

import fcntl
import mmap
import os
from pathlib import Path

from mlops.serving.log.spool import sync_folder

__all__ = ["ENDING", "Ledger"]

ENDING = ".ledger"
SIZE = 128


class Count:
    """One of the counts of a ledger, as an attribute: a whole number in eight bytes of the file."""

    def __init__(self, place: int) -> None:
        self.place = place

    def __get__(self, ledger: "Ledger", _owner: type) -> int:
        return ledger.counts[self.place]

    def __set__(self, ledger: "Ledger", value: int) -> None:
        ledger.counts[self.place] = value


class Ledger:
    """The counts of one worker; times are microseconds of the Unix epoch."""

    taken = Count(0)
    """Records that were taken into memory."""
    handled = Count(1)
    """Of these: no longer in memory because the database has them, or takes no such row."""
    moved_handled = Count(2)
    """What `handled` would be with the newest batch that was moved to disk, as nobody knew whether it is committed."""
    spooled = Count(3)
    """Of `taken`: moved to disk; they are numbered from 1."""
    lost = Count(4)
    """Records for which there was no room."""
    lost_recorded = Count(5)
    lost_since = Count(6)
    refused = Count(7)
    """Records that the database takes in no form."""
    refused_recorded = Count(8)
    refused_since = Count(9)
    handled_until = Count(10)
    """When there was nothing in memory that is not handled."""
    last = Count(11)
    """When the newest record was answered."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor
        self._map = mmap.mmap(descriptor, SIZE)
        self.counts = memoryview(self._map).cast("q")

    @property
    def worker(self) -> str:
        """Whose it is."""
        return self.path.name.removesuffix(ENDING)

    @classmethod
    def new(cls, folder: Path, worker: str) -> "Ledger":
        """The ledger of a worker that begins; it is locked before anybody can see it."""
        path, unseen = folder / f"{worker}{ENDING}", folder / f".{worker}"
        descriptor = os.open(unseen, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, bytes(SIZE))  # a full disk is told here, not by a signal at the first count
        os.fsync(descriptor)
        unseen.rename(path)
        sync_folder(folder)
        return cls(path, descriptor)

    @classmethod
    def of_dead(cls, folder: Path, worker: str) -> "Ledger | None":
        """The ledger of a worker that died, ours from now on; None when it lives, or somebody settles it already.

        Of segments whose ledger is gone a new one is made, in which nothing is counted.
        """
        path = folder / f"{worker}{ENDING}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink == 0:  # settled by who had the lock before
            os.close(descriptor)
            return None
        size = os.fstat(descriptor).st_size
        os.pwrite(descriptor, bytes(max(0, SIZE - size)), size)
        return cls(path, descriptor)

    def close(self, *, settled: bool) -> None:
        """Let the lock go; a `settled` one is removed first. The counts can still be read."""
        if settled:
            self.path.unlink(missing_ok=True)
        mapped, self.counts = self.counts, memoryview(bytearray(self.counts)).cast("q")
        mapped.release()
        self._map.close()
        os.close(self._descriptor)
