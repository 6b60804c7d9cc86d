"""The edge of the program: what ends a command is told in one sentence, and no traceback leaves it unasked.

The exit code is the error's own (`mlops.errors` says which and why): 2 where the fault is in what was typed, else 1.
"""

import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mlops.errors import Misused, MlopsError, quoted, visible

__all__ = ["NO_READER", "edge", "let_go"]

NO_READER = 141
"""What a shell shows of a program that SIGPIPE ended, as `mlops … | head -1` ends `cat`."""


@contextmanager
def edge(program: str, *, debug: bool = False, as_json: bool = False) -> Iterator[None]:
    """Turn whatever is raised inside into a sentence on stderr (with `as_json` also a document) and an exit code.

    With `debug` it is raised as it is. Logs of exceptions that a command went on after are one line each, too.
    """
    if debug:
        yield
        return
    make = logging.getLogRecordFactory()
    logging.setLogRecordFactory(lambda *args, **kwargs: _without_traceback(make(*args, **kwargs)))
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, so that a full disk behind a redirection is told too
    except Exception as error:  # noqa: BLE001  the edge
        interruption = _interruption(error)
        if interruption is not None:
            raise interruption from None
        if isinstance(error, BrokenPipeError) and error.filename is None:  # who read our output has read enough
            let_go(sys.stdout)
            sys.exit(NO_READER)
        sys.exit(_tell(program, error, as_json=as_json))
    finally:
        logging.setLogRecordFactory(make)


def _interruption(error: BaseException | None) -> BaseException | None:
    """What interrupted the command, when cleaning up after it is what failed."""
    while isinstance(error, Exception):
        error = error.__context__
    return error


def _tell(program: str, error: Exception, *, as_json: bool) -> int:
    """Say what happened; the exit code."""
    name, sentence, code = _in_words(program, error)
    retry_with: tuple[str, ...] = getattr(error, "retry_with", ())
    if retry_with:
        sentence += f"; repeat the command so: {_repeated(program, retry_with)}"
    with suppress(OSError, ValueError):
        if as_json:
            print(json.dumps({"error": name, "message": sentence}, indent=2))  # noqa: T201
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        print(f"{program}: {visible(sentence)}", file=sys.stderr)  # noqa: T201
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        let_go(sys.stdout)
    return code


def let_go(stream: Any) -> None:
    """What could not be written is not tried again at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _repeated(program: str, options: tuple[str, ...]) -> str:
    """This command with an option (its name and value) in place of what it said of it."""
    name, kept = options[0], list[str]()
    words = iter(sys.argv[1:])
    for word in words:
        if word == name:
            next(words, None)
        elif not word.startswith(f"{name}="):
            kept.append(word)
    return shlex.join([program, *kept, *options])


def _in_words(program: str, error: Exception) -> tuple[str, str, int]:
    """The name of an error, its sentence and its exit code."""
    from mlops.db.failures import explained

    known = explained(error) or _no_text(error)
    if known is not None:
        return type(known).__name__, str(known), known.exit_code
    said = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {said[0].rstrip('.')}" if said else type(error).__name__
    return (
        type(error).__name__,
        f"{what}; this was not foreseen: an open transaction was rolled back, and what was committed before is kept;"
        f" `{program} --debug …` shows the traceback, which belongs into a report of the fault",
        MlopsError.exit_code,
    )


def _no_text(error: Exception) -> MlopsError | None:
    """What was typed, when bytes of it are no text: Python carries those as half characters, which nothing takes."""
    if not isinstance(error, UnicodeEncodeError) or error.reason != "surrogates not allowed":
        return None
    return Misused(f"{quoted(error.object)} holds bytes that are no text (UTF-8); write it as UTF-8")


def _without_traceback(record: logging.LogRecord) -> logging.LogRecord:
    found: Any = record.exc_info
    if found and found[1] is not None:
        from mlops.db.failures import one_sentence

        said = record.getMessage().strip().splitlines() or [""]
        record.msg, record.args = f"{said[0]} ({one_sentence(found[1])})", ()
        record.exc_info = None
    return record
