"""`mlops monitor presets`, and what `mlops review --evidently` does: Evidently's workspace and its UI."""

import shlex
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from rich.markup import escape

from mlops.cli.context import database, moment, settings, store
from mlops.cli.options import AsOf, Json, ModelName
from mlops.cli.output import console, emit, logs

if TYPE_CHECKING:
    from mlops.monitoring.evidently.champion import PresetsPage

__all__ = ["presets", "workspace"]

HOST = "127.0.0.1"
WARNING = (
    "These presets know no calendar: on seasonal data they alarm in weeks in which nothing changed"
    " (docs/benchmarks.md). What mlops monitor run says is calibrated."
)


def workspace(as_of: datetime, *, serve: bool, port: int, as_json: bool) -> None:
    """Build the workspace, say how to look at it, and with `serve` show it until Ctrl-C."""
    from mlops.monitoring.evidently import workspace as evidently

    with logs.status("Evidently's workspace"):
        built = evidently.build(database(), settings().root / "evidently", as_of)
    command = f"DO_NOT_TRACK=1 evidently ui --workspace {shlex.quote(str(built.path))} --port {port}"

    def text() -> None:
        console.print(f"{built.path}: {built.projects} models, {built.runs} checks; {built.written} files written")
        if not serve:
            console.print(f"look at it with\n  {command}", highlight=False, soft_wrap=True, markup=False)

    emit(asdict(built) | {"command": command}, as_json=as_json, text=text)
    if serve:
        logs.print(f"http://{HOST}:{port} until Ctrl-C")
        evidently.serve(built.path, HOST, port)


def presets(
    name: ModelName,
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Run Evidently's classic presets on a champion's newest four weeks. They alarm on every season: see the docs."""
    from mlops.monitoring.evidently.champion import presets as run
    from mlops.policy import read_policy

    features = read_policy().drift.features
    with logs.status("Evidently's presets"):
        page = run(database(), store(), features, name, moment(as_of, model=name), settings().reports)
    emit(asdict(page) | {"warning": WARNING}, as_json=as_json, text=lambda: _print_page(page))


def _print_page(page: "PresetsPage") -> None:
    said = f"{len(page.drifted)} of {len(page.columns)} columns drifted against {page.reference}"
    console.print(f"[bold]{escape(page.name)}[/] version {page.version}: {said}", soft_wrap=True)
    for column in page.drifted:
        console.print(f"  {escape(column)}")
    for what, why in page.left_out.items():
        console.print(f"  left out: {escape(what)}, {escape(why)}", soft_wrap=True)
    console.print(f"[yellow]{WARNING}[/]", soft_wrap=True)
    for path in (page.html, page.snapshot):
        console.print(escape(str(path)), highlight=False, soft_wrap=True)
