"""How a message reaches somebody: the log, a file of JSON lines, a signed webhook, an e-mail.

What a channel raises names the host and never an address's path, a secret or a password.
"""

import errno
import fcntl
import json
import logging
import os
import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from mlops.config import Settings
from mlops.domain.signature import sign
from mlops.errors import Refused
from mlops.files import placed
from mlops.policy import Channel, ChannelOptions

__all__ = ["Message", "send_message"]

SECONDS = 10.0
LONGEST_SUBJECT = 200
log = logging.getLogger("mlops.alerts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told of an alert; `key` is the same however often it is sent, so that a receiver can drop repetitions.

    `event` is opened, reminder, resolved or test. Times are aware.
    """

    key: str
    event: str
    kind: str
    subject: str
    severity: str
    message: str
    todo: str
    owner: str | None
    opened_at: datetime
    resolved_at: datetime | None = None

    @property
    def title(self) -> str:
        """One line."""
        state = "resolved" if self.resolved_at else "still open" if self.event == "reminder" else self.severity
        return f"[{state}] {self.subject} {self.kind.replace('_', ' ')}"

    @property
    def text(self) -> str:
        """What a person reads."""
        until = f", until {_utc(self.resolved_at)}" if self.resolved_at else ""
        lines = [self.message, f"since {_utc(self.opened_at)}{until}"]
        lines += [] if self.resolved_at else [f"what to do: {self.todo}"]
        return "\n".join([*lines, f"who answers for it: {self.owner or 'nobody is named'}"])

    def document(self) -> dict[str, str | None]:
        """What a program reads."""
        names = ("key", "event", "kind", "subject", "severity", "message", "todo", "owner")
        times = {name: _iso(getattr(self, name)) for name in ("opened_at", "resolved_at")}
        return {name: getattr(self, name) for name in names} | times


def send_message(channel: Channel, message: Message, settings: Settings) -> str | None:
    """Deliver; what the channel remarked, if anything. Raises Refused or OSError when it did not take the message."""
    return SENDERS[channel.kind](channel, message, settings)


def _to_log(_channel: Channel, message: Message, _settings: Settings) -> None:
    level = logging.ERROR if message.severity == "critical" and not message.resolved_at else logging.WARNING
    log.log(level, "%s: %s", message.title, "; ".join(message.text.splitlines()))


def _to_file(channel: Channel, message: Message, settings: Settings) -> None:
    """One whole line at the end of the file, or nothing; lines of two processes do not mix."""
    path = settings.root / Path(channel.options["path"]).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(message.document(), ensure_ascii=False).encode() + b"\n"
    with placed(path), path.open("ab", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = file.seek(0, os.SEEK_END)
        if file.write(line) != len(line):  # a disk that fills up takes a part of it
            file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _to_webhook(channel: Channel, message: Message, settings: Settings) -> None:
    hidden, secret = settings.alert_webhook_url, settings.alert_webhook_secret
    url = channel.options.get("url") or (hidden.get_secret_value() if hidden else "")
    if not url or secret is None or not secret.get_secret_value():
        lacking = (
            "MLOPS_ALERT_WEBHOOK_SECRET, which messages are signed with" if url else "url (or MLOPS_ALERT_WEBHOOK_URL)"
        )
        raise Refused(f"it has no {lacking}")
    body = json.dumps(message.document(), ensure_ascii=False).encode()
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": message.key,
        "Webhook-Id": message.key,
        "Webhook-Timestamp": stamp,
        "Webhook-Signature": sign(secret.get_secret_value(), message.key, stamp, body),
    }
    _post(Request(url, body, headers, method="POST"))  # noqa: S310  the policy takes http and https only


def _post(request: Request) -> None:
    host = urlsplit(request.full_url).hostname
    try:
        build_opener(_NoRedirect).open(request, timeout=SECONDS).close()
    except HTTPError as error:
        error.close()
        raise Refused(f"{host} answered {error.code}") from None
    except URLError as error:
        raise Refused(f"{host} can't be reached: {error.reason}") from None
    except (HTTPException, OSError, ValueError) as error:  # a half answer, a timeout while reading, a wrong address
        raise Refused(f"{host} did not answer: {type(error).__name__}") from None


class _NoRedirect(HTTPRedirectHandler):
    """A redirected POST would become a GET without its body, and be taken for delivered."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _to_mail(channel: Channel, message: Message, settings: Settings) -> str | None:
    options = channel.options
    security, host = options.get("security", "starttls"), options["host"]
    try:
        with _connected(host, options.get("port"), security) as server:
            if settings.smtp_user and settings.smtp_password:
                if security == "none":
                    raise Refused("MLOPS_SMTP_PASSWORD is not sent without TLS; set security to starttls or ssl")
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            refused = server.send_message(_mail(options, message))
    except smtplib.SMTPResponseException as error:
        raise Refused(f"{host} answered {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise Refused(f"{host} takes no mail for {', '.join(error.recipients)}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Refused(f"{host} can't be reached: {error or type(error).__name__}") from None
    return f"{host} takes no mail for {', '.join(refused)}" if refused else None


def _connected(host: str, port: int | None, security: str) -> smtplib.SMTP:
    """A server that has shown a certificate for its name, unless `security` is none."""
    trusted = ssl.create_default_context()
    if security == "ssl":
        return smtplib.SMTP_SSL(host, port or 465, timeout=SECONDS, context=trusted)
    server = smtplib.SMTP(host, port or (587 if security == "starttls" else 25), timeout=SECONDS)
    if security == "starttls":
        try:
            server.starttls(context=trusted)
        except BaseException:
            server.close()
            raise
    return server


def _mail(options: ChannelOptions, message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.title.split())[:LONGEST_SUBJECT]
    mail["From"], mail["To"] = options["from"], ", ".join(options["to"])
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = f"<{message.key}@mlops>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text + "\n")
    return mail


SENDERS: dict[str, Callable[[Channel, Message, Settings], str | None]] = {
    "log": _to_log,
    "file": _to_file,
    "webhook": _to_webhook,
    "email": _to_mail,
}


def _utc(time: datetime | None) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if time else "now"


def _iso(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat() if time else None
