"""A forecaster in a few lines, for a notebook."""

from collections.abc import Iterator
from typing import Any

from mlops.domain.html import table
from mlops.forecasting.groups import Grouped

__all__ = ["describe", "in_a_line"]

DAY, MINUTE = "%Y-%m-%d", "%Y-%m-%d %H:%M"
LONGEST = 120
"""Characters of a parameter that are shown. Chosen, not measured."""


def describe(model: Grouped) -> str:
    """Kind, state and parameters as an HTML table."""
    return table(("", ""), _rows(model), title=f"forecaster {model.kind!r}")


def in_a_line(model: Grouped) -> str:
    """Kind, parameters and state, as a prompt shows it."""
    said = ", ".join(f"{name}={_short(repr(value))}" for name, value in model.params.items())
    state = "not fitted"
    if model.is_fitted:
        count = len(model.known)
        state = f"{count:,} series until {max(_ends(one) for one in model._apart or (model,))}"
    return f"<forecaster {model.kind!r} ({said}): {state}>"


def _ends(model: Grouped) -> str:
    panel = model._history
    return f"{panel.cutoff:{DAY if panel.granularity.dated else MINUTE}}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _rows(model: Grouped) -> Iterator[tuple[str, Any]]:
    if model.is_fitted:
        groups = model._apart or (model,)
        panels = [one._history for one in groups]
        apart = f", in {len(groups)} groups that begin their steps apart" if len(groups) > 1 else ""
        yield "series", f"{len(model.known):,}{apart}"
        yield "steps", panels[0].granularity.name
        timed = DAY if panels[0].granularity.dated else MINUTE
        yield "trained until", f"{max(one._trained for one in groups):{timed}}"
        yield "knows until", max(map(_ends, groups))
    else:
        yield "state", "not fitted"
    for name, value in model.params.items():
        yield name, _short(str(value))
