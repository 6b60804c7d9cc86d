"""The tables of the comparison: figures per data set and horizon, geometric means of ratios, all as markdown too."""

from typing import Any

from benchmarks.forecasting.scoring import LOSSES, Interval, geometric_mean
from rich.table import Table

__all__ = ["RIVALS", "label", "markdown", "means", "table"]

RIVALS = ("mlforecast", "best", "snaive")
FIGURES = ("wape", "mase", "bias", "pinball_80", "pinball_95", "coverage_80", "coverage_95", "worst_decile_80")
UNNAMED = ("nyc_monthly",)
"""Data sets outside the geometric mean of the named ones."""


def table(result: dict[str, Any]) -> Table:
    """One line per forecaster, CPU milliseconds per series and cutoff; below it the ratios of ours."""
    made = Table(title=f"{result['dataset']}, {result['horizon']} steps ({_rows(result)} outcomes)")
    for column in ("forecaster", *FIGURES, "CPU ms", "points alone", "missing"):
        made.add_column(column.replace("_", " "))
    for name, figures in result["scores"].items():
        cells = [f"{figures[figure]:.4f}" for figure in FIGURES]
        points = f"{figures['cpu_ms_point']:.1f}" if "cpu_ms_point" in figures else ""
        made.add_row(name, *cells, f"{figures['cpu_ms']:.1f}", points, str(figures["missing"]))
    lines = ["best opponent by " + ", ".join(f"{loss}: {name}" for loss, name in result["best"].items())]
    for kind, rivals in result["ratios"].items():
        for rival, found in rivals.items():
            if found:
                ratios = ", ".join(f"{loss} {_text(one)}" for loss, one in found.items())
                lines.append(f"{label(kind)} / {rival}: {ratios}")
    made.caption = "\n".join(lines)
    return made


def means(results: list[dict[str, Any]]) -> list[Table]:
    """Geometric means of the ratios over data sets and horizons: of the named data sets, and of all."""
    named = [result for result in results if result["dataset"] not in UNNAMED]
    groups = {"named data sets": named} | ({"all data sets": results} if len(named) < len(results) else {})
    found = [_means(title, group) for title, group in groups.items() if group]
    return [made for made in found if made.row_count]


def markdown(made: Table) -> str:
    """The same table for a page."""
    heads = [str(column.header) for column in made.columns]
    rows = zip(*(list(map(str, column.cells)) for column in made.columns), strict=True)
    lines = [f"**{made.title}**", "", "| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    if made.caption:
        lines += ["", *(f"- {line}" for line in str(made.caption).splitlines())]
    return "\n".join([*lines, ""])


def label(kind: str) -> str:
    """A kind's name beside the opponents, of whom one is called prophet, too."""
    return f"our {kind}"


def _means(title: str, group: list[dict[str, Any]]) -> Table:
    names = ", ".join(dict.fromkeys(result["dataset"] for result in group))
    made = Table("kind", "rival", *LOSSES, title=f"geometric means of ratios, {title}: {names}")
    for kind in group[0]["ratios"]:
        for rival in RIVALS:
            found = [result["ratios"][kind][rival] for result in group]
            if all(len(one) == len(LOSSES) for one in found):
                figures = [_text(geometric_mean([one[loss] for one in found])) for loss in LOSSES]
                made.add_row(label(kind), rival, *figures)
    return made


def _rows(result: dict[str, Any]) -> int:
    return max((int(figures["rows"]) for figures in result["scores"].values()), default=0)


def _text(one: Interval) -> str:
    return f"{one.value:.3f} ({one.low:.3f}–{one.high:.3f})"
