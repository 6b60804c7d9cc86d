"""`mlops registry export-lineage` and `mlops features export-feast`: what other tools read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from mlops.cli import typed
from mlops.cli.context import LONGEST_DAYS, database, settings
from mlops.cli.options import Json
from mlops.cli.output import console, emit
from mlops.cli.typed import to_write
from mlops.errors import Misused, Refused, quoted

__all__ = ["export_feast", "export_lineage"]


def _target(given: str) -> str:
    scheme, mark, _ = given.partition("://")
    if not mark:
        to_write(Path(given))
    elif scheme not in ("http", "https"):
        raise Misused(f"{quoted(given)} can't be sent to; expected an address that begins with http:// or https://")
    elif not urlsplit(given).hostname:
        raise Misused(f"{quoted(given)} has no host; expected an address such as https://marquez.example:5000")
    return given


def export_lineage(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_URL", callback=_target, help="A file (one JSON document a line), or http(s)://…"
        ),
    ],
    model: Annotated[str | None, typer.Option(callback=typed.model, help="Only the versions of this model.")] = None,
    days: Annotated[
        int, typer.Option(min=0, max=LONGEST_DAYS, help="Also what was forecast with them in the last days.")
    ] = 0,
    api_key: Annotated[
        str | None, typer.Option(envvar="OPENLINEAGE_API_KEY", show_envvar=True, help="The endpoint's bearer token.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Export the lineage of model versions as OpenLineage events."""
    try:
        from mlops.tracking.openlineage import events as openlineage
        from mlops.tracking.openlineage import send as openlineage_send
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "openlineage":
            raise
        raise Refused("the OpenLineage client is not installed; run `pip install 'mlops[openlineage]'`") from error
    from mlops.tracking.store import tracking_uri

    since = datetime.now(UTC) - timedelta(days=days) if days else None
    recorded = openlineage.read(database(), model, since)
    place = openlineage.Place.of(database().url, tracking_uri(settings(), database().url))
    events = openlineage.events(recorded, place)
    remote = target.startswith(("http://", "https://"))
    count = openlineage_send.send(events, target, api_key) if remote else openlineage_send.write(events, Path(target))
    document = {
        "events": count,
        "versions": len(recorded.versions),
        "requests": len(recorded.requests),
        "without_lineage": [f"{row.name}/{row.version}" for row in recorded.versions if not row.lineage],
        "to": target,
    }
    text = (
        f"{count} events of {len(recorded.versions)} versions and {len(recorded.requests)} calls of predict"
        f" {'were sent to' if remote else 'are in'} {target}"
    )
    emit(document, as_json=as_json, text=lambda: console.print(text, highlight=False, soft_wrap=True))


def export_feast(
    folder: Annotated[Path, typer.Argument(callback=typed.folder, help="A folder; Feast's commands are run in it.")],
    as_json: Json = False,
) -> None:
    """Export the feature sets that were built as a Feast repository."""
    from mlops.feature_store.feast import export

    files = export(database(), folder)
    text = f"wrote {' and '.join(str(path) for path in files)}; go on with `feast --chdir {folder} apply`"
    emit({"files": files}, as_json=as_json, text=lambda: console.print(text, highlight=False, soft_wrap=True))
