"""Records on disk: written with fsync before anybody relies on them, kept until they are in the database.

A spool is a folder of segments, files that are appended to and then removed as a whole; each is of the worker whose
name it begins with. Records are told apart by what they hold, so a segment may be stored twice.
"""

import logging
import os
import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops.errors import Refused
from mlops.files import placed

__all__ = ["Frame", "Spool", "SpoolSegment", "encoded", "segments_in", "sync_folder"]

log = logging.getLogger(__name__)

ENDING = ".spool"
MARK = b"\xf5\xe7rq"
"""Begins a record; 0xf5 is in no text in UTF-8."""
FRAME = struct.Struct(">4sIIQ")
"""Mark, length of the data, CRC-32 of number and data, number."""
SEGMENT_BYTES = 16 << 20
"""After which a new segment is begun: a segment is read whole. Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One record: its data, and its number among those that its worker moved here from memory (0: it never was)."""

    data: bytes
    number: int = 0


@dataclass(slots=True)
class SpoolSegment:
    """A file of records, and how many bytes of it are known to be whole."""

    path: Path
    size: int

    @property
    def worker(self) -> str:
        """The worker that wrote it."""
        return self.path.name.partition("-")[0]

    def frames(self) -> list[Frame]:
        """Its whole records; what is left of a record that was never acknowledged is skipped, and that is logged."""
        with placed(self.path):
            data = self.path.read_bytes()
        frames, place = list[Frame](), 0
        while place < len(data):
            frame, end = _frame_at(data, place)
            if frame is None:
                begins = data.find(MARK, place + 1)
                end = len(data) if begins < 0 else begins
                log.warning(
                    "%s: %d bytes from %d on are no whole record and were cut: a process or disk ended in the middle of"
                    " writing one that nobody was told is kept",
                    self.path,
                    end - place,
                    place,
                )
            else:
                frames.append(frame)
            place = end
        return frames


@dataclass(slots=True)
class PendingWrite:
    """Records that somebody waits to see on disk."""

    frames: Sequence[Frame]
    error: Exception | None = None
    done: bool = False


class Spool:
    """The segments of one worker in a folder that several share; may be written to from many threads."""

    def __init__(self, folder: Path, worker: str, most_bytes: int) -> None:
        self.folder, self.worker, self.most_bytes = folder, worker, most_bytes
        self.theirs = 0
        """Bytes in segments of other workers, as last looked at."""
        self.full: list[SpoolSegment] = []
        """Segments that are written to no more and wait to be stored, the oldest first."""
        self._active: SpoolSegment | None = None
        self._descriptor = -1
        self._made = 0
        self._queue: list[PendingWrite] = []
        self._queueing, self._writing = threading.Lock(), threading.Lock()

    @property
    def bytes(self) -> int:
        """In our segments."""
        active = self._active
        return sum(segment.size for segment in self.full) + (active.size if active else 0)

    def write(self, frames: Sequence[Frame]) -> None:
        """Append records; they are on disk when this returns. Those of many threads at once share one fsync.

        Raises Refused when there is no room for them, and what the disk raises.
        """
        mine = PendingWrite(frames)
        with self._queueing:
            self._queue.append(mine)
        with self._writing:
            if not mine.done:  # else somebody wrote it along with his own while we waited
                with self._queueing:
                    everybody, self._queue = self._queue, []
                error = self._try([frame for waiting in everybody for frame in waiting.frames])
                for waiting in everybody:
                    waiting.error, waiting.done = error, True
        if mine.error is not None:
            raise mine.error

    def turn(self) -> None:
        """What is written from now on goes to a new segment, so that the present one can be stored and removed."""
        with self._writing:
            if self._active is not None:
                self._turn(self._active)

    def remove(self, segment: SpoolSegment) -> None:
        """Delete a segment whose records are in the database."""
        segment.path.unlink(missing_ok=True)
        self.full.remove(segment)

    def _try(self, frames: list[Frame]) -> Exception | None:
        """Write and sync, or leave the segment as it was."""
        data = b"".join(encoded(frame) for frame in frames)
        if self.bytes + self.theirs + len(data) > self.most_bytes:
            return Refused(
                f"the {self.most_bytes >> 20:,} MiB on disk for requests that wait to be stored (spool_mb) are full;"
                " see that the database server runs, or give more"
            )
        try:
            segment = self._current()
            with placed(segment.path):
                try:
                    _write_all(self._descriptor, data)
                    os.fsync(self._descriptor)
                except OSError:
                    os.ftruncate(self._descriptor, segment.size)
                    raise
            segment.size += len(data)
        except OSError as error:
            return error
        return None

    def _current(self) -> SpoolSegment:
        """The segment that is written to; a new one where there is none, or when it is long enough."""
        if self._active is not None and self._active.size >= SEGMENT_BYTES:
            self._turn(self._active)
        if self._active is None:
            path = self.folder / f"{self.worker}-{self._made + 1:08}{ENDING}"
            with placed(path):
                self._descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
                self._made += 1
                self._active = SpoolSegment(path, 0)
                sync_folder(self.folder)
        return self._active

    def _turn(self, active: SpoolSegment) -> None:
        self._active = None
        os.close(self._descriptor)
        if active.size:
            self.full.append(active)
        else:
            active.path.unlink(missing_ok=True)


def segments_in(folder: Path, worker: str = "*") -> list[SpoolSegment]:
    """The segments of a worker, or of all, as they lie on disk, the oldest of each first."""
    segments = []
    for path in sorted(folder.glob(f"{worker}-*{ENDING}")):
        try:
            segments.append(SpoolSegment(path, path.stat().st_size))
        except FileNotFoundError:
            continue  # stored meanwhile
    return segments


def encoded(frame: Frame) -> bytes:
    """A record as it lies in a segment."""
    number = frame.number.to_bytes(8, "big")
    return FRAME.pack(MARK, len(frame.data), zlib.crc32(frame.data, zlib.crc32(number)), frame.number) + frame.data


def _frame_at(data: bytes, place: int) -> tuple[Frame | None, int]:
    """The record that begins there and where it ends; None when there is no whole one."""
    if len(data) - place < FRAME.size:
        return None, place
    mark, length, checksum, number = FRAME.unpack_from(data, place)
    begin = place + FRAME.size
    content = data[begin : begin + length]
    whole = mark == MARK and len(content) == length
    if not whole or zlib.crc32(content, zlib.crc32(number.to_bytes(8, "big"))) != checksum:
        return None, place
    return Frame(content, number), begin + length


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    """Make sure that new names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
