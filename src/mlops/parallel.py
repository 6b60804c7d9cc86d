"""The only place that knows an executor: this machine's cores by joblib, or a Dask cluster by its address."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from mlops.config import Settings

__all__ = ["run"]

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


def _on_dask(function: Callable[[In], Out], items: Sequence[In], address: str) -> list[Out]:
    from distributed import Client

    with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        return list(client.gather(client.map(function, items, pure=False)))
