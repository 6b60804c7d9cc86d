"""Alerts of monitoring, opened and resolved; and every open alert brought to whoever should know, once."""

import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops.config import Settings
from mlops.db import Database
from mlops.domain.alerts import AlertChange, Reviewed, reviewed
from mlops.domain.canonical import JsonObject
from mlops.errors import Refused
from mlops.monitoring.alerting.channels import Message, send_message
from mlops.policy import AlertPolicy, Channel

__all__ = ["Delivered", "ListedAlert", "alerts", "deliver_alerts", "review_alerts", "send_test"]

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


@dataclass(frozen=True, slots=True)
class ListedAlert:
    """An alert in a list, `since` when by the facts; `alert_id`, `opened_at` and `seen_at` once it was recorded."""

    alert_id: int | None
    kind: str
    subject: str
    model: str | None
    severity: str
    message: str
    todo: str
    owner: str | None
    details: JsonObject
    since: datetime
    opened_at: datetime | None
    seen_at: datetime | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Messages of a channel that are still to be sent, and why the last attempt failed."""

    channel: str
    waiting: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Due:
    """A message that is due on a channel."""

    delivery_id: int
    alert_id: int
    channel: str
    event: str
    number: int
    kind: str
    subject: str
    severity: str
    message: str
    todo: str
    owner: str | None
    opened_at: datetime
    resolved_at: datetime | None

    @property
    def key(self) -> str:
        """It names the alert by number and time, because another database counts its alerts from 1, too."""
        opened = self.opened_at.astimezone(UTC)
        return f"mlops-{self.alert_id}-{opened:%Y%m%dT%H%M%S%f}-{self.channel}-{self.event}-{self.number}"


def alerts(database: Database, as_of: datetime, rules: AlertPolicy, *, everything: bool = False) -> list[ListedAlert]:
    """The alerts that are open, the critical first; with `everything` the resolved ones, too. It writes nothing."""
    with database.transaction() as transaction:
        asked = {"everything": everything, "as_of": as_of, "document": rules.document}
        return transaction.rows("list_alerts", of=ListedAlert, **asked)


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
        return reviewed(
            transaction.rows("update_monitoring_alerts", of=AlertChange, document=rules.document, as_of=as_of)
        )


def deliver_alerts(database: Database, settings: Settings, rules: AlertPolicy) -> list[Delivered]:
    """Tell every channel what it was not told yet; one result per channel, a channel that is down stops no other.

    Each message is a row that is locked while it is sent, so however many processes deliver, one sends it. A process
    that dies between the sending and the record leaves a message that is sent again, with the same key.
    """
    wanted = [
        {"channel": channel.name, "severity": channel.severity, "repeat_days": channel.repeat_days}
        for channel in rules.channels
    ]
    with database.transaction() as transaction:
        transaction.run("queue_alert_deliveries", document={"channels": wanted})
    sent = {channel.name: _drain(database, settings, rules, channel) for channel in rules.channels}
    with database.transaction() as transaction:
        waiting = {row.channel: row for row in transaction.rows("waiting_alert_deliveries", of=_Waiting)}
    left = {name: waiting.get(name, _Waiting(name, 0, None)) for name in sent}
    return [Delivered(name, count, left[name].waiting, left[name].problem) for name, count in sent.items()]


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
        took = _send_due(database, settings, rules, channel)
        if took is None:
            break
        sent, failed = (sent + 1, 0) if took else (sent, failed + 1)
    return sent


def _send_due(database: Database, settings: Settings, rules: AlertPolicy, channel: Channel) -> bool | None:
    """Send one message in the transaction that holds its row; whether the channel took it, None when none is due."""
    with database.transaction() as transaction:
        owners = {"owners": dict(rules.owners)}
        due = transaction.one("claim_alert_delivery", of=_Due, channel=channel.name, document=owners)
        if due is None:
            return None
        message = Message(
            key=due.key,
            event=due.event,
            kind=due.kind,
            subject=due.subject,
            severity=due.severity,
            message=due.message,
            todo=due.todo,
            owner=due.owner,
            opened_at=due.opened_at,
            resolved_at=due.resolved_at,
        )
        try:
            remark = send_message(channel, message, settings)
        except Exception as error:
            if not isinstance(error, Refused | OSError):
                log.exception("channel %s broke", channel.name)
            problem = " ".join(str(error).split()) or type(error).__name__
            transaction.run("set_alert_not_delivered", delivery_id=due.delivery_id, problem=problem)
            return False
        resolved = message.resolved_at is not None
        transaction.run("set_alert_delivered", delivery_id=due.delivery_id, said_resolved=resolved, problem=remark)
        return True
