"""Views that answer what analysts ask, a comment on everything that they may read, and a role for them."""

from pathlib import Path

from alembic import op

revision = "0018"
down_revision = "0017"

SQL = Path(__file__).parents[1] / "sql" / revision


def upgrade() -> None:
    _run(sorted(SQL.glob("[0-9]*.sql")))


def downgrade() -> None:
    _run(sorted((SQL / "down").glob("[0-9]*.sql"), reverse=True))


def _run(files: list[Path]) -> None:
    for file in files:
        op.get_bind().execution_options(no_parameters=True).exec_driver_sql(file.read_text(encoding="utf-8"))
