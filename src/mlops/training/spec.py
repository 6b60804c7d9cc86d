"""What one training is to do: an experiment's `params.toml` or a kind's own defaults, with what the caller changes."""

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

from mlops.domain.canonical import JsonObject, Parameters
from mlops.domain.features import FeatureSet
from mlops.domain.granularity import Granularity
from mlops.domain.lineage import LineageDocument, Recipe, trained_here, why_not_here
from mlops.domain.series import LEVELS
from mlops.errors import BadInput, Misused, Refused, UnknownName
from mlops.feature_store.sources import sets_of
from mlops.features.definitions import feature_set, sources_of
from mlops.forecasting import KINDS, forecaster
from mlops.forecasting.parameters import constructor_arguments, nested, parameters
from mlops.panels.calendar import read_events
from mlops.panels.timestamps import granularity_of
from mlops.project import project_file, project_files
from mlops.series.totals import check_totals

__all__ = ["TrainingSpec", "experiments", "known", "params_file"]

Document = dict[str, JsonObject]
"""A params.toml: its sections by name."""
DEFAULTS: Document = {
    "experiment": {
        "name": "demand",
        "kind": "",
        "owner": "data science",
        "country": "",
        "horizon": 0,
        "events": "",
        "feature_set": "",
    },
    "data": {"metric_type": "", "granularity": "", "level": "", "covariates": [], "totals": []},
    "params": {},
    "backtest": {"weeks": 20, "refit_every": 5},
}
"""What a params.toml leaves out, and all that is said of a kind without one; a `horizon` of 0 is the usual one."""
TYPES = {int: "a whole number", float: "a number", str: "a text", list: "a list"}
"""In words what a value is to be."""
FEATURES_FILE = "features.py"
ORDINARY = "daily"
"""The granularity of series of the database when nobody says one."""


class OfCaller(TypedDict, total=False):
    """Fields of a spec that no file says: they are the caller's."""

    labels: Mapping[str, str]
    file: Path | None
    request: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True)
class TrainingSpec:
    """One training; `as_of` is what it may know, `request` makes a repeated call return the first one's version.

    The series are those of the database that `metric_type`, `granularity`, `labels` and `level` (empty for all) choose,
    or with `file` those of a file, whose granularity may be empty until it is read: `at` says it then. A `horizon` of 0
    is the usual one of the granularity. `totals` are those that are forecast beside the series (`domain.totals`);
    nothing is trained on them.
    """

    name: str
    kind: str
    owner: str
    metric_type: str
    granularity: str
    country: str | None
    horizon: int
    params: Parameters
    backtest_weeks: int
    refit_every: int
    as_of: datetime
    events: Sequence[Mapping[str, str]] = ()
    covariates: Sequence[str] = ()
    totals: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    level: str = ""
    file: Path | None = None
    request: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        changes: Mapping[str, str] | None = None,
        *,
        as_of: datetime | None = None,
        **more: Unpack[OfCaller],
    ) -> "TrainingSpec":
        """The spec of an experiment of the folder training/, or of a model kind by its own defaults.

        `changes` are as of `from_toml`. Raises UnknownName for a name that is neither, and for a key that is none.
        """
        if name in experiments():
            return cls.from_toml(params_file(name), changes, as_of=as_of, **more)
        document = deepcopy(DEFAULTS)
        document["experiment"]["kind"] = known(name)
        return cls._of(document, Path(), changes or {}, as_of, more)

    @classmethod
    def from_toml(
        cls,
        path: Path,
        changes: Mapping[str, str] | None = None,
        *,
        as_of: datetime | None = None,
        **more: Unpack[OfCaller],
    ) -> "TrainingSpec":
        """The spec of a `params.toml`; `changes` replaces values by their key, given as text.

        A key is one of the file, or a parameter of the kind (`trees`, `settings.lightgbm.trees`). With another
        granularity than the file's its horizon counts no more. BadInput for what the file itself says wrongly, which
        names it; what fails after that is in the changes.
        """
        document, changes = _read(path), changes or {}
        own = {**document, "experiment": document["experiment"] | ({"events": ""} if "events" in changes else {})}
        try:
            cls._of(own, path, {}, as_of, more).check()
        except (ValueError, UnknownName) as error:
            if isinstance(error, BadInput) and error.where and not isinstance(error, Misused):
                raise
            raise BadInput(str(error), where=str(path)) from error
        return cls._of(document, path, changes, as_of, more)

    @classmethod
    def _of(
        cls, document: Document, path: Path, changes: Mapping[str, str], as_of: datetime | None, more: OfCaller
    ) -> "TrainingSpec":
        for key, text in changes.items():
            _change(document, key, text, path)
        experiment, data, backtest = document["experiment"], document["data"], document["backtest"]
        other = "granularity" in changes and "horizon" not in changes
        chosen = _feature_set(experiment["feature_set"], path)
        named = data["granularity"] or ("" if more.get("file") else ORDINARY)
        spec = cls(
            name=experiment["name"],
            kind=experiment["kind"],
            owner=experiment["owner"],
            country=experiment["country"] or None,
            horizon=0 if other else _horizon(experiment["horizon"]),
            events=_events(experiment["events"], path),
            covariates=tuple(data["covariates"]),
            totals=() if data["totals"] == ["none"] else check_totals(data["totals"]),
            metric_type=data["metric_type"] or (chosen.selection.metric_type if chosen else ""),
            granularity=named,
            level=data["level"],
            params=_with_features(experiment["kind"], document["params"], chosen),
            backtest_weeks=backtest["weeks"],
            refit_every=backtest["refit_every"],
            as_of=as_of or datetime.now(UTC),
            **more,
        )
        return spec.at(granularity_of(named)) if named and not spec.file else spec

    @classmethod
    def from_recipe(
        cls, name: str, lineage: LineageDocument | None, *, as_of: datetime, request: str | None = None
    ) -> "TrainingSpec":
        """The spec that a version was trained with, to be trained again with what was known at another time.

        Refused for a version whose series are not in the database.
        """
        if not trained_here(lineage):
            raise Refused(f"a version of {name} can't be trained again from the database: {why_not_here(lineage)}")
        return cls(name=name, as_of=as_of, request=request, **lineage["selection"], **lineage["recipe"])

    def at(self, granularity: Granularity) -> "TrainingSpec":
        """The spec for series of a granularity, with its usual horizon where none is said."""
        return replace(self, granularity=granularity.name, horizon=self.horizon or granularity.horizon)

    def check(self) -> "TrainingSpec":
        """The spec, when its kind takes its parameters; BadInput or UnknownName says which it does not.

        UnknownName for a level that there is not, and Misused for one of a file, whose series have none.
        """
        if self.level and self.level not in LEVELS:
            raise UnknownName("level", self.level, LEVELS)
        if self.level and self.file is not None:
            raise Misused(f"--level {self.level} chooses series of the database; a file has its series alone")
        for one in sets_of(self.params):
            _fits(one, self)
        known = constructor_arguments(self.kind)
        for name in self.params:
            if name not in known:
                raise UnknownName(f"parameter of {self.kind}", name, known)
        params = self.candidate_params | ({} if self.horizon else {"horizon": 1})
        try:
            forecaster(self.kind)(**params)
        except (TypeError, AttributeError) as error:  # a number in place of a list, a name in a member's table
            raise BadInput(f"{self.kind} does not take its parameters: {error}") from error
        return self

    @property
    def recipe(self) -> Recipe:
        """How to train, apart from the data: what `from_recipe` takes."""
        recipe: Recipe = {
            "kind": self.kind,
            "owner": self.owner,
            "country": self.country,
            "horizon": self.horizon,
            "params": self.params,
            "backtest_weeks": self.backtest_weeks,
            "refit_every": self.refit_every,
        }
        if self.events:
            recipe["events"] = [dict(event) for event in self.events]
        if self.covariates:
            recipe["covariates"] = list(self.covariates)
        if self.totals:
            recipe["totals"] = list(self.totals)
        return recipe

    @property
    def forecaster_params(self) -> JsonObject:
        """Arguments of the forecaster's constructor."""
        return {"freq": self.granularity} | self.candidate_params

    @property
    def candidate_params(self) -> JsonObject:
        """These arguments without the granularity, which a backtest takes from its data."""
        given = {name: list(getattr(self, name)) for name in ("events", "covariates") if getattr(self, name)}
        return dict(self.params) | {"country": self.country, "horizon": self.horizon} | given


def experiments() -> list[str]:
    """The experiments of the project and of the package: the folders of training/ with a params.toml."""
    return sorted(path.parent.name for path in project_files("training/*/params.toml").values())


def params_file(experiment: str) -> Path:
    """The params.toml of an experiment."""
    if experiment not in experiments():
        raise UnknownName("experiment", experiment, experiments())
    return project_file(f"training/{experiment}/params.toml")


def known(name: str) -> str:
    """The name, when it is that of a model kind or of an experiment."""
    if name not in (*KINDS, *experiments()):
        raise UnknownName("model kind or experiment", name, {*KINDS, *experiments()})
    return name


def _read(path: Path) -> Document:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"can't be read as TOML: {error}", where=str(path)) from error
    missing = {"experiment", "data", "params", "backtest"} - set(document)
    if missing:
        raise BadInput(f"has no section [{sorted(missing)[0]}]", where=str(path))
    if unknown_sections := set(document) - set(DEFAULTS):
        raise BadInput(str(UnknownName("section", min(unknown_sections), DEFAULTS)), where=str(path))
    for section, usual in DEFAULTS.items():
        if not isinstance(document[section], dict):
            raise BadInput(f"{section} = {document[section]!r} is not a section; expected [{section}]", where=str(path))
        unknown = set() if section == "params" else set(document[section]) - set(usual)  # each kind has its own params
        if unknown:
            raise BadInput(str(UnknownName(f"key of [{section}]", min(unknown), usual)), where=str(path))
        document[section] = usual | document[section]
        for key, default in usual.items():
            value = document[section][key]
            if key != "horizon" and type(value) is not type(default):  # the horizon has a sentence of its own
                raise BadInput(f"{key} = {value!r} is not {TYPES[type(default)]}", where=str(path))
    if not document["experiment"]["kind"]:
        raise BadInput("[experiment] names no kind", where=str(path))
    return document


def _events(file: str, params: Path) -> Sequence[Mapping[str, str]]:
    """The events of a calendar file, which stands relative to the params.toml that names it; they travel as values."""
    return [event.to_json() for event in read_events(params.parent / file)] if file else ()


def _feature_set(name: str, params: Path) -> FeatureSet | None:
    """The feature set of a name: of the file beside the params.toml, where there is one, else of the project's."""
    if not name:
        return None
    own = params.parent / FEATURES_FILE
    return feature_set(name, own if params.name and own.is_file() else None)


def _with_features(kind: str, params: Parameters, chosen: FeatureSet | None) -> JsonObject:
    """The parameters with the whole set, so that it travels with the model; for members of a kind that have features.

    Misused for a kind that has none.
    """
    if chosen is None:
        return dict(params)
    paths = [path for path in parameters(kind) if path.split(".")[-1] == "features"]
    if not paths:
        raise Misused(
            f"feature_set = {chosen.name!r}: kind {kind!r} is computed from the series alone, not from features"
        )
    return nested(dict.fromkeys(paths, chosen.document), params)


def _fits(chosen: FeatureSet, spec: TrainingSpec) -> None:
    """BadInput where a set is of other series than are trained on; Misused where a file has not what it needs."""
    for what, ours in (("metric_type", spec.metric_type), ("granularity", spec.granularity)):
        theirs = getattr(chosen.selection, what)
        if ours and ours != theirs and not (spec.file and what == "metric_type"):
            raise BadInput(f"feature set {chosen.name!r} is of {what} {theirs}; {ours} is to be trained on")
    if spec.file and sources_of(chosen):
        raise Misused(
            f"feature set {chosen.name!r} is computed from {', '.join(sources_of(chosen))}, too, and a file has one"
            " metric type; bring the series in with `mlops series ingest` and train on them there"
        )


def _horizon(horizon: Any) -> int:
    if isinstance(horizon, bool) or not isinstance(horizon, int) or horizon < 0:
        raise BadInput(f"horizon = {horizon!r}; expected a whole number of steps from 1")
    return horizon


def _change(document: Document, key: str, text: str, path: Path) -> None:
    """Replace the value of a key in whichever section has it, in the type that it has; else a parameter of the kind."""
    if key == "events" and text:
        text = str(Path(text).resolve())  # where the caller stands, not where params.toml does
    if key == "horizon" and text.strip("+0") == "":
        raise Misused(f"horizon = {text!r}; expected a whole number of steps from 1")
    for section in document.values():
        if key in section:
            section[key] = _typed(key, text, section[key])
            return
    possible = parameters(document["experiment"]["kind"])
    if key not in possible:
        there = (name for section in document.values() for name in section)
        of = f"parameter in {path.name}" if path.name else f"parameter of {document['experiment']['kind']}"
        raise UnknownName(of, key, {*there, *possible})
    document["params"] = nested({key: _typed(key, text, possible[key])}, document["params"])


def _typed(key: str, text: str, now: Any) -> Any:
    """A text as what stands there now is: flag, list, number or text."""
    if now in (None, "auto") and not isinstance(now, bool):
        return _plainly(text)
    kind = type(now)
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise Misused(f"{key} = {text!r} is neither true nor false")
        return text.lower() == "true"
    if kind in (list, tuple):
        return [part.strip() for part in text.split(",")]
    try:
        return kind(text)
    except (TypeError, ValueError) as error:
        raise Misused(f"{key} = {text!r} is not {TYPES.get(kind, kind.__name__)}") from error


def _plainly(text: str) -> Any:
    """A flag or number where the text is one, else the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
