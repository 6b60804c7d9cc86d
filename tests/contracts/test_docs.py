"""The documentation, held against the program: commands and options exist, links lead somewhere, Python compiles."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from mlops.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
ENDS = "();<>|&\n"
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROOT_COMMAND = get_command(app)


def blocks(*languages: str) -> list[Any]:
    """Every fenced block in one of these languages."""
    return [
        pytest.param(code, id=f"{page.relative_to(ROOT)}:{page.read_text()[: found.start()].count(chr(10)) + 1}")
        for page in PAGES
        for found in FENCED.finditer(page.read_text())
        for language, code in [found.groups()]
        if language in languages
    ]


def invocations(code: str) -> Iterator[list[str]]:
    """The words after each `mlops` that a shell would run, those inside $(…) too."""
    lexer = shlex.shlex(COMMENT.sub("", code.replace("\\\n", " ")), posix=True, punctuation_chars=ENDS)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words = [word for token in lexer for word in _flattened(token)]
    for place, word in enumerate(words):
        if word == "mlops":
            rest = words[place + 1 :]
            yield rest[: next((n for n, one in enumerate(rest) if set(one) <= set(ENDS)), len(rest))]


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The commands by their whole names."""
    if not hasattr(command, "commands"):
        yield " ".join(path)
    for name, one in getattr(command, "commands", {}).items():
        yield from leaves(one, (*path, name))


@pytest.mark.parametrize("code", blocks("sh", "bash", "console"))
def test_a_command_of_the_documentation_exists_with_its_options(code: str):
    for words in invocations(code):
        command, rest = ROOT_COMMAND, list(words)
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            assert rest[0] in command.commands, f"there is no command mlops {' '.join(words)}"
            command = command.commands[rest.pop(0)]
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        unknown = {word.partition("=")[0] for word in rest if word.startswith("--")} - options
        assert not unknown, f"mlops {' '.join(words)}: there is no option {unknown}"


@pytest.mark.parametrize("name", sorted(leaves(ROOT_COMMAND)))
def test_a_command_is_mentioned_in_the_documentation(name: str):
    assert any(f"mlops {name}" in page.read_text() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_relative_link_leads_somewhere(page: Path):
    targets = {target.partition("#")[0] for target in LINK.findall(FENCED.sub("", page.read_text()))}
    relative = {target for target in targets if target and ":" not in target}
    assert {target for target in relative if not (page.parent / target).exists()} == set()


def test_a_place_that_contributing_names_is_there():
    """But for those of which a part is to be chosen: NAME, NNNN."""
    spans = CODE.findall(FENCED.sub("", (ROOT / "CONTRIBUTING.md").read_text()))
    named = {span for span in spans if re.match(r"[\w.-]+/[\w./-]*$", span) and not re.search(r"[A-Z]{4}", span)}
    assert len(named) > 20
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("code", blocks("python"))
def test_python_of_the_documentation_compiles(code: str):
    compile(code, "documentation", "exec")


def _flattened(token: str) -> list[str]:
    """A word, or the words of the command inside a quoted $(…)."""
    return shlex.split(token.replace("$(", " ").replace(")", " ; ")) if "$(" in token else [token]
