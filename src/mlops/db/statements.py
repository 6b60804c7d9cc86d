"""The SQL of the program: named blocks in `queries/SUBJECT.sql`, read once."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import sqlalchemy as sa

__all__ = ["Block", "collect", "named_blocks", "statement"]

MARKER = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\n", re.MULTILINE)
LIKE_A_MARKER = re.compile(r"^[ \t]*--[ \t]*name\b.*$", re.MULTILINE | re.IGNORECASE)
# the tables themselves; a name in quotes stands for the table's partitions and archives
OBSERVED = re.compile(r"(?<!')\banalytics\.(time_series_metrics|time_series_revisions)\b")


@dataclass(frozen=True, slots=True)
class Block:
    """One statement (or several that run together), its name, and the file of `queries/` in which it stands."""

    name: str
    file: str
    text: str
    """From the line that says what it answers to its last line."""


@cache
def statement(query: str, *, archives: bool = False) -> sa.TextClause:
    """The statement of that name; with `archives` it reads the views that show archived months, too."""
    if query not in named_blocks():
        raise LookupError(f"no file of mlops/db/queries has a block `-- name: {query}`")
    text = named_blocks()[query].text
    return sa.text(OBSERVED.sub(r"pg_temp.\1", text) if archives else text)


@cache
def named_blocks() -> Mapping[str, Block]:
    """Every block by its name."""
    paths = [path for path in files("mlops.db").joinpath("queries").iterdir() if path.name.endswith(".sql")]
    return collect((path.name, path.read_text(encoding="utf-8")) for path in sorted(paths, key=lambda path: path.name))


def collect(sources: Iterable[tuple[str, str]]) -> dict[str, Block]:
    """The blocks of these files (name and text); ValueError names the file and the block that is not in order."""
    named: dict[str, Block] = {}
    for file, text in sources:
        header, *parts = MARKER.split(text)
        if not re.fullmatch(r"-- \S.*\n\s*", header):
            raise ValueError(f"{file}: before its first block stands one line, `-- `, which says its subject")
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            first, _, rest = body.partition("\n")
            if not re.match(r"-- \w", first):
                raise ValueError(f"{file}: the first line of the block {name} does not say what it answers")
            if like := LIKE_A_MARKER.search(body):
                shown = repr(like[0].strip())
                raise ValueError(f"{file}: in the block {name}, {shown} is no marker; expected `-- name: a_name`")
            if not re.sub(r"--.*", "", rest).strip():
                raise ValueError(f"{file}: the block {name} is empty")
            if name in named:
                raise ValueError(f"{file}: the block {name} stands in {named[name].file}, too")
            named[name] = Block(name, file, body.rstrip() + "\n")
    return named
