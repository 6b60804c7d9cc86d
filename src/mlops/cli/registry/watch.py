"""`mlops registry sync --watch`, and who tells it of changes: `mlops registry hints` and `mlops registry webhook`."""

import json
import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO
from urllib.parse import urlsplit

import typer

from mlops.cli.context import database, settings, store
from mlops.cli.options import Json
from mlops.cli.output import console, emit, plain
from mlops.errors import DatabaseUnavailable, Misused, MlopsError, quoted

if TYPE_CHECKING:
    from mlops.tracking.bridge.sweep import Swept
    from mlops.tracking.bridge.watch import Hints, Turn

__all__ = ["check_listen", "hints", "watch", "webhook"]

REMIND_SECONDS = 3600
"""After which a failure that continues is reported again. Chosen, not measured."""

hints = typer.Typer(
    help="Triggers on MLflow's registry tables that tell a watcher of changes at once.", no_args_is_help=True
)


@hints.command()
def install(as_json: Json = False) -> None:
    """Make MLflow's registry tables tell of changes; needs their owner's rights, and may be repeated."""
    from mlops.db import registry_hints

    made = registry_hints.install(_registry()[0])
    text = f"these tables tell of their changes now: {', '.join(made)}" if made else "all tables tell of their changes"
    emit({"installed": made}, as_json=as_json, text=lambda: _say(text))


@hints.command()
def remove(as_json: Json = False) -> None:
    """Leave MLflow's registry tables as MLflow made them."""
    from mlops.db import registry_hints

    gone = registry_hints.remove(_registry()[0])
    text = f"these tables tell nothing any more: {', '.join(gone)}" if gone else "no table told of its changes"
    emit({"removed": gone}, as_json=as_json, text=lambda: _say(text))


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misused(f"{quoted(url)} is not an address; expected one like https://HOST/webhooks/mlflow")
    return url


def check_listen(listen: str) -> None:
    """A place to listen at, and the secret that it needs, before anything is synced."""
    from mlops.web.server import parse_address

    parse_address(listen)
    _secret()


def webhook(
    url: Annotated[
        str,
        typer.Argument(callback=_address, help="Where MLflow's server reaches --listen: https://HOST/webhooks/mlflow."),
    ],
    as_json: Json = False,
) -> None:
    """Register an address for webhooks at the MLflow server, signed with MLOPS_WEBHOOK_SECRET, and try it once."""
    from mlops.tracking.bridge.watch import register_webhook

    secret = _secret()
    done = register_webhook(store(), url, secret)

    def text() -> None:
        act = "registered" if done.new else "renewed"
        console.print(f"{act} webhook {done.webhook_id} for {url}", highlight=False, soft_wrap=True)
        outcome = "was taken" if done.delivered else "was NOT taken; is `mlops registry sync --watch --listen` running?"
        console.print(f"a delivery for trying {outcome} ({done.answer})", highlight=False, soft_wrap=True)

    emit(done, as_json=as_json, text=text)
    if not done.delivered:
        raise typer.Exit(1)


def watch(*, every: float, listen: str | None, triggers: bool, as_json: bool) -> None:
    """Sync now, after every hint, and at the latest every so many seconds, until Ctrl-C or SIGTERM.

    With `triggers` they are installed where the registry lies in our own database, and heard wherever they are.
    Prints a line (with `as_json` a JSON document in one line) for each sync that changed something.
    """
    from mlops.tracking.artifacts.files import Looking, look
    from mlops.tracking.bridge.sweep import repeats_at_once, sweep
    from mlops.tracking.bridge.watch import Hints, give_up_soon, turns

    given = Hints()
    files = Looking(lambda: look(store(), database()), lambda: given.give("files"), every_seconds=every)

    def work() -> "Swept":
        return sweep(store(), database(), files.seen)

    logging.getLogger("mlops.tracking").setLevel(logging.ERROR)  # what a model lacks is in the mirror; here it repeats
    give_up_soon()
    store()  # what can't be opened now is refused; what goes away later is waited for
    with _until_terminated(given), ExitStack() as stack:
        sources = list(_sources(listen, triggers, given, stack))
        _say("; ".join([f"{_now()} watching: a sync every {every:g} s", *sources]), sys.stderr)
        reporter, before = Reporter(as_json), None
        for turn in turns(work, given, every_seconds=every):
            reporter.report(turn)
            if turn.result is not None and repeats_at_once(before, turn.result):
                given.give("files to read")
            before = turn.result or before


class Reporter:
    """Reports what changed, and of a failure that continues only that it began and ended."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._before: Swept | None = None
        self._failing_since: float | None = None
        self._reported_at = 0.0

    def report(self, turn: "Turn[Swept]") -> None:
        """One turn."""
        if turn.problem is not None:
            self._fail(turn.problem)
        elif turn.result is not None:
            if self._failing_since is not None:
                _say(f"{_now()} it works again after {time.monotonic() - self._failing_since:.0f} s", sys.stderr)
            self._failing_since = None
            self._changes(turn, turn.result)

    def _fail(self, problem: Exception) -> None:
        if self._before is None and isinstance(problem, MlopsError) and not isinstance(problem, DatabaseUnavailable):
            raise problem  # waiting would not help
        now = time.monotonic()
        if self._failing_since is None or now - self._reported_at > REMIND_SECONDS:
            from mlops.db.failures import one_sentence

            _say(f"{_now()} the sync fails and is tried again: {one_sentence(problem)}", sys.stderr)
            self._reported_at = now
        self._failing_since = self._failing_since or now

    def _changes(self, turn: "Turn[Swept]", swept: "Swept") -> None:
        from mlops.tracking.bridge.sweep import differences

        changes, self._before = differences(self._before, swept), swept
        because = " and ".join(sorted(turn.because)) or "the clock"
        if not changes:
            return
        if self._as_json:
            document = {"at": _now(), "because": because, "seconds": round(turn.seconds, 3), "changes": changes}
            _say(json.dumps(document | plain({"mirror": swept.mirror, "alerts": swept.alerts}), ensure_ascii=False))
        else:
            _say(f"{_now()} {'; '.join(changes)} ({because}, {turn.seconds:.1f} s)")


class Terminated(BaseException):
    """SIGTERM: a sync is one transaction, so it may be left anywhere."""


@contextmanager
def _until_terminated(given: "Hints") -> Iterator[None]:
    def terminate(*_: object) -> NoReturn:
        given.stop()  # for when Python drops what is raised, as it does in a finaliser
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except Terminated:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _sources(listen: str | None, triggers: bool, given: "Hints", stack: ExitStack) -> Iterator[str]:
    """Begin to hear of changes, for as long as the stack stands; who from, in words."""
    if listen is not None:
        from mlops.web.server import parse_address, serving
        from mlops.web.webhooks import PATH, webhook_app

        secret, place = _secret(), parse_address(listen)
        address = stack.enter_context(serving(webhook_app(secret, database(), given.give), *place))
        yield f"after webhooks at {address}{PATH}"
    if triggers:
        yield from _triggers(given, stack)


def _triggers(given: "Hints", stack: ExitStack) -> Iterator[str]:
    from mlops.db import registry_hints
    from mlops.db.listen import listening

    address, ours = _registry()
    try:
        if ours:
            registry_hints.install(address)
        silent = registry_hints.silent(address)
    except MlopsError as error:
        if ours:
            yield f"without triggers ({error})"
        return
    stack.enter_context(listening(address, registry_hints.CHANNEL, lambda _: given.give("trigger")))
    lacking = f" (none on {', '.join(silent)}: `mlops registry hints install` makes them)" if silent else ""
    yield f"after triggers{lacking}"


def _registry() -> tuple[str, bool]:
    from mlops.tracking.bridge.watch import registry_address

    return registry_address(settings(), database().url)


def _secret() -> str:
    secret = settings().webhook_secret
    if secret is None or not secret.get_secret_value():
        raise Misused(
            "webhooks need a secret that MLflow signs them with; set MLOPS_WEBHOOK_SECRET, as by"
            " `export MLOPS_WEBHOOK_SECRET=$(openssl rand -hex 32)`"
        )
    return secret.get_secret_value()


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _say(line: str, stream: TextIO | None = None) -> None:
    print(line, file=stream or sys.stdout, flush=True)
