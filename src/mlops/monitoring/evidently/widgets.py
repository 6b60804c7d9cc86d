"""How a check is laid out on Evidently's pages: what counts first, then a table for each kind of finding.

A metric of Evidently brings a widget of its own, as wide as the page: forty numbers would be a tower.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops.domain.canonical import JsonObject

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what numpy and litestar have deprecated
    from evidently.legacy.model.widget import BaseWidgetInfo
    from evidently.legacy.renderers.html_widgets import CounterData, counter, table_data, text_widget

__all__ = ["AND", "KINDS", "widgets"]

AND = " · "
"""Between the sentences of what drifted, which have semicolons of their own."""

FIRST = {
    "health": "health, of 100",
    "wape": "WAPE of the week",
    "coverage_80": "inside the 80 % intervals",
    "drifted": "findings that drifted",
}
NUMBERS = {
    "wape": "errors of the week by its outcomes",
    "promised_wape": "the same in the backtest: what the model promised",
    "expected_wape": "WAPE that is expected of the newest forecasts, before their outcomes are known",
    "expected_wape_low": "the least that it may be, in nine of ten cases",
    "expected_wape_high": "the most",
    "loss_ratio": "the loss of four weeks by that of the backtest on the same weekdays and holidays; 1 is as promised",
    "loss_ratio_low": "the least that it may be, in nine of ten cases; above 1 it is worse beyond chance",
    "loss_ratio_high": "the most",
    "coverage_80": "outcomes of the week inside their 80 % intervals",
    "coverage_nominal": "what an 80 % interval should hold",
    "health": "0 to 100, from accuracy, intervals, drift and data",
    "drifted": "findings above their limits",
}
KINDS = {
    "feature": ("Features", "inputs of the model, given the calendar: is what comes in still what it learned from?"),
    "concept": ("Concept", "the errors, and how they depend on each input: does what it learned still hold?"),
    "performance": ("Performance", "the size of the errors against the backtest: is it still as good as promised?"),
    "prediction": ("Forecasts", "the forecasts themselves: what can be seen before outcomes are known"),
    "serving": ("Serving", "forecasts that were not made: run what did not run; nothing is wrong with the data"),
    "data": ("Data faults", "rows that are broken rather than different: repair them before a model is changed"),
}
"""What each kind of finding is called, and the question that it answers."""
SUBJECTS = {
    "concept": "level and scale of the error, in sigma",
    "performance": "absolute error above the backtest's, in sigma",
    "performance.collapse": "the week's absolute error, in times that of the backtest",
    "performance.coverage": "outcomes inside the 80 % intervals below the backtest's share, in standard deviations",
    "performance.naive": "error above that of the seasonal naive over four weeks, in standard errors",
    "performance.upheaval": "outcomes far from their forecasts on two days or more, as a part of what is too far",
    "prediction.forecast": "level and spread of the forecasts, in sigma",
    "prediction.expected_loss": "the loss to be expected of the forecasts, in sigma",
    "data.feed": "share of the series that are silent",
    "data.copies": "copies of other rows",
    "data.rows": "no rows, or rows that did not come",
    "serving.forecasts": "steps since the forecasts ended",
    "serving.rows": "forecasts that were not made",
}
OF_KIND = {
    "feature": "its distribution, in sigma",
    "concept": "how the error depends on it, in sigma",
    "data": "values that are missing, new or always the same; silence",
    "serving": "a series without forecasts",
}


@dataclass(frozen=True)
class _Metric:
    name: str
    value: float
    limit: float | None
    failed: bool


def widgets(document: JsonObject) -> list[JsonObject]:
    """The widgets of a snapshot's page, as JSON: counters, what drifted in words, a table per kind, other numbers.

    Kinds of which a finding drifted come first, and in a table such findings.
    """
    metrics = [_metric(result) for result in document["metric_results"].values()]
    return [widget.dict() for widget in _laid_out(metrics, document["metadata"])]


def _laid_out(metrics: Sequence[_Metric], metadata: JsonObject) -> Iterator[BaseWidgetInfo]:
    known = {metric.name: metric for metric in metrics}
    counters = [CounterData(words, _shown(known[name].value, name)) for name, words in FIRST.items() if name in known]
    if counters:
        yield counter(counters=counters)
    drifted, blank = _words(metadata.get("drifted"), AND), _words(metadata.get("not_judged"), "; ")
    lines = "".join(f"- {sentence}\n" for sentence in drifted) or "Nothing is above its limit.\n"
    yield text_widget(text=lines + (f"\nNot judged: {', '.join(blank)}.\n" if blank else ""), title="What drifted")
    of_kind = {kind: sorted((row for row in metrics if _kind(row) == kind), key=_clearest_first) for kind in KINDS}
    for kind, rows in sorted(of_kind.items(), key=lambda item: not any(row.failed for row in item[1])):
        if rows:
            yield table_data(
                title=": ".join(KINDS[kind]),
                column_names=["statistic", "what it is", "value", "limit", ""],
                data=[_row(row) for row in rows],
            )
    numbers = [metric for metric in metrics if _kind(metric) not in KINDS]
    if numbers:
        order = {name: place for place, name in enumerate(NUMBERS)}
        numbers.sort(key=lambda number: (order.get(number.name, len(order)), number.name))
        yield table_data(
            title="Numbers of the week",
            column_names=["number", "what it is", "value"],
            data=[(number.name, _meaning(number.name), _shown(number.value, number.name)) for number in numbers],
        )


def _metric(result: JsonObject) -> _Metric:
    tests = result["tests"]
    limit = tests[0]["test_config"].get("threshold") if tests else None
    failed = any(test["status"] == "FAIL" for test in tests)
    return _Metric(result["display_name"], float(result["value"]), limit, failed)


def _row(metric: _Metric) -> tuple[str, ...]:
    subject = metric.name.removeprefix(_kind(metric)).removeprefix(".") or "overall"
    limit = "none" if metric.limit is None else _shown(metric.limit)
    verdict = "drifted" if metric.failed else "" if metric.limit is None else "within its limit"
    return (
        subject,
        SUBJECTS.get(metric.name.partition("[")[0], OF_KIND.get(_kind(metric), "")),
        _shown(metric.value),
        limit,
        verdict,
    )


def _meaning(name: str) -> str:
    kind = name.removeprefix("drifted.")
    return NUMBERS.get(name) or (f"of these about {KINDS[kind][0].lower()}" if kind in KINDS else "")


def _kind(metric: _Metric) -> str:
    return metric.name.partition("[")[0].partition(".")[0]


def _clearest_first(metric: _Metric) -> tuple[bool, float, str]:
    return not metric.failed, -(metric.value / metric.limit if metric.limit else 0.0), metric.name


def _shown(value: float, name: str = "") -> str:
    """A number as people read it; 0 is a number."""
    if name.startswith("coverage"):
        return f"{value:.0%}"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def _words(listed: object, between: str) -> list[str]:
    """Metadata as `snapshot` joins them; lists are those of earlier versions."""
    if isinstance(listed, str):
        listed = listed.split(between)
    return [str(text) for text in listed if text] if isinstance(listed, list) else []
