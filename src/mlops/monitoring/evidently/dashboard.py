"""What Evidently's UI shows about one model: its weeks, and the statistics behind them."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from uuid import NAMESPACE_URL, UUID, uuid5

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what litestar has deprecated
    from evidently.sdk.models import DashboardModel, DashboardPanelPlot, DashboardTabModel, PanelMetric
    from evidently.sdk.panels import bar_plot_panel, counter_panel, line_plot_panel

__all__ = ["DRIFTED", "dashboard"]

DRIFTED = "drifted"
WORDS = {"feature": "features", "concept": "concept", "performance": "performance", "data": "data faults"}
LINES = 15
"""As many findings of a kind as one plot can show."""


def dashboard(project: UUID, numbers: Iterable[str], findings: Sequence[str]) -> DashboardModel:
    """The dashboard of a project whose runs have these numbers and, under `kind.subject` or `kind`, these findings."""
    known = set(numbers)
    tabs = {"Weeks": list(_weeks(known)), "Findings": list(_findings(findings))}
    panels = [_numbered(project, tab, panel) for tab, shown in tabs.items() for panel in shown]
    return DashboardModel(
        tabs=[
            DashboardTabModel(id=_id(project, tab), title=tab, panels=[panel.id for panel in shown])
            for tab, shown in tabs.items()
            if shown
        ],
        panels=panels,
    )


def _weeks(known: set[str]) -> Iterator[DashboardPanelPlot]:
    for name, title in {"health": "Health, of 100", DRIFTED: "Findings that drifted", "wape": "WAPE"}.items():
        if name in known:
            yield counter_panel(title, [_value(name, "newest week")], size="half")
    kinds = sorted(name for name in known if name.startswith(f"{DRIFTED}."))
    if kinds:
        values = [_value(name, WORDS.get(kind := name.partition(".")[2], kind)) for name in kinds]
        yield bar_plot_panel("Findings that drifted, by week", values, stacked=True)
    lines = {
        "Error": ("WAPE of the week against what the backtest promised", ("wape", "wape_promised")),
        "Intervals": ("share of outcomes inside the 80 % intervals", ("coverage_80", "coverage_nominal")),
        "Health": ("of 100; missing where it was not known", ("health",)),
    }
    for title, (words, names) in lines.items():
        if names[0] in known:
            values = [_value(name, name.replace("_", " ")) for name in names if name in known]
            yield line_plot_panel(title, values, words, size="half")


def _findings(findings: Sequence[str]) -> Iterator[DashboardPanelPlot]:
    for kind, names in groupby(sorted(findings), key=lambda name: name.partition(".")[0]):
        values = [_value(name, name.partition(".")[2] or kind) for name in list(names)[:LINES]]
        title = f"Statistics: {WORDS.get(kind, kind)}"
        yield line_plot_panel(title, values, "each has its limit in the tests of its week")


def _value(name: str, legend: str) -> PanelMetric:
    return PanelMetric(metric="Precomputed", metric_labels={"name": name}, legend=legend)


def _numbered(project: UUID, tab: str, panel: DashboardPanelPlot) -> DashboardPanelPlot:
    panel.id = _id(project, tab, panel.title)
    return panel


def _id(*words: object) -> UUID:
    return uuid5(NAMESPACE_URL, " ".join(map(str, words)))
