"""Who may ask for what: API keys, their roles and scopes, and how often."""

from mlops.access.keys import Key, NewKey, create_key, list_keys, revoke_key
from mlops.access.ring import LOCAL, Caller, KeyRing, Rejection
from mlops.access.roles import ROLES, SCOPES, Scope

__all__ = [
    "LOCAL",
    "ROLES",
    "SCOPES",
    "Caller",
    "Key",
    "KeyRing",
    "NewKey",
    "Rejection",
    "Scope",
    "create_key",
    "list_keys",
    "revoke_key",
]
