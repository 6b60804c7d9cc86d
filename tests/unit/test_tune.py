"""Settings follow from the machine alone."""

import pytest

from mlops.db.tune import GB, MB, Machine, Setting, recommended_settings, size_of
from mlops.errors import BadInput

SIZES = [256 * MB, 2 * GB, 16 * GB, 64 * GB, 512 * GB]


def settings(machine: Machine) -> dict[str, str]:
    return {one.name: one.value for one in recommended_settings(machine)}


def size(text: str) -> int:
    return int(text[:-2]) * {"MB": MB, "GB": GB}[text[-2:]]


@pytest.mark.parametrize("memory", SIZES)
@pytest.mark.parametrize("connections", [1, 20, 100, 500])
def test_every_connection_can_sort_and_the_server_stays_inside_the_memory(memory: int, connections: int):
    values = settings(Machine(memory, 4, connections))
    floor = size(values["work_mem"]) == MB
    assert size(values["shared_buffers"]) + connections * size(values["work_mem"]) <= memory or floor
    assert size(values["effective_cache_size"]) <= memory
    assert size(values["maintenance_work_mem"]) <= memory // 8


def test_more_memory_never_gives_less():
    for name in ("shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem"):
        values = [size(settings(Machine(memory, 4))[name]) for memory in SIZES]
        assert values == sorted(values)


def test_sixteen_gigabytes_give_round_figures():
    values = settings(Machine(16 * GB, 8))
    assert (values["shared_buffers"], values["effective_cache_size"]) == ("4GB", "12GB")
    assert (values["max_parallel_workers"], values["max_parallel_workers_per_gather"]) == ("8", "4")


def test_libraries_that_are_preloaded_stay_and_are_not_named_twice():
    assert settings(Machine(GB, 2, libraries=("auto_explain",)))["shared_preload_libraries"] == (
        "auto_explain, pg_stat_statements"
    )
    assert (
        settings(Machine(GB, 2, libraries=("pg_stat_statements",)))["shared_preload_libraries"] == "pg_stat_statements"
    )


def test_a_library_that_the_server_lacks_is_not_asked_for():
    """A server that can't find a preloaded library does not start."""
    assert "shared_preload_libraries" not in settings(Machine(GB, 2, statements=False))


def test_many_partitions_need_many_locks():
    few, many = (settings(Machine(GB, 2, partitions=n))["max_locks_per_transaction"] for n in (10, 300))
    assert (few, many) == ("256", "1024")


def test_every_setting_has_a_reason_and_stands_once():
    found = recommended_settings(Machine(GB, 2))
    assert all(isinstance(one, Setting) and len(one.reason) > 10 for one in found)
    assert len({one.name for one in found}) == len(found)


@pytest.mark.parametrize(("text", "expected"), [("16GB", 16 * GB), ("512mb", 512 * MB), ("1.5 GB", 1536 * MB)])
def test_memory_is_read_as_people_write_it(text: str, expected: int):
    assert size_of(text) == expected


@pytest.mark.parametrize("text", ["16", "lots", "1MB", "-4GB"])
def test_what_is_no_memory_is_refused(text: str):
    with pytest.raises(BadInput, match="no memory of a server"):
        size_of(text)
