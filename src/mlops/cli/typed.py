"""What was typed, held against what there can be, before data are read or anything is done: Misused, or the value."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from mlops.domain.metric_types import declare
from mlops.domain.model_uri import FORMS, version_of
from mlops.domain.sentence import sentence
from mlops.errors import Misused, UnknownName, nearest, quoted, typed

__all__ = [
    "by",
    "country",
    "definition_file",
    "events_file",
    "events_option",
    "file",
    "file_option",
    "folder",
    "granularity",
    "level",
    "metric_type",
    "metric_type_or_none",
    "model",
    "model_name",
    "model_or_uri",
    "model_uri",
    "reason",
    "table_to_write",
    "time_zone",
    "to_read",
    "to_write",
]

NAME = re.compile(r"[^/:@\"'%]*[^/:@\"'%\s.][^/:@\"'%]*")
"""Names that the URIs, filters and files of MLflow's registry take."""
TABLES = (".csv", ".csv.gz", ".parquet")
LONGEST_NAME = 200
LONGEST_PART = 255
LONGEST_PATH = 500
"""Of a path that is repeated in a sentence. Chosen, not measured."""


def file(path: Path) -> Path:
    """An argument: a file that is there and may be read."""
    return to_read(path)


def folder(path: Path) -> Path:
    """An argument: a folder that is there, or can be made."""
    said = _shown(path)
    _short_enough(path, said)
    _writable(path, said)
    return path


def to_read(path: Path, option: str = "") -> Path:
    """A file that is there and may be read."""
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
    return path


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


def model(name: str | None) -> str | None:
    """`--model`: a name that a registered model can have, or None."""
    if name is not None:
        with typed("--model"):
            model_name(name)
    return name


def model_or_uri(text: str) -> str:
    """`--model`: a model's name, `models:/NAME`, or a URI of one of its versions; empty stays empty."""
    name = text.removeprefix("models:/")
    if text and not re.search(r"[@/]", name):
        with typed("--model"):
            model_name(name)
    elif text:
        model_uri(text if text.startswith("models:/") else f"models:/{text}")
    return text


def model_name(name: str) -> str:
    """A name that a registered model can have."""
    said = quoted(name)
    if NAME.fullmatch(name) and name.isprintable() and len(name) <= LONGEST_NAME:
        return name
    if name.startswith("models:"):
        raise Misused(f"{said} is a URI; expected the model's name alone, like {_name_in(name)}")
    raise Misused(
        f"{said} can't be a model's name; expected up to {LONGEST_NAME} characters without / : @ % and quotes,"
        " like demand"
    )


def metric_type_or_none(name: str) -> str:
    """A metric type that is declared; empty stays empty."""
    if name:
        metric_type(name)
    return name


def by(name: str | None) -> str | None:
    """Who decides, as it can be kept with the decision."""
    return None if name is None else _kept("--by", "name of who decides", name)


def reason(text: str) -> str:
    """Why, as it can be kept with the decision."""
    return _kept("--reason", "reason", text)


def definition_file(path: Path | None) -> Path | None:
    """A file of feature definitions that is there, or None."""
    return None if path is None else to_read(path, "--file")


def file_option(text: str) -> str:
    """`--file`: a file that is there and may be read; empty stays empty."""
    if text:
        to_read(Path(text), "--file")
    return text


def events_option(text: str) -> str:
    """`--events`: a file that is there and may be read; empty stays empty."""
    if text:
        to_read(Path(text), "--events")
    return text


def events_file(path: Path | None) -> Path | None:
    """`--events`: a file that is there and may be read, or None."""
    return None if path is None else to_read(path, "--events")


def table_to_write(path: Path | None) -> Path | None:
    """`--output`: a place for a table, or None."""
    return None if path is None else to_write(path, "--output", TABLES)


def time_zone(name: str | None) -> str | None:
    """A time zone by its IANA name, or None."""
    from mlops.panels.timestamps import zone_of

    return None if name is None else zone_of(name)


def granularity(text: str) -> str:
    """A granularity, by its name or pandas' alias; empty stays empty."""
    from mlops.panels.timestamps import granularity_of

    if text:
        granularity_of(text)
    return text


def level(name: str) -> str:
    """A level of series; empty stays empty."""
    from mlops.domain.series import LEVELS

    if name and name not in LEVELS:
        raise UnknownName("level", name, LEVELS)
    return name


def country(code: str) -> str:
    """A country, or a part of one, that has public holidays; empty stays empty."""
    from mlops.panels.calendar import check_country

    if code:
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

    with database().transaction() as transaction:
        known |= {row["name"] for row in transaction.rows("metric_types")}
    if name not in known:
        raise UnknownName("metric type", name, known, hint=f"another one: {declare(name)}")
    return name


def _kept(option: str, what: str, text: str) -> str:
    with typed(option):
        return sentence(what, text)


def _writable(folder: Path, said: str) -> None:
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path("/"))
    if not there.is_dir():
        raise Misused(f"{said} can't be written: {there} is a file, where a folder is needed; name another place")
    if not os.access(there, os.W_OK | os.X_OK) or _takes_no_writes(there):
        raise Misused(f"{said} can't be written: this user may not write in {there}; name another place")


def _takes_no_writes(folder: Path) -> bool:
    """Whether the file system of a folder is mounted read-only, or holds no files of users (proc)."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY) or folder.absolute().parts[:2] == ("/", "proc")


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
        there = [one.name for one in folder.iterdir() if one.is_file()][:1000] if folder.is_dir() else []
    except OSError:
        return ""
    found = nearest(path.name, there)
    return f"; did you mean {folder / found}?" if found else ""


def _name_in(uri: str) -> str:
    return re.split(r"[/@]", uri.removeprefix("models:").strip("/"))[0] or "demand"
