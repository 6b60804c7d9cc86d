"""Server settings for a machine and for monthly partitions of numbers that are written once."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from mlops.db.engine import Database
from mlops.errors import Misused, Refused, quoted

__all__ = ["Advice", "Machine", "Setting", "apply", "machine", "recommended_settings", "settings_advice"]

MB, GB = 2**20, 2**30
UNITS = {"MB": MB, "GB": GB, "TB": 2**40}
LIMIT = Path("/sys/fs/cgroup/memory.max")  # in a container the machine's memory is not ours
STATEMENTS = "pg_stat_statements"
LOCKS_PER_PARTITION = 5  # the table and its indexes


@dataclass(frozen=True, slots=True)
class Machine:
    """What settings depend on; `libraries` are preloaded already, `statements` says whether that one can be had."""

    memory_bytes: int
    cores: int
    connections: int = 100
    partitions: int = 0
    libraries: tuple[str, ...] = ()
    statements: bool = True


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, written as PostgreSQL shows it, and why."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself; `libraries` is None when this role may not see them, `local` is this machine."""

    connections: int
    partitions: int
    libraries: str | None
    statements: bool
    local: bool


@dataclass(frozen=True, slots=True)
class SettingNow:
    """A setting as it is; `restart` says that a change waits for one."""

    name: str
    current: str
    restart: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """A setting beside its value of today; `restart` says that a change waits for one."""

    name: str
    current: str
    recommended: str
    reason: str
    restart: bool
    fits: bool


def recommended_settings(machine: Machine) -> list[Setting]:
    """Settings with which the server stays inside the memory while every connection sorts."""
    return [*_memory(machine), *_writing(), *_reading(machine), *_partitions_and_libraries(machine)]


def machine(database: Database, memory: str | None = None, cores: int | None = None) -> Machine:
    """The server's machine: of the given size, else this one, which is refused when the server is elsewhere."""
    with database.transaction() as transaction:
        server = transaction.one("tune_server", of=ServerFacts)
    assert server is not None
    if not server.local and (memory is None or cores is None):
        raise Refused("the server is on another machine, whose size can't be seen from here: give --memory and --cores")
    libraries = tuple(name.strip() for name in (server.libraries or "").split(",") if name.strip())
    statements = server.statements and server.libraries is not None  # where they can't be seen none can be added
    size = size_of(memory) if memory is not None else _memory_here()
    return Machine(
        size, cores or os.cpu_count() or 1, server.connections, server.partitions, libraries, statements=statements
    )


def settings_advice(database: Database, machine: Machine) -> list[Advice]:
    """Every setting beside its value of today."""
    wanted = recommended_settings(machine)
    plain = Database(database.url, pinned=False)  # without our own settings of a session
    with plain.transaction() as transaction:
        rows = transaction.rows("settings_now", of=SettingNow, names=[setting.name for setting in wanted])
    plain.close()
    now = {row.name: row for row in rows}
    return [
        Advice(
            setting.name,
            current=(there := now[setting.name]).current,
            recommended=setting.value,
            reason=setting.reason,
            restart=there.restart,
            fits=_same(there.current, setting.value),
        )
        for setting in wanted
        if setting.name in now
    ]


def apply(database: Database, machine: Machine) -> list[Advice]:
    """Write what differs by ALTER SYSTEM, which wins over every file, and reload; what it was before is returned."""
    changes = settings_advice(database, machine)
    with database.autocommit() as cursor:
        try:
            for setting in (setting for setting in changes if not setting.fits):
                # a list is written as a list: in one pair of quotes it would be the name of one library
                whole = setting.name != "shared_preload_libraries"
                values = [setting.recommended] if whole else setting.recommended.split(", ")
                written = sql.SQL(", ").join(sql.Literal(value) for value in values)
                name = sql.Identifier(setting.name)
                cursor.execute(sql.SQL("alter system set {} = {}").format(name, written))
            cursor.execute("select pg_reload_conf()")
        except psycopg.errors.InsufficientPrivilege as error:
            raise Refused(
                f"this role may not change the server: {error.diag.message_primary}; let a superuser run it, or put "
                "the settings that `mlops db tune` prints where your provider keeps them"
            ) from error
    return changes


def _memory(machine: Machine) -> Iterator[Setting]:
    memory = machine.memory_bytes
    buffers = _clamp(memory // 4, 64 * MB, 16 * GB)
    sorts = _clamp((memory - buffers) // (3 * max(machine.connections, 1)), MB, 256 * MB)
    yield Setting("shared_buffers", _size(buffers), "a quarter of the memory; the system caches the rest")
    yield Setting(
        "effective_cache_size", _size(memory * 3 // 4), "what both caches hold; makes the planner trust indexes"
    )
    yield Setting(
        "work_mem", _size(sorts), f"a third of the rest, shared by {machine.connections} connections that sort"
    )
    upkeep = _clamp(memory // 16, 16 * MB, 2 * GB)
    yield Setting(
        "maintenance_work_mem", _size(upkeep), "building the indexes of a month when it is loaded or restored"
    )


def _writing() -> Iterator[Setting]:
    yield Setting("max_wal_size", "4GB", "a large ingest does not force checkpoints; costs so much disk")
    yield Setting("checkpoint_timeout", "15min", "fewer checkpoints, so fewer whole pages in the WAL")
    yield Setting("checkpoint_completion_target", "0.9", "checkpoints are spread and don't stall ingest")
    yield Setting("wal_compression", "on", "whole pages of numbers shrink to a fraction")
    yield Setting(
        "autovacuum_vacuum_insert_scale_factor",
        "0.05",
        "months only grow: mark pages all-visible early for index-only scans",
    )
    yield Setting("autovacuum_vacuum_scale_factor", "0.05", "a month is large; don't wait for a fifth of it to be dead")
    yield Setting("autovacuum_analyze_scale_factor", "0.02", "the newest days are at the end of every histogram")


def _reading(machine: Machine) -> Iterator[Setting]:
    each = _clamp(machine.cores // 2, 1, 4)
    yield Setting("random_page_cost", "1.1", "on SSD a random page costs little more than the next one")
    yield Setting("effective_io_concurrency", "200", "SSDs answer many reads at once")
    yield Setting("max_worker_processes", str(max(8, machine.cores)), "room for a worker per core")
    yield Setting("max_parallel_workers", str(machine.cores), "one per core")
    yield Setting("max_parallel_workers_per_gather", str(each), "half of the cores, so that one report leaves room")
    yield Setting("max_parallel_maintenance_workers", str(each), "half of the cores when indexes are built")
    yield Setting(
        "jit", "off", "many partitions make plans look dear enough for JIT, which then costs more than the query"
    )


def _partitions_and_libraries(machine: Machine) -> Iterator[Setting]:
    need = machine.partitions * LOCKS_PER_PARTITION
    locks = next((step for step in (256, 512, 1024, 2048) if step * 2 >= need), 4096)
    reason = f"a query may lock all {machine.partitions} partitions and their indexes"
    yield Setting("max_locks_per_transaction", str(locks), reason)
    if machine.statements:
        libraries = (*machine.libraries, *(() if STATEMENTS in machine.libraries else (STATEMENTS,)))
        yield Setting("shared_preload_libraries", ", ".join(libraries), "which statements cost the time")


def _same(current: str, value: str) -> bool:
    """`wal_compression` is shown by its method, any of which is on."""
    if value == "on":
        return current != "off"
    return re.sub(r"\s", "", current) == re.sub(r"\s", "", value)


def _size(size: int) -> str:
    """As PostgreSQL shows it: the largest unit that is exact."""
    megabytes = size // MB
    return f"{megabytes // 1024}GB" if megabytes % 1024 == 0 else f"{megabytes}MB"


def _clamp(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))


def size_of(text: str) -> int:
    """Bytes of a text like 16GB; Misused for another."""
    parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(MB|GB|TB)\s*", text, re.IGNORECASE)
    size = int(float(parts[1]) * UNITS[parts[2].upper()]) if parts else 0
    if size < 256 * MB:
        raise Misused(f"{quoted(text)} is no memory of a server; expected at least 256MB, as in 16GB")
    return size


def _memory_here() -> int:
    """The memory of this machine, or less in a container."""
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        size = min(size, int(LIMIT.read_text()))
    return size
