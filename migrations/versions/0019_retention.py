"""Retention counts from the newest data and asks before its first drop; summaries stay; seasons have a strength."""

from pathlib import Path

from alembic import op

revision = "0019"
down_revision = "0018"

SQL = Path(__file__).parents[1] / "sql" / revision


def upgrade() -> None:
    _run(sorted(SQL.glob("[0-9]*.sql")))


def downgrade() -> None:
    _run(sorted((SQL / "down").glob("[0-9]*.sql"), reverse=True))


def _run(files: list[Path]) -> None:
    for file in files:
        op.get_bind().execution_options(no_parameters=True).exec_driver_sql(file.read_text(encoding="utf-8"))
