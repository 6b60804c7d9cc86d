"""The schema of the first release, subject by subject."""

from pathlib import Path

from alembic import op

revision = "0001_baseline"
down_revision = None

SQL = Path(__file__).parents[1] / "sql" / "0001"


def upgrade() -> None:
    _run(sorted(SQL.glob("[0-9]*.sql")))


def downgrade() -> None:
    _run([SQL / "down.sql"])


def _run(files: list[Path]) -> None:
    for file in files:
        op.get_bind().execution_options(no_parameters=True).exec_driver_sql(file.read_text(encoding="utf-8"))
