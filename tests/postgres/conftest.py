"""A database for tests that look at served models: one for all of them, emptied before each."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.postgres.served import Served

from mlops.db import Database

SERVED = (
    "analytics.registered_models, analytics.series, analytics.model_prediction_results, analytics.alerts,"
    " analytics.observation_edits"
)
EMPTY = f"""
set session_replication_role = replica;  -- the record refuses to be emptied
truncate {SERVED} cascade;
reset session_replication_role"""


@pytest.fixture(scope="session")
def served_database(new_database: Any, migrated: str) -> Iterator[Database]:
    """What `served` fills; a test that writes anything else into it empties that itself."""
    with new_database("served", template=migrated) as (_, url):
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def served(served_database: Database) -> Iterator[Served]:
    """Puts models that are served into `served_database`, which has none yet."""
    with psycopg.connect(served_database.url, autocommit=True) as connection:
        connection.execute(EMPTY)
        yield Served(connection)
