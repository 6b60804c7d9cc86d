"""When to sync: at once after a hint, soon after a failure, and at the latest every so many seconds.

A hint only makes a sync happen sooner. What it does is decided by the registry alone, so a hint that is lost, doubled
or forged changes nothing but the time. An MLflow server gives hints to a webhook that is registered with it.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from mlflow.entities.webhook import Webhook, WebhookEventStr
from mlflow.exceptions import MlflowException

from mlops.config import Settings
from mlops.errors import Refused
from mlops.tracking.store import Store, tracking_uri

__all__ = [
    "EVENTS",
    "Hints",
    "Registered",
    "Turn",
    "give_up_soon",
    "pause",
    "register_webhook",
    "registry_address",
    "turns",
]

SETTLE_SECONDS = 0.1
"""A promotion makes several events; a sync that waits for the burst to pass sees all of them."""
PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""After one failure, two, …; chosen, not measured."""
WEBHOOK = "mlops-registry-mirror"
EVENTS: tuple[WebhookEventStr, ...] = (  # all that there are about models: none of a deletion, none of a model's tags
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
)

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """One sync: what set it off, its result (None when it failed), why it failed, how long it took."""

    because: frozenset[str]
    result: T | None
    problem: Exception | None
    seconds: float


class Hints:
    """Where any thread, and any signal handler, says that the registry may have changed."""

    def __init__(self) -> None:
        self._given: SimpleQueue[str | None] = SimpleQueue()  # a signal handler may put into it

    def give(self, source: str) -> None:
        """Make the next sync happen now; `source` names who says so."""
        self._given.put(source)

    def stop(self) -> None:
        """End the loop when it waits next."""
        self._given.put(None)

    def wait(self, seconds: float, settle_seconds: float = SETTLE_SECONDS) -> frozenset[str] | None:
        """Who gave a hint within `seconds`, with those of the burst that follows; empty when nobody, None to stop."""
        try:
            given = {self._given.get(timeout=seconds)}
        except Empty:
            return frozenset()
        if None not in given:
            time.sleep(settle_seconds)
        while not self._given.empty():
            given.add(self._given.get())
        return None if None in given else frozenset(source for source in given if source is not None)


@dataclass(frozen=True, slots=True)
class Registered:
    """A webhook at MLflow: its id, whether it is new there, and what came of one delivery for trying."""

    webhook_id: str
    url: str
    new: bool
    delivered: bool
    answer: str


def turns(sync: Callable[[], T], hints: Hints, *, every_seconds: float) -> Iterator[Turn[T]]:
    """Sync now and then again and again, until the hints are stopped; one turn for each sync.

    A sync that fails, for whatever reason, is a turn with a problem; the next ones come after growing pauses.
    """
    because: frozenset[str] | None = frozenset({"start"})
    failures = 0
    while because is not None:
        began = time.monotonic()
        try:
            turn = Turn(because, sync(), None, time.monotonic() - began)
        except Exception as error:
            log.debug("a sync failed", exc_info=True)
            turn = Turn(because, None, error, time.monotonic() - began)
        failures = failures + 1 if turn.problem else 0
        yield turn
        settle = PAUSES_SECONDS[0] if failures else SETTLE_SECONDS  # hints don't make attempts more frequent
        because = hints.wait(pause(failures, every_seconds), settle)


def pause(failures: int, every_seconds: float) -> float:
    """How many seconds to wait for a hint after so many failures in a row."""
    if failures == 0:
        return every_seconds
    return min(every_seconds, PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS)) - 1])


def give_up_soon() -> None:
    """Let MLflow's client ask an unreachable server twice, not for minutes: the loop itself tries again."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")


def registry_address(settings: Settings, database_url: str) -> tuple[str, bool]:
    """Where the registry's own tables are looked for, and whether that is schema `mlflow` of our database by settings.

    They are in the store's database, else in that schema: right for an MLflow server that keeps its registry there; of
    any other nothing can be known from here.
    """
    uri = tracking_uri(settings, database_url)
    ours = tracking_uri(settings.model_copy(update={"mlflow_tracking_uri": None}), database_url)
    return (uri if uri.startswith("postgres") else ours), uri == ours


def register_webhook(store: Store, url: str, secret: str) -> Registered:
    """Have MLflow deliver all events of models to `url`, signed with `secret`, and let it try once.

    Again with the same URL renews the secret. Raises Refused with MLflow's reason: it takes only https and public
    addresses, unless its server's environment says otherwise.
    """
    if not store.uri.startswith("http"):
        raise Refused("webhooks are delivered by an MLflow server; set MLFLOW_TRACKING_URI to its address")
    try:
        known = _known(store, url)
        if known is None:
            about = "Keeps a mirror of the registry current."
            webhook = store.client.create_webhook(WEBHOOK, url, [*EVENTS], about, secret)
        else:
            webhook = store.client.update_webhook(known.webhook_id, events=[*EVENTS], secret=secret, status="ACTIVE")
        tried = store.client.test_webhook(webhook.webhook_id)
    except MlflowException as error:
        raise Refused(f"MLflow refuses the webhook: {str(error).splitlines()[0]}") from error
    answer = tried.error_message or f"{tried.response_status} {tried.response_body or ''}".strip()
    return Registered(webhook.webhook_id, url, known is None, bool(tried.success), answer)


def _known(store: Store, url: str) -> Webhook | None:
    token = None
    while True:
        page = store.client.list_webhooks(max_results=100, page_token=token)
        known = next((webhook for webhook in page if webhook.url == url), None)
        token = page.token
        if known is not None or not token:
            return known
