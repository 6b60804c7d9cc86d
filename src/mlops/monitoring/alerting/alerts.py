"""Alerts of monitoring, opened and resolved; and every open alert brought to whoever should know, once."""

import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlops.config import Settings
from mlops.db import Database
from mlops.domain.alerts import Alert, Reviewed
from mlops.errors import Refused
from mlops.monitoring.alerting.channels import Message, send_message
from mlops.policy import AlertPolicy, Channel

__all__ = ["Delivered", "alerts", "deliver_alerts", "review_alerts", "send_test"]

FAILURES = 2
"""After so many messages in a row that a channel does not take, it is left alone until the next time."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the messages of one channel: `waiting` are still to be sent, `problem` says why."""

    channel: str
    sent: int
    waiting: int
    problem: str | None


def alerts(
    database: Database, as_of: datetime, rules: AlertPolicy, *, everything: bool = False
) -> list[dict[str, Any]]:
    """The alerts that are open, the critical first; with `everything` the resolved ones, too. It writes nothing."""
    with database.transaction() as transaction:
        return transaction.rows("list_alerts", everything=everything, as_of=as_of, document=rules.document)


def review_alerts(database: Database, as_of: datetime, rules: AlertPolicy) -> Reviewed:
    """Bring monitoring's alerts up to date with what is known at `as_of` (aware); two at once wait for each other.

    They are about champions: a recommendation that needs a person, health below the limit, an overdue check, outcomes
    that stay away, forecasts that are not made. A look at the past, from before the newest check, opens and resolves
    nothing.
    """
    with database.transaction() as transaction:
        transaction.lock("monitoring alerts")
        if transaction.value("is_newer_check_there", as_of=as_of):
            return Reviewed((), ())
        rows = transaction.rows("update_monitoring_alerts", document=rules.document, as_of=as_of)
    changes = [(row.pop("change"), Alert(**row)) for row in rows]
    return Reviewed(*(tuple(alert for change, alert in changes if change == which) for which in ("opened", "resolved")))


def deliver_alerts(database: Database, settings: Settings, rules: AlertPolicy) -> list[Delivered]:
    """Tell every channel what it was not told yet; one result per channel, a channel that is down stops no other.

    Each message is a row that is locked while it is sent, so however many processes deliver, one sends it. A process
    that dies between the sending and the record leaves a message that is sent again, with the same key.
    """
    wanted = [{"channel": one.name, "severity": one.severity, "repeat_days": one.repeat_days} for one in rules.channels]
    with database.transaction() as transaction:
        transaction.run("queue_alert_deliveries", document={"channels": wanted})
    sent = {channel.name: _drain(database, settings, rules, channel) for channel in rules.channels}
    with database.transaction() as transaction:
        waiting = {row["channel"]: row for row in transaction.rows("waiting_alert_deliveries")}
    nothing = {"waiting": 0, "problem": None}
    return [
        Delivered(name, count, row["waiting"], row["problem"])
        for name, count in sent.items()
        for row in [waiting.get(name, nothing)]
    ]


def send_test(settings: Settings, name: str, rules: AlertPolicy) -> str | None:
    """Send a message for trying to one channel, of which nothing is recorded; Refused says why it was not taken."""
    message = Message(
        key=f"mlops-test-{uuid.uuid4()}",
        event="test",
        kind="test",
        subject="mlops",
        severity="warning",
        message="this is a message for trying; nothing is wrong",
        todo="nothing",
        owner=None,
        opened_at=datetime.now(UTC),
    )
    try:
        return send_message(rules.channel(name), message, settings)
    except OSError as error:
        raise Refused(f"channel {name} did not take it: {error}") from error


def _drain(database: Database, settings: Settings, rules: AlertPolicy, channel: Channel) -> int:
    """Send what is due on a channel; how many it took."""
    sent = failed = 0
    while failed < FAILURES:
        took = _one(database, settings, rules, channel)
        if took is None:
            break
        sent, failed = (sent + 1, 0) if took else (sent, failed + 1)
    return sent


def _one(database: Database, settings: Settings, rules: AlertPolicy, channel: Channel) -> bool | None:
    """Send one message in the transaction that holds its row; whether the channel took it, None when none is due."""
    with database.transaction() as transaction:
        row = transaction.one("claim_alert_delivery", channel=channel.name, document={"owners": dict(rules.owners)})
        if row is None:
            return None
        message = _message(row)
        try:
            remark = send_message(channel, message, settings)
        except Exception as error:
            if not isinstance(error, Refused | OSError):
                log.exception("channel %s broke", channel.name)
            problem = " ".join(str(error).split()) or type(error).__name__
            transaction.run("set_alert_not_delivered", delivery_id=row["delivery_id"], problem=problem)
            return False
        said_resolved = message.resolved_at is not None
        transaction.run(
            "set_alert_delivered", delivery_id=row["delivery_id"], said_resolved=said_resolved, problem=remark
        )
        return True


def _message(row: dict[str, Any]) -> Message:
    """The key names the alert by number and time, because another database counts its alerts from 1, too."""
    names = ("event", "kind", "subject", "severity", "message", "todo", "owner", "opened_at", "resolved_at")
    opened = row["opened_at"].astimezone(UTC)
    key = f"mlops-{row['alert_id']}-{opened:%Y%m%dT%H%M%S%f}-{row['channel']}-{row['event']}-{row['number']}"
    return Message(key=key, **{name: row[name] for name in names})
