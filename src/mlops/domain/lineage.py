"""The record of what a model was made from, which travels in the model."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import NotRequired, TypedDict, TypeGuard, cast

from mlops.domain.canonical import JsonObject, Parameters, canonical_json, sha256
from mlops.domain.features import RecordedFeature, Selection, SelectionDocument
from mlops.domain.series import LEVELS

__all__ = [
    "BASELINES",
    "LINEAGE_KEY",
    "LINEAGE_TAG",
    "LINEAGE_VERSION",
    "CodeState",
    "Environment",
    "FileSource",
    "Lineage",
    "LineageDocument",
    "Recipe",
    "changed_files",
    "claims_training",
    "learned_nothing",
    "parse_lineage",
    "trained_from_file",
    "trained_here",
    "why_not_here",
]

LINEAGE_VERSION = 2
"""The format of the document; 1 had no such number, and neither inputs, columns, environment, code nor files."""
LINEAGE_KEY = "feature_lineage"
"""Where the document stands in a model's metadata."""
LINEAGE_TAG = "mlops.lineage_sha256"
"""The tag of a version, and of its run, with the digest of the document."""
TIMES = ("as_of", "trained_from", "trained_to")
MOST_BYTES = 16 * 2**20
BASELINES = ("naive", "average")
"""The model kinds that have nothing to learn."""


class Recipe(TypedDict):
    """How `mlops train` made a model, apart from the data: what `TrainingSpec.from_recipe` takes.

    A model of a file may be asked with `covariates`; `totals` are the levels that are forecast beside the series.
    """

    kind: str
    owner: str
    country: str | None
    horizon: int
    params: Parameters
    backtest_weeks: int
    refit_every: int
    events: NotRequired[list[dict[str, str]]]
    covariates: NotRequired[list[str]]
    totals: NotRequired[list[str]]


class FileSource(TypedDict):
    """The file that a model was trained on, whose series are not in the database: `series` is how many it had."""

    file: str
    sha256: str
    granularity: str
    series: int


class CodeState(TypedDict):
    """The code that made a model: a digest of its sources, and of a checkout the commit and whether it was changed."""

    sha256: str
    commit: NotRequired[str]
    dirty: NotRequired[bool]


class Environment(TypedDict):
    """The machine and the libraries that made a model; `distributions` are those that can decide a number.

    Only these are in every document: what people declare of their own models is up to them.
    """

    distributions: dict[str, str]
    distributions_sha256: NotRequired[str]
    python: NotRequired[str]
    platform: NotRequired[str]
    processor: NotRequired[str]
    cpus: NotRequired[int | None]
    threads: NotRequired[dict[str, str]]


class LineageDocument(TypedDict):
    """A lineage as JSON: what `Lineage.to_json` writes and `parse_lineage` reads; times are texts in UTC.

    The keys that may be missing are those that documents of the first format lack, and models that were not made by
    `mlops train`.
    """

    features: dict[str, RecordedFeature]
    as_of: str
    trained_from: str
    trained_to: str
    label: str
    rows: int
    content_sha256: str
    code_version: str
    lineage_version: NotRequired[int]
    columns: NotRequired[dict[str, str]]
    inputs: NotRequired[dict[str, str]]
    outputs: NotRequired[dict[str, str]]
    code: NotRequired[CodeState]
    environment: NotRequired[Environment]
    files: NotRequired[dict[str, str]]
    tables: NotRequired[dict[str, str]]
    recipe: NotRequired[Recipe]
    selection: NotRequired[SelectionDocument]
    series: NotRequired[list[int]]
    source: NotRequired[FileSource]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a model version was trained on and how, exactly enough to rebuild it; ValueError if it can't be read back.

    `features` maps a feature's name to its version, definition_sha256 and perhaps its importance, `columns` those of
    the training frame to their types, `content_sha256` covers every cell of it (`mlops.feature_store.digest`). `inputs`
    and `outputs` are the model's signature, name to type. `recipe` (kind, parameters, backtest), `selection` and
    `series` are there when `mlops train` made the model of series of the database; of a file it has `recipe` and
    `source` (name, SHA-256, granularity and number of series of the file). `files` are digests of the model's own
    files, `tables` those of the tables that its run keeps, such as its backtest. Times are aware.
    """

    features: Mapping[str, RecordedFeature]
    as_of: datetime
    trained_from: datetime
    trained_to: datetime
    label: str
    rows: int
    columns: Mapping[str, str]
    content_sha256: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    code_version: str
    code: CodeState
    environment: Environment
    files: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    recipe: Recipe | None = None
    selection: Selection | None = None
    series: tuple[int, ...] | None = None
    source: FileSource | None = None
    lineage_version: int = LINEAGE_VERSION

    def __post_init__(self) -> None:
        for name in TIMES:
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"the lineage's {name!r} is {getattr(self, name)}, without a time zone; expected UTC")
        parse_lineage(self.to_json())

    def to_json(self) -> str:
        """Canonical JSON: the same lineage is the same text."""
        document = {name: value for name, value in asdict(self).items() if value is not None}
        if self.selection is not None:
            document["selection"] = self.selection.document
        return canonical_json(document | {name: document[name].astimezone(UTC).isoformat() for name in TIMES})

    @property
    def document(self) -> LineageDocument:
        """The document, as whoever reads the JSON has it."""
        return cast(LineageDocument, json.loads(self.to_json()))

    @property
    def sha256(self) -> str:
        """The digest of the document."""
        return sha256(self.to_json())

    def metadata(self) -> dict[str, str]:
        """What to pass to MLflow's `log_model(metadata=…)`."""
        return {LINEAGE_KEY: self.to_json()}

    def tags(self) -> dict[str, str]:
        """What to tag the registered version with."""
        return {LINEAGE_TAG: self.sha256}


def parse_lineage(text: object) -> LineageDocument:
    """The document of a lineage, of this or an older format; ValueError says what is wrong with it, whatever it is."""
    if not isinstance(text, str):
        raise ValueError(f"the lineage is a {type(text).__name__}; expected canonical JSON")  # noqa: TRY004  one error, whatever is wrong
    if len(text) > MOST_BYTES:
        raise ValueError(f"the lineage has {len(text):,} characters; at most {MOST_BYTES:,} are read")
    try:
        document = json.loads(text)
        canonical = canonical_json(document) == text and "\\u0000" not in text
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is no text, and no database takes it
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the lineage is no JSON: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise ValueError(f"the lineage is a JSON {type(document).__name__}; expected an object")  # noqa: TRY004
    if not canonical:
        raise ValueError("the lineage is not canonical JSON: sorted keys, no spaces, each key once, ASCII, no NUL")
    _check(document)
    return cast(LineageDocument, document)


def trained_here(lineage: LineageDocument | None) -> TypeGuard[LineageDocument]:
    """Whether a document says that `mlops train` made the model: only then it is known how its inputs are made."""
    return lineage is not None and lineage.keys() >= {"recipe", "selection", "series"}


def trained_from_file(lineage: LineageDocument | None) -> TypeGuard[LineageDocument]:
    """Whether a document says that `mlops train` made the model of a file, whose series are not in the database."""
    return lineage is not None and lineage.keys() >= {"recipe", "source"}


def why_not_here(lineage: LineageDocument | None) -> str:
    """In words, why nobody can follow a model's series in the database, of one that is not `trained_here`."""
    if trained_from_file(lineage):
        return f"it was trained on the file {lineage['source']['file']}, whose series are not in the database"
    return "it was not trained by `mlops train`"


def learned_nothing(lineage: LineageDocument) -> bool:
    """Whether a model of `mlops train` is a baseline: it repeats the history that it is given, whatever it has seen."""
    return lineage["recipe"]["kind"] in BASELINES


def claims_training(document: LineageDocument) -> bool:
    """Whether a lineage says what only `mlops train` says of its models: a recipe, or digests of a backtest."""
    return "recipe" in document or bool(document.get("tables"))


def changed_files(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each file of a model that is not as its training wrote it; both are digests by name."""
    for name in sorted({*then, *now}):
        if name not in now:
            yield f"{name} is not in the model any more"
        elif name not in then:
            yield f"{name} has been added to the model"
        elif then[name] != now[name]:
            yield f"{name} was {then[name][:12]}… and is {now[name][:12]}…"


def _check(document: JsonObject) -> None:
    version = document.get("lineage_version", 1)
    if not _whole(version) or not 1 <= version <= LINEAGE_VERSION:
        raise ValueError(f"the lineage has format {version!r}; this program knows 1 to {LINEAGE_VERSION}")
    required = COMMON | (FIRST if version == 1 else SECOND)
    for name, (holds, expected) in (required | OPTIONAL).items():
        if name not in document:
            if name in required:
                raise ValueError(f"the lineage has no {name!r}")
        elif not holds(document[name]):
            raise ValueError(f"the lineage's {name!r} is {_shown(document[name])}; expected {expected}")
    if datetime.fromisoformat(document["trained_from"]) > datetime.fromisoformat(document["trained_to"]):
        raise ValueError("the lineage's 'trained_from' is after its 'trained_to'")
    if datetime.fromisoformat(document["trained_to"]) > datetime.fromisoformat(document["as_of"]):
        raise ValueError("the lineage's 'trained_to' is after its 'as_of': it could not be known")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _size(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


def _text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _time(value: object) -> bool:
    """As `to_json` writes it, so that every reader (Postgres, too) understands the same."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).astimezone(UTC).isoformat() == value
    except (ValueError, OverflowError):
        return False


def _mapping(value: object) -> bool:
    return isinstance(value, dict)


def _types(value: object) -> bool:
    return isinstance(value, dict) and all(_text(kind) for kind in value.values())


def _digests(value: object) -> bool:
    return isinstance(value, dict) and all(map(_digest, value.values()))


def _environment(value: object) -> bool:
    return isinstance(value, dict) and _types(value.get("distributions"))


def _features(value: object) -> bool:
    return isinstance(value, dict) and all(
        name
        and isinstance(feature, dict)
        and _whole(feature.get("version"))
        and _digest(feature.get("definition_sha256"))
        and _size(feature.get("importance", 0))
        for name, feature in value.items()
    )


def _selection(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) - {"level"} == {"metric_type", "granularity", "labels"}
        and value.get("level", LEVELS[0]) in LEVELS
        and _text(value["metric_type"])
        and _text(value["granularity"])
        and isinstance(value["labels"], dict)
    )


def _source(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"file", "sha256", "granularity", "series"}
        and _text(value["file"])
        and _digest(value["sha256"])
        and _text(value["granularity"])
        and _whole(value["series"])
    )


def _series(value: object) -> bool:
    return isinstance(value, list) and all(map(_whole, value))


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}…"


Rule = tuple[Callable[[object], bool], str]
COMMON: dict[str, Rule] = {
    "features": (
        _features,
        "for each feature its version and definition_sha256, and no negative importance",
    ),
    "as_of": (_time, "a time in UTC as 2020-03-23T06:00:00+00:00"),
    "trained_from": (_time, "a time in UTC as 2020-03-23T06:00:00+00:00"),
    "trained_to": (_time, "a time in UTC as 2020-03-23T06:00:00+00:00"),
    "label": (_text, "the name of what is predicted"),
    "rows": (_whole, "a whole number"),
    "content_sha256": (_digest, "a SHA-256 of 64 hexadecimal digits"),
    "code_version": (_text, "a version"),
}
FIRST: dict[str, Rule] = {
    "recipe": (_mapping, "an object"),
    "selection": (_selection, "metric_type, granularity and labels, and perhaps a level"),
    "series": (_series, "ids of series"),
}
SECOND: dict[str, Rule] = {
    "inputs": (_types, "for each input its type"),
    "outputs": (_types, "for each output its type"),
    "columns": (_types, "for each column of the training data its type"),
    "code": (_mapping, "an object"),
    "environment": (_environment, "an object with the versions of distributions"),
    "files": (_types, "for each file its digest"),
}
OPTIONAL: dict[str, Rule] = FIRST | {
    "tables": (_digests, "for each table of the run its SHA-256"),
    "source": (_source, "file, sha256, granularity and series of the file"),
}
"""What an older document of the same format may lack."""
