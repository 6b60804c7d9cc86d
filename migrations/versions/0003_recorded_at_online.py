"""An index on recorded_at of every partition, made while others read and write.

PostgreSQL refuses CREATE INDEX CONCURRENTLY on a partitioned table. So the parent gets its index alone, each partition
gets one concurrently, and each is attached; the last makes the parent's valid. Interrupted, it goes on where it was.
"""

import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SQL = Path(__file__).parents[1] / "sql" / revision
LOCK_NOT_AVAILABLE = "55P03"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _patiently((SQL / "010_parent.sql").read_text(encoding="utf-8"))
        following = (SQL / "020_next.sql").read_text(encoding="utf-8")
        while statement := _execute(following).scalar():
            if "concurrently" in statement:
                _execute(statement)  # waits for old transactions, and makes nobody wait
            else:
                _patiently(statement)


def downgrade() -> None:
    _execute((SQL / "down.sql").read_text(encoding="utf-8"))


def _patiently(statement: str) -> None:
    """Ask for the lock briefly and again: a statement that waits in the queue would hold up everybody behind it."""
    _execute("set lock_timeout = '100ms'")
    try:
        while True:
            try:
                _execute(statement)
            except sa.exc.DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                    raise
                time.sleep(0.2)
            else:
                return
    finally:
        _execute("reset lock_timeout")


def _execute(statement: str) -> sa.CursorResult:
    return op.get_bind().execution_options(no_parameters=True).exec_driver_sql(statement)
