"""The only place that knows an executor: this machine's cores by joblib, or a Dask cluster by its address."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from mlops.config import Settings

__all__ = ["ahead", "run"]

In = TypeVar("In")
Out = TypeVar("Out")

WORTH_IT = 64  # a worker process imports for seconds: fewer items than this are faster here


def run(function: Callable[[In], Out], items: Sequence[In], where: str | None = None) -> list[Out]:
    """`[function(item) for item in items]`, in order, over the workers of `where` (None: the setting MLOPS_PARALLEL).

    "loky" is this machine's cores, "serial" this process, "tcp://host:port" a Dask scheduler (extra `dask`).
    """
    where = where or Settings().parallel
    if where.startswith(("tcp://", "tls://")):
        return _on_dask(function, items, where)
    if where == "serial" or len(items) < WORTH_IT:
        return [function(item) for item in items]
    from joblib import Parallel, delayed

    return list(Parallel(n_jobs=os.cpu_count())(delayed(function)(item) for item in items))


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


def _on_dask(function: Callable[[In], Out], items: Sequence[In], address: str) -> list[Out]:
    from distributed import Client

    with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        return list(client.gather(client.map(function, items, pure=False)))
