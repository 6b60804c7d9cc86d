"""The signature of a webhook's delivery, in the manner of Standard Webhooks (https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac

__all__ = ["sign"]


def sign(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256(secret, "<delivery id>.<timestamp>.<body>"), as MLflow makes it, too.

    Source: mlflow/webhooks/delivery.py.
    """
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
