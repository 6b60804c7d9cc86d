"""What a team copies to run a server is in order: compose file, units, and an nginx that lets nobody in by a header."""

import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlops.access import KeyRing, NewKey, create_key
from mlops.db import Database
from mlops.policy import read_serving_policy
from mlops.web.access import Denied, Door

SERVING = Path(__file__).parents[2] / "serving"
UNITS = sorted((SERVING / "systemd").iterdir())
COMPOSE = yaml.safe_load((SERVING / "compose.yaml").read_text())
NGINX = (SERVING / "nginx.conf").read_text()


def test_services_wait_for_what_they_need():
    services = COMPOSE["services"]
    assert set(services) == {"postgres", "migrate", "serve", "nginx", "mlflow"}
    for name, service in services.items():
        for other, condition in service.get("depends_on", {}).items():
            assert other in services
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for {other}"
    assert {name.partition(":")[0] for of in services.values() for name in of["volumes"] if name[0].isalpha()} == set(
        COMPOSE["volumes"]
    )
    assert all("image" in service for service in services.values())


def test_only_nginx_can_be_reached_from_elsewhere():
    published = {name: service.get("ports", []) for name, service in COMPOSE["services"].items()}
    assert published == {
        "postgres": [], "migrate": [], "nginx": [], "serve": ["80:80", "443:443"], "mlflow": ["127.0.0.1:5000:5000"],
    }  # fmt: skip
    assert COMPOSE["services"]["nginx"]["network_mode"] == "service:serve"
    assert re.findall(r"^\s+listen (\d+)", NGINX, re.MULTILINE) == ["80", "443"]


def test_no_file_holds_a_secret():
    texts = {path.name: path.read_text() for path in SERVING.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    for name, text in texts.items():
        assert not re.search(r"mlops_[0-9a-f]{12}_|BEGIN .*PRIVATE KEY", text), name
        for value in re.findall(r"PASSWORD: *(.*)", text):
            assert value.startswith("${POSTGRES_PASSWORD:?"), name


def test_limits_of_the_proxy_and_of_stopping_are_those_of_the_server():
    limits = read_serving_policy(SERVING / "server.toml").limits
    assert f"client_max_body_size    {limits.body_mb:g}m;" in NGINX
    assert f"proxy_read_timeout    {limits.seconds + 5:g}s;" in NGINX
    stop = f"{limits.seconds + 15:g}"
    assert COMPOSE["services"]["serve"]["stop_grace_period"] == f"{stop}s"
    assert f"TimeoutStopSec={stop}\n" in (SERVING / "systemd/mlops-serve.service").read_text()


def test_the_image_is_made_of_nothing_but_the_wheel():
    ignored = (SERVING / "Dockerfile.dockerignore").read_text().splitlines()
    assert [line for line in ignored if not line.startswith("#")] == ["*", "!dist/*.whl"]
    assert re.findall(r"^COPY (\S+)", (SERVING / "Dockerfile").read_text(), re.MULTILINE) == ["dist/*.whl"]
    assert COMPOSE["services"]["serve"]["build"] == {"context": "..", "dockerfile": "serving/Dockerfile"}


def test_each_timer_has_its_service_and_each_script_is_there():
    names = {path.name for path in UNITS}
    assert {name.replace(".timer", ".service") for name in names} <= names
    for unit in UNITS:
        for script in re.findall(r"^ExecStart=\S+/python (\S+)", unit.read_text(), re.MULTILINE):
            assert (SERVING.parent / script).is_file()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this machine")
def test_units_are_ones_that_systemd_takes(tmp_path: Path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("mlops", "python"):
        (programs / name).symlink_to(sys.executable)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/srv/mlops-venv/bin", str(programs)))
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "mlops" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


# nginx as it is copied, before a server as it runs


@pytest.fixture(scope="module")
def database(new_database, migrated: str) -> Iterator[Database]:
    with new_database("proxied", template=migrated) as (_, url):
        database = Database(url)
        yield database
        database.close()


@pytest.fixture(scope="module")
def key(database: Database) -> NewKey:
    return create_key(database, "the web shop", "scientist")


@pytest.fixture(scope="module")
def proxied(database: Database, key: NewKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The ports of nginx, without TLS and with it, before a server at 127.0.0.1 that needs no key of local requests."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not on this machine; on Debian: apt install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    ring = KeyRing(database)
    ring.read()
    with upstream(Door(ring, open_to_local=True)) as behind:
        plain, secure = free_port(), free_port()
        certificate(folder)
        text = NGINX.replace("/etc/nginx/certs", str(folder)).replace("127.0.0.1:5001", f"127.0.0.1:{behind}")
        text = text.replace("listen 80;", f"listen 127.0.0.1:{plain};")
        (folder / "mlops.conf").write_text(text.replace("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;"))
        paths = "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
            f"http {{\n{paths}access_log {folder}/access.log;\ninclude {folder}/mlops.conf;\n}}\n"
        )
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert "[warn]" not in checked.stderr
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(secure)
            yield plain, secure
        finally:
            process.terminate()
            process.wait()


@contextmanager
def upstream(door: Door) -> Iterator[int]:
    """A server whose answer says what came to it; the port."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        admitted = door.admit(scope, "score")
        if isinstance(admitted, Denied):
            await admitted.send(send)
            return
        while (await receive()).get("more_body"):
            pass
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = repr((admitted.name, headers.get("x-forwarded-for"), headers.get("forwarded"))).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": body})

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", proxy_headers=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def certificate(folder: Path) -> None:
    """A certificate of its own for mlops.example."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mlops.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "mlops.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.TraditionalOpenSSL
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "mlops.key").write_bytes(secret)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def client(proxied: tuple[int, int]) -> Iterator[httpx.Client]:
    """A client of elsewhere, as far as the server can tell."""
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    with httpx.Client(base_url=f"https://localhost:{proxied[1]}", verify=unchecked) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Via": "x"}, {"Host": "localhost"}],
)  # fmt: skip
def test_through_nginx_nobody_is_local(client: httpx.Client, headers: dict[str, str]):
    answer = client.post("/invocations", headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers["server"] == "nginx"


def test_through_nginx_a_key_is_enough_and_the_address_is_the_real_one(client: httpx.Client, key: NewKey):
    forged = {"X-Forwarded-For": "8.8.8.8", "Forwarded": "for=8.8.8.8"}
    for header in ({"X-API-Key": key.secret}, {"Authorization": f"Bearer {key.secret}"}):
        answer = client.post("/invocations", headers=header | forged, content=b"x" * 2_000_000)
        assert answer.text == repr(("the web shop", "127.0.0.1", None))


def test_nginx_sends_on_to_tls_and_refuses_what_is_too_large(proxied: tuple[int, int], client: httpx.Client):
    moved = httpx.get(f"http://127.0.0.1:{proxied[0]}/forecasts?series=1", headers={"Host": "mlops.example"})
    assert (moved.status_code, moved.headers["location"]) == (308, "https://mlops.example/forecasts?series=1")
    assert client.post("/invocations", content=b"x" * (16 * 2**20 + 1)).status_code == 413


def test_metrics_are_not_for_outside(client: httpx.Client, key: NewKey):
    assert client.get("/metrics", headers={"X-API-Key": key.secret}).status_code == 404


def test_old_tls_is_refused(proxied: tuple[int, int]):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.minimum_version = ssl.TLSVersion.TLSv1
    with (
        socket.create_connection(("127.0.0.1", proxied[1])) as plain,
        pytest.raises((ssl.SSLError, ConnectionResetError)),
        context.wrap_socket(plain),
    ):
        pass
