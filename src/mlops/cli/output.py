"""How commands speak: one JSON document with --json, else text; progress and logs on stderr."""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table

from mlops.cli.edge import NO_READER, let_go
from mlops.errors import visible

__all__ = ["console", "emit", "logs", "progress", "table"]


class Terminal(Console):
    """A console that shows what names and files hold as text: none of it steers the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The segments, with control characters of their texts written as codes."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text, but="\n\t"), segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Who read our output has read enough."""
        raise BrokenPipeError


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


def table(*columns: str, title: str | None = None) -> Table:
    """A quiet table."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column)
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
