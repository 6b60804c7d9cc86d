"""Wherever work is done, and whatever happens to a worker, its results are those of one process."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from mlops import parallel
from mlops.errors import BadInput, Refused

ROOT = Path(__file__).parents[2]  # from where workers can import this test
ITEMS = [float(number) for number in range(80)]
SEEDS = list(range(12))
MATRIX = np.random.default_rng(0).normal(size=(400, 400))  # more than a megabyte: joblib maps it into memory


@pytest.fixture(scope="module")
def threads() -> Iterator[None]:
    """Processes that are started take as many threads as this machine has, which other tests keep them from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS")
        patch.delenv("OPENBLAS_NUM_THREADS")
        yield


@pytest.fixture(scope="module")
def cluster(threads: None) -> Iterator[str]:
    """The address of a scheduler with two worker processes, each restarted when it dies."""
    with _cluster(2) as started:
        yield started.scheduler_address


@pytest.fixture(params=["serial", "loky", "dask"])
def where(request: pytest.FixtureRequest, threads: None) -> str:
    """Every place to work."""
    return str(request.getfixturevalue("cluster") if request.param == "dask" else request.param)


def test_results_are_in_order_and_equal_to_one_process(where: str):
    assert parallel.run(abs, ITEMS, where) == ITEMS


def test_every_job_is_delivered_once_with_what_it_shares(where: str):
    found = sorted(parallel.jobs(_shifted, SEEDS, where, shared=100))
    assert found == [(number, 100 + number) for number in SEEDS]


def test_a_call_runs_on_one_thread(where: str):
    with threadpool_limits(2):
        found = dict(parallel.jobs(_threads, SEEDS[:2], where, shared=None))
    assert found == {0: {1}, 1: {1}}


@pytest.mark.parametrize("offset", [0, 1, 8, 22])
def test_linear_algebra_is_equal_bit_for_bit_wherever_the_array_lay(where: str, offset: int):
    with parallel.one_thread():
        expected = [_solve(MATRIX, seed) for seed in SEEDS]
    found = dict(parallel.jobs(_solve, SEEDS, where, shared=_at(offset, MATRIX)))
    assert all((found[number] == expected[number]).all() for number in range(len(SEEDS)))


def test_sums_of_a_strided_array_are_equal_bit_for_bit(where: str):
    strided = MATRIX[::3, ::2]
    with parallel.one_thread():
        expected = [_sums(strided.copy(), number) for number in range(2)]
    found = dict(parallel.jobs(_sums, range(2), where, shared=strided))
    assert [found[number].tobytes() for number in range(2)] == [sums.tobytes() for sums in expected]


@pytest.mark.parametrize("size", [1, 500_000], ids=["small", "mapped"])
def test_arrays_are_aligned_contiguous_and_read_only_wherever_a_call_is_made(where: str, size: int):
    """A worker that got another layout would take other kernels of numpy and BLAS."""
    odd = _at(3, np.arange(float(size)))
    shared = {
        "odd": odd,
        "strided": np.arange(2.0 * size)[::2],
        "frame": pd.DataFrame({"y": odd, "x": odd}),
        "none": odd[:0],
    }
    for _, layouts in parallel.jobs(_layouts, [odd, [odd]], where, shared=shared):
        assert set(layouts) == {(True, True, False)}


def test_what_a_call_returns_is_laid_out_alike_everywhere(where: str):
    for _, found in parallel.jobs(
        _sum, [_at(5, np.ones(1000)), np.ones(2000)[::2]], where, shared=_at(7, np.ones(1000))
    ):
        assert _layout(found) == (True, True, False)
        assert (found == 2).all()


def test_what_a_call_raises_is_raised(where: str):
    with pytest.raises(ZeroDivisionError):
        parallel.run(_inverse, ITEMS, where)
    with pytest.raises(ZeroDivisionError):
        list(parallel.jobs(_quotient, [1, 0], where, shared=1))


def test_a_job_does_its_own_work_where_it_is(where: str):
    """A worker that asked the cluster for workers would wait for itself."""
    found = dict(parallel.jobs(_processes, [64, 65], where, shared=where))
    assert [len(processes) for _, processes in sorted(found.items())] == [1, 1]


def test_a_worker_that_is_killed_costs_no_result(where: str, tmp_path: Path):
    if where == "serial":
        pytest.skip("there is no worker")
    found = list(parallel.jobs(_dying_once, SEEDS, where, shared=tmp_path / "killed"))
    assert sorted(found) == [(number, 2 * number) for number in SEEDS]
    assert (tmp_path / "killed").exists(), "a worker did die"


def test_on_a_cluster_of_one_a_killed_worker_loses_what_is_shared_and_no_result(tmp_path: Path):
    with _cluster(1) as alone:
        found = list(parallel.jobs(_dying_once, SEEDS, alone.scheduler_address, shared=tmp_path / "killed"))
    assert sorted(found) == [(number, 2 * number) for number in SEEDS]
    assert (tmp_path / "killed").exists()


def test_a_job_that_kills_every_worker_is_refused_with_the_usual_reason():
    with pytest.raises(Refused, match="lack of memory is the usual reason"):
        list(parallel.jobs(_deadly, SEEDS, "loky", shared=None))


def test_the_last_job_that_is_missing_is_not_done_in_this_process():
    [(number, found)] = parallel._on_loky(_whereabouts, {7: parallel._Packed.of(0)}, parallel._Packed.of(None), "")
    assert number == 7
    assert found.content() != os.getpid()


def test_workers_of_the_command_line_one_of_them_killed_from_outside(tmp_path: Path):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    scheduler, address = _scheduler(tmp_path)
    workers = [_dask(tmp_path, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard") for _ in range(3)]
    try:
        threading.Thread(target=_kill_after, args=(tmp_path / "begun", workers[0]), daemon=True).start()
        found = list(parallel.jobs(_slow, SEEDS, address, shared=tmp_path / "begun"))
        assert sorted(found) == [(number, number**2) for number in SEEDS]
        assert workers[0].wait(10) == -signal.SIGKILL, "it was killed while the others worked"
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def test_a_scheduler_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setattr(parallel, "PATIENCE", "1s")
    with pytest.raises(Refused, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):
        parallel.run(abs, ITEMS, "tcp://127.0.0.1:9")


def test_a_cluster_without_workers_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel, "PATIENCE", "1s")
    with (
        _cluster(0) as empty,
        pytest.raises(Refused, match="has no worker; start some with `dask worker tcp://"),
    ):
        parallel.run(abs, ITEMS, empty.scheduler_address)


def test_workers_of_another_version_are_refused():
    theirs = parallel._versions() | {"lightgbm": "3.0"}
    with pytest.raises(Refused, match=r"worker tcp://b:1 has lightgbm 3\.0"):
        parallel._check_versions({"tcp://a:1": parallel._versions(), "tcp://b:1": theirs})


def test_the_setting_says_where(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_PARALLEL", "serial")
    assert parallel.run(abs, [-1.0]) == [1.0]
    monkeypatch.setenv("MLOPS_PARALLEL", "spark")
    with pytest.raises(BadInput, match="'spark' is not a place to work"):
        parallel.run(abs, [-1.0])


def _cluster(workers: int) -> AbstractContextManager[Any]:
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    found: AbstractContextManager[Any] = distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=":0"
    )
    return found


def _threads(_: None, item: int) -> set[int]:
    """How many threads each library of this process takes for a sum."""
    return {found["num_threads"] for found in threadpool_info()}


def _shifted(shared: int, item: int) -> int:
    return shared + item


def _solve(matrix: np.ndarray, seed: int) -> np.ndarray:
    return np.linalg.solve(matrix @ matrix.T, np.random.default_rng(seed).normal(size=len(matrix)))


def _at(offset: int, array: np.ndarray) -> np.ndarray:
    """A copy whose address is `offset` bytes past a multiple of 64."""
    room = np.empty(array.nbytes + 128, np.uint8)
    start = -room.ctypes.data % 64 + offset
    found = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    found[:] = array
    assert found.ctypes.data % 64 == offset
    return found


def _layout(array: np.ndarray) -> tuple[bool, bool, bool]:
    """Whether it is aligned, contiguous and writeable."""
    contiguous = array.flags.c_contiguous or array.flags.f_contiguous
    return array.flags.aligned and array.ctypes.data % 16 == 0, contiguous, array.flags.writeable


def _layouts(shared: dict[str, Any], item: Any) -> list[tuple[bool, bool, bool]]:
    arrays = [shared["odd"], shared["strided"], shared["none"], shared["frame"]["y"].to_numpy()]
    return [_layout(array) for array in (*arrays, item[0] if isinstance(item, list) else item)]


def _sums(shared: np.ndarray, axis: int) -> np.ndarray:
    return shared.sum(axis=axis)


def _sum(shared: np.ndarray, item: np.ndarray) -> np.ndarray:
    return shared + item


def _inverse(item: float) -> float:
    return 1 / item


def _quotient(shared: int, item: int) -> float:
    return shared / item


def _processes(where: str, count: int) -> set[int]:
    return set(parallel.run(_process, list(range(count)), where))


def _process(_: int) -> int:
    return os.getpid()


def _dying_once(mark: Path, item: int) -> int:
    if item == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * item


def _whereabouts(_: None, item: int) -> int:
    return os.getpid()


def _deadly(_: None, item: int) -> int:
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def _slow(begun: Path, item: int) -> int:
    begun.touch()
    time.sleep(0.3)
    return item**2


def _kill_after(begun: Path, process: subprocess.Popen[str]) -> None:
    _until(begun.exists)
    process.kill()


def _scheduler(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A scheduler at a free port, and its address."""
    process = _dask(folder, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    log = folder / "scheduler.log"
    _until(lambda: "Scheduler at:" in log.read_text())
    found = re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text())
    assert found is not None
    return process, found[1]


def _dask(folder: Path, command: str, *arguments: str) -> subprocess.Popen[str]:
    with (folder / f"{command}.log").open("a") as log:
        program = [sys.executable, "-m", "dask", command, *arguments]
        return subprocess.Popen(program, stdout=log, stderr=log, text=True, cwd=ROOT)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "nothing happened in a minute"
        time.sleep(0.05)
