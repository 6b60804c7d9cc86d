"""The command `mlops`: each command parses, calls one function, prints.

Exit codes: 0 done, 1 refused with a reason, 2 misused (`mlops.errors` says what is which). No heavy library is
imported before a command runs.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mlops import __version__
from mlops.cli import (
    alerts,
    db,
    demo,
    features,
    forecasts,
    init,
    keys,
    monitor,
    outcomes,
    recommendations,
    registry,
    review,
    series,
    serve,
    simulate,
    training,
)
from mlops.cli.edge import USAGE, edge, misused

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["app", "main"]

AGAIN_SECONDS = 0.05

app = typer.Typer(
    name="mlops",
    help="The lifecycle of forecasting models for operational time series.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)
for name, group in (
    ("db", db),
    ("series", series),
    ("registry", registry),
    ("monitor", monitor),
    ("recommendations", recommendations),
    ("features", features),
    ("alerts", alerts),
    ("forecasts", forecasts),
    ("outcomes", outcomes),
    ("keys", keys),
):
    app.add_typer(group.app, name=name)
for command in (
    demo.demo,
    init.init,
    training.train,
    training.backtest,
    training.tune,
    forecasts.predict,
    forecasts.explain,
    forecasts.what_if,
    recommendations.retrain,
    review.review,
    serve.serve,
    simulate.simulate,
    db.health,
):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        print(__version__)  # noqa: T201  nothing else to say
        raise typer.Exit


def _project(folder: Path | None) -> None:
    if folder is not None:
        from mlops import project

        project.check_project(folder)  # also for a command that reads none of its files
        os.environ["MLOPS_PROJECT"] = str(folder)  # for the processes that this one starts, too


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    project: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            callback=_project,
            help="The project (`mlops init DIR` makes one); MLOPS_PROJECT, or the working folder.",
        ),
    ] = None,
) -> None:
    """Options of every command."""


def main() -> None:
    """Run a command; whatever ends it becomes one sentence, unless --debug asks for the traceback."""
    _open_streams()
    debug = "--debug" in sys.argv
    arguments = _project_first([argument for argument in sys.argv[1:] if argument != "--debug"])
    before, hook = signal.signal(signal.SIGINT, _interrupt), sys.unraisablehook
    sys.unraisablehook = _interrupt_again
    try:
        with edge("mlops", debug=debug, as_json="--json" in arguments):
            sys.exit(_run(arguments))
    except Interrupted:
        print("mlops: interrupted; run the same command again to go on", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)


def _run(arguments: list[str]) -> int:
    """Run a command; its exit code. What Typer can't take is Misused."""
    try:
        code = app(arguments, prog_name="mlops", standalone_mode=False)
    except USAGE as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help
            error.show()
            return int(error.exit_code)
        raise misused(error) from None
    return code if isinstance(code, int) else 0


def _open_streams() -> None:
    """Where the shell closed stdout or stderr (`>&-`), Python has None, which takes no output."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  for as long as we live
            setattr(sys, name, nowhere)


def _project_first(arguments: list[str]) -> list[str]:
    """`--project` belongs to every command: wherever it stands, it is read before the command's own options."""
    for place, argument in enumerate(arguments):
        if argument == "--project" or argument.startswith("--project="):
            end = place + (1 if "=" in argument else 2)
            return [*arguments[place:end], *arguments[:place], *arguments[end:]]
    return arguments


class Interrupted(BaseException):
    """Ctrl-C; not a KeyboardInterrupt, for which Typer has words of its own."""


def _interrupt(*_: object) -> NoReturn:
    raise Interrupted


def _interrupt_again(lost: "UnraisableHookArgs") -> None:
    """Send Ctrl-C once more when it fell into a callback (a finaliser, a C library's), where Python drops it."""
    if not issubclass(lost.exc_type, Interrupted):
        sys.__unraisablehook__(lost)
        return
    main = threading.main_thread().ident
    if main is not None:
        threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (main, signal.SIGINT)).start()
