"""Evidently's workspace, built from the checks in Postgres: a project per model, a run per check, and a dashboard.

Every id follows from what it names, so that building it again writes the same files; what is lost is built anew.
"""

import json
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from mlops.db import Database
from mlops.domain.canonical import JsonObject
from mlops.errors import NothingToDo
from mlops.files import write_whole
from mlops.monitoring.evidently.precomputed import laid_out, measured
from mlops.monitoring.evidently.widgets import KINDS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what litestar has deprecated
    from evidently.core.serialization import SnapshotModel
    from evidently.sdk.models import DashboardModel, DashboardPanelPlot, DashboardTabModel, PanelMetric, ProjectModel
    from evidently.sdk.panels import bar_plot_panel, counter_panel, line_plot_panel
    from evidently.ui.workspace import Workspace

__all__ = ["BuiltWorkspace", "build_workspace", "serve"]

DRIFTED, PROMISED, NOMINAL = "drifted", "promised_wape", "coverage_nominal"
"""Numbers that a run of the workspace has, also where its check has not; `drifted.KIND` counts findings of a kind."""
CHAMPION = "champion"
"""The tag of runs that are drawn: two versions in one line would be none."""
COUNTERS = {
    "health": "Health, of 100",
    DRIFTED: "Findings that drifted",
    "wape": "WAPE of the week",
    "coverage_80": "Share inside the 80 % intervals",
}
LINES = {
    "Error": {"wape": "WAPE of the week", PROMISED: "promised by the backtest", "expected_wape": "expected of it"},
    "Intervals": {"coverage_80": "share inside the 80 % intervals", NOMINAL: "wanted"},
    "Health": {"health": "of 100"},
}
MEANING = {
    "Error": "WAPE: errors by outcomes. Above what was promised, the model is worse than its backtest.",
    "Intervals": "Below what is wanted, the intervals are too narrow: a model is more wrong than it says.",
    "Health": "From accuracy, intervals, drift and data. There is no point where it was unknown.",
}
LIMITS = "Each line has its own limit, in the tests of each report."
MOST = 15
"""As many findings of a kind as one plot can show."""
LOG = logging.getLogger(__name__)
LEVEL = 0.8
LEAST = 5e-324
"""Stands for 0 where a counter shows it: Evidently's says "no value" of 0, and 0 of the least number above it."""


@dataclass(frozen=True, slots=True)
class _Check:
    """A check with its snapshot (the text of a JSON document) and, by kind, how many of its findings drifted."""

    model_id: int
    version_id: int
    name: str
    version: int
    alias: str
    as_of: datetime
    snapshot: str
    health: int | None
    promised_wape: float | None
    drifted: dict[str, int] | None


@dataclass(frozen=True)
class BuiltWorkspace:
    """A workspace: how many projects and runs it has, and how many of its files were written because they differed."""

    path: Path
    projects: int
    runs: int
    written: int


def build_workspace(database: Database, path: Path, as_of: datetime) -> BuiltWorkspace:
    """Bring the workspace to what Postgres knows as of a time; repeating it writes nothing.

    Raises NothingToDo while nothing was checked.
    """
    with database.transaction() as transaction:
        checks = transaction.rows("evidently_checks", of=_Check, as_of=as_of.astimezone(UTC))
    if not checks:
        raise NothingToDo(f"nothing was checked by {as_of:%Y-%m-%d %H:%M} UTC; run `mlops monitor run` first")
    path.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(str(path))
    models = [list(rows) for _, rows in groupby(checks, key=lambda row: row.model_id)]
    written = sum(_project(workspace, path, rows) for rows in models)
    return BuiltWorkspace(path, len(models), len(checks), written)


def serve(path: Path, host: str, port: int) -> None:
    """Evidently's UI on a workspace, until it is interrupted."""
    from evidently.ui.service.app import run_local

    with suppress(KeyboardInterrupt):
        run_local(host=host, port=port, workspace=str(path))


def _project(workspace: Workspace, path: Path, rows: Sequence[_Check]) -> int:
    """Write one model's project, dashboard and runs; how many files differed."""
    name, number = rows[-1].name, _id("model", rows[0].model_id)
    project = ProjectModel(id=number, name=name, description=f"What monitoring found about {name}, check by check")
    stored = workspace.get_project(number)
    fresh = stored is None or stored.dict() != project.dict()
    if fresh:
        workspace.add_project(project)
    documents = {_id("check", row.version_id, row.as_of.isoformat()): _document(row) for row in rows}
    runs = sum(
        _write(path / str(number) / "snapshots" / f"{run}.json", document) for run, document in documents.items()
    )
    return fresh + runs + _show(workspace, number, documents.values())


def _document(row: _Check) -> JsonObject:
    """The snapshot of a check, with what is only known beside it: the health, the count of findings, by which alias."""
    document: JsonObject = json.loads(row.snapshot)
    there = {result["display_name"] for result in document["metric_results"].values()}
    numbers = {name: value for name, value in _beside(row).items() if name not in there}
    beside = json.loads(measured(numbers, name=document["name"], as_of=row.as_of))
    document["metric_results"] = beside["metric_results"] | document["metric_results"]
    document["top_level_metrics"] = beside["top_level_metrics"] + document["top_level_metrics"]
    document["tags"] = [row.alias]
    document["metadata"] = {name: _text(value) for name, value in document["metadata"].items()}
    document = laid_out(document)
    for result in document["metric_results"].values():
        if result["display_name"] in COUNTERS and result["value"] == 0:
            result["value"] = LEAST
    return document


def _beside(row: _Check) -> dict[str, float]:
    drifted = row.drifted or {}
    known = {"health": row.health, PROMISED: row.promised_wape, NOMINAL: LEVEL, DRIFTED: sum(drifted.values())}
    counts = {f"{DRIFTED}.{kind}": count for kind, count in sorted(drifted.items())}
    return {name: float(value) for name, value in (known | counts).items() if value is not None}


def _show(workspace: Workspace, project: UUID, documents: Iterable[JsonObject]) -> bool:
    """Write the dashboard if it differs; whether it did. Statistics that were always 0 make no line."""
    drawn = [document for document in documents if CHAMPION in document["tags"]]
    results = [result for document in drawn for result in document["metric_results"].values()]
    moved = {result["display_name"] for result in results if result["tests"] and result["value"]}
    wanted = _dashboard(project, {result["display_name"] for result in results}, moved)
    if workspace.get_dashboard(project) == wanted:
        return False
    workspace.save_dashboard(project, wanted)
    return True


def _write(path: Path, document: JsonObject) -> bool:
    """Write a run if it differs; whether it did. One that this Evidently can't read would keep its UI from starting."""
    text = json.dumps(document)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    try:
        SnapshotModel.parse_obj(document)
    except ValueError as error:
        LOG.warning("left out of Evidently's workspace: %s of %s: %s", document.get("name"), path.stem, error)
        return False
    write_whole(path, text)
    return True


def _dashboard(project: UUID, numbers: Iterable[str], findings: Iterable[str]) -> DashboardModel:
    """The dashboard of a project whose runs have these numbers and findings (`kind.subject[slice]`, or less of it).

    The UI shows panels in their order and no tabs, so there is one.
    """
    panels = [*_weeks(set(numbers)), *_statistics(findings)]
    for panel in panels:
        panel.id = _id(project, panel.title)
    tab = DashboardTabModel(id=_id(project, "tab"), title="Weeks", panels=[panel.id for panel in panels])
    return DashboardModel(tabs=[tab], panels=panels)


def _weeks(known: set[str]) -> Iterator[DashboardPanelPlot]:
    for name, title in COUNTERS.items():
        if name in known:
            yield counter_panel(title, [_panel_metric(name, "newest check")], size="half")
    kinds = sorted(name.partition(".")[2] for name in known if name.startswith(f"{DRIFTED}."))
    if kinds:
        values = [_panel_metric(f"{DRIFTED}.{kind}", _title(kind).lower()) for kind in kinds]
        yield bar_plot_panel("Findings that drifted, by check", values, stacked=True)
    for title, lines in LINES.items():
        if known & set(lines):
            values = [_panel_metric(name, legend) for name, legend in lines.items() if name in known]
            yield line_plot_panel(title, values, MEANING[title], size="half")


def _statistics(findings: Iterable[str]) -> Iterator[DashboardPanelPlot]:
    """A plot per kind; the findings about a slice come last, and where there are too many they are not drawn."""
    ordered = sorted(findings, key=lambda name: (_kind(name), "[" in name, name))
    for kind, names in groupby(ordered, key=_kind):
        values = [_panel_metric(name, name.removeprefix(kind).lstrip(".") or kind) for name in list(names)[:MOST]]
        yield line_plot_panel(
            _title(kind), values, f"{KINDS[kind][1].capitalize()} {LIMITS}" if kind in KINDS else LIMITS
        )


def _title(kind: str) -> str:
    return KINDS[kind][0] if kind in KINDS else kind


def _kind(name: str) -> str:
    return re.split(r"[.\[]", name, maxsplit=1)[0]


def _panel_metric(name: str, legend: str) -> PanelMetric:
    return PanelMetric(metric="Precomputed", metric_labels={"name": name}, legend=legend, tags=[CHAMPION])


def _text(value: object) -> str:
    """Metadata as the UI takes it; lists are those of earlier versions."""
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _id(*words: object) -> UUID:
    return uuid5(NAMESPACE_URL, " ".join(map(str, words)))
