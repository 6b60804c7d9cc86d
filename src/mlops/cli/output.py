"""How commands speak: one JSON document with --json, else text; progress and logs on stderr."""

import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from mlops.cli.edge import NO_READER, let_go
from mlops.errors import visible

__all__ = ["ACTION_COLOURS", "console", "emit", "logs", "progress", "say", "table"]

UNLIMITED = 100_000
"""Columns where nobody looks at a screen: what a file or another program reads is neither wrapped nor cut."""
FIGURE = r"[+\-−]?\d[\d.,]*(?:e[+-]?\d+)?(?:\s?(?:%|s|ms|MB|GB|kB|×))?"
NUMBER = re.compile(rf"{FIGURE}(?: (?:to|–) {FIGURE})?|[-–—]|nan|")
"""What stands in a cell of a column of numbers: a number with sign and unit, a range, a dash, or nothing."""
STAMP = re.compile(r"\d{4}-\d\d(?:-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?)?|")
"""What stands in a cell of a column of days or times."""

ACTION_COLOURS = {
    "rollback": "red",
    "retrain": "red",
    "prove": "red",
    "fallback": "red",
    "promote": "red",
    "investigate_data": "yellow",
    "alert": "yellow",
    "unchecked": "yellow",
    "watch": "blue",
    "none": "green",
}
"""How urgent an action is that is recommended, or that a monitor would have asked for."""


class Terminal(Console):
    """A console that shows what names and files hold as text: none of it steers the terminal.

    It is as wide as its terminal, or as COLUMNS says; without limit where it is none (a pipe, a file).
    """

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines."""
        size = super().size
        free = self._width is None and not self.is_terminal
        return ConsoleDimensions(UNLIMITED, size.height) if free else size

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The segments, with control characters of their texts written as codes."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text, but="\n\t"), segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Who read our output has read enough."""
        raise BrokenPipeError


class Columns(Table):
    """A table whose columns of numbers are read from their right end, and are never broken in two lines."""

    def add_row(self, *cells: Any, style: Any = None, end_section: bool = False) -> None:
        """Add a row of texts."""
        cells = tuple(
            visible(cell, but="\n\t") if isinstance(cell, str) else cell for cell in cells
        )  # before it is folded
        super().add_row(*cells, style=style, end_section=end_section)
        for column, cell in zip(self.columns, cells, strict=False):
            text = Text.from_markup(cell).plain if isinstance(cell, str) else ""
            known = self._kinds.setdefault(column.header, {NUMBER, STAMP})
            known -= {kind for kind in known if not kind.fullmatch(text)}
            column.justify, column.no_wrap = "right" if NUMBER in known else "left", bool(known)

    @cached_property
    def _kinds(self) -> dict[Any, set[re.Pattern[str]]]:
        """By column what all its cells are so far."""
        return {}


console = Terminal()
logs = Terminal(stderr=True)


def emit(document: object, *, as_json: bool, text: Callable[[], None]) -> None:
    """Print the document as JSON, or call `text`, which prints it for a person."""
    try:
        if as_json:
            print(json.dumps(plain(document), indent=2, ensure_ascii=False))  # noqa: T201  the machine's door
        else:
            text()
        sys.stdout.flush()
    except BrokenPipeError as error:  # Typer would end with 1
        let_go(sys.stdout)
        raise SystemExit(NO_READER) from error


def say(line: str) -> None:
    """A line with markup that is not broken, so that commands in it can be copied."""
    console.print(line, highlight=False, soft_wrap=True)


def table(*columns: str, title: str | None = None) -> Columns:
    """A quiet table as wide as it has to be; where the terminal is narrower, cells go on in the next line."""
    made = Columns(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress bar on stderr, gone when it is done; nothing where stderr is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=logs, transient=True, disable=not logs.is_terminal) as bar:
        yield bar


def plain(value: Any) -> Any:
    """What json can write: dataclasses as objects, times as ISO text, numpy numbers as numbers, NaN as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return plain(value.to_dict("records"))
    if hasattr(value, "item"):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
