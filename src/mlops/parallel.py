"""The only place that knows an executor: this machine's cores by joblib, or a Dask cluster by its address.

Wherever work is done, its results are equal bit for bit. Each call runs on one thread, because the sums of a threaded
BLAS depend on the number of its threads. What a call is given, and what it returns, has travelled by pickle even when
it stays in this process, so its arrays have one layout everywhere: contiguous, aligned, and read-only, because workers
share them. numpy takes other kernels for an array at an odd address than for one that it allocated itself, and BLAS
has others for a strided one: their last bits differ. A worker that dies costs time and no result.
"""

import io
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from mlops.config import Settings
from mlops.errors import Misused, Refused, nearest, quoted

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

__all__ = ["ahead", "checked_place", "jobs", "one_thread", "run"]

In = TypeVar("In")
Out = TypeVar("Out")
Shared = TypeVar("Shared")

PLACES = ("loky", "serial")
WORTH_IT = 64  # a worker process imports for seconds: fewer items than this are faster here
CHUNKS = 32  # of `run`: enough to keep workers busy until the end, few enough to cost nothing
ATTEMPTS = 3  # to finish what dead workers left
PATIENCE = "30s"  # for a scheduler and its first worker
SAME = ("mlops", "numpy", "pandas", "lightgbm", "prophet")  # libraries whose version can change a result
ALIGNMENT = 16  # bytes: what numpy's own allocator gives, and joblib's memory maps
_on_worker: ContextVar[bool] = ContextVar("on_worker", default=False)


def run(function: Callable[[In], Out], items: Sequence[In], where: str | None = None) -> list[Out]:
    """`[function(item) for item in items]`, in order, by chunks over the workers of `where` (None: MLOPS_PARALLEL).

    "loky" is this machine's cores, "serial" this process, "tcp://host:port" or "tls://…" a Dask scheduler. Fewer than
    64 items are done here. What `function` raises is raised; Refused says that workers keep dying or can't be reached.
    The arrays of an item are read-only.
    """
    if _resolved(where) == "serial" or len(items) < WORTH_IT:
        where, chunks = "serial", [items]
    else:
        size = -(-len(items) // CHUNKS)
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
    found = dict(jobs(_each, chunks, where, shared=function))
    return [result for number in range(len(chunks)) for result in found[number]]


def jobs(
    function: Callable[[Shared, In], Out], items: Sequence[In], where: str | None = None, *, shared: Shared
) -> Iterator[tuple[int, Out]]:
    """`(number, function(shared, items[number]))` as they finish, for few calls of seconds each.

    `shared` is what every call reads; it travels to a worker once, and its arrays are read-only. Arguments and results
    travel by pickle: make them arrays, or frames of many series, never a frame for each series.
    """
    where, packed = _resolved(where), _Packed.of(shared)
    missing = {number: _Packed.of(item) for number, item in enumerate(items)}
    if where == "serial" or len(items) < 2:
        for number, item in missing.items():
            yield number, _call(function, packed, item).content()
        return
    stream = _on_dask if where.startswith(("tcp://", "tls://")) else _on_loky
    for _ in range(ATTEMPTS):
        try:
            for number, result in stream(function, missing, packed, where):
                del missing[number]
                yield number, result.content()
        except _WorkerLost:
            continue
        return
    raise Refused(
        f"{len(missing)} of {len(items)} jobs could not be finished on {where}: workers died {ATTEMPTS} times;"
        " a lack of memory is the usual reason: use fewer workers, or MLOPS_PARALLEL=serial"
    )


def ahead(function: Callable[[In], Out], items: Iterable[In], threads: int = 1) -> Iterator[Out]:
    """`function(item)` for each item, in order; `threads` results beyond the one that is taken are made meanwhile.

    For work that waits for a disk or a server, or leaves the interpreter's lock as numpy and Arrow do.
    """
    waiting, coming = deque[Future[Out]](), iter(items)
    with ThreadPoolExecutor(threads) as pool:
        try:
            waiting.extend(pool.submit(function, item) for item in islice(coming, threads + 1))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(coming, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()


@lru_cache(maxsize=1)
def _pools(_modules: int) -> "ThreadpoolController":
    """The pools of threads of this process; finding them takes milliseconds, and more come with modules only."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS and OpenMP work on one thread in the block, or in the function that this decorates."""
    with _pools(len(sys.modules)).limit(limits=1):
        yield


class _WorkerLost(Exception):
    """Workers died; what they had not delivered is to be done again."""


def _resolved(where: str | None) -> str:
    """Where to work; on a worker always there, or workers would wait for workers."""
    if _on_worker.get():
        return "serial"
    return checked_place(where or Settings().parallel)


def checked_place(where: str) -> str:
    """Where to work: loky, serial or a scheduler's address; Misused for another text."""
    if where not in PLACES and not where.startswith(("tcp://", "tls://")):
        close = nearest(where, PLACES)
        meant = f"did you mean {close}? " if close else ""
        raise Misused(
            f"MLOPS_PARALLEL: {quoted(where)} is not a place to work; {meant}expected loky, serial or tcp://host:port"
        )
    return where


class _Packed(Generic[Out]):
    """A pickled object, its large buffers apart: how arguments and results travel, and what gives them one layout."""

    __slots__ = ("_buffers", "_content", "_pickle")

    def __init__(self, pickled: bytes, buffers: list[npt.NDArray[np.uint8]]) -> None:
        self._pickle, self._buffers = pickled, buffers
        self._content: list[Out] = []

    @classmethod
    def of(cls, content: Out) -> "_Packed[Out]":
        """The arrays in `content` are not copied, unless they are not contiguous."""
        import cloudpickle

        class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # the base class has no types
            def reducer_override(self, found: Any) -> Any:
                """Take a strided array as a contiguous one: only those travel apart, and are laid out alike."""
                if type(found) is np.ndarray and not (found.flags.c_contiguous or found.flags.f_contiguous):
                    return found.copy().__reduce_ex__(pickle.HIGHEST_PROTOCOL)
                return super().reducer_override(found)

        pickled, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
        Pickler(pickled, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append).dump(content)
        return cls(pickled.getvalue(), [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers])

    def content(self) -> Out:
        """The object, the same at every call in this process."""
        if not self._content:
            self._content.append(pickle.loads(self._pickle, buffers=[_aligned(one) for one in self._buffers]))  # noqa: S301  we packed it
        return self._content[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return _Packed, (self._pickle, self._buffers)


def _aligned(buffer: npt.NDArray[np.uint8]) -> memoryview:
    """The bytes, read-only, at an address where numpy itself could have put them."""
    if buffer.ctypes.data % ALIGNMENT:
        room = np.empty(len(buffer) + ALIGNMENT, np.uint8)
        start = -room.ctypes.data % ALIGNMENT
        room[start : start + len(buffer)] = buffer
        buffer = room[start : start + len(buffer)]
    return buffer.data.toreadonly()


def _each(function: Callable[[In], Out], items: Sequence[In]) -> list[Out]:
    return [function(item) for item in items]


def _call(function: Callable[[Shared, In], Out], shared: _Packed[Shared], item: _Packed[In]) -> _Packed[Out]:
    with one_thread():
        return _Packed.of(function(shared.content(), item.content()))


def _at_work(function: Callable[[Shared, In], Out], shared: _Packed[Shared], item: _Packed[In]) -> _Packed[Out]:
    """A call on a worker."""
    mark = _on_worker.set(True)
    try:
        return _call(function, shared, item)
    finally:
        _on_worker.reset(mark)


def _numbered(
    function: Callable[[Shared, In], Out], shared: _Packed[Shared], number: int, item: _Packed[In]
) -> tuple[int, _Packed[Out]]:
    return number, _at_work(function, shared, item)


def _itself(shared: Shared) -> Shared:
    return shared


def _on_loky(
    function: Callable[[Shared, In], Out], missing: Mapping[int, _Packed[In]], shared: _Packed[Shared], _: str
) -> Iterator[tuple[int, _Packed[Out]]]:
    from joblib import Parallel, cpu_count, delayed, parallel_config

    count = max(2, min(cpu_count(), len(missing)))  # of one joblib makes none: what kills its worker would kill us
    with parallel_config("loky", inner_max_num_threads=1):
        workers = Parallel(n_jobs=count, return_as="generator_unordered", batch_size=1)
    try:
        calls = [delayed(_numbered)(function, shared, number, item) for number, item in missing.items()]
        yield from workers(calls)
    except BrokenProcessPool as error:
        raise _WorkerLost from error


def _on_dask(
    function: Callable[[Shared, In], Out], missing: Mapping[int, _Packed[In]], shared: _Packed[Shared], address: str
) -> Iterator[tuple[int, _Packed[Out]]]:
    import dask
    from distributed import CancelledError, Client, KilledWorker

    quiet = dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"})
    with quiet, _client(Client, address) as client:
        # a task, not `scatter`: what is scattered is lost with the last worker that has it, a task is done again
        everywhere = client.submit(_itself, shared, pure=False)
        futures = {
            client.submit(_at_work, function, everywhere, item, pure=False): number for number, item in missing.items()
        }
        try:
            while futures:
                for future in _finished(client, list(futures)):
                    yield futures.pop(future), future.result()
        except CancelledError as error:  # the scheduler forgot it, as one that was restarted does
            raise _WorkerLost from error
        except KilledWorker as error:
            raise Refused(f"a job has killed every worker that took it: {error}") from error


def _finished(client: Any, futures: list[Any]) -> list[Any]:
    """The futures that are done, waiting for one; _WorkerLost when there is no worker any more to wait for."""
    from distributed import as_completed

    while True:
        done = as_completed(futures, loop=client.loop, timeout=PATIENCE)  # type: ignore[no-untyped-call]
        try:
            return list(done.next_batch())  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            if not client.scheduler_info()["workers"]:
                raise _WorkerLost from error


def _client(client: Any, address: str) -> Any:
    """A client with at least one worker of our own versions."""
    try:
        found = client(address, set_as_default=False, timeout=PATIENCE)
    except OSError as error:
        raise Refused(
            f"no Dask scheduler answers at {address}: {error}; start one with `dask scheduler`, or unset MLOPS_PARALLEL"
        ) from error
    try:
        found.wait_for_workers(1, timeout=PATIENCE)
        _check_versions(found.run(_versions))
    except TimeoutError as error:
        found.close()
        raise Refused(
            f"the Dask scheduler at {address} has no worker; start some with `dask worker {address}`"
        ) from error
    except BaseException:
        found.close()
        raise
    return found


def _check_versions(workers: Mapping[str, Mapping[str, str]]) -> None:
    ours = _versions()
    for worker, theirs in workers.items():
        for name, mine in ours.items():
            if theirs[name] != mine:
                raise Refused(
                    f"worker {worker} has {name} {theirs[name]}, this machine {mine}; results could differ:"
                    " install the same lock file on both"
                )


def _versions() -> dict[str, str]:
    return {name: _version(name) for name in SAME}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
