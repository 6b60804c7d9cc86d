"""Registering an endpoint with MLflow, whose server then notifies it when the registry changes."""

from dataclasses import dataclass

from mlflow.entities.webhook import Webhook, WebhookEventStr
from mlflow.exceptions import MlflowException

from mlops.errors import Refused
from mlops.tracking.store import Store

__all__ = ["EVENTS", "Registered", "register_webhook"]

NAME = "mlops-registry-mirror"
EVENTS: tuple[WebhookEventStr, ...] = (  # all that there are about models: none of a deletion, none of a model's tags
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
)


@dataclass(frozen=True, slots=True)
class Registered:
    """A webhook at MLflow: its id, whether it is new there, and what came of one delivery for trying."""

    webhook_id: str
    url: str
    new: bool
    delivered: bool
    answer: str


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
            webhook = store.client.create_webhook(NAME, url, [*EVENTS], about, secret)
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
