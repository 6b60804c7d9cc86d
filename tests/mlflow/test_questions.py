"""The questions of docs/how-to/questions.md: its commands make a company, its SQL answers as the company's files do."""

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from decimal import Decimal

import pandas as pd
import psycopg
import pytest
from tests.mlflow.answers import ANSWERS, Files
from tests.pages import Place, Shell, blocks, questions

PAGE = "docs/how-to/questions.md"
LINES, SMALLER = 20, {"--customers 300 --routes 24": "--customers 36 --routes 9"}


@pytest.fixture(scope="module")
def company(new_database, with_mlflow: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Files]]:
    """The place that the page's commands make, with fewer customers: its address, and the company's files."""
    from mlops.cli import context

    folder = tmp_path_factory.mktemp("questions")
    with new_database("company", template=with_mlflow) as (_, url), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLOPS_HOME", str(folder / "home"))
        patch.setenv("MLOPS_DATABASE_URL", url)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        cached = (context.settings, context.database, context.store)
        for one in cached:
            one.cache_clear()
        shell = Shell(_run, Place(lambda *_: None, shorter=SMALLER), patch)
        for _, language, code in blocks(PAGE):
            if language == "sh":
                shell.script(code)
        yield url, Files(folder / "company")
        for one in cached:
            one.cache_clear()


def test_each_question_is_answered_as_the_files_do_in_every_time_zone(company: tuple[str, Files]):
    url, files = company
    wrong = []
    for zone in ("UTC", "Pacific/Auckland"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("set role mlops_reader")
            connection.execute(f"set timezone = '{zone}'")
            for question in questions(PAGE):
                answered = connection.execute(question.sql)
                columns = [column.name for column in answered.description or ()]
                found = pd.DataFrame(answered.fetchall(), columns=columns, dtype=object)
                wrong += [
                    f"{question.number}. {question.words} ({zone}) {problem}"
                    for problem in _differences(found, ANSWERS[question.number - 1](files))
                ]
    assert wrong == []


def test_each_question_has_a_short_statement_an_answer_and_how_to_read_it():
    found = questions(PAGE)
    assert [question.number for question in found] == [*range(1, len(ANSWERS) + 1)]
    for question in found:
        assert question.sql.count("\n") <= LINES, question.words
        assert re.search(r"^\(\d+ rows?\)$", question.answer, re.MULTILINE), question.words
        assert question.reading.count(".") >= 1, question.words


def _run(*arguments: object) -> tuple[int, str, str]:
    """A command of this program, in this process."""
    from mlops.cli import main

    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["mlops", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as stopped:
            main()
    finally:
        sys.argv = before
    return int(stopped.value.code or 0), out.getvalue(), err.getvalue()


def _differences(found: pd.DataFrame, right: pd.DataFrame) -> Iterator[str]:
    """What is not as it should be: rows in their order, numbers to the digits that are shown."""
    if list(found.columns) != list(right.columns):
        yield f"has the columns {list(found.columns)}, not {list(right.columns)}"
    elif len(found) != len(right):
        yield f"has {len(found)} rows, not {len(right)}:\n{found}\n{right}"
    else:
        for name in found:
            for row, (one, other) in enumerate(zip(found[name], right[name], strict=True)):
                if not _same(one, other):
                    yield f"{name} of row {row + 1} is {one}, not {other}"


def _same(found: object, right: object) -> bool:
    if right is ...:
        return found is not None
    if isinstance(right, tuple):
        low, high = right
        return bool(low <= float(str(found)) <= high)
    if found is None or right is None or right is pd.NaT:
        return found is None and bool(pd.isna(right))
    if isinstance(found, Decimal):
        exponent = found.as_tuple().exponent
        return abs(float(found) - float(right)) <= 0.5001 * 10 ** int(exponent)
    if isinstance(found, float):
        return found == pytest.approx(right, rel=1e-9, abs=1e-9)
    return str(found) == str(right)
