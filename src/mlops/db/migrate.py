"""The schema's version, and how to get to another one."""

import logging
import re
import time
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from mlops.errors import NotMigrated, Refused
from mlops.project import bundled

__all__ = ["head", "migrate", "revisions", "schema", "schema_refusal", "schema_version"]

OLDEST_SERVER = 15  # the oldest version that the tests run on

LOCK = 7_310_145  # any constant of our own: one migration at a time


DEVELOPMENT = re.compile(r"00(0[1-9]|1[0-9])")
"""What versions were called while 0.1.0 was developed; a version since then has words in its name."""


SCHEMA_BEGINS = """\
-- The schema of mlops as one file: psql -v ON_ERROR_STOP=1 -f FILE DATABASE
-- Afterwards `mlops db upgrade` has nothing to do.
begin;
set local client_encoding = 'UTF8';
set local standard_conforming_strings = on;
set local timezone = 'UTC';
create schema if not exists analytics;
create schema if not exists mlflow;
create table analytics.schema_version (
    version_num varchar(32) not null,
    constraint schema_version_pkc primary key (version_num)
);
"""


@cache
def head() -> str:
    """The version that this program needs."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None
    return newest


def revisions(migrations: Path | None = None) -> list[str]:
    """Every version, oldest first."""
    return sorted(script.revision for script in ScriptDirectory.from_config(_config(migrations)).walk_revisions())


def schema() -> str:
    """Everything that `migrate` does to an empty database, as one file for psql; then `migrate` has nothing to do.

    It is one transaction: where anything is there already, nothing is changed.
    """
    parts = [SCHEMA_BEGINS]
    for name in revisions():
        for file in sorted((bundled("migrations") / "sql" / name[:4]).glob("[0-9]*.sql")):
            parts += [f"-- {name[:4]}/{file.name}", file.read_text(encoding="utf-8")]
    stamped = f"insert into analytics.schema_version values ('{head()}');"  # noqa: S608  the name of a file of ours
    return "\n".join([*parts, stamped, "commit;\n"])


def schema_refusal(version: str | None, migrations: Path | None = None) -> NotMigrated:
    """Why this program does not work with a schema of this version, and what would do."""
    development = version is not None and DEVELOPMENT.fullmatch(version) is not None
    newer = version is not None and not development and version not in revisions(migrations)
    return NotMigrated(version, head(), newer=newer, development=development)


def schema_version(connection: sa.Connection) -> str | None:
    """The version that the database has, or None before the first migration."""
    context = MigrationContext.configure(
        connection, opts={"version_table": "schema_version", "version_table_schema": "analytics"}
    )
    return context.get_current_revision()


def migrate(connection: sa.Connection, to: str = "head", *, migrations: Path | None = None) -> str:
    """Go up or down to version `to` ("head", "base" or its name) and return it.

    `migrations` is a folder of other migrations than the package's own, for tests of one that is being written.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    _refuse_unfit(connection)
    # asked again and again: a session that waits inside a statement would hold up CREATE INDEX CONCURRENTLY for ever
    while not connection.execute(sa.text("select pg_try_advisory_lock(:key)"), {"key": LOCK}).scalar():
        connection.rollback()
        time.sleep(0.1)
    try:
        before = schema_version(connection)
        if before is not None and before not in revisions(migrations):
            raise schema_refusal(before, migrations)
        connection.execute(sa.text("create schema if not exists analytics"))
        connection.execute(sa.text("create schema if not exists mlflow"))
        connection.commit()
        config = _config(migrations)
        config.attributes["connection"] = connection
        if to == "base" or (to != "head" and before is not None and to < before):
            command.downgrade(config, to)
        else:
            command.upgrade(config, to)
        connection.commit()
        reached = schema_version(connection) or "base"
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


def _config(migrations: Path | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations or bundled("migrations")).replace("%", "%%"))
    return config
