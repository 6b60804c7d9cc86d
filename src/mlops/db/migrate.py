"""The schema's version, and how to get to another one."""

import logging
import time
from functools import cache

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from mlops.errors import NotMigrated, Refused
from mlops.project import bundled

__all__ = ["head", "history", "is_newer", "migrate", "version"]

OLDEST_SERVER = 15

LOCK = 7_310_145  # any constant of our own: one migration at a time


@cache
def head() -> str:
    """The version that this program needs."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None
    return newest


def history() -> list[str]:
    """Every version, oldest first."""
    return sorted(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def is_newer(found: str | None) -> bool:
    """Whether a version of the schema was made by a later program than this one."""
    return found is not None and found not in history()


def version(connection: sa.Connection) -> str | None:
    """The version that the database has, or None before the first migration."""
    context = MigrationContext.configure(
        connection, opts={"version_table": "schema_version", "version_table_schema": "analytics"}
    )
    return context.get_current_revision()


def migrate(connection: sa.Connection, to: str = "head") -> str:
    """Go up or down to version `to` ("head", "base" or a number) and return it."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    _refuse_unfit(connection)
    _wait_for_turn(connection)
    try:
        found = version(connection)
        if is_newer(found):
            raise NotMigrated(found, head(), newer=True)
        connection.execute(sa.text("create schema if not exists analytics"))
        connection.execute(sa.text("create schema if not exists mlflow"))
        connection.commit()
        config = _config()
        config.attributes["connection"] = connection
        before = version(connection)
        connection.commit()
        if to == "base" or (to != "head" and before is not None and to < before):
            command.downgrade(config, to)
        else:
            command.upgrade(config, to)
        connection.commit()
        reached = version(connection) or "base"
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": LOCK})
        connection.commit()
    return reached


def _refuse_unfit(connection: sa.Connection) -> None:
    """Refuse what a migration would fail on half way, while nothing is written."""
    name, encoding, server = connection.execute(
        sa.text(
            "select datname, pg_encoding_to_char(encoding), current_setting('server_version_num')::int / 10000"
            " from pg_database where datname = current_database()"
        )
    ).one()
    connection.rollback()
    if encoding != "UTF8":
        raise Refused(
            f"the database {name} has the encoding {encoding}, which can't hold every text; nothing was written;"
            f" make one that can: create database {name}_utf8 encoding 'UTF8' template template0"
        )
    if server < OLDEST_SERVER:
        raise Refused(
            f"the server is PostgreSQL {server}; nothing was written; PostgreSQL {OLDEST_SERVER} to 18 will do"
        )


def _wait_for_turn(connection: sa.Connection) -> None:
    """Ask again and again: a session that waits inside a statement would hold up CREATE INDEX CONCURRENTLY for ever."""
    while not connection.execute(sa.text("select pg_try_advisory_lock(:key)"), {"key": LOCK}).scalar():
        connection.rollback()
        time.sleep(0.1)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(bundled("migrations")).replace("%", "%%"))
    return config
