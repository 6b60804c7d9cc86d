"""Arrays into Postgres and back, bit by bit."""

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.db import Database
from mlops.db.binary import array_table, elements, encode

COLUMNS = {
    "a": ("bigint", "int64", st.integers(-(2**63), 2**63 - 1)),
    "b": ("int", "int32", st.integers(-(2**31), 2**31 - 1)),
    "c": ("double precision", "float64", st.floats(allow_nan=True)),
    "d": ("real", "float32", st.floats(width=32, allow_nan=True)),
    "e": ("boolean", "bool", st.booleans()),
    "f": ("timestamptz", "datetime64[us]", st.integers(-(10**15), 4 * 10**15)),
    "g": ("date", "datetime64[D]", st.integers(-10_000, 40_000)),
}


@pytest.fixture(scope="module")
def connection(new_database):
    with new_database("binary") as (_, url), psycopg.connect(url) as connection:
        columns = ", ".join(f"{name} {kind}" for name, (kind, _, _) in COLUMNS.items())
        connection.execute(f"create table t ({columns}, place int)")
        connection.execute("set time zone 'America/New_York'")
        yield connection


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*(values for _, _, values in COLUMNS.values())), min_size=1, max_size=20))
def test_what_is_copied_in_comes_out_the_same(connection, rows):
    arrays = {
        name: np.array([row[place] for row in rows], dtype=dtype)
        for place, (name, (_, dtype, _)) in enumerate(COLUMNS.items())
    } | {"place": np.arange(len(rows), dtype=np.int32)}
    connection.execute("truncate t")
    with connection.cursor().copy(f"copy t ({', '.join(arrays)}) from stdin (format binary)") as copy:
        for data in encode(arrays):
            copy.write(data)
    for name, (kind, dtype, _) in COLUMNS.items():
        if kind == "boolean":
            continue
        query = f"select array_send(array_agg(coalesce({name}, 'NaN') order by place)) from t"
        if not kind.startswith(("double", "real")):
            query = f"select array_send(array_agg({name} order by place)) from t"
        [sent] = connection.execute(query).fetchone()
        found = elements(sent, dtype)
        assert found.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(found, arrays[name])
    [nulls] = connection.execute("select count(*) filter (where c is null) from t").fetchone()
    assert nulls == np.isnan(arrays["c"]).sum(), "NaN is NULL"


@pytest.mark.parametrize("width", [1, 3])
def test_arrays_of_numbers_keep_their_bits(connection, width: int):
    values = np.array([[-0.0, np.nan, 1e-310], [1 / 3, np.inf, -np.inf], [np.nan, np.nan, np.nan]])[:, :width]
    connection.execute("create temporary table arrays (place int, numbers double precision[])")
    with connection.cursor().copy("copy arrays (place, numbers) from stdin (format binary)") as copy:
        for data in encode({"place": np.arange(3, dtype=np.int32), "numbers": values}):
            copy.write(data)
    [sent] = connection.execute("select array_send(array_agg(numbers order by place)) from arrays").fetchone()
    assert array_table(sent, width).tobytes() == np.ascontiguousarray(values).tobytes()
    [missing] = connection.execute("select count(*) from arrays where 'NaN' = any (numbers)").fetchone()
    assert missing == np.isnan(values).any(axis=1).sum(), "NaN inside of an array is NaN"
    connection.execute("drop table arrays")


def test_frozen_rows_need_a_table_of_the_same_transaction(database: Database):
    with database.transaction() as transaction:
        table = transaction.value("create_detached_month", month="2024-01-01")
        rows = {
            "series_id": np.array([1]),
            "observed_at": np.array(["2024-01-01"], "datetime64[us]"),
            "value": np.array([1.5]),
        }
        transaction.copy_arrays(table, rows, freeze=True)
        transaction.run("attach_month", table=table, month="2024-01-01")
    with psycopg.connect(database.url) as connection:
        found = connection.execute("select tableoid::regclass::text, value from analytics.time_series_metrics")
        assert found.fetchall() == [("analytics.time_series_metrics_p2024_01", 1.5)]
