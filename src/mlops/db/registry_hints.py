"""Triggers on MLflow's registry tables that notify of every change; explicit, repeatable, removable.

MLflow's schema is MLflow's. What is added to it is one function and one trigger on each of six tables, all named
`mlops_registry_hint`. They lie beside the tables, so a dump of that schema is whole, and nothing in it needs ours.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from mlops.db.failures import NOTHING, unreachable
from mlops.db.listen import address
from mlops.db.retry import retrying
from mlops.db.statements import statement
from mlops.errors import Refused

__all__ = ["CHANNEL", "install", "remove", "silent"]

CHANNEL = "mlops_registry"


def silent(url: str) -> list[str]:
    """The registry tables at this address that don't notify of their changes; Refused where there is no registry."""
    with _alone(url) as connection:
        return _silent(connection)


def install(url: str) -> list[str]:
    """Make the registry tables notify of their changes; those that did not before."""

    def work() -> list[str]:
        with _alone(url) as connection:
            silent = _silent(connection)
            if silent:  # nothing is locked when there is nothing to do
                connection.execute(str(statement("install_registry_triggers")))
            return silent

    return _patiently(work)


def remove(url: str) -> list[str]:
    """Leave the registry tables as MLflow made them; those that notified of their changes before."""

    def work() -> list[str]:
        with _alone(url) as connection:
            reporting = _tables(connection).keys() - _silent(connection)
            connection.execute(str(statement("remove_registry_triggers")))
            return sorted(reporting)

    return _patiently(work)


def _patiently(work: Callable[[], list[str]]) -> list[str]:
    try:
        return retrying(work)
    except psycopg.errors.LockNotAvailable as error:
        raise Refused(
            "a long transaction holds MLflow's registry tables; nothing was changed, try again when it has ended"
        ) from error


def _silent(connection: psycopg.Connection) -> list[str]:
    return [name for name, notifies in _tables(connection).items() if not notifies]


def _tables(connection: psycopg.Connection) -> dict[str, bool]:
    rows = connection.execute(str(statement("registry_triggers"))).fetchall()
    absent = [name for name, there, _ in rows if not there]
    if absent:
        raise Refused(
            f"there is no MLflow registry at {connection.info.host}/{connection.info.dbname}: no table {absent[0]};"
            " triggers are for a registry whose PostgreSQL can be reached from here: set MLFLOW_TRACKING_URI to its"
            " address, or use webhooks"
        )
    return {name: notifies for name, _, notifies in rows}


@contextmanager
def _alone(url: str) -> Iterator[psycopg.Connection]:
    """A transaction in which nobody else installs or removes; it waits only shortly for writers of MLflow."""
    try:
        with psycopg.connect(address(url)) as connection:
            connection.execute("set local lock_timeout = '2s'")
            connection.execute("select pg_advisory_xact_lock(hashtextextended('registry hints', 0))")
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise Refused(f"{error.diag.message_primary}; do it as the owner of MLflow's tables") from error
    except psycopg.OperationalError as error:
        if error.sqlstate is not None:  # it was reached, and said no
            raise
        shown = sa.make_url(address(url)).render_as_string(hide_password=True)
        raise unreachable("can't reach the registry's database", shown, error, safe=NOTHING) from error
