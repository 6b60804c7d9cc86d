"""What can befall the server, its disk and ours, in sentences: what happened, what is safe, what to do.

One map, from SQLSTATE (a class, or a whole code where that says more) and from the errno of an OSError. Whatever wraps
such an error, SQLAlchemy or MLflow, the first of them in its chain of causes is what is reported.
"""

import errno
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg

from mlops.errors import DatabaseUnavailable, MlopsError, ModelNotFound, NothingToDo, Refused

__all__ = ["ERRNOS", "NOTHING", "SQLSTATES", "Failure", "explained", "is_of_the_data", "one_sentence", "unreachable"]


@dataclass(frozen=True, slots=True)
class Failure:
    """What happened, what is safe, what to do; with `away` the server could not be used at all."""

    happened: str
    safe: str
    todo: str
    away: bool = False


NOTHING = "nothing was written"
BEFORE = "what was committed before is kept"
KEPT = "the open transaction was rolled back, and what was committed before is kept"
AGAIN = "then run the same command again"
LOST = (
    "what was committed is kept, and an open transaction is rolled back by the server; a commit whose word was lost may"
    " have happened"
)

SQLSTATES: Mapping[str, Failure] = {
    "08": Failure(
        "the connection to the database server was lost",
        LOST,
        "see that the server runs, then run the same command again: what is stored is not stored twice",
        away=True,
    ),
    "22": Failure("a value does not fit what the database holds there", KEPT, "correct what was given"),
    "22P05": Failure(
        "the database's encoding can't hold a character",
        KEPT,
        "the database must be made with encoding UTF8: create database NAME encoding 'UTF8' template template0",
    ),
    "25006": Failure(
        "the database takes no writes",
        NOTHING,
        "it is a standby, or default_transaction_read_only is set, as some providers do when the disk is full: give"
        " MLOPS_DATABASE_URL of the primary, or have the setting lifted, " + AGAIN,
    ),
    "25P03": Failure(
        "the server ended the session, which had waited inside a transaction for longer than"
        " idle_in_transaction_session_timeout",
        KEPT,
        "raise that setting for this role, " + AGAIN,
    ),
    "25P04": Failure(
        "the server ended a transaction that took longer than transaction_timeout",
        KEPT,
        "raise that setting for this role, " + AGAIN,
    ),
    "28": Failure(
        "the database server does not let this user in",
        NOTHING,
        "correct the user or password in MLOPS_DATABASE_URL, or the server's pg_hba.conf",
        away=True,
    ),
    "3D000": Failure(
        "there is no such database",
        NOTHING,
        "create it (create database NAME encoding 'UTF8' template template0), or correct MLOPS_DATABASE_URL",
        away=True,
    ),
    "40": Failure(
        "other sessions changed the same rows at the same time, again and again",
        KEPT,
        "run the same command again",
    ),
    "42501": Failure(
        "the database's user lacks a right",
        KEPT,
        "let the owner of the schema grant it, or correct MLOPS_DATABASE_URL",
    ),
    "53": Failure("the database server has no more of what it needs", KEPT, "look at the server's log, " + AGAIN),
    "53100": Failure("the disk of the database server is full", KEPT, "free space there, " + AGAIN),
    "53200": Failure(
        "the database server is out of memory", KEPT, "lower its load or give it more (`mlops db tune`), " + AGAIN
    ),
    "53300": Failure(
        "all connections that the database server gives are taken",
        NOTHING,
        "end sessions that nobody needs, raise max_connections or the limit of the role or database, or use a pooler, "
        + AGAIN,
        away=True,
    ),
    "53400": Failure("a limit of the database server is reached", KEPT, "raise that setting, " + AGAIN),
    "54": Failure("a limit of the database server is reached", KEPT, "do it in smaller portions, or look at its log"),
    "55P03": Failure(
        "another session holds a lock for longer than lock_timeout lets us wait",
        KEPT,
        "run the same command again when it has ended (`mlops health` names long transactions), or raise lock_timeout",
    ),
    "57": Failure("the database server was told to end this session", KEPT, "run the same command again", away=True),
    "57014": Failure(
        "the database server ended a statement",
        KEPT,
        "run the same command again; if statement_timeout is set for this role or database, raise it first",
    ),
    "57P03": Failure(
        "the database server is starting, stopping or recovering",
        "what was committed is kept",
        "wait a moment, " + AGAIN,
        away=True,
    ),
    "57P04": Failure("the database was dropped", "nothing more was written", "restore it from a backup", away=True),
    "58": Failure(
        "the database server could not read or write its files",
        KEPT,
        "look at its disk and its log before you go on",
    ),
    "XX": Failure(
        "the database server met a fault of its own",
        KEPT,
        "look at its log, and report it with the traceback (--debug)",
    ),
    "XX001": Failure(
        "data of the database server are damaged",
        "nothing was changed",
        "stop writing, look at its disk, and restore from a backup",
    ),
    "XX002": Failure(
        "an index of the database server is damaged", "the rows are not", "rebuild it: reindex index NAME"
    ),
}
"""By SQLSTATE or its class; the longest that fits counts."""

CONNECTING: Mapping[str, str] = {
    r"too many (clients|connections)|remaining connection slots": "53300",
    r"the database system is|not yet accepting": "57P03",
    r"password|authentication failed|no pg_hba\.conf entry|role \".*\" does not exist|is not permitted to log in": "28",
    r"database \".*\" does not exist": "3D000",
    r"permission denied for database": "42501",
}
"""Of a connection that is refused the driver knows only the server's words."""

ON_DISK = "the database holds nothing half-done, and what was stored before is kept"
FULL = Failure("the disk is full", ON_DISK, "free space there, " + AGAIN)
BLOCKED = Failure(
    "a file is where a folder is needed", ON_DISK, "move the file away, or name another folder (MLOPS_HOME), " + AGAIN
)
DENIED = Failure(
    "the system does not allow it", ON_DISK, "let the owner of the place grant it, or name another place (MLOPS_HOME)"
)
FILES = Failure("too many files are open", ON_DISK, "raise the limit (ulimit -n), " + AGAIN)
AWAY = Failure("another machine does not answer", ON_DISK, "see that it runs and can be reached from here, " + AGAIN)
MEMORY = Failure("this machine is out of memory", ON_DISK, "end other programs, or do it in smaller portions, " + AGAIN)

ERRNOS: Mapping[int, Failure] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: Failure("the quota of the disk is used up", ON_DISK, "free space there, " + AGAIN),
    errno.EFBIG: Failure(
        "a file may not become that large", ON_DISK, "raise the limit (ulimit -f) or use another file system, " + AGAIN
    ),
    errno.EROFS: Failure(
        "the file system takes no writes", ON_DISK, "mount it writable, or name another place (MLOPS_HOME), " + AGAIN
    ),
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.ENOTDIR: BLOCKED,
    errno.EEXIST: BLOCKED,
    errno.EISDIR: Failure("a folder is where a file is needed", ON_DISK, "name another file, " + AGAIN),
    errno.ENOENT: Failure("a file or folder is gone", ON_DISK, "bring it back or name another, " + AGAIN),
    errno.ENAMETOOLONG: Failure("a path is too long for this system", ON_DISK, "name a shorter place (MLOPS_HOME)"),
    errno.EMFILE: FILES,
    errno.ENFILE: FILES,
    errno.ENOMEM: MEMORY,
    errno.EIO: Failure("the disk could not be read or written", ON_DISK, "look at the disk before you go on"),
    errno.ESTALE: Failure("a network file system went away", ON_DISK, "mount it again, " + AGAIN),
    errno.ECONNREFUSED: AWAY,
    errno.ECONNRESET: AWAY,
    errno.EHOSTUNREACH: AWAY,
    errno.ENETUNREACH: AWAY,
    errno.ETIMEDOUT: AWAY,
}
"""By the number of an OSError."""


def explained(error: BaseException) -> MlopsError | None:
    """What befell the program as an error of ours, or None when the environment is not to blame.

    An error of ours stands as it is, but for one that says that something is missing: of that nothing is known when
    the disk or the server failed underneath.
    """
    if isinstance(error, MlopsError) and not isinstance(error, ModelNotFound | NothingToDo):
        return error
    for cause in _causes(error):
        failure = _failure(cause)
        if failure is not None:
            kind = DatabaseUnavailable if failure.away else Refused
            return kind(f"{failure.happened}{_detail(cause)}; {failure.safe}; {failure.todo}")
    return error if isinstance(error, MlopsError) else None


def one_sentence(error: BaseException) -> str:
    """Why something failed, for a report that goes on: explained where it can be, else its name and first line."""
    known = explained(error)
    if known is not None:
        return str(known)
    original = getattr(error, "orig", None) or error
    said = _words(str(original))
    return f"{type(original).__name__}: {said}" if said else type(original).__name__


def is_of_the_data(error: BaseException) -> bool:
    """Whether what was sent is to blame, so that sending it again would fail again: a value, a rule, a month."""
    states = [getattr(cause, "sqlstate", None) or "" for cause in _causes(error)]
    return any(state.startswith(("22", "23", "54")) or state == "55000" for state in states)


def unreachable(trouble: str, address: str, error: BaseException, *, safe: str = BEFORE) -> DatabaseUnavailable:
    """A connection that could not be made, or was lost; `address` is shown and so must name no password."""
    said = str(getattr(error, "orig", None) or error)
    state = next((state for words, state in CONNECTING.items() if re.search(words, said)), "08")
    failure, cause = SQLSTATES[state], _words(said) or "no reason given"
    reason = cause if state == "08" else f"{failure.happened} ({cause})"
    todo = "see that the server runs there, or correct the address" if state == "08" else failure.todo
    return DatabaseUnavailable(f"{trouble} at {address}: {reason}; {safe}; {todo}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, from the outside inwards.

    A context is no cause, except of what libraries raise while they clean up after a lost connection.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cleaning = type(cause).__module__.partition(".")[0] in ("sqlalchemy", "mlflow", "psycopg")
        cause = getattr(cause, "orig", None) or cause.__cause__ or (cause.__context__ if cleaning else None)


def _failure(error: BaseException) -> Failure | None:
    if isinstance(error, psycopg.Error):
        state = error.sqlstate
        if state is None:  # the driver's own word: the connection is gone
            gone = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
            return SQLSTATES["08"] if gone else None
        return SQLSTATES.get(state) or SQLSTATES.get(state[:2])
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, OSError) and not isinstance(error, MlopsError):
        many = re.search(r"\[Errno (\d+)\]", str(error))  # shutil copies on, and then reports all that failed
        return ERRNOS.get(error.errno or (int(many[1]) if many else 0))
    return None


def _detail(error: BaseException) -> str:
    """Where it happened and in whose words."""
    if isinstance(error, psycopg.Error):
        hint = error.diag.message_hint
        said = _words(error.diag.message_primary or str(error)) + (f"; {_words(hint)}" if hint else "")
    elif isinstance(error, OSError):
        said = _words(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
    else:
        said = ""
    return f" ({said})" if said else ""


def _words(text: str) -> str:
    """The first line, without what libpq puts before it."""
    line = (text.strip().splitlines() or [""])[0].strip().rstrip(".")
    return re.sub(r"^connection failed: (?=connection to server)", "", line)
