"""Files that are there whole, or as they were before; and errors of the disk that say where it happened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["placed", "whole_file", "write_whole"]


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) in place of what it was; its folder is made. A failure leaves what was there."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished:
        unfinished.write_bytes(data)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write a file that takes its place when the block ends well, and is removed when it does not."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with placed(path):
            yield unfinished
            unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def placed(place: Path) -> Iterator[None]:
    """Errors of the disk in this block name the place, where the system's own do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(place)
        raise
