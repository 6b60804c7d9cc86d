"""The one table of who may do what: a role is a set of scopes, and every act of the server needs one scope."""

from collections.abc import Collection, Mapping
from typing import Literal

from mlops.errors import UnknownName

__all__ = ["ROLES", "SCOPES", "Scope", "check_role", "scopes_of"]

Scope = Literal["read", "score", "explain", "feedback", "outcomes", "decide", "metrics", "administer"]

SCOPES: Mapping[Scope, str] = {
    "read": "read what is stored: series, forecasts, models, drift, recommendations",
    "score": "have a model compute: predictions and forecasts",
    "explain": "have a prediction taken apart, and ask what if",
    "feedback": "say how good a prediction was",
    "outcomes": "say what really happened, which models are measured by",
    "decide": "accept, dismiss or snooze a recommendation",
    "metrics": "read how the server does",
    "administer": "change who may do what",
}
"""What each scope allows, in words."""

READER: frozenset[Scope] = frozenset({"read"})
ASKS: frozenset[Scope] = READER | {"score", "explain", "feedback"}

ROLES: Mapping[str, frozenset[Scope]] = {
    "viewer": READER,
    "scientist": ASKS,
    "reviewer": ASKS | {"decide"},
    "operator": ASKS | {"outcomes", "metrics"},
    "admin": frozenset(SCOPES),
}
"""What each role may do; the check of analytics.api_keys.role knows the same names."""


def check_role(role: str, only: Collection[str] = ()) -> None:
    """UnknownName unless there is such a role, and it has the scopes that a key is to be confined to."""
    if role not in ROLES:
        raise UnknownName("role", role, ROLES)
    for scope in only:
        if scope not in scopes_of(role):
            raise UnknownName(f"scope of {role}", scope, scopes_of(role))


def scopes_of(role: str, only: Collection[str] | None = None) -> frozenset[Scope]:
    """What a role allows, or of that only what is named; nothing where the role is not known."""
    scopes = ROLES.get(role, frozenset())
    return scopes if only is None else scopes & frozenset(only)
