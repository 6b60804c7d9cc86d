"""What Evidently's UI shows about one model: its weeks, and the statistics behind them."""

import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import groupby
from uuid import NAMESPACE_URL, UUID, uuid5

from mlops.monitoring.evidently.widgets import KINDS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what litestar has deprecated
    from evidently.sdk.models import DashboardModel, DashboardPanelPlot, DashboardTabModel, PanelMetric
    from evidently.sdk.panels import bar_plot_panel, counter_panel, line_plot_panel

__all__ = ["CHAMPION", "COUNTERS", "DRIFTED", "NOMINAL", "PROMISED", "dashboard"]

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


def dashboard(project: UUID, numbers: Iterable[str], findings: Iterable[str]) -> DashboardModel:
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
            yield counter_panel(title, [_value(name, "newest check")], size="half")
    kinds = sorted(name.partition(".")[2] for name in known if name.startswith(f"{DRIFTED}."))
    if kinds:
        values = [_value(f"{DRIFTED}.{kind}", _title(kind).lower()) for kind in kinds]
        yield bar_plot_panel("Findings that drifted, by check", values, stacked=True)
    for title, lines in LINES.items():
        if known & set(lines):
            values = [_value(name, legend) for name, legend in lines.items() if name in known]
            yield line_plot_panel(title, values, MEANING[title], size="half")


def _statistics(findings: Iterable[str]) -> Iterator[DashboardPanelPlot]:
    """A plot per kind; the findings about a slice come last, and where there are too many they are not drawn."""
    ordered = sorted(findings, key=lambda name: (_kind(name), "[" in name, name))
    for kind, names in groupby(ordered, key=_kind):
        values = [_value(name, name.removeprefix(kind).lstrip(".") or kind) for name in list(names)[:MOST]]
        yield line_plot_panel(
            _title(kind), values, f"{KINDS[kind][1].capitalize()} {LIMITS}" if kind in KINDS else LIMITS
        )


def _title(kind: str) -> str:
    return KINDS[kind][0] if kind in KINDS else kind


def _kind(name: str) -> str:
    return re.split(r"[.\[]", name, maxsplit=1)[0]


def _value(name: str, legend: str) -> PanelMetric:
    return PanelMetric(metric="Precomputed", metric_labels={"name": name}, legend=legend, tags=[CHAMPION])


def _id(*words: object) -> UUID:
    return uuid5(NAMESPACE_URL, " ".join(map(str, words)))
