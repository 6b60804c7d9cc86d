"""Wherever work is done, its results are those of one process."""

import pytest

from mlops import parallel

ITEMS = [float(number) for number in range(80)]


@pytest.mark.parametrize("where", ["serial", "loky"])
def test_results_are_in_order_and_equal_to_one_process(where: str):
    assert parallel.run(abs, ITEMS, where) == ITEMS


def test_a_dask_cluster_of_several_processes_gives_the_same_results():
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        assert parallel.run(abs, ITEMS, cluster.scheduler_address) == ITEMS


def test_the_setting_says_where(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_PARALLEL", "serial")
    assert parallel.run(abs, [-1.0]) == [1.0]
