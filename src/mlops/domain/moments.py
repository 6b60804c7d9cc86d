"""Times as people type them."""

import re
from datetime import UTC, datetime, timedelta

__all__ = ["before_last", "moment"]

EARLIEST, LATEST = 1900, 2261
"""The first and the last year of a time; pandas knows no later one."""
LAST = re.compile(r"last(-(?P<count>\d{1,4})(?P<unit>[dw]))?")
AHEAD = timedelta(days=1)
"""How far ahead a time may lie and count as now: a date may be the local one, and clocks differ."""


def before_last(text: str | None) -> timedelta | None:
    """How long before the end of the newest observation `last`, `last-28d` or `last-4w` is; None for another text."""
    parts = LAST.fullmatch(text or "")
    if parts is None:
        return None
    return timedelta(days=int(parts["count"] or 0) * (7 if parts["unit"] == "w" else 1))


def moment(text: str | None, *, ahead: bool = False, of_file: bool = False) -> datetime:
    """The text as an aware time: a date means its 00:00 UTC, None or "now" means now, and so does "last" `of_file`:
    all values of a file are known now.

    ValueError says in a sentence what is wrong with another text, and (unless it may be `ahead`) with a time that has
    not come: nothing is known of it.
    """
    now = datetime.now(UTC)
    if text is None or text == "now" or (of_file and text == "last"):
        return now
    if of_file and before_last(text) is not None:
        raise ValueError(f"{text!r} counts from the newest stored observation; with --file say a date")
    given = repr(text[:80])
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        what = "is a time that no calendar has" if text[:4].isdecimal() and text[4:5] == "-" else "is not a time"
        what = what if text.strip() else "is empty"
        raise ValueError(
            f"{given} {what}; expected 2020-03-23 or 2020-03-23T06:00:00+00:00, now or last (last-4w, last-28d)"
        ) from None
    if time.tzinfo is None and len(text) > len("2020-03-23"):
        raise ValueError(f"{given} has no time zone; expected {text}+00:00 for UTC")
    if not EARLIEST <= time.year <= LATEST:
        raise ValueError(f"{given} is not of the years {EARLIEST} to {LATEST}; expected a time such as 2020-03-23")
    time = time.replace(tzinfo=time.tzinfo or UTC)
    if not ahead and time > now + AHEAD:
        raise ValueError(f"{given} has not come yet, so nothing is known of it; it is {now:%Y-%m-%d %H:%M} UTC now")
    return time
