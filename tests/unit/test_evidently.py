"""Findings through Evidently's door: strict JSON with tests, and a page."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import get_args

import pytest

from mlops.domain.findings import Finding, FindingKind, Findings

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
FINDINGS = Findings(
    (
        Finding("feature", "tonnage", 5.5, 4.0, True, "tonnage is 5.5 sigma above"),
        Finding("concept", "", 1.0, 4.0, False),
        Finding("performance", "", float("nan"), 4.0, False, "not judged"),
        Finding("data", "cr\x00ew \ud800", float("inf"), 1.0, True, "new categor\x00y"),
        Finding("data", "sensor", 9.0, float("nan"), False),
    )
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture(scope="module")
def text():
    from mlops.monitoring.evidently import to_snapshot

    return to_snapshot(FINDINGS, model="tonnage@champion", as_of=AS_OF, values={"wape": 0.12, "bias": float("nan")})


def test_every_kind_of_finding_is_explained_on_a_page():
    from mlops.monitoring.evidently.widgets import KINDS

    assert set(KINDS) == set(get_args(FindingKind))


def test_the_snapshot_is_json_that_postgres_takes(text):
    json.loads(text, parse_constant=refuse)
    assert "\\u0000" not in text
    assert "\\ud800" not in text


def test_every_judged_number_is_a_metric_and_the_others_are_named(text):
    document = json.loads(text)
    names = {result["display_name"]: result["value"] for result in document["metric_results"].values()}
    assert names["wape"] == 0.12
    assert names["feature.tonnage"] == 5.5
    assert "performance" not in names
    assert document["metadata"]["not_judged"] == "performance; bias"
    assert document["metadata"]["model"] == "tonnage@champion"
    assert document["timestamp"].startswith("2026-11-22")


def test_tests_fail_where_findings_drifted(text):
    from evidently.core.report import Snapshot

    results = {result["name"]: result["status"].value for result in Snapshot.loads(text).dict()["tests"]}
    by_metric = {name.split(":")[0]: status for name, status in results.items()}
    assert by_metric == {"feature.tonnage": "FAIL", "concept": "SUCCESS", "data.crew ?": "FAIL"}


def test_a_page_is_a_few_tables_that_say_what_numbers_mean_and_0_is_a_number(text):
    from mlops.monitoring.evidently import to_snapshot

    calm = Finding("data", "feed", 0.0, 1.0, False)
    document = json.loads(to_snapshot(Findings((calm,)), model="m", as_of=AS_OF, values={"wape": 0.0, "drifted": 0.0}))
    first, said, faults, numbers = document["widgets"]
    assert [(one["label"], one["value"]) for one in first["params"]["counters"]] == [
        ("WAPE of the week", "0"),
        ("findings that drifted", "0"),
    ]
    assert said["params"]["text"] == "Nothing is above its limit.\n"
    assert faults["params"]["data"] == [["feed", "share of the series that are silent", "0", "1", "within its limit"]]
    assert [row[0] for row in numbers["params"]["data"]] == ["wape", "drifted"]
    assert len(json.loads(text)["widgets"]) <= 8, "not a widget for every number"


def test_what_drifted_is_said_sentence_by_sentence(text):
    (said,) = (one for one in json.loads(text)["widgets"] if one["title"] == "What drifted")
    assert said["params"]["text"] == (
        "- tonnage is 5.5 sigma above\n- new category\n\nNot judged: performance, bias.\n"
    )


def test_the_page_is_rendered_from_the_stored_snapshot(text, tmp_path):
    from mlops.monitoring.evidently import save_html

    save_html(text, tmp_path / "week.html")
    assert "feature.tonnage" in (tmp_path / "week.html").read_text("utf-8")


def test_a_week_without_findings_is_a_snapshot_too():
    from mlops.monitoring.evidently import to_snapshot

    assert json.loads(to_snapshot(Findings(), model="m", as_of=AS_OF, values={}), parse_constant=refuse)


def test_monitoring_does_not_load_evidently_and_evidently_does_not_track():
    code = (
        "import os, sys, mlops.monitoring.weekly.job; assert 'evidently' not in sys.modules;"
        "assert 'DO_NOT_TRACK' not in os.environ; import mlops.monitoring.evidently;"
        "from evidently.telemetry import event_logger; assert not event_logger.is_enabled()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DO_NOT_TRACK"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
