"""The figures as markdown: one table of quiet lives, one of changes per detector."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.monitoring.scenarios import QUIET, SCENARIOS
from benchmarks.monitoring.scoring import Interval, Power, Quiet, power, quiet

__all__ = ["tables"]

Records = Sequence[Mapping[str, Any]]


def tables(records: Mapping[str, Records]) -> tuple[str, dict[str, Any]]:
    """Markdown, and the same figures as plain data, of what each detector said."""
    calm = {kind: quiet(part) for kind, all_of in records.items() if (part := _of(all_of, QUIET))}
    found = {kind: _by_scenario(all_of) for kind, all_of in records.items()}
    parts = [_quiet_table(calm), *(_power_table(kind, figures) for kind, figures in found.items())]
    document = {"quiet": {kind: asdict(one) for kind, one in calm.items()}}
    document["changes"] = {kind: {name: asdict(one) for name, one in by.items()} for kind, by in found.items()}
    return "\n".join(parts), document


def _by_scenario(records: Records) -> dict[str, Power]:
    twins = {record["seed"]: record for record in _of(records, QUIET)}
    return {name: power(part, twins) for name in SCENARIOS if (part := _of(records, name))}


def _of(records: Records, scenario: str) -> Records:
    return [record for record in records if record["scenario"] == scenario]


def _quiet_table(calm: Mapping[str, Quiet]) -> str:
    heads = ("detector", "quiet model-years", "alarm episodes a year", "alarmed weeks a year", "complaints")
    sorts = ("features", "concept", "performance", "data")
    rows = [
        (
            kind,
            f"{one.years:.0f}",
            _text(one.episodes, ".2f"),
            f"{one.alarmed_weeks:.2f}",
            f"{one.complaints:.2f}",
            *(f"{one.by_sort[sort]:.2f}" for sort in sorts),
            f"{one.seconds_per_year:.1f}",
        )
        for kind, one in calm.items()
    ]
    return _markdown((*heads, *sorts, "CPU s a model-year"), rows)


def _power_table(kind: str, figures: Mapping[str, Power]) -> str:
    heads = (kind, "runs", "found in 28 days", "in 56 days", "beyond its twin", "median days", "right name")
    rows = [
        (
            name,
            str(one.runs),
            _percent(one.within_28),
            _percent(one.within_56),
            "" if one.beyond_twin is None else f"{one.beyond_twin:.0%}",
            _days(one.median_days),
            _part(one.right),
            _part(one.wrong),
            f"{one.misled:.0%}",
            f"{one.material:.0%}",
        )
        for name, one in figures.items()
    ]
    return _markdown((*heads, "wrong names", "runs with one", "loss is hit"), rows)


def _text(one: Interval, form: str) -> str:
    return f"{one.value:{form}} ({one.low:{form}}–{one.high:{form}})"


def _percent(one: Interval) -> str:
    return f"{one.value:.0%} ({100 * one.low:.0f}–{100 * one.high:.0f})"


def _days(one: Interval) -> str:
    low, middle, high = ("> 56" if math.isinf(day) else f"{day:.0f}" for day in (one.low, one.value, one.high))
    return middle if low == middle == high else f"{middle} ({low}–{high})"


def _part(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0%}"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
