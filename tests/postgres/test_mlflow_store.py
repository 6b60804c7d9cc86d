"""MLflow's store is made once, by whoever needs it first; who finds it half made finishes it."""

from typing import Any

import psycopg
import pytest

from mlops.config import Settings
from mlops.tracking import store
from mlops.tracking.store import open_store


def test_a_store_that_is_there_is_not_made_again_and_one_that_is_half_made_is_finished(
    home: Settings, monkeypatch: pytest.MonkeyPatch
):
    def never(*_: Any) -> None:
        raise AssertionError("it is there")

    assert home.database_url
    with monkeypatch.context() as patched:
        patched.setattr(store, "_make_tables", never)
        open_store(home, home.database_url)
    with psycopg.connect(home.database_url) as connection:
        assert connection.execute("delete from mlflow.experiments").rowcount == 1
    found = open_store(home, home.database_url).client.get_experiment("0")
    assert found.artifact_location == f"{home.artifacts.as_uri()}/0", "and not below the folder of the first caller"
