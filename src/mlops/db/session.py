"""What a session must be set to, whatever the role, the database or the environment says: else results would differ."""

from collections.abc import Mapping
from typing import Any

import psycopg

__all__ = ["PINNED", "connection_arguments", "settle"]

PINNED: Mapping[str, str] = {
    "timezone": "UTC",
    "datestyle": "ISO,MDY",
    "intervalstyle": "postgres",  # the driver reads no other
    "extra_float_digits": "1",  # the shortest text that is exactly the number
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "quote_all_identifiers": "off",  # names of tables are compared
    "search_path": "public",  # all of ours are written out; temporary tables and pg_catalog come first by themselves
    "default_transaction_isolation": "read committed",  # whoever waited for a lock must see what the other wrote
    "gin_fuzzy_search_limit": "0",
    # many partitions make plans look dear enough for JIT, which then costs more than the query
    "jit": "off",
}
"""Limits that somebody set (statement_timeout, lock_timeout, read-only) are no part of it: they are respected."""

ENVIRONMENT = ("TimeZone", "DateStyle")
"""What libpq takes from PGTZ and PGDATESTYLE, and the server then prefers to what the address asks for."""


def connection_arguments(theirs: str = "", *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """What to give to a connection: `theirs`, the options of its address, and then ours, which win."""
    escaped = {name: value.replace("\\", "\\\\").replace(" ", "\\ ") for name, value in PINNED.items()}
    ours = " ".join(f"-c{name}={value}" for name, value in escaped.items() if name not in without)
    return {"options": f"{theirs} {ours}".strip(), "client_encoding": "utf8"}


def settle(connection: psycopg.Connection[Any], _record: object = None) -> None:
    """Undo PGTZ and PGDATESTYLE on a new connection; costs nothing where they are not set."""
    # the server puts a space after a comma
    reported = {name: PINNED[name.lower()].replace(",", ", ") for name in ENVIRONMENT}
    wrong = [name for name, value in reported.items() if connection.info.parameter_status(name) != value]
    if not wrong:
        return
    before, connection.autocommit = connection.autocommit, True
    for name in wrong:
        connection.execute("select set_config(%s, %s, false)", [name, PINNED[name.lower()]])
    connection.autocommit = before
