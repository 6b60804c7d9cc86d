"""The servers that are compared: each a command, of which a client asks the same thing at an address of its own."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Load", "Server", "cpu_seconds", "measured", "memory_mb", "running"]

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """A command that serves at `port` of this machine, its path for predictions, and what its environment adds."""

    label: str
    command: tuple[str, ...]
    port: int
    path: str = "/invocations"
    environment: Mapping[str, str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class Load:
    """What a server did under load: CPU of its processes a request, requests a second, and the slowest hundredth."""

    cpu_us: float
    rate: float
    p99_ms: float
    requests: int
    failed: int
    memory_mb: float
    first_seconds: float


def processes(pid: int) -> list[int]:
    """A process and all that it has begun."""
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except FileNotFoundError:
        return []
    return [pid, *(below for child in children for below in processes(child))]


def cpu_seconds(pid: int) -> float:
    """CPU of a process and all that it has begun."""
    total = 0
    for each in processes(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory_mb(pid: int) -> float:
    """Resident memory of a process and all that it has begun, MiB."""
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in processes(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def running(server: Server, body: bytes, folder: Path) -> Iterator[tuple[int, float]]:
    """The server's process while the block runs, and how long it took to give its first answer."""
    errors = (folder / f"{server.port}.txt").open("wb")
    environment = {**os.environ, **(server.environment or {})}
    began = time.perf_counter()
    process = subprocess.Popen(server.command, env=environment, stdout=errors, stderr=errors, start_new_session=True)
    try:
        while not _answers(server, body):
            if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                raise RuntimeError(f"{server.label} did not begin; see {errors.name}")
            time.sleep(0.05)
        yield process.pid, time.perf_counter() - began
    finally:
        subprocess.run(["kill", "-TERM", "--", f"-{process.pid}"], check=False)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            subprocess.run(["kill", "-KILL", "--", f"-{process.pid}"], check=False)
            process.wait()


def _answers(server: Server, body: bytes) -> bool:
    request = urllib.request.Request(server.url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def measured(server: Server, body: bytes, folder: Path, *, seconds: int = 5, connections: int = 8) -> Load:
    """Begin a server, let `wrk` ask it as fast as it can, and end it."""
    script = folder / f"{server.port}.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.body = [==['
        + body.decode()
        + "]==]\n"
        "done = function(summary, latency)\n"
        '  io.write(string.format("@ %d %d %f\\n", summary.requests, summary.errors.status + summary.errors.read'
        " + summary.errors.timeout, latency:percentile(99)))\nend\n"
    )
    with running(server, body, folder) as (pid, first):
        _wrk(script, server.url, 1, connections)
        before, began = cpu_seconds(pid), time.perf_counter()
        requests, failed, slowest = _wrk(script, server.url, seconds, connections)
        used, passed = cpu_seconds(pid) - before, time.perf_counter() - began
        if "mlops" in server.label:
            print(_log(server.port))
        return Load(used / requests * 1e6, requests / passed, slowest / 1e3, requests, failed, memory_mb(pid), first)


def _log(port: int) -> str:
    """What has become of the records of a server of ours, two seconds after the load."""
    time.sleep(2)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
        return f"<!-- log: {json.load(answer)['log']} -->"


def _wrk(script: Path, url: str, seconds: int, connections: int) -> tuple[int, int, float]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("@ "))
    _, requests, failed, slowest = line.split()
    return int(requests), int(failed), float(slowest)


def uvicorn(label: str, app: str, port: int, environment: Mapping[str, str]) -> Server:
    """An ASGI application of a file beside this one."""
    command = (sys.executable, "-W", "ignore", "-m", "uvicorn", "--port", str(port), "--no-access-log", "--log-level")
    place = {"PYTHONPATH": str(Path(__file__).parent), **environment}
    return Server(label, (*command, "warning", app), port, environment=place)
