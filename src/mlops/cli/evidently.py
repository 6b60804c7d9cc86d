"""What `mlops review --evidently` does: Evidently's workspace of all checks, and its UI."""

import shlex
from dataclasses import asdict
from datetime import datetime

from mlops.cli.context import database, settings
from mlops.cli.output import console, emit, logs

__all__ = ["workspace"]

HOST = "127.0.0.1"


def workspace(as_of: datetime, *, serve: bool, port: int, as_json: bool) -> None:
    """Build the workspace, say how to look at it, and with `serve` show it until Ctrl-C."""
    from mlops.monitoring.evidently import workspace as evidently

    with logs.status("Evidently's workspace"):
        built = evidently.build(database(), settings().root / "evidently", as_of)
    command = f"DO_NOT_TRACK=1 evidently ui --workspace {shlex.quote(str(built.path))} --port {port}"

    def text() -> None:
        console.print(
            f"{built.path}: {built.projects} models, {built.runs} checks; {built.written} of its files are new"
        )
        if not serve:
            console.print(f"look at it with\n  {command}", highlight=False, soft_wrap=True, markup=False)

    emit(asdict(built) | {"command": command}, as_json=as_json, text=text)
    if serve:
        logs.print(f"http://{HOST}:{port} until Ctrl-C")
        evidently.serve(built.path, HOST, port)
