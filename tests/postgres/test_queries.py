"""What every query does alike: its errors say which one it was."""

import pytest
from sqlalchemy.exc import DBAPIError

from mlops.db import Database


def test_an_error_of_the_server_names_the_file_and_the_block(database: Database):
    with pytest.raises(DBAPIError) as refused, database.transaction() as transaction:
        transaction.value("table_content", table="no_such_table", columns=None)
    assert refused.value.__notes__ == ["in the block table_content of db/queries/archive.sql"]
