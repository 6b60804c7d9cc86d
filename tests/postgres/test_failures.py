"""What befalls the server or a disk is one sentence; what it calls safe is safe, and the same command works again."""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from mlops.cli import context, main
from mlops.config import Settings
from mlops.db import Database, migrate
from mlops.db.embedded import Server
from mlops.db.failures import ERRNOS, SQLSTATES, explained, one_sentence
from mlops.errors import DatabaseUnavailable, ModelNotFound, Refused

Mlops = Callable[..., tuple[int, str, str]]
AGAIN = "run the same command again"
UNHARMED = "-cdefault_transaction_read_only=off -crole=none -cstatement_timeout=0"


@pytest.fixture
def template(migrated: str) -> str:
    """These homes need no MLflow."""
    return migrated


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """Four days of two routes."""
    path = tmp_path / "routes.csv"
    rows = [f"collection_weight,2024-01-0{day}T00:00:00Z,{day},R{route}" for route in (1, 2) for day in (1, 2, 3, 4)]
    path.write_text("\n".join(["metric_type,observed_at,value,route_id", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A month of a thousand routes: 28,000 rows."""
    path = tmp_path_factory.mktemp("many") / "many.csv"
    days = [f"2024-03-{day:02}T00:00:00Z" for day in range(1, 29)]
    rows = [f"collection_weight,{day},{route},M{route}" for route in range(1000) for day in days]
    path.write_text("\n".join(["metric_type,observed_at,value,route_id", *rows]) + "\n")
    return path


def ask(url: str, query: str, *parameters: object) -> list[tuple]:
    with psycopg.connect(url, autocommit=True, options=UNHARMED) as connection:
        done = connection.execute(query, parameters or None)
        return done.fetchall() if done.description else []


def stored(home: Settings) -> int:
    return ask(str(home.database_url), "select count(*) from analytics.time_series_metrics")[0][0]


def set_for_database(home: Settings, setting: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(str(home.database_url))["dbname"]
    ask(str(home.database_url), f'alter database "{name}" {setting}')
    forget()


def forget() -> None:
    """The next command opens the database anew."""
    context.database.cache_clear()


def refused(mlops: Mlops, *command: object, exits: int = 1) -> str:
    """The one sentence of a command that fails, the same with --json."""
    code, out, err = mlops(*command)
    assert code == exits
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("mlops: ")
    forget()
    code, out, again = mlops(*command, "--json")
    document = json.loads(out)
    assert (code, set(document)) == (exits, {"error", "message"})
    assert again == f"mlops: {document['message']}\n"
    forget()
    return err


# The server says no


@pytest.mark.parametrize("state", SQLSTATES)
def test_each_sqlstate_of_the_map_says_what_happened_what_is_safe_and_what_to_do(state: str, server_url: str):
    """As raised by the server, bare or wrapped by SQLAlchemy or MLflow."""
    from mlflow.exceptions import MlflowException

    whole = state if len(state) == 5 else state + "006"
    raising = f"do $$ begin raise exception 'what the server said' using errcode = '{whole}', hint = 'its hint'; end $$"
    engine = sa.create_engine("postgresql+psycopg://" + server_url.partition("://")[2])
    with pytest.raises(sa.exc.DBAPIError) as raised, engine.connect() as connection:
        connection.execute(sa.text(raising))
    engine.dispose()
    wrapped = MlflowException(str(raised.value))
    wrapped.__cause__ = raised.value
    for error in (raised.value.orig, raised.value, wrapped):
        failure = SQLSTATES.get(whole) or SQLSTATES[whole[:2]]
        known = explained(error)
        assert type(known) is (DatabaseUnavailable if failure.away else Refused)
        assert str(known) == f"{failure.happened} (what the server said; its hint); {failure.safe}; {failure.todo}"


def test_what_a_missing_model_hides_is_told():
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x")
    missing = ModelNotFound("models:/m@champion is registered, but its files can't be read")
    missing.__cause__ = full
    assert str(explained(missing)).startswith("the disk is full (/tmp/x: No space left on device)")
    assert explained(ModelNotFound("there is none")) is not None


def test_the_context_of_an_error_is_not_its_cause():
    error = KeyError("key")
    error.__context__ = FileNotFoundError(errno.ENOENT, "no", "x")
    assert explained(error) is None
    assert one_sentence(error) == "KeyError: 'key'"


def test_a_read_only_database_is_told_and_the_command_works_when_it_is_writable_again(
    home: Settings, mlops: Mlops, routes: Path
):
    set_for_database(home, "set default_transaction_read_only = on")
    said = refused(mlops, "series", "ingest", routes)
    assert "the database takes no writes" in said
    assert "nothing was written" in said
    assert refused(mlops, "db", "maintain").startswith("mlops: the database takes no writes")
    set_for_database(home, "reset default_transaction_read_only")
    assert stored(home) == 0
    assert mlops("series", "ingest", routes)[0] == 0
    assert stored(home) == 8


@pytest.mark.parametrize(
    ("setting", "happened"),
    [("statement_timeout", "the database server ended a statement"), ("lock_timeout", "another session holds a lock")],
)
def test_a_timeout_is_told_and_the_command_works_when_nothing_is_in_its_way(
    home: Settings, mlops: Mlops, routes: Path, setting: str, happened: str
):
    set_for_database(home, f"set {setting} = '150ms'")
    with psycopg.connect(str(home.database_url)) as other:
        other.execute("set statement_timeout = 0")
        other.execute("lock table analytics.ingest_batches in exclusive mode")
        said = refused(mlops, "series", "ingest", routes)
    assert happened in said
    assert setting in said
    assert AGAIN in said
    set_for_database(home, f"reset {setting}")
    assert mlops("series", "ingest", routes)[0] == 0
    assert stored(home) == 8
    assert ask(str(home.database_url), "select count(*) from analytics.ingest_batches") == [(1,)]


def test_no_connection_left_is_told(home: Settings, mlops: Mlops, routes: Path, monkeypatch: pytest.MonkeyPatch):
    url, role = str(home.database_url), f"ordinary_{os.getpid()}"
    ask(url, f"create role {role} login connection limit 0")
    parts = psycopg.conninfo.conninfo_to_dict(url)
    host = parts["host"].replace("/", "%2F")
    theirs = f"postgresql://{role}@/{parts['dbname']}?host={host}&port={parts.get('port', 5432)}"
    try:
        with suppress(psycopg.OperationalError), psycopg.connect(theirs):
            pass
        monkeypatch.setenv("MLOPS_DATABASE_URL", theirs)
        context.settings.cache_clear()
        said = refused(mlops, "series", "ingest", routes)
        if "does not let this user in" in said:
            pytest.skip("this server lets no other role in from here")
        assert "all connections that the database server gives are taken" in said
        assert "too many connections for role" in said
        assert "use a pooler" in said
    finally:
        ask(url, f"drop role {role}")


def test_a_server_that_is_away_a_wrong_password_and_no_database_are_told_apart(
    home: Settings, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
):
    def said(url: str) -> str:
        monkeypatch.setenv("MLOPS_DATABASE_URL", url)
        context.settings.cache_clear()
        return refused(mlops, "series", "list")

    away = said("postgresql://someone:secret@127.0.0.1:1/none")
    assert "can't reach the database at postgresql://someone:***@127.0.0.1:1/none" in away
    assert "Connection refused" in away
    assert "see that the server runs there" in away
    url = str(home.database_url)
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    assert "there is no such database" in said(url.replace(name, "nowhere"))


def test_a_newer_schema_asks_for_a_newer_program_and_stays_as_it_is(home: Settings, mlops: Mlops):
    url = str(home.database_url)
    ask(url, "update analytics.schema_version set version_num = '9999_later'")
    for command in (("series", "list"), ("db", "upgrade"), ("health",)):
        said = refused(mlops, *command)
        assert "schema version 9999_later" in said
        assert "upgrade the program" in said
        assert "db upgrade" not in said
    code, out, _ = mlops("db", "status", "--json")
    assert (code, json.loads(out)["schema"]) == (0, "9999_later")
    assert ask(url, "select version_num from analytics.schema_version") == [("9999_later",)]
    ask(url, "update analytics.schema_version set version_num = %s", migrate.head())
    forget()
    assert mlops("series", "list")[0] == 0


def test_a_database_in_latin1_is_refused_before_anything_is_written(server_url: str):
    name = f"mlops_latin1_{os.getpid()}"
    ask(server_url, f"create database {name} encoding 'LATIN1' locale 'C' template template0")
    url = sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
    try:
        database = Database(url)
        with pytest.raises(Refused, match=r"has the encoding LATIN1.*nothing was written.*encoding 'UTF8' template"):
            database.upgrade()
        assert ask(url, "select count(*) from pg_namespace where nspname in ('analytics', 'mlflow')") == [(0,)]
        assert database.version() is None
        database.close()
    finally:
        ask(server_url, f"drop database {name} with (force)")


def test_missing_rights_are_told_also_where_rows_are_copied(home: Settings, mlops: Mlops, routes: Path):
    role = f"reader_{os.getpid()}"
    url = str(home.database_url)
    ask(url, f"create role {role}")
    try:
        ask(url, f"grant usage on schema analytics to {role}; grant select on all tables in schema analytics to {role}")
        set_for_database(home, f"set role = {role}")
        said = refused(mlops, "series", "ingest", routes)
        assert "the database's user lacks a right (permission denied" in said
        set_for_database(home, "reset role")
        assert stored(home) == 0
    finally:
        ask(url, f"drop owned by {role}; drop role {role}")


def test_what_mlflow_wraps_is_told_and_nothing_of_it_is_logged_as_a_traceback(
    new_database, with_mlflow: str, mlops: Mlops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with new_database("wrapped", template=with_mlflow) as (name, url):
        ask(url, f"alter database {name} set lock_timeout = '100ms'")
        monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("MLOPS_DATABASE_URL", url)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        context.settings.cache_clear()
        context.store.cache_clear()
        forget()
        with psycopg.connect(url) as other:
            other.execute("lock table mlflow.registered_models, mlflow.registered_model_aliases, mlflow.model_versions")
            said = refused(mlops, "predict", "models:/demand@champion")
        assert "the registry can't say what models:/demand@champion is: another session holds a lock" in said
        assert "lock_timeout" in said
        context.store.cache_clear()
        forget()
        context.settings.cache_clear()


# The server goes away


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that may be killed."""
    folder = Path(tempfile.mkdtemp(prefix="mlops-test-"))
    folder.chmod(0o755)
    server = Server(folder / "postgres", settings={"fsync": "off", "shared_buffers": "32MB"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlops.db.embedded.INITDB", (*_initdb(), "--no-sync"))
        server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def _initdb() -> tuple[str, ...]:
    from mlops.db import embedded

    return embedded.INITDB


def kill(server: Server) -> None:
    for pid in server._processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_server_killed_in_mid_statement_is_told_and_the_same_command_stores_the_rest(
    own_server: Server, mlops: Mlops, routes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ask(own_server.url(), "create database killed")
    url = own_server.url("killed")
    Database(url).upgrade()
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_DATABASE_URL", url)
    context.settings.cache_clear()
    forget()
    holder = psycopg.connect(url)
    holder.execute("lock table analytics.ingest_batches in exclusive mode")

    def strike() -> None:
        waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = 'killed'"
        while not ask(own_server.url(), waiting):
            time.sleep(0.02)
        kill(own_server)

    striking = threading.Thread(target=strike)
    striking.start()
    code, out, err = mlops("series", "ingest", routes)
    striking.join()
    holder.close()
    forget()
    assert (code, out) == (1, "")
    assert err.count("\n") == 1, err
    assert "the connection to the database server was lost" in err
    assert AGAIN in err
    assert "can't reach the database at" in refused(mlops, "series", "list")
    own_server.start()
    assert ask(url, "select count(*) from analytics.ingest_batches") == [(0,)]
    assert mlops("series", "ingest", routes)[0] == 0
    assert ask(url, "select count(*) from analytics.time_series_metrics") == [(8,)]
    forget()
    context.settings.cache_clear()


# Disks


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A file system of so many bytes at a folder; gives what makes it larger."""
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "mlops-test", place], capture_output=True)
    if made.returncode:
        pytest.skip("this user may not mount a small disk")
    place.chmod(0o777)

    def grow(to: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={to}", place], check=True)

    try:
        yield grow
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_of_the_server_is_told_and_what_was_stored_before_is_kept(
    home: Settings, mlops: Mlops, routes: Path, many: Path
):
    url = str(home.database_url)
    local = ask(url, "select inet_server_addr() is null, current_setting('data_directory')")[0]
    assert local[0]
    place = Path("/tmp") / f"mlops-tablespace-{os.getpid()}"
    try:
        with small_disk(place, "2m") as grow:
            owner = Path(local[1]).stat()
            os.chown(place, owner.st_uid, owner.st_gid)
            ask(url, f"create tablespace tiny_{os.getpid()} location '{place}'")
            assert mlops("series", "ingest", routes)[0] == 0
            set_for_database(home, f"set default_tablespace = 'tiny_{os.getpid()}'")
            said = refused(mlops, "series", "ingest", many)
            assert "the disk of the database server is full (could not extend file" in said
            assert stored(home) == 8
            grow("64m")
            assert mlops("series", "ingest", many)[0] == 0
            assert stored(home) == 8 + 28_000
            set_for_database(home, "reset default_tablespace")
            ask(
                url,
                f"""do $$ declare t record; begin
                    for t in select c.oid::regclass as name
                               from pg_class c join pg_tablespace s on s.oid = c.reltablespace
                              where s.spcname = 'tiny_{os.getpid()}' and c.relkind = 'r'
                    loop execute format('drop table %s cascade', t.name); end loop; end $$""",
            )
            ask(url, f"drop tablespace tiny_{os.getpid()}")
    finally:
        place.rmdir()


def test_a_cluster_that_finds_no_room_is_told_in_one_line_and_made_when_there_is(
    mlops: Mlops, monkeypatch: pytest.MonkeyPatch
):
    place = Path("/tmp") / f"mlops-home-{os.getpid()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlops.db.embedded.INITDB", (*_initdb(), "--no-sync"))
        patch.setenv("MLOPS_HOME", str(place))
        patch.delenv("MLOPS_DATABASE_URL", raising=False)
        context.settings.cache_clear()
        forget()
        with small_disk(place, "6m"):
            said = refused(mlops, "db", "start")
            assert "initdb failed:" in said
            assert "No space left on device" in said
            assert [path.name for path in place.iterdir() if path.is_dir() and any(path.iterdir())] == []
        context.settings.cache_clear()
        forget()
    place.rmdir()


def test_a_full_disk_under_the_home_is_told_and_no_row_is_lost(
    home: Settings, mlops: Mlops, many: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    place = tmp_path / "small"
    with small_disk(place, "1m") as grow:
        monkeypatch.setenv("MLOPS_HOME", str(place))
        context.settings.cache_clear()
        said = refused(mlops, "series", "ingest", many)
        assert f"the disk is full ({place}: No space left on device)" in said
        assert stored(home) == 0
        assert list(place.iterdir()) == []
        grow("32m")
        assert mlops("series", "ingest", many)[0] == 0
        assert stored(home) == 28_000
        context.settings.cache_clear()


def test_rows_that_go_to_disk_in_pieces_come_back_whole(monkeypatch: pytest.MonkeyPatch):
    """A disk that fills up takes a part of what is written, and says so only by the count."""
    import numpy as np

    from mlops.series.parsing.external_sort import ROW, RunFile

    really = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: really(file, bytes(data[: max(1, len(data) // 2)]), at))
    rows = np.zeros(100, dtype=ROW)
    rows["line"] = np.arange(100)
    with RunFile() as shelf:
        assert (shelf.get(shelf.put(rows)) == rows).all()


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
sys.argv = ["mlops", *sys.argv[1:]]
from mlops.cli import main
main()
"""


def test_a_limit_on_the_size_of_files_is_told_and_no_half_file_stays(home: Settings, mlops: Mlops, tmp_path: Path):
    url = str(home.database_url)
    ask(url, "insert into analytics.series (metric_type, granularity, route_id) values ('revenue', 'hourly', 'R1')")
    ask(url, "select analytics.ensure_partitions('2020-01-01Z', '2020-12-01Z')")
    ask(
        url,
        """insert into analytics.time_series_metrics (series_id, observed_at, value)
           select 1, '2020-01-01Z'::timestamptz + i * interval '1 hour', i from generate_series(0, 8000) i""",
    )
    target = tmp_path / "out.csv"
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(  # the file of a coverage would not fit either
        [sys.executable, "-c", LIMITED, "series", "export", str(target)],
        capture_output=True,
        text=True,
        check=False,
        env=unmeasured,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == []
    assert mlops("series", "export", target)[0] == 0


def test_output_that_finds_no_room_is_told_and_leaves_no_traceback(home: Settings):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mlops", "series", "list", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("mlops: the disk is full")
    assert done.stderr.count("\n") == 1, done.stderr


def test_a_report_that_can_not_be_written_leaves_the_one_before(tmp_path: Path):
    from mlops.files import whole_file, write_whole

    page = tmp_path / "pages" / "review.html"
    write_whole(page, "the first")

    def fill() -> None:
        with whole_file(page) as unfinished:
            unfinished.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"review\.html"):
        fill()
    assert page.read_text() == "the first"
    assert [path.name for path in page.parent.iterdir()] == ["review.html"]


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_each_errno_of_the_map_names_the_place(number: int):
    known = explained(OSError(number, os.strerror(number), "/some/place"))
    failure = ERRNOS[number]
    assert str(known) == f"{failure.happened} (/some/place: {os.strerror(number)}); {failure.safe}; {failure.todo}"


def test_memory_that_is_not_there_is_told_and_the_file_is_not_blamed(
    home: Settings, mlops: Mlops, routes: Path, monkeypatch: pytest.MonkeyPatch
):
    import pyarrow as pa

    from mlops.series.adapters import long

    def no_memory(_path: Path) -> Iterator[object]:
        raise pa.ArrowMemoryError("malloc of size 99 failed")

    with monkeypatch.context() as patch:
        patch.setattr(long, "_chunks", no_memory)
        assert "this machine is out of memory" in refused(mlops, "series", "ingest", routes)
    assert ask(str(home.database_url), "select count(*) from analytics.ingest_batches") == [(0,)]
    assert mlops("series", "ingest", routes)[0] == 0


@pytest.mark.parametrize("below", ["", "further/down"], ids=["itself", "above it"])
def test_a_home_that_is_a_file_is_told(below: str, mlops: Mlops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "home"
    file.write_text("not a folder")
    monkeypatch.setenv("MLOPS_HOME", str(file / below))
    monkeypatch.delenv("MLOPS_DATABASE_URL", raising=False)
    context.settings.cache_clear()
    forget()
    for command in (("db", "start"), ("db", "status"), ("health",), ("series", "list")):
        said = refused(mlops, *command, exits=2)
        assert f"MLOPS_HOME is {file / below}" in said
        assert f"{file} is a file" in said
        context.settings.cache_clear()
    assert file.read_text() == "not a folder"
    context.settings.cache_clear()


def test_a_home_where_nothing_may_be_written_is_told(mlops: Mlops, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_HOME", "/sys/mlops")
    monkeypatch.delenv("MLOPS_DATABASE_URL", raising=False)
    context.settings.cache_clear()
    forget()
    said = refused(mlops, "db", "start")
    assert "the system does not allow it (/sys/mlops: " in said or "takes no writes (/sys/mlops" in said
    context.settings.cache_clear()


# What nobody foresaw


def test_what_was_not_foreseen_is_one_sentence_and_a_traceback_with_debug(
    home: Settings, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero\nand more")

    monkeypatch.setattr("mlops.series.read.list_series", broken)
    said = refused(mlops, "series", "list")
    assert said.startswith("mlops: ZeroDivisionError: division by zero; this was not foreseen")
    assert "mlops --debug" in said
    monkeypatch.setattr(sys, "argv", ["mlops", "--debug", "series", "list"])
    with pytest.raises(ZeroDivisionError):
        main()


def test_a_logged_exception_is_one_line_unless_debug_asks_for_more(capsys: pytest.CaptureFixture[str]):
    import logging

    from mlops.cli.edge import edge

    log, text = logging.getLogger("mlops.test"), io.StringIO()
    handler = logging.StreamHandler(text)
    log.addHandler(handler)
    try:
        with edge("mlops"):
            try:
                raise KeyError("x")
            except KeyError:
                log.exception("the check of %s broke\nat length", "demand")
        assert text.getvalue() == "the check of demand broke (KeyError: 'x')\n"
    finally:
        log.removeHandler(handler)
