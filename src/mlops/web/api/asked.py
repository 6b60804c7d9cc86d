"""What endpoints are asked with: times, names, pages and formats, each described and checked once."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import StringConstraints

from mlops.db import Database
from mlops.domain import moments
from mlops.errors import BadInput, typed
from mlops.series.read import newest_end

__all__ = [
    "LARGEST_ID",
    "TIME",
    "AsOf",
    "Cursor",
    "CursorText",
    "Day",
    "Form",
    "Id",
    "Limit",
    "Name",
    "Series",
    "Text",
    "Time",
    "begun",
    "moment",
]

LARGEST_ID = 2**63 - 1
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=500)]
"""A text of one line, which a database can hold."""
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=500)]
Id = Annotated[int, Query(ge=1, le=LARGEST_ID)]
Day = date
TIME = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
Time = Annotated[Text | None, Query(json_schema_extra=TIME)]
AsOf = Annotated[
    Text,
    Query(
        description="Know only what was recorded by this date or time; `last`: the end of the newest observation.",
        json_schema_extra={"anyOf": [*TIME["anyOf"], {"enum": ["now", "last"]}]},
    ),
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="The most rows of a page.")]
CursorText = Annotated[Text, Query(description="`next` of the page before.")]
Form = Annotated[
    Literal["json", "csv", "arrow"] | None,
    Query(alias="format", description="As what the rows are wanted; `Accept` says it, too."),
]
Series = Annotated[list[Name] | None, Query(description="By name or id; may be repeated. All when left out.")]
ZONE_AFTER_BLANK = re.compile(r"(T\S*) (\d\d:?\d\d)$")
"""A time whose `+` before its offset was not quoted in an address, where it means a blank."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after the row with this key, of the answer to the same question as of the same time."""

    as_of: datetime
    after: tuple[Any, ...] | None
    asked: str

    def following(self, key: tuple[Any, ...] | None) -> str | None:
        """The text that a client gives for the page after a row; None after the last one."""
        if key is None:
            return None
        document = [self.as_of.astimezone(UTC).isoformat(), self.asked, list(key)]
        return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def begun(text: str, as_of: datetime, kinds: tuple[type, ...], asked: Mapping[str, Any]) -> Cursor:
    """The cursor that a text stands for, or (without one) that of the first page; BadInput for any other text.

    `kinds` are the types of the key; what was `asked` must be the same for every page: a cursor knows its digest.
    """
    digest = blake2b(json.dumps(asked, sort_keys=True, default=str).encode(), digest_size=9).hexdigest()
    if not text:
        return Cursor(as_of, None, digest)
    try:
        known, of, key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        began = datetime.fromisoformat(known)
        fits = began.tzinfo is not None and tuple(type(part) for part in key) == kinds
        fits = fits and all(abs(part) <= LARGEST_ID for part in key if isinstance(part, int))
        fits = fits and not any("\0" in part for part in key if isinstance(part, str))
    except (ValueError, TypeError, binascii.Error):
        fits = False
    if not fits:
        raise BadInput("cursor is none of this endpoint; give `next` of the page before, or leave it out")
    if of != digest:
        raise BadInput("cursor is of another question; ask for the next page with the parameters of the first")
    return Cursor(began, tuple(key), digest)


def moment(database: Database, text: str, name: str = "as_of", *, ahead: bool = False) -> datetime:
    """A time that was asked for, aware; BadInput for a text that is none, or (unless `ahead`) has not come."""
    text = ZONE_AFTER_BLANK.sub(r"\1+\2", text)
    with typed(name):
        before = moments.before_last(text)
        if before is None:
            return moments.moment(text, ahead=ahead)
    return newest_end(database) - before
