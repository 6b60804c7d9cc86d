"""`mlops alerts …`: what somebody should look at, and bringing it to whoever should know."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, moment, settings
from mlops.cli.options import AsOf, Json
from mlops.cli.output import console, emit, say

if TYPE_CHECKING:
    from mlops.domain.alerts import Reviewed
    from mlops.monitoring.alerting.alerts import Delivered, ListedAlert

__all__ = ["app", "list_alerts", "print_reviewed"]

app = typer.Typer(help="What somebody should look at, and who is told of it.", no_args_is_help=True)
SHOWN = 10
"""Changes of a review that are shown; the rest is counted. Chosen, not measured."""
COLOURS = {"critical": "red", "warning": "yellow"}


@app.command("list")
def list_alerts(
    everything: Annotated[bool, typer.Option("--all", help="Show those that are resolved, too.")] = False,
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """List what somebody should look at, the critical first, each with what to do; it writes nothing."""
    from mlops.monitoring.alerting.alerts import alerts
    from mlops.policy import read_policy

    rows = alerts(database(), moment(as_of), read_policy().alerts, everything=everything)

    def text() -> None:
        for alert in rows:
            _print_alert(alert)
        if not rows:
            console.print("no alert is open" if not everything else "there never was an alert")

    emit(rows, as_json=as_json, text=text)


@app.command()
def deliver(as_of: AsOf = "now", as_json: Json = False) -> None:
    """Review monitoring's alerts, then send what is new, open still or resolved; exit 1 when a channel is down."""
    from mlops.monitoring.alerting.alerts import deliver_alerts as send
    from mlops.monitoring.alerting.alerts import review_alerts
    from mlops.policy import read_policy

    rules = read_policy().alerts
    reviewed = review_alerts(database(), moment(as_of), rules)
    delivered = send(database(), settings(), rules)
    document = {"opened": reviewed.opened, "resolved": reviewed.resolved, "channels": delivered}
    emit(document, as_json=as_json, text=lambda: _print_delivered(reviewed, delivered))
    if any(channel.waiting and channel.problem for channel in delivered):
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
    emit({"channel": channel, "remark": remark}, as_json=as_json, text=lambda: say(escape(text)))


def print_reviewed(reviewed: "Reviewed") -> None:
    """What a review changed, and where to read on."""
    sentences = list(reviewed.sentences())
    for sentence in sentences[:SHOWN]:
        say(escape(sentence))
    if len(sentences) > SHOWN:
        say(f"… and {len(sentences) - SHOWN:,} more")
    if reviewed.opened:
        say("what to do: mlops registry alerts")


def _print_alert(alert: "ListedAlert") -> None:
    opened, resolved = f"{alert.since:%Y-%m-%d %H:%M}", alert.resolved_at
    colour = "dim" if resolved else COLOURS[alert.severity]
    when = f"{opened} to {resolved:%Y-%m-%d %H:%M}" if resolved else f"since {opened}"
    say(f"[{colour}]{alert.severity}[/]  [bold]{escape(alert.subject)}[/]  {alert.kind}, {when}")
    say(f"    {escape(alert.message)}")
    if not resolved:
        say(f"    → {escape(alert.todo)}")


def _print_delivered(reviewed: "Reviewed", delivered: list["Delivered"]) -> None:
    for sentence in reviewed.sentences():
        say(escape(sentence))
    for channel in delivered:
        why = escape(channel.problem or "not due yet")
        waiting = f", [yellow]{channel.waiting} waiting[/]: {why}" if channel.waiting else ""
        say(f"[bold]{escape(channel.channel)}[/]: {channel.sent} sent{waiting}")
    if not delivered:
        say("nobody is told: monitoring/policy.toml has no [alerts.channels]")
