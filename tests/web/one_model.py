"""A server of one model that is not in a registry: for what is decided before and after a model is found."""

from types import SimpleNamespace
from typing import Any

from mlops.policy import LimitPolicy, LogPolicy, ServingPolicy, ShadowPolicy
from mlops.web.memory import Memory
from mlops.web.parts import Parts

__all__ = ["parts_of"]


def parts_of(scorer: Any, limits: LimitPolicy | None = None, records: list[Any] | None = None) -> Parts:
    """The parts of a server whose every model is this scorer; `records` gets what it would log."""
    version = SimpleNamespace(uri="models:/m/1", name="m", version=1)
    live = SimpleNamespace(scorer=scorer, version=version, version_id=1)
    kept = [] if records is None else records
    return Parts(
        database=None,  # type: ignore[arg-type]  scoring asks neither
        store=None,  # type: ignore[arg-type]
        models=SimpleNamespace(find=lambda *_, **__: live, ready=True),
        requests=SimpleNamespace(append=kept.append, accepts=True),
        door=SimpleNamespace(admit=lambda *_: SimpleNamespace(label="tester")),
        policy=ServingPolicy(limits or LimitPolicy(), LogPolicy(), ShadowPolicy()),
        metrics=SimpleNamespace(answered=lambda *_: None),
        shadows=lambda *_: None,
        memory=Memory(0),
    )
