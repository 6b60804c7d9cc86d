"""The only door to Postgres."""

from mlops.db.engine import Database, Transaction, open_database

__all__ = ["Database", "Transaction", "open_database"]
