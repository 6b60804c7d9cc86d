"""What was typed, held against what there can be, before data are read or anything is done: Misused, or the value."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mlops.domain.metric_types import declare_command
from mlops.domain.model_uri import FORMS, version_of
from mlops.domain.sentence import sentence
from mlops.errors import Misused, UnknownName, nearest, quoted, typed

__all__ = [
    "checked",
    "country",
    "folder",
    "given",
    "granularity",
    "kept",
    "level",
    "metric_type",
    "model_name",
    "model_or_uri",
    "model_uri",
    "pairs",
    "reads",
    "time_zone",
    "to_read",
    "to_write",
    "writes",
]

AnyPath = TypeVar("AnyPath", str, Path)
NAME = re.compile(r"[^/:@\"'%]*[^/:@\"'%\s.][^/:@\"'%]*")
"""Names that the URIs, filters and files of MLflow's registry take."""
EVENT_COLUMNS = "event,first[,last[,announced]]"
"""Of a file of a user's own days, as help tells them."""
LONGEST_NAME = 200
"""Characters of a model's name; MLflow's SQL stores keep 256. Chosen, not measured."""
LONGEST_PART = 255
"""Bytes of a file's name: NAME_MAX of ext4, XFS and APFS."""
LONGEST_PATH = 500
"""Of a path that is repeated in a sentence. Chosen, not measured."""


def checked(check: Callable[..., Any], option: str = "", **more: Any) -> Callable[[Any], Any]:
    """The callback of an option whose value is checked; a ValueError is Misused, with the option's name in front.

    `more` goes to the check.
    """

    def callback(value: Any) -> Any:
        with typed(option):
            return check(value, **more)

    return callback


def given(check: Callable[..., Any], option: str = "", **more: Any) -> Callable[[Any], Any]:
    """`checked` for an option that may be left out: None and "" stay as they are."""
    callback = checked(check, option, **more)
    return lambda value: value if value is None or value == "" else callback(value)


def reads(option: str) -> Callable[[Any], Any]:
    """The callback of an option that may name a file to be read."""
    return given(lambda path: to_read(path, option))


def writes(option: str, endings: Sequence[str] = (), *, made: bool = False) -> Callable[[Any], Any]:
    """The callback of an option that may name a file to be written (see `to_write`)."""
    return given(lambda path: to_write(path, option, endings, made=made))


def pairs(texts: list[str], option: str) -> dict[str, str]:
    """`key=value` texts as a mapping; Misused for another text, and for a key that has two values."""
    found: dict[str, str] = {}
    example = "trees=200" if option == "--set" else "stream=paper"
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise Misused(f"{option} {quoted(text)} is not of the form key=value; expected one like {example}")
        if key in found and found[key] != value:
            raise Misused(
                f"{option} gives {quoted(key)} two values, {quoted(found[key])} and {quoted(value)}; keep one"
            )
        found[key] = value
    return found


def folder(path: Path) -> Path:
    """An argument: a folder that is there, or can be made."""
    said = _shown(path)
    _short_enough(path, said)
    _writable(path, said)
    return path


def to_read(place: AnyPath, option: str = "") -> AnyPath:
    """A file that is there and may be read."""
    path = Path(place)
    said = f"{option} {_shown(path)}".strip()
    _short_enough(path, said)
    if path.is_dir():
        raise Misused(f"{said} is a folder, not a file; name a file in it")
    if path.is_symlink() and not path.exists():
        raise Misused(f"{said} is a link to a file that is not there; name the file itself")
    if not path.exists():
        raise Misused(f"{said}: no such file; a path is looked up from {Path.cwd()}{_beside(path)}")
    if not os.access(path, os.R_OK):
        raise Misused(f"{said} may not be read by this user; have its owner allow it, or name another file")
    return place


def to_write(path: Path, option: str = "", endings: Sequence[str] = (), *, made: bool = False) -> Path:
    """A place for a file: no folder, with one of the endings, in a folder that is there (`made`: or can be made)."""
    said = f"{option} {_shown(path)}".strip()
    _short_enough(path, said)
    if endings and not path.name.lower().endswith(tuple(endings)):
        raise Misused(f"{said} does not say which format is wanted; the name must end in {', '.join(endings)}")
    if path.is_dir():
        raise Misused(f"{said} is a folder; name a file in it, like {path / ('out' + (endings[0] if endings else ''))}")
    if not made and not path.parent.exists():
        raise Misused(f"{said} can't be written: there is no folder {path.parent}; make it, or name another place")
    _writable(path.parent, said)
    return path


def model_uri(uri: str) -> str:
    """A URI of a registered model's version or alias."""
    found = version_of(uri)
    if found is not None:
        if found.version == 0:
            raise Misused(f"{quoted(uri)}: versions count from 1; expected {FORMS}")
        return uri
    name = re.fullmatch(r"(?:models:/*)?(?P<name>[\w .-]+?)(?P<which>[@/][\w.-]*)?", uri)
    meant = ""
    if name is not None and name["name"].strip() and len(uri) <= LONGEST_NAME:
        which = name["which"] if name["which"] and len(name["which"]) > 1 else "@champion"
        whole = f"models:/{name['name']}{which if which[0] == '@' or which[1:].isdecimal() else '@' + which[1:]}"
        meant = f"did you mean {whole}? "
    raise Misused(f"{quoted(uri)} is not a model URI; {meant}expected {FORMS}")


def model_or_uri(text: str) -> str:
    """A model's name, `models:/NAME`, or a URI of one of its versions."""
    name = text.removeprefix("models:/")
    if not re.search(r"[@/]", name):
        model_name(name)
    else:
        model_uri(text if text.startswith("models:/") else f"models:/{text}")
    return text


def model_name(name: str) -> str:
    """A name that a registered model can have."""
    said = quoted(name)
    if NAME.fullmatch(name) and name.isprintable() and len(name) <= LONGEST_NAME:
        return name
    if name.startswith("models:"):
        alone = re.split(r"[/@]", name.removeprefix("models:").strip("/"))[0] or "demand"
        raise Misused(f"{said} is a URI; expected the model's name alone, like {alone}")
    raise Misused(
        f"{said} can't be a model's name; expected up to {LONGEST_NAME} characters without / : @ % and quotes,"
        " like demand"
    )


def kept(option: str, what: str) -> Callable[[str | None], str | None]:
    """The callback of an option whose text is kept with a decision: in one line, and never empty."""

    def callback(text: str | None) -> str | None:
        if text is None:
            return None
        with typed(option):
            return sentence(what, text)

    return callback


def time_zone(name: str) -> str:
    """A time zone by its IANA name."""
    from mlops.panels.timestamps import zone_of

    return zone_of(name)


def granularity(text: str) -> str:
    """A granularity, by its name or pandas' alias."""
    from mlops.panels.timestamps import granularity_of

    granularity_of(text)
    return text


def level(name: str) -> str:
    """A level of series."""
    from mlops.domain.series import LEVELS

    if name not in LEVELS:
        raise UnknownName("level", name, LEVELS)
    return name


def country(code: str) -> str:
    """A country, or a part of one, that has public holidays."""
    from mlops.panels.calendar import check_country

    check_country(code)
    return code


def metric_type(name: str | None) -> str | None:
    """A metric type that is declared: built in, or in the database, which is asked only for others; None stays None."""
    from mlops.domain.metric_types import METRIC_TYPES

    known = set(METRIC_TYPES)
    if name is None or name in known:
        return name
    if not name:
        raise Misused("--metric-type is empty; leave it out, or say one, as in analytics.metric_types")
    from mlops.cli.context import database
    from mlops.series.metrics import list_metric_types

    known |= {metric.name for metric in list_metric_types(database())}
    if name not in known:
        raise UnknownName("metric type", name, known, hint=f"another one: {declare_command(name)}")
    return name


def _writable(folder: Path, said: str) -> None:
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path("/"))
    if not there.is_dir():
        raise Misused(f"{said} can't be written: {there} is a file, where a folder is needed; name another place")
    read_only = os.statvfs(there).f_flag & os.ST_RDONLY or there.absolute().parts[:2] == ("/", "proc")
    if not os.access(there, os.W_OK | os.X_OK) or read_only:
        raise Misused(f"{said} can't be written: this user may not write in {there}; name another place")


def _shown(path: Path) -> str:
    """A path, short enough for a sentence."""
    text = str(path)
    return text if len(text) <= LONGEST_PATH else f"{text[:120]}… ({len(text):,} characters)"


def _short_enough(path: Path, said: str) -> None:
    """Misused for a path that no file system takes."""
    if any(len(os.fsencode(part)) > LONGEST_PART for part in path.parts):
        raise Misused(f"{said}: no file has so long a name; at most {LONGEST_PART} bytes are taken")


def _beside(path: Path) -> str:
    """A file of the same folder that may have been meant."""
    folder = path.parent
    try:
        names = [path.name for path in folder.iterdir() if path.is_file()][:1000] if folder.is_dir() else []
    except OSError:
        return ""
    close = nearest(path.name, names)
    return f"; did you mean {folder / close}?" if close else ""
