"""Challengers answer after the champion: nothing waits for them, and what they could not answer is counted."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from mlops.serving.log.record import ScoringRecord
from mlops.serving.shadow.runner import Shadow, ShadowCounts, ShadowRunner, beside_champion
from mlops.tracking.scoring import Scored, ScoringError

RECORD = ScoringRecord("r1", 1.7e9, 1, "champion", "web (k1)", "application/json", b'{"a": 1}', b"{}", 1, 0.2, 100.0)


class Log:
    """Keeps what it takes; takes nothing while it is full."""

    accepts = True

    def __init__(self) -> None:
        self.records: list[ScoringRecord] = []
        self.full = False

    def append(self, record: ScoringRecord) -> bool:
        if not self.full:
            self.records.append(record)
        return not self.full

    def durable(self, _: ScoringRecord) -> None:
        raise AssertionError("no answer of a challenger has to be on disk before anything")


class Says:
    """A scorer that answers by a function, inline or in the pool's way."""

    def __init__(self, answer: Callable[[bytes], bytes], *, inline: bool = False) -> None:
        self.answer, self.at_once = answer, inline

    def inline(self, body: bytes, _: str) -> Scored | None:
        return Scored(self.answer(body), 1) if self.at_once else None

    def score(self, body: bytes, _: str) -> Scored:
        assert not self.at_once
        return Scored(self.answer(body), 1)


def empty(_: bytes) -> bytes:
    return b"{}"


def fails(error: Exception) -> Callable[[bytes], bytes]:
    def answer(_: bytes) -> bytes:
        raise error

    return answer


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@contextmanager
def held() -> Iterator[tuple[Shadow, threading.Event]]:
    """A challenger that answers nothing until it is let go."""
    go = threading.Event()

    def answer(_: bytes) -> bytes:
        assert go.wait(20)
        return b"{}"

    try:
        yield Shadow(9, "held", Says(answer)), go
    finally:
        go.set()


@pytest.mark.parametrize("inline", [True, False])
def test_each_challenger_answers_under_the_request_of_the_champion(inline: bool):
    log = Log()
    shadows = [Shadow(n, f"c{n}", Says(lambda body, n=n: body + str(n).encode(), inline=inline)) for n in (2, 3, 4, 5)]
    with ShadowRunner(log) as runner:
        assert runner.take(RECORD, shadows)
        until(lambda: runner.counts.answered == 4)
    for record, shadow in zip(log.records, shadows, strict=True):
        assert (record.request_id, record.requested_at) == (RECORD.request_id, RECORD.requested_at)
        assert (record.version_id, record.alias) == (shadow.version_id, shadow.alias)
        assert record.outputs == RECORD.inputs + str(shadow.version_id).encode()
        assert record.inputs == b""
        assert record.milliseconds >= 0
    assert len({record.caller for record in log.records} | {RECORD.caller}) == 5


def test_the_server_waits_for_no_challenger():
    with held() as (slow, go), ShadowRunner(Log()) as runner:
        began = time.perf_counter()
        assert all(runner.take(RECORD, [slow]) for _ in range(100))
        assert time.perf_counter() - began < 1
        assert runner.counts == ShadowCounts(0, 0, 0)
        go.set()
        until(lambda: runner.counts.answered == 100)


def test_what_there_is_no_room_for_is_left_out_and_counted():
    log = Log()
    with held() as (slow, go), ShadowRunner(log, memory_mb=0.01) as runner:
        taken = [runner.take(RECORD, [slow, slow]) for _ in range(50)]
        assert 5 <= sum(taken) < 15
        assert runner.counts.left_out == 2 * taken.count(False)
        go.set()
        until(lambda: runner.counts.answered == 2 * sum(taken))
        log.full = True
        assert runner.take(RECORD, [slow])
        until(lambda: runner.counts.left_out == 2 * taken.count(False) + 1)


@pytest.mark.parametrize("error", [ScoringError("no"), ScoringError("no", unexpected=ValueError("x")), OSError("gone")])
def test_a_challenger_that_fails_stops_no_other_and_is_told_of_once(error: Exception, caplog):
    log = Log()
    shadows = [Shadow(2, "broken", Says(fails(error))), Shadow(3, "works", Says(empty))]
    with ShadowRunner(log) as runner:
        for _ in range(5):
            runner.take(RECORD, shadows)
        until(lambda: runner.counts == ShadowCounts(5, 5, 0))
    assert [record.alias for record in log.records] == ["works"] * 5
    assert len([line for line in caplog.records if "broken" in line.getMessage()]) == 1


def test_a_runner_that_is_closed_answers_what_waits_and_takes_nothing_more():
    log = Log()
    runner = ShadowRunner(log)
    shadow = Shadow(2, "c", Says(empty))
    for _ in range(20):
        runner.take(RECORD, [shadow])
    runner.close()
    assert not runner.take(RECORD, [shadow])
    assert runner.counts == ShadowCounts(20, 0, 1)
    assert len(log.records) == 20


def test_a_runner_is_closed_though_a_challenger_hangs():
    with held() as (slow, _):
        runner = ShadowRunner(Log())
        for _ in range(3):
            runner.take(RECORD, [slow])
        until(lambda: runner._bytes < 3_000)
        runner.close(seconds=0.05)
        assert runner.counts.left_out == 2


def test_nothing_is_kept_of_a_request_without_challengers():
    with ShadowRunner(Log(), memory_mb=0) as runner:
        assert runner.take(RECORD, [])
    assert runner.counts == ShadowCounts(0, 0, 0)


@dataclass
class Loaded:
    """A live version as the server has it."""

    version_id: int
    scorer: Says
    version: SimpleNamespace


def test_what_the_champion_answered_is_asked_of_each_challenger_once():
    log, called = Log(), SimpleNamespace(name="demand")
    one, two, three = (Loaded(n, Says(empty), called) for n in (1, 2, 3))
    by_alias = {"champion": one, "challenger": two, "canary": two, "next": three, "same": one}
    models = SimpleNamespace(find=lambda name, *, alias: by_alias.get(alias) if name == "demand" else None)
    with ShadowRunner(log) as runner:
        answered = beside_champion(runner, models, ("challenger", "canary", "next", "same", "unknown"))
        answered(RECORD, one)
        answered(replace(RECORD, alias="challenger"), two)
        answered(replace(RECORD, alias=""), one)
        until(lambda: runner.counts.answered == 2)
    assert [(record.version_id, record.alias) for record in log.records] == [(2, "challenger"), (3, "next")]
