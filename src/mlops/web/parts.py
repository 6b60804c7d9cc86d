"""What a server is made of: opened when it begins, handed to whatever answers a request."""

from collections.abc import Callable
from dataclasses import dataclass

from mlops.db import Database
from mlops.policy import ServingPolicy
from mlops.serving.log.record import RequestLog, ScoringRecord
from mlops.serving.online.scored import Live, Models
from mlops.tracking.store import Store
from mlops.web.access import Door
from mlops.web.memory import Memory
from mlops.web.metrics import Metrics

__all__ = ["Parts"]


@dataclass(frozen=True)
class Parts:
    """What a server is made of."""

    database: Database
    store: Store
    models: Models
    requests: RequestLog
    door: Door
    policy: ServingPolicy
    metrics: Metrics
    shadows: Callable[[ScoringRecord, Live], None]
    """Lets challengers answer what was answered; it takes no time."""
    memory: Memory

    @property
    def ready(self) -> bool:
        """Whether its models are warm, and what is answered can be kept."""
        return self.models.ready and self.requests.accepts
