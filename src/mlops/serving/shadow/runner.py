"""Challengers answer what the champion was asked, after it has answered: in a thread of their own, seen by nobody.

What they say goes to the log beside the champion's answer, under the same request id. Nothing waits for them: when they
can't keep up, requests are left out and counted.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from mlops.serving.log.record import RequestLog, ScoringRecord
from mlops.serving.online.models import LiveModels
from mlops.serving.online.scored import Live, Scorer
from mlops.tracking.scoring import Scored, ScoringError

__all__ = ["CALLER", "Shadow", "ShadowCounts", "ShadowRunner", "beside_champion"]

log = logging.getLogger(__name__)

CALLER = "shadow:"
"""Before its alias, who asked a challenger; a key's label ends with its id in brackets, so none is called so."""
MEMORY_MB = 16.0
"""Of bodies that wait; chosen, not measured. A request of 20 columns has less than 1 KiB."""
OVERHEAD = 1_000
"""Bytes that a waiting record counts for beside its body. Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A loaded version that answers beside a champion, and the alias by which it does."""

    version_id: int
    alias: str
    scorer: Scorer


@dataclass(frozen=True, slots=True)
class ShadowCounts:
    """What became of answers that challengers were to give.

    `answered` and taken by the log; `failed` where the challenger did not answer; `left_out` for want of room, here or
    in the log.
    """

    answered: int
    failed: int
    left_out: int


class ShadowRunner:
    """Takes answered requests without waiting, and lets challengers answer them one after the other.

    The thread rests as long as it has worked. So it never has more than half of a core, and gives the interpreter back
    after each answer: a request that comes meanwhile waits for no backlog.
    """

    def __init__(self, requests: RequestLog, *, memory_mb: float = MEMORY_MB) -> None:
        self._requests, self._room = requests, int(memory_mb * 2**20)
        self._waiting: deque[tuple[ScoringRecord, tuple[Shadow, ...]]] = deque()
        self._bytes, self._closed = 0, False
        self._changed = threading.Condition()
        self._counts: Counter[str] = Counter()
        self._told: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="shadows", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, record: ScoringRecord, shadows: Sequence[Shadow]) -> bool:
        """Let these answer a request, too; False (and counted) when there is no room. It takes microseconds."""
        if not shadows:
            return True
        size = len(record.inputs) + OVERHEAD
        with self._changed:
            if self._closed or self._bytes + size > self._room:
                self._counts["left_out"] += len(shadows)
                return False
            self._bytes += size
            self._waiting.append((record, tuple(shadows)))
            self._changed.notify()
        return True

    @property
    def counts(self) -> ShadowCounts:
        """What has become of everything that was taken so far."""
        with self._changed:
            return ShadowCounts(self._counts["answered"], self._counts["failed"], self._counts["left_out"])

    def close(self, seconds: float = 5.0) -> None:
        """Take nothing more and end the thread; what still waits after `seconds` is left out."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(seconds)
        with self._changed:
            self._counts["left_out"] += sum(len(shadows) for _, shadows in self._waiting)
            self._waiting.clear()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            record, shadows = job
            for shadow in shadows:
                began = time.perf_counter()
                became = self._answer(record, shadow)
                with self._changed:
                    self._counts[became] += 1
                    resting = not self._closed
                if resting:
                    time.sleep(time.perf_counter() - began)

    def _next(self) -> tuple[ScoringRecord, tuple[Shadow, ...]] | None:
        """The request that has waited longest; None when the runner is closed and nothing waits."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if not self._waiting:
                return None
            record, shadows = self._waiting.popleft()
            self._bytes -= len(record.inputs) + OVERHEAD
            return record, shadows

    def _answer(self, record: ScoringRecord, shadow: Shadow) -> str:
        """Let one challenger answer, and hand its answer to the log; what became of it."""
        began = time.perf_counter()
        try:
            scored = _scored(shadow.scorer, record)
        except ScoringError as error:
            return self._failed(shadow, record, error.unexpected or error)
        except Exception as error:  # noqa: BLE001  whatever a challenger does, the others go on
            return self._failed(shadow, record, error)
        answer = replace(
            record,
            version_id=shadow.version_id,
            alias=shadow.alias,
            caller=f"{CALLER}{shadow.alias}",
            inputs=b"",  # they stand with the champion's answer
            outputs=scored.body,
            rows=scored.rows,
            milliseconds=(time.perf_counter() - began) * 1000,
        )
        return "answered" if self._requests.append(answer) else "left_out"

    def _failed(self, shadow: Shadow, record: ScoringRecord, error: BaseException) -> str:
        """Tell of a version that fails once; it is counted each time."""
        if shadow.version_id not in self._told:
            self._told.add(shadow.version_id)
            what = "challenger %s (version id %s) does not answer what the champion does, as request %s"
            log.warning(what, shadow.alias, shadow.version_id, record.request_id, exc_info=error)
        return "failed"


def beside_champion(
    runner: ShadowRunner, models: LiveModels, aliases: Sequence[str]
) -> Callable[[ScoringRecord, Live], None]:
    """What the server calls with each answer: that of a champion is asked of the versions behind these aliases, too.

    A version with several aliases answers once, and the champion not again.
    """

    def answered(record: ScoringRecord, live: Live) -> None:
        if record.alias != "champion":
            return
        challengers: dict[int, Shadow] = {}
        for alias in aliases:
            model = models.find(live.version.name, alias=alias)
            if model is not None and model.version_id != live.version_id:
                challengers.setdefault(model.version_id, Shadow(model.version_id, alias, model.scorer))
        runner.take(record, tuple(challengers.values()))

    return answered


def _scored(scorer: Scorer, record: ScoringRecord) -> Scored:
    scored = scorer.inline(record.inputs, record.content_type)
    return scorer.score(record.inputs, record.content_type) if scored is None else scored
