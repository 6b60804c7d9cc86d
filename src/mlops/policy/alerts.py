"""`[alerts]` of the policy: when monitoring alerts, who answers for a model, and the channels. It has no secrets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, cast
from urllib.parse import urlsplit

from mlops.errors import BadInput, UnknownName
from mlops.policy.section import Section

__all__ = ["AlertPolicy", "AlertRules", "Channel", "ChannelOptions", "read_alerts"]

SEVERITIES = ("warning", "critical")
SECURITY = ("starttls", "ssl", "none")
SECRETS = ("password", "secret", "token", "key", "user", "username")
Options = dict[str, Any]
"""Options as they were read, each of the type that its kind says."""
COMMON: dict[str, object] = {"kind": str, "severity": str, "repeat_days": float}
KINDS: dict[str, dict[str, object]] = {
    "log": {},
    "file": {"path": str},
    "webhook": {"url": str},
    "email": {"host": str, "port": int, "security": str, "from": str, "to": tuple[str, ...]},
}
"""The kinds of channels, and the options of each beside `kind`, `severity` and `repeat_days`."""
NEEDED = {"log": (), "file": ("path",), "webhook": (), "email": ("host", "from", "to")}
LIMITS = {"health_below": (0, 100), "overdue_days": (1, 3650), "labels_missing_days": (1, 27)}
"""The least and the most of each limit; outcomes of forecasts are looked for over four weeks."""
DEFAULTS = {"health_below": 50.0, "overdue_days": 8.0, "labels_missing_days": 14.0, "repeat_days": 7.0}
"""As in the policy that is installed. Chosen, not measured; eight days are a weekly check and a day of grace."""


ChannelOptions = TypedDict(
    "ChannelOptions",
    {"path": str, "url": str, "host": str, "port": int, "security": str, "from": str, "to": tuple[str, ...]},
    total=False,
)
"""The options of all kinds of channels; KINDS says which a kind takes, NEEDED which it has to have."""


class AlertRules(TypedDict):
    """What the functions of the database read of the policy."""

    limits: dict[str, float]
    owners: dict[str, str]


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go: those of at least `severity`, again after `repeat_days` while an alert is open."""

    name: str
    kind: str
    severity: str
    repeat_days: float
    options: ChannelOptions


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """When monitoring alerts (`limits`), who answers for a model (`owners`, by name or `default`), and the channels."""

    limits: Mapping[str, float]
    owners: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()

    @property
    def document(self) -> AlertRules:
        """What the functions of the database read."""
        return {"limits": dict(self.limits), "owners": dict(self.owners)}

    def channel(self, name: str) -> Channel:
        """The channel of that name; UnknownName when there is none."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise UnknownName("channel", name, (channel.name for channel in self.channels))


def read_alerts(section: Section) -> AlertPolicy:
    """The section; what it leaves out is as in DEFAULTS, and without channels nobody is alerted."""
    section.allow({*DEFAULTS, "owners", "channels"})
    numbers = {name: section.number(name) if name in section.options else usual for name, usual in DEFAULTS.items()}
    repeat_days = _repeat_days(numbers.pop("repeat_days"), section)
    for name, (least, most) in LIMITS.items():
        if not least <= numbers[name] <= most:
            raise BadInput(f"{name} is {numbers[name]:g}; expected {least} to {most}", where=section.where)
    owners, channels = section.section("owners"), section.section("channels")
    return AlertPolicy(
        limits=numbers,
        owners={name: owners.text(name) for name in owners.options},
        channels=tuple(_channel(name, channels.section(name), repeat_days) for name in channels.options),
    )


def _channel(name: str, section: Section, repeat_days: float) -> Channel:
    kind = section.options.get("kind")
    if kind not in KINDS:
        raise BadInput(str(UnknownName("kind of channel", kind, KINDS)), where=section.where)
    secret = next((option for option in section.options if option.lower() in SECRETS), None)
    if secret is not None:
        raise BadInput(f"{secret!r} does not belong into a file; set it in the environment, MLOPS_SMTP_…"
                       " or MLOPS_ALERT_WEBHOOK_…", where=section.where)  # fmt: skip
    types = COMMON | KINDS[str(kind)]
    section.allow(types)
    options: Options = {option: section.value(option, types[option]) for option in section.options}
    for option in NEEDED[str(kind)]:
        if option not in options:
            raise BadInput(f"has no {option!r}, which a channel of kind {kind} needs", where=section.where)
    # values that have the right type and are wrong all the same
    for option, choices in (("severity", SEVERITIES), ("security", SECURITY)):
        if option in options and options[option] not in choices:
            raise BadInput(str(UnknownName(option, options[option], choices)), where=section.where)
    if "url" in options and not _is_address(options["url"]):
        raise BadInput("url is not an address like https://host/path without user and password", where=section.where)
    if options.get("port", 1) > 65535:
        raise BadInput(f"port is {options['port']}; expected 1 to 65535", where=section.where)
    if not all("@" in address for address in options.get("to", ())):
        raise BadInput(f"to is {options['to']!r}; expected a list of texts like ann@example.org", where=section.where)
    return Channel(
        name=name,
        kind=str(kind),
        severity=options.get("severity", "warning"),
        repeat_days=_repeat_days(options.get("repeat_days", repeat_days), section),
        options=cast("ChannelOptions", {option: value for option, value in options.items() if option not in COMMON}),
    )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username and parts.port != 0
    except ValueError:
        return False


def _repeat_days(days: float, section: Section) -> float:
    if days < 1:
        raise BadInput(f"repeat_days is {days:g}; expected 1 or more", where=section.where)
    return days
