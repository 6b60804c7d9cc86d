"""Who is told of what: `[alerts]` of `monitoring/policy.toml` as an object. Secrets are not in it."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlops.errors import BadInput, UnknownName

__all__ = ["KINDS", "SEVERITIES", "AlertPolicy", "Channel", "read_alert_policy"]

SEVERITIES = ("warning", "critical")
SECURITY = ("starttls", "ssl", "none")
SECRETS = ("password", "secret", "token", "key", "user", "username")
COMMON: dict[str, type] = {"kind": str, "severity": str, "repeat_days": float}
KINDS: dict[str, dict[str, type]] = {
    "log": {},
    "file": {"path": str},
    "webhook": {"url": str},
    "email": {"host": str, "port": int, "security": str, "from": str, "to": list},
}
"""The kinds of channels, and the options of each beside `kind`, `severity` and `repeat_days`."""
NEEDED = {"log": (), "file": ("path",), "webhook": (), "email": ("host", "from", "to")}
NAMED = {str: "a text", float: "a number", int: "a whole number", list: "a list of texts"}
LIMITS = {"health_below": (0, 100), "overdue_days": (1, 3650), "labels_missing_days": (1, 27)}
DEFAULTS = {"health_below": 50.0, "overdue_days": 8.0, "labels_missing_days": 14.0, "repeat_days": 7.0}


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go: those of at least `severity`, again after `repeat_days` while an alert is open."""

    name: str
    kind: str
    severity: str
    repeat_days: float
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """When monitoring alerts (`limits`), who answers for a model (`owners`, by name or `default`), and the channels."""

    limits: Mapping[str, float]
    owners: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """What the functions of the database read: limits and owners."""
        return {"limits": dict(self.limits), "owners": dict(self.owners)}

    def channel(self, name: str) -> Channel:
        """The channel of that name; UnknownName when there is none."""
        for one in self.channels:
            if one.name == name:
                return one
        raise UnknownName("channel", name, (one.name for one in self.channels))


def read_alert_policy(path: Path) -> AlertPolicy:
    """`[alerts]` of a policy file; without it the defaults and no channel. BadInput says where what is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("alerts", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"can't be read: {error}", where=str(path)) from error
    where = f"{path}, [alerts]"
    _known(table, {*DEFAULTS, "owners", "channels"}, where)
    numbers = {name: _number(table.get(name, usual), f"{where} {name}") for name, usual in DEFAULTS.items()}
    repeat_days = _repeat(numbers.pop("repeat_days"), where)
    for name, (least, most) in LIMITS.items():
        if not least <= numbers[name] <= most:
            raise BadInput(f"{name} is {numbers[name]:g}; expected {least} to {most}", where=where)
    channels = _table(table.get("channels", {}), f"{where[:-1]}.channels]")
    made = [_channel(name, one, repeat_days, f"{path}, [alerts.channels.{name}]") for name, one in channels.items()]
    return AlertPolicy(numbers, _owners(table.get("owners", {}), f"{path}, [alerts.owners]"), tuple(made))


def _channel(name: str, found: Any, repeat_days: float, where: str) -> Channel:
    table = _table(found, where)
    kind = table.get("kind")
    if kind not in KINDS:
        raise BadInput(str(UnknownName("kind of channel", kind, KINDS)), where=where)
    secret = next((option for option in table if option.lower() in SECRETS), None)
    if secret is not None:
        raise BadInput(f"{secret!r} does not belong into a file; set it in the environment, MLOPS_SMTP_…"
                       " or MLOPS_ALERT_WEBHOOK_…", where=where)  # fmt: skip
    types = COMMON | KINDS[kind]
    _known(table, set(types), where)
    for option, value in table.items():
        _typed(option, value, types[option], where)
    for option in NEEDED[kind]:
        if not table.get(option):
            raise BadInput(f"has no {option!r}, which a channel of kind {kind} needs", where=where)
    _check(table, where)
    return Channel(
        name,
        kind,
        table.get("severity", "warning"),
        _repeat(float(table.get("repeat_days", repeat_days)), where),
        {option: value for option, value in table.items() if option not in COMMON},
    )


def _check(table: Mapping[str, Any], where: str) -> None:
    """Values that have the right type and are wrong all the same."""
    for option, choices in (("severity", SEVERITIES), ("security", SECURITY)):
        if option in table and table[option] not in choices:
            raise BadInput(str(UnknownName(option, table[option], choices)), where=where)
    if "url" in table and not _is_address(table["url"]):
        raise BadInput("url is not an address like https://host/path without user and password", where=where)
    if "port" in table and not 0 < table["port"] < 65536:
        raise BadInput(f"port is {table['port']}; expected 1 to 65535", where=where)


def _is_address(url: str) -> bool:
    try:
        found = urlsplit(url)
        return found.scheme in ("http", "https") and bool(found.hostname) and not found.username and found.port != 0
    except ValueError:
        return False


def _typed(option: str, value: Any, wanted: type, where: str) -> None:
    right = {
        str: isinstance(value, str) and value != "" and value.isprintable(),
        float: type(value) in (int, float) and math.isfinite(value),
        int: type(value) is int,
        list: isinstance(value, list)
        and all(isinstance(one, str) and "@" in one and one.isprintable() for one in value),
    }
    if not right[wanted]:
        raise BadInput(f"{option} is {value!r}; expected {NAMED[wanted]}", where=where)


def _owners(found: Any, where: str) -> dict[str, str]:
    table = _table(found, where)
    for name, owner in table.items():
        _typed(name, owner, str, where)
    return dict(table)


def _table(found: Any, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise BadInput(f"{found!r} is not a table", where=where)
    return found


def _known(table: Mapping[str, Any], names: set[str], where: str) -> None:
    for name in table:
        if name not in names:
            raise BadInput(str(UnknownName("option", name, names)), where=where)


def _number(value: Any, where: str) -> float:
    _typed(where.rpartition(" ")[2], value, float, where.rpartition(" ")[0])
    return float(value)


def _repeat(days: float, where: str) -> float:
    if days < 1:
        raise BadInput(f"repeat_days is {days:g}; expected 1 or more", where=where)
    return days
