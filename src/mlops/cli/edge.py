"""The edge of the program: what ends a command becomes one sentence, and no traceback is shown unless --debug asks.

The exit code is the error's own (`mlops.errors` says which and why): 2 where the fault is in what was typed, else 1.
"""

import json
import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

import typer

from mlops.errors import Misused, MlopsError, nearest, quoted, visible

__all__ = ["NO_READER", "USAGE", "edge", "let_go", "misused"]

NO_READER = 141
"""What a shell shows of a program that SIGPIPE ended, as `mlops … | head -1` ends `cat`."""


USAGE: Any = typer.BadParameter.__mro__[1]
"""The base of Typer's errors about a command line: click's class, or the one that Typer carries itself."""
EXPECTED = {
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "int_type": "is not a whole number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "greater_than_equal": "is too small; expected {ge:g} or more",
    "less_than_equal": "is too large; expected {le:g} or less",
}
"""What is wrong with a value, by the type that pydantic gives the error."""


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
        sys.exit(_report(program, error, as_json=as_json))
    finally:
        logging.setLogRecordFactory(make)


def misused(error: Any) -> Misused:
    """What Typer can't take of a command line, in one sentence: what was typed, what was meant, where to read on."""
    said = error.format_message().strip().rstrip(".")
    option, context = getattr(error, "option_name", None), error.ctx
    if option and not said.startswith("No such option"):
        return Misused(f"{option} {'takes no value' if 'does not take' in said else 'needs a value'}")
    if option:
        text = f"there is no option {quoted(option)}{_meant(option, _options(context.command))}"
    elif (name := re.match(r"No such command '(.*?)'\.?", said, re.DOTALL)) is not None:
        text = f"there is no command {quoted(name[1])}{_meant(name[1], context.command.commands)}"
    elif getattr(error, "param", None) is not None:
        text = _of_parameter(error, said)
    elif (extra := re.match(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", said, re.DOTALL)) is not None:
        text = f"{quoted(extra[1])} is one argument too many; a text with spaces is written in quotes"
    else:
        text = re.sub(r"^Invalid value(?: for)?:? ", "", said)
    path = context.command_path if context is not None else "mlops"
    return Misused(f"{path.removeprefix('mlops').strip()}: {text}; see `{path} --help`".removeprefix(": "))


def _interruption(error: BaseException | None) -> BaseException | None:
    """What interrupted the command, when cleaning up after it is what failed."""
    while isinstance(error, Exception):
        error = error.__context__
    return error


def _report(program: str, error: Exception, *, as_json: bool) -> int:
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
    raised: Any = record.exc_info
    if raised and raised[1] is not None:
        from mlops.db.failures import one_sentence

        said = record.getMessage().strip().splitlines() or [""]
        record.msg, record.args = f"{said[0]} ({one_sentence(raised[1])})", ()
        record.exc_info = None
    return record


def _of_parameter(error: Any, said: str) -> str:
    """An option or argument that is missing, or whose value can't be taken."""
    names = [option for option in error.param.opts if option.startswith("--")]
    name = names[0] if names else str(error.param.metavar or error.param.name.upper())
    if said.startswith("Missing"):
        return f"{name} is missing"
    cause = error.__cause__ or error.__context__
    wrong: dict[str, Any] = cause.errors()[0] if hasattr(cause, "errors") else {}
    given, kind = wrong.get("input"), wrong.get("type")
    choices = _choices(error.param)
    if choices and given is not None:
        return f"{name} {quoted(given)} is not one of {', '.join(choices)}{_meant(given, choices)}"
    if kind in EXPECTED:
        return f"{name} {quoted(given)} {EXPECTED[kind].format(**wrong.get('ctx', {}))}"
    return f"{name}: {said.rpartition(': ')[2]}"


def _choices(parameter: Any) -> tuple[str, ...]:
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(choice.value) for choice in annotation)
    return tuple(getattr(getattr(parameter, "type", None), "choices", ()))


def _options(command: Any) -> list[str]:
    names = (name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts))
    return [name for name in names if name.startswith("--")]


def _meant(given: object, choices: Any) -> str:
    close = nearest(given, choices)
    return f" (did you mean {close}?)" if close else ""
