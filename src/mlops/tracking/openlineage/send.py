"""OpenLineage events on their way out: to a file or to an endpoint."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider
from requests import RequestException

from mlops.errors import BadInput, Misused, Refused
from mlops.files import whole_file

__all__ = ["send_events", "write_events"]

RETRY = {"total": 2, "backoff_factor": 0.2, "status_forcelist": [502, 503, 504], "allowed_methods": ["POST"]}
SECONDS = 10.0  # of one attempt; chosen, not measured


def write_events(events: Iterable[RunEvent], path: Path) -> int:
    """Write the events to a file, one JSON document a line; how many there are. The file is whole or as it was."""
    lines = [Serde.to_json(event) + "\n" for event in events]
    try:
        with whole_file(path) as unfinished:
            unfinished.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"can't be written: {error.strerror}; give a file in a folder that exists", where=str(path)
        ) from error
    return len(lines)


def send_events(events: Iterable[RunEvent], url: str, api_key: str | None = None) -> int:
    """Send the events to an endpoint (without a path: /api/v1/lineage); how many there were.

    Raises Refused at the first event that is not taken. To send all of them again does no harm.
    """
    if not urlsplit(url).hostname:
        raise Misused(f"{url!r} has no host; expected an address such as https://marquez.example:5000")
    sent = 0
    transport = HttpTransport(_http(url, api_key))
    try:
        for event in events:
            transport.emit(event)
            sent += 1
    except (RequestException, ValueError) as error:
        answer = getattr(error, "response", None)
        why = str(error).splitlines()[0] if answer is None else f"it answered {answer.status_code} {answer.reason}"
        raise Refused(
            f"{url} did not take event {sent + 1}: {why};"
            " run the same command again when it does: what it has already, it knows by its id"
        ) from error
    finally:
        transport.close()
    return sent


def _http(url: str, api_key: str | None) -> HttpConfig:
    parts = urlsplit(url)
    auth = ApiKeyTokenProvider({"apiKey": api_key}) if api_key else TokenProvider({})
    endpoint = parts.path.rstrip("/") or "/api/v1/lineage"
    base = f"{parts.scheme}://{parts.netloc}"
    return HttpConfig(
        base, endpoint + (f"?{parts.query}" if parts.query else ""), timeout=SECONDS, auth=auth, retry=RETRY
    )
