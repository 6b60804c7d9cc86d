"""Numbers that were computed elsewhere, as Evidently's metrics with tests: a snapshot, and its page."""

import json
import math
import re
import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pandas as pd

from mlops.domain.canonical import JsonObject
from mlops.domain.findings import Finding, Findings
from mlops.monitoring.evidently.widgets import AND, widgets

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what numpy and litestar have deprecated
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
    from evidently.core.report import Context, Snapshot
    from evidently.tests import lte

__all__ = ["laid_out", "measured", "save_html", "to_snapshot"]

LARGEST = 1e12  # infinity, as JSON and a chart can show it
OURS = "evidently:metric_v2:Precomputed"
WIDGET_ID = re.compile(r'(?<="id": ")[0-9a-f-]{36}(?=")')


class Precomputed(SingleValueMetric):  # type: ignore[misc]
    """A number that somebody else computed; it is read from a frame of one row, so that its identity is its name."""

    name: str

    def _default_tests(self, context: Context) -> list[object]:  # noqa: ARG002
        return []


class PrecomputedCalculation(SingleValueCalculation[Precomputed]):  # type: ignore[misc]
    """How Evidently gets the number: Evidently pairs this class with its metric by the type argument."""

    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:  # noqa: ARG002
        return self.result(float(current_data.as_dataframe()[self.metric.name].iloc[0]))

    def display_name(self) -> str:
        return str(self.metric.name)


def to_snapshot(findings: Findings, *, model: str, as_of: datetime, values: Mapping[str, float]) -> str:
    """The JSON of a snapshot with one metric per value and per judged finding; jsonb takes it as it is.

    A finding's test passes while its statistic is at most its threshold. What is NaN has no metric: it is named in the
    metadata under `not_judged`. The same check gives the same text.
    """
    judged = {_name(finding): finding for finding in findings.details if not math.isnan(finding.statistic)}
    numbers = {_clean(name): value for name, value in values.items() if not math.isnan(value)}
    numbers |= {name: finding.statistic for name, finding in judged.items()}
    blank = [_name(finding) for finding in findings.details if math.isnan(finding.statistic)]
    blank += [_clean(name) for name, value in values.items() if math.isnan(value)]
    metadata = {
        "model": _clean(model),
        "drifted": AND.join(_clean(finding.detail) for finding in findings.details if finding.drifted),
        "not_judged": "; ".join(blank),  # text, because Evidently's workspace takes nothing else in metadata
    }
    metrics = [Precomputed(name=name, tests=_tests(judged.get(name))) for name in numbers]
    return _as_json(_run(Report(metrics, metadata=metadata), numbers, as_of, _clean(model)))


def measured(numbers: Mapping[str, float], *, name: str, as_of: datetime) -> str:
    """The JSON of a snapshot of numbers without tests; what is NaN is left out."""
    known = {_clean(key): value for key, value in numbers.items() if not math.isnan(value)}
    return _as_json(_run(Report([Precomputed(name=key, tests=[]) for key in known]), known, as_of, _clean(name)))


def save_html(snapshot_json: str, path: str | Path) -> None:
    """Renders a snapshot as one page that needs no network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Snapshot.loads(json.dumps(laid_out(json.loads(snapshot_json)))).save_html(str(path))


def laid_out(document: JsonObject) -> JsonObject:
    """A snapshot with the widgets of its page, whichever version stored it; what is none of ours stays as it is."""
    results = document["metric_results"].values()
    if not all(result["metric_value_location"]["metric"]["params"]["type"] == OURS for result in results):
        return dict(document)
    text = json.dumps({**document, "widgets": widgets(document)})
    place = f"{document['name']} {document['timestamp']}"
    ids: dict[str, str] = {}
    numbered: JsonObject = json.loads(
        WIDGET_ID.sub(lambda number: ids.setdefault(number[0], _number(place, len(ids))), text)
    )
    return numbered


def _run(report: Report, numbers: Mapping[str, float], as_of: datetime, name: str) -> Snapshot:
    row = pd.DataFrame([{key: min(max(float(value), -LARGEST), LARGEST) for key, value in numbers.items()}], index=[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it takes the standard deviation of the one row
        data = Dataset.from_pandas(row, data_definition=DataDefinition(numerical_columns=list(row.columns)))
        return report.run(data, None, timestamp=as_of, name=name)


def _as_json(run: Snapshot) -> str:
    """Strict JSON (no NaN, no Infinity) whose widgets are numbered by what they belong to, not by chance."""
    return json.dumps(laid_out(json.loads(run.dumps(), parse_constant=lambda _: None)), allow_nan=False)


def _number(place: str, count: int) -> str:
    return str(uuid5(NAMESPACE_URL, f"{place} {count}"))


def _tests(finding: Finding | None) -> list[object]:
    return [lte(finding.threshold)] if finding is not None and math.isfinite(finding.threshold) else []


def _name(finding: Finding) -> str:
    return _clean(finding.name)


def _clean(text: str) -> str:
    """Text that Postgres can store: without NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
