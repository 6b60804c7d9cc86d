"""A forecaster in a few lines, for a notebook."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlops.domain.html import table

if TYPE_CHECKING:
    from mlops.forecasting.base import Forecaster

__all__ = ["describe"]

LONGEST = 120
"""Characters of a parameter that are shown. Chosen, not measured."""


def describe(model: "Forecaster") -> str:
    """Kind, state and parameters as an HTML table."""
    return table(("", ""), _rows(model), title=f"forecaster {model.kind!r}")


def _rows(model: "Forecaster") -> Iterator[tuple[str, Any]]:
    if model.is_fitted:
        groups = model._apart or (model,)
        panels = [one._history for one in groups]
        apart = f", in {len(groups)} groups that begin their steps apart" if len(groups) > 1 else ""
        yield "series", f"{len(model.known):,}{apart}"
        yield "steps", panels[0].granularity.name
        timed = "%Y-%m-%d" if panels[0].granularity.dated else "%Y-%m-%d %H:%M"
        yield "trained until", f"{max(one._trained for one in groups):{timed}}"
        yield "knows until", f"{max(panel.cutoff for panel in panels):{timed}}"
    else:
        yield "state", "not fitted"
    for name, value in model.params.items():
        text = str(value)
        yield name, text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
