"""How a text file writes its table: encoding, delimiter and decimal sign, recognised or refused by what was found."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO

from mlops.errors import BadInput

__all__ = ["DELIMITERS", "UTF8", "Dialect", "Recoded", "decimal_of", "recognised", "with_points"]

BLOCK = 1 << 20
"""Bytes that are read at once, so that a file of any size is looked through in little memory. Chosen, not measured."""
SAMPLE, SAMPLE_LINES = 1 << 16, 50
"""The bytes and lines of the beginning by which the delimiter is told. Chosen, not measured."""
UTF8, WINDOWS = "utf-8", "cp1252"
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

COMMA_DECIMAL = re.compile(
    r"[+-]?(0,\d+|\d+,(\d{1,2}|\d{4,})|\d{4,},\d+|\d{1,3}(\.\d{3})+,\d+|\d+,\d+[eE][+-]?\d+|,\d+)"
)
POINT_DECIMAL = re.compile(
    r"[+-]?(0\.\d+|\d+\.(\d{1,2}|\d{4,})|\d{4,}\.\d+|\d{1,3}(,\d{3})+\.\d+|\d+\.\d*[eE].*|\.\d+)"
)
COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3}){2,}")
POINT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3}){2,}")
EITHER_COMMA, EITHER_POINT = re.compile(r"[+-]?\d{1,3},\d{3}"), re.compile(r"[+-]?\d{1,3}\.\d{3}")
"""1,234 may be a thousand or one and something; so may 1.234, where numbers are written in both ways."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Encoding and delimiter of a text file, and what a person should know of how it was read."""

    encoding: str = UTF8
    delimiter: str = ","

    @property
    def notes(self) -> tuple[str, ...]:
        """What was recognised, where it is not UTF-8 with commas."""
        notes = []
        if self.encoding == WINDOWS:
            notes.append("the text is not UTF-8 and was read as Windows-1252 (Latin-1)")
        elif self.encoding != UTF8:
            notes.append(f"the text was read as {self.encoding.upper()}")
        if self.delimiter != ",":
            notes.append(f"columns are parted by a {DELIMITERS[self.delimiter]}")
        return tuple(notes)


def recognised(opened: Callable[[], IO[bytes]], where: str, *, whole: bool = True) -> Dialect:
    """The dialect of a text; `opened` opens it anew. BadInput when its lines can be parted in several ways.

    Text that is not UTF-8 in one place and UTF-8 in others is taken for damaged UTF-8, which its reader refuses. Only
    the beginning is looked at unless the `whole` text is wanted.
    """
    encoding = _encoding(opened, whole=whole)
    with opened() as file:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(file.read(SAMPLE))
    lines = text.removeprefix("\ufeff").splitlines()
    return Dialect(encoding, _delimiter(lines[:-1] if len(text) >= SAMPLE // 4 and len(lines) > 1 else lines, where))


class Recoded:
    """A binary file as UTF-8, whatever its encoding; BadInput for what its encoding has no character for."""

    closed = False

    def __init__(self, file: IO[bytes], encoding: str, where: str) -> None:
        self._file, self._where = file, where
        self._decoder = None if encoding == UTF8 else codecs.getincrementaldecoder(encoding)()
        self._begins = True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at least one unless the file is at its end."""
        if self._decoder is None:
            return self._file.read(size)
        while True:
            data = self._file.read(size)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                raise BadInput(
                    f"found the byte 0x{byte:02x}, which is no character of UTF-8 or {error.encoding};"
                    " save it as UTF-8",
                    where=self._where,
                ) from error
            if text or not data:
                if self._begins and text:
                    self._begins, text = False, text.removeprefix("\ufeff")
                return text.encode()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Recoded":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def decimal_of(texts: Iterable[str], where: str, column: str, delimiter: str) -> str:
    """The decimal sign of a column of numbers, "." or ","; BadInput where both are used, or nobody can tell.

    `1.234` among commas as delimiters is the usual decimal point; among semicolons it may be a thousand.
    """
    comma = point = either = None
    for text in texts:
        if COMMA_DECIMAL.fullmatch(text) or POINT_GROUPS.fullmatch(text):
            comma = comma or text
        elif POINT_DECIMAL.fullmatch(text) or COMMA_GROUPS.fullmatch(text):
            point = point or text
        elif EITHER_COMMA.fullmatch(text) or (delimiter == ";" and EITHER_POINT.fullmatch(text)):
            either = either or text
    if comma and point:
        raise BadInput(
            f"column {column!r} writes decimals with a comma ({comma}) and with a point ({point});"
            " write them in one way",
            where=where,
        )
    if either and not comma and not point:
        sign = "," if "," in either else "."
        raise BadInput(
            f"column {column!r} has {either}, which may be {either.replace(sign, '')} or {either.replace(sign, '.')},"
            " and no other number tells; write numbers without thousands separators and with a decimal point"
            f" ({either.replace(sign, '')}, or {either.replace(sign, '.')}0)",
            where=where,
        )
    return "," if comma else "."


def with_points(text: str, decimal: str) -> str:
    """A number of that decimal sign as everybody's: without thousands separators, with a decimal point."""
    if decimal == ",":
        if re.fullmatch(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)?(,\d+)?([eE][+-]?\d+)?", text):
            return text.replace(".", "").replace(",", ".")
        return f"{text} among decimal commas" if "." in text else text
    return text.replace(",", "") if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", text) else text


def _encoding(opened: Callable[[], IO[bytes]], *, whole: bool) -> str:
    with opened() as file:
        head = file.read(BLOCK)
        for mark, name in MARKS.items():
            if head.startswith(mark):
                return name
        zeros = {place % 2 for place, byte in enumerate(head[:4096]) if not byte}
        if len(zeros) == 1 and head[:4096].count(0) > len(head[:4096]) / 4:
            return "utf-16-be" if zeros == {0} else "utf-16-le"
        decoder, several = codecs.getincrementaldecoder(UTF8)(), False
        while head:
            if not head.isascii() or decoder.getstate()[0]:
                try:
                    several = bool(decoder.decode(head).strip("".join(map(chr, range(128))))) or several
                except UnicodeDecodeError as error:
                    valid = head[: error.start].decode(UTF8, "ignore") + head[error.end :].decode(UTF8, "ignore")
                    return UTF8 if several or not valid.isascii() else WINDOWS
            head = file.read(BLOCK) if whole else b""
        return UTF8


def _delimiter(lines: list[str], where: str) -> str:
    """The delimiter that parts the header; of several the one by which the other lines have as many fields."""
    if not lines:
        return ","
    counts = {sign: _fields(lines[:1], sign)[0] for sign in DELIMITERS}
    parting = [sign for sign, count in counts.items() if count > 1]
    if len(parting) > 1:
        rest = {sign: _fields(lines[1:SAMPLE_LINES], sign) for sign in parting}
        fitting = [sign for sign in parting if rest[sign] and all(count == counts[sign] for count in rest[sign])]
        parting = fitting or [max(parting, key=lambda sign: sum(count == counts[sign] for count in rest[sign]))]
    if len(parting) > 1:
        signs = " and ".join(DELIMITERS[sign] for sign in parting)
        raise BadInput(
            f"its columns may be parted by {signs}: both part all lines alike; use one of them alone, or put names that"
            " hold the other in quotes",
            where=where,
            line=1,
        )
    return parting[0] if parting else ","


def _fields(lines: list[str], delimiter: str) -> list[int]:
    """How many fields the rows of some lines have; blank lines count for nothing."""
    try:
        return [len(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter) if row]
    except csv.Error:
        return [0]
