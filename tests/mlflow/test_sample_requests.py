"""The sample requests of serving/requests are answered by a champion, each as its page says it is to be sent."""

import json
import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

import mlflow
from mlops.serving.online.scorer import scorer_of
from mlops.tracking.store import Store
from mlops.training import Trained

REQUESTS = Path(__file__).parents[2] / "serving" / "requests"
CURL = [shlex.split(line) for line in re.findall(r"^    (curl .*)", (REQUESTS / "README.md").read_text(), re.MULTILINE)]
BOTH = {"lo_80", "lo_95"}
EXPECTED = {
    "records.json": ({"1": 7, "2": 7}, BOTH),
    "split.json": ({"1": 3, "2": 3}, {"lo_80"}),
    "one.json": ({"1": 28}, BOTH),
}
"""By file the steps of each series, and the intervals."""


def test_the_page_says_how_each_file_is_sent():
    sent = {word.rpartition("/")[2] for words in CURL for word in words if word.startswith("@")}
    assert sent == {path.name for path in REQUESTS.iterdir()} - {"README.md"} == set(EXPECTED)


@pytest.mark.parametrize("words", CURL, ids=lambda words: words[-1].rpartition("/")[2])
def test_a_sample_request_is_answered(words: list[str], store: Store, champion: Trained):
    (path,) = (REQUESTS.parents[1] / word[1:] for word in words if word.startswith("@"))
    content_type = words[words.index("-H") + 1].removeprefix("Content-Type: ")
    assert "/invocations" in words[2]
    scored = scorer_of(mlflow.pyfunc.load_model(champion.version.uri)).score(path.read_bytes(), content_type)
    predictions = json.loads(scored.body)["predictions"]
    steps, intervals = EXPECTED[path.name]
    assert Counter(row["series_id"] for row in predictions) == steps
    assert {name for name in predictions[0] if name.startswith("lo_")} == intervals
    assert scored.ignored == ()
