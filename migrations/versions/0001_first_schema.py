"""The first schema: time series, registry mirror, predictions, monitoring."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

SQL = Path(__file__).parents[1] / "sql" / revision


def upgrade() -> None:
    for file in sorted(SQL.glob("[0-9]*.sql")):
        op.get_bind().execution_options(no_parameters=True).exec_driver_sql(file.read_text(encoding="utf-8"))


def downgrade() -> None:
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql((SQL / "down.sql").read_text(encoding="utf-8"))
