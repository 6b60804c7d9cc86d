"""Whether a webhook's delivery is from whom it says and of now: MLflow's signature, in the manner of Standard Webhooks.

The signature is `v1,` and the base64 of HMAC-SHA256(secret, "<delivery id>.<timestamp>.<body>"); it covers the three
headers' values and every byte of the body. Source: mlflow/webhooks/delivery.py and https://www.standardwebhooks.com.
"""

import hmac
from collections.abc import Mapping

from mlops.domain.signature import sign

__all__ = ["DELIVERY_ID", "SIGNATURE", "TIMESTAMP", "TOLERANCE_SECONDS", "objection", "sign"]

SIGNATURE = "x-mlflow-signature"
DELIVERY_ID = "x-mlflow-delivery-id"
TIMESTAMP = "x-mlflow-timestamp"
TOLERANCE_SECONDS = 300


def objection(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str | None:
    """Why a delivery can't be believed, or None; `headers` have lower-case names, `now` is in Unix seconds."""
    missing = [name for name in (DELIVERY_ID, TIMESTAMP, SIGNATURE) if not headers.get(name)]
    if missing:
        return f"no header {missing[0]}; a webhook that was registered with a secret sends it"
    wanted = sign(secret, headers[DELIVERY_ID], headers[TIMESTAMP], body)
    if not hmac.compare_digest(wanted.encode(), headers[SIGNATURE].encode()):
        return "the signature does not match; the webhook's secret and MLOPS_WEBHOOK_SECRET must be the same"
    sent = headers[TIMESTAMP]
    recent = sent.isascii() and sent.isdigit() and abs(now - int(sent[:20])) <= TOLERANCE_SECONDS
    if not recent:
        return f"the timestamp is more than {TOLERANCE_SECONDS // 60} minutes away from this machine's clock"
    return None
