"""`mlops alerts`: every alert there is, and bringing it to whoever should know."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.alerts import alerts
from mlops.cli.context import database, moment, settings
from mlops.cli.options import AsOf, Json
from mlops.cli.output import console, emit

if TYPE_CHECKING:
    from mlops.domain.alerts import Reviewed
    from mlops.monitoring.alerting.alerts import Delivered

__all__ = ["app"]

app = typer.Typer(help="What somebody should look at, and who is told of it.", no_args_is_help=True)
app.command("list")(alerts)


@app.command()
def deliver(
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Review monitoring's alerts, then send what is new, open still or resolved; exit 1 when a channel is down."""
    from mlops.monitoring.alerting.alerts import deliver as send
    from mlops.monitoring.alerting.alerts import review_alerts
    from mlops.policy import read_policy

    rules = read_policy().alerts
    reviewed = review_alerts(database(), moment(as_of), rules)
    delivered = send(database(), settings(), rules)
    document = {"opened": reviewed.opened, "resolved": reviewed.resolved, "channels": delivered}
    emit(document, as_json=as_json, text=lambda: _print(reviewed, delivered))
    if any(one.waiting and one.problem for one in delivered):
        raise typer.Exit(1)


@app.command("test")
def try_channel(
    channel: Annotated[str, typer.Argument(help="A channel of [alerts.channels] in monitoring/policy.toml.")],
    as_json: Json = False,
) -> None:
    """Send one message for trying to a channel; nothing is recorded."""
    from mlops.monitoring.alerting.alerts import send_test
    from mlops.policy import read_policy

    remark = send_test(settings(), channel, read_policy().alerts)
    text = f"{channel} took a message for trying" + (f"; {remark}" if remark else "")
    emit({"channel": channel, "remark": remark}, as_json=as_json, text=lambda: _say(escape(text)))


def _print(reviewed: "Reviewed", delivered: list["Delivered"]) -> None:
    for sentence in reviewed.sentences():
        _say(escape(sentence))
    for one in delivered:
        waiting = f", [yellow]{one.waiting} waiting[/]: {escape(one.problem or 'not due yet')}" if one.waiting else ""
        _say(f"[bold]{escape(one.channel)}[/]: {one.sent} sent{waiting}")
    if not delivered:
        _say("nobody is told: monitoring/policy.toml has no [alerts.channels]")


def _say(line: str) -> None:
    """A line that is not broken, so that commands can be copied."""
    console.print(line, highlight=False, soft_wrap=True)
