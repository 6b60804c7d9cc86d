"""The edge of the program: what ends a command is told in one sentence, and no traceback leaves it unasked."""

import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["edge"]


@contextmanager
def edge(program: str, *, debug: bool = False, as_json: bool = False) -> Iterator[None]:
    """Turn whatever is raised inside into a sentence on stderr (with `as_json` also a document) and exit code 1.

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
        _tell(program, error, as_json=as_json)
        sys.exit(1)
    finally:
        logging.setLogRecordFactory(make)


def _interruption(error: BaseException | None) -> BaseException | None:
    """What interrupted the command, when cleaning up after it is what failed."""
    while isinstance(error, Exception):
        error = error.__context__
    return error


def _tell(program: str, error: Exception, *, as_json: bool) -> None:
    name, sentence = _in_words(program, error)
    retry_with: tuple[str, ...] = getattr(error, "retry_with", ())
    if retry_with:
        sentence += f"; repeat the command so: {_repeated(program, retry_with)}"
    with suppress(OSError):
        if as_json:
            print(json.dumps({"error": name, "message": sentence}, indent=2))  # noqa: T201
        sys.stdout.flush()
    with suppress(OSError):
        print(f"{program}: {sentence}", file=sys.stderr)  # noqa: T201
    with suppress(OSError, ValueError):  # what could not be written is not tried again at exit
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


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


def _in_words(program: str, error: Exception) -> tuple[str, str]:
    """The name of an error and its sentence."""
    from mlops.db.failures import explained

    known = explained(error)
    if known is not None:
        return type(known).__name__, str(known)
    said = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {said[0].rstrip('.')}" if said else type(error).__name__
    return type(error).__name__, (
        f"{what}; this was not foreseen: an open transaction was rolled back, and what was committed before is kept;"
        f" `{program} --debug …` shows the traceback, which belongs into a report of the fault"
    )


def _without_traceback(record: logging.LogRecord) -> logging.LogRecord:
    found: Any = record.exc_info
    if found and found[1] is not None:
        from mlops.db.failures import one_sentence

        said = record.getMessage().strip().splitlines() or [""]
        record.msg, record.args = f"{said[0]} ({one_sentence(found[1])})", ()
        record.exc_info = None
    return record
