"""API keys: made, listed, revoked. A key is `mlops_<id>_<secret>`; the id is public, the secret is shown once.

The secret has 256 random bits, so that nobody can guess it, however fast he hashes: a slow hash (bcrypt, Argon2)
protects passwords that people make up, and here would only cost each request a tenth of a second. A secret of the
server's own beside it (HMAC) would be one more to keep, and keeps nothing more secret. So SHA-256 of the whole key is
what is stored, and it is compared in constant time.
"""

import getpass
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mlops.access.rate import RateLimit
from mlops.access.roles import check_role
from mlops.db import Database
from mlops.domain.sentence import sentence
from mlops.errors import BadInput, UnknownName

__all__ = ["Key", "NewKey", "check_expiry", "create_key", "digest_of", "id_of", "list_keys", "revoke_key"]

ID_BYTES = 6
"""Of the public part: 48 bits, so that ten thousand keys have different ones but for a chance of 1 in 5 million."""
SECRET_BYTES = 32
KEY = re.compile(r"mlops_([0-9a-f]{12})_[0-9a-f]{64}")
LONGEST_NAME = 200
"""Characters. Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is listed. Times are aware; `scopes` are what it is confined to, None where it is the whole role."""

    key_id: str
    tenant_id: int
    name: str
    role: str
    scopes: list[str] | None
    per_minute: int | None
    burst: int | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None

    def state(self, now: datetime | None = None) -> str:
        """`revoked`, `expired` or `active`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= (now or datetime.now(UTC)) else "active"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with its secret, which is stored nowhere and which no repr shows."""

    key: Key
    secret: str = field(repr=False)
    """The whole text that goes into a header."""


def create_key(
    database: Database,
    name: str,
    role: str,
    *,
    scopes: Sequence[str] = (),
    limit: RateLimit | None = None,
    expires_at: datetime | None = None,
    tenant_id: int = 1,
    by: str | None = None,
) -> NewKey:
    """Make a key with a role, confined to some of its scopes where they are named.

    `by` is who makes it, the user of this process when left out; `expires_at` is aware.
    """
    check_role(role, scopes)
    line = sentence("name of the key", name)
    if len(line) > LONGEST_NAME:
        raise BadInput(f"the name of the key has {len(line):,} characters; at most {LONGEST_NAME} are kept")
    if expires_at is not None:
        check_expiry(expires_at)
    key_id = secrets.token_hex(ID_BYTES)
    secret = f"mlops_{key_id}_{secrets.token_hex(SECRET_BYTES)}"
    with database.transaction() as transaction:
        key = transaction.one(
            "add_api_key",
            of=Key,
            key_id=key_id,
            tenant_id=tenant_id,
            name=line,
            digest=digest_of(secret.encode()),
            role=role,
            scopes=sorted(set(scopes)) or None,
            per_minute=limit and round(limit.per_minute),
            burst=limit and limit.burst,
            created_by=getpass.getuser() if by is None else by,
            expires_at=expires_at,
        )
    assert key is not None
    return NewKey(key, secret)


def list_keys(database: Database, *, everything: bool = False) -> list[Key]:
    """The keys that are good, the newest first; with `everything` those that are expired or revoked, too."""
    with database.transaction() as transaction:
        keys = transaction.rows("api_keys", of=Key, key_id=None)
    return [key for key in keys if everything or key.state() == "active"]


def revoke_key(database: Database, key_id: str, *, by: str | None = None) -> Key:
    """Revoke a key; one that is revoked stays as it is. UnknownName when there is none of that id."""
    with database.transaction() as transaction:
        transaction.run("revoke_api_key", key_id=key_id, revoked_by=getpass.getuser() if by is None else by)
        key = transaction.one("api_keys", of=Key, key_id=key_id)
        if key is None:
            known = [key.key_id for key in transaction.rows("api_keys", of=Key, key_id=None)]
            raise UnknownName("key", key_id, known, stored=True)
    return key


def check_expiry(expires_at: datetime) -> None:
    """BadInput for a time that has passed."""
    if expires_at <= datetime.now(UTC):
        raise BadInput(f"a key that expires on {expires_at:%Y-%m-%d %H:%M} UTC would be of no use; name a later time")


def digest_of(secret: bytes) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(secret).digest()


def id_of(text: str) -> str:
    """The id in what somebody typed: the id, or a whole key; ValueError for another text, which is not repeated."""
    match = re.fullmatch(r"(?:mlops_)?([0-9a-f]{12})(?:_[0-9a-f]*)?", text.strip())
    if match is None:
        raise ValueError("expected the id of a key, as `mlops keys list` shows it: twelve digits and letters a to f")
    return match[1]
