"""What a server is made of: opened when it begins, handed to whatever answers a request."""

from dataclasses import dataclass

from mlops.db import Database
from mlops.policy import ServingPolicy
from mlops.serving.log.record import RequestLog
from mlops.serving.online.scored import Models
from mlops.tracking.store import Store
from mlops.web.access import Door
from mlops.web.memory import Memory
from mlops.web.scoring import Observer

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
    observer: Observer
    memory: Memory

    @property
    def ready(self) -> bool:
        """Whether its models are warm, and what is answered can be kept."""
        return self.models.ready and self.requests.accepts
