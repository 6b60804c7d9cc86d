"""Features and feature sets as a team declares them, checked before anything is computed."""

import re
import sys
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from runpy import run_path

from mlops.domain.features import FeatureDefinition, FeatureSet
from mlops.domain.granularity import GRANULARITIES
from mlops.errors import BadInput, Misused, MlopsError, UnknownName
from mlops.features.point import Source
from mlops.features.standard import WORDS
from mlops.features.transformations import Transformation, column_of, newest, parse_transformation, sources, sources_in
from mlops.project import project_file

__all__ = ["Declared", "checked_set", "declared", "feature", "feature_set", "sources_of"]

ENTITIES = ("series", "customer", "route", "vehicle", "driver", "site")
DTYPES = ("float64", "float32")
FILE = "features.py"
FEATURE_NAME, SET_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}"), re.compile(r"[a-z][a-z0-9_]{0,53}")
ROW = ("series_id", "ds", "observed_at", "target_at", "age", "y")


@dataclass(frozen=True, slots=True)
class Declared:
    """What a definition file declares."""

    path: Path
    features: Mapping[str, FeatureDefinition]
    sets: Mapping[str, FeatureSet]

    @property
    def definitions(self) -> dict[str, FeatureDefinition]:
        """Every declared feature by its name, those that only a set names too."""
        inside = {feature.name: feature for each in self.sets.values() for feature in each.features}
        return inside | dict(self.features)

    def feature_set(self, name: str) -> FeatureSet:
        """The set of this name; UnknownName with the ones there are."""
        if name not in self.sets:
            raise UnknownName("feature set", name, self.sets)
        return self.sets[name]


def feature(
    name: str,
    *,
    transformation: Transformation | str,
    source: str | None = None,
    granularity: str = "daily",
    entity: str = "series",
    dtype: str = "float64",
    owner: str,
    description: str,
    min_value: float | None = None,
    max_value: float | None = None,
) -> FeatureDefinition:
    """A feature: a transformation of the metric type `source`; `of=` inside of it names another one for a part.

    With `entity` "route" the source is measured on the whole route, whatever series it consists of, and the
    transformation says by `across=` how they are put together.
    """
    _name("feature", name, FEATURE_NAME)
    if name in ROW:
        raise BadInput(f"feature {name!r} is a column of every feature set; choose another name")
    whole = parse_transformation(str(transformation))
    used = {of or source for of, _ in sources(whole)}
    if None in used:
        raise BadInput(f"feature {name!r}: {whole} is computed from values; name their metric type with source=")
    _choice(name, "entity", entity, ENTITIES)
    _choice(name, "dtype", dtype, DTYPES)
    _choice(name, "granularity", granularity, list(GRANULARITIES))
    for _, across in sources(whole):
        if (across is None) != (entity == "series"):
            needed = 'needs across=, like across="sum"' if across is None else "takes no across="
            raise BadInput(f"feature {name!r}: a transformation of entity {entity!r} {needed}; found {whole}")
    bounds = tuple(None if bound is None else float(bound) for bound in (min_value, max_value))
    first = [source] if source in used else []
    metric_types = tuple(str(metric_type) for metric_type in [*first, *sorted(used - {source}, key=str)])
    return FeatureDefinition(name, dtype, entity, granularity, metric_types, str(whole), owner, description, *bounds)


def checked_set(feature_set: FeatureSet) -> FeatureSet:
    """The set itself, if its features can be computed for its series and don't contain what is to be predicted."""
    _name("feature set", feature_set.name, SET_NAME)
    if not feature_set.features:
        raise BadInput(f"feature set {feature_set.name!r} has no features; name at least one")
    twice = [name for name, count in Counter(feature_set.names).items() if count > 1]
    if twice:
        raise BadInput(f"feature set {feature_set.name!r} has two features named {twice[0]!r}; rename one")
    parse_transformation(feature_set.label)
    for one in feature_set.features:
        if one.granularity != feature_set.selection.granularity:
            raise BadInput(
                f"feature {one.name!r} is {one.granularity}, feature set {feature_set.name!r} is"
                f" {feature_set.selection.granularity}; give both the same granularity"
            )
        # what is to be predicted may be seen by its past only
        metric_type, own = feature_set.selection.metric_type, next(iter(one.source_metric_types), None)
        if newest(parse_transformation(one.transformation), metric_type, own) == 0:
            raise BadInput(
                f"feature {one.name!r} contains the {metric_type} of its own time, which is to be predicted; give"
                f" {one.transformation} a lag of at least 1"
            )
    return feature_set


def declared(path: Path | None = None) -> Declared:
    """What a definition file declares; by default training/features.py, and nothing without one."""
    ours = project_file(f"training/{FILE}")
    if path is None and not ours.exists():
        return Declared(ours, {}, {})
    path = path or ours
    names = _run(path)
    features, sets = (_list(names, declared_as, kind, path) for declared_as, kind in _DECLARATIONS.items())
    for one in [*features, *(inside for each in sets for inside in each.features)]:
        if one.name in WORDS and one.description != WORDS[one.name]:
            raise BadInput(
                f"feature {one.name!r} is one of the standard features; choose another name", where=str(path)
            )
    _unique([definition.name for definition in features], "features", path)
    _unique([feature_set.name for feature_set in sets], "feature sets", path)
    return Declared(
        path,
        {definition.name: definition for definition in features},
        {feature_set.name: checked_set(feature_set) for feature_set in sets},
    )


def feature_set(name: str, path: Path | None = None) -> FeatureSet:
    """A declared feature set by its name."""
    return declared(path).feature_set(name)


def sources_of(feature_set: FeatureSet) -> tuple[str, ...]:
    """The columns that its features are computed from beside the values of the series, in order."""
    found = {source for one in feature_set.features for source in sources_in(*column_of(one))}
    return tuple(sorted(source.column for source in found - {Source(feature_set.selection.metric_type)}))


_DECLARATIONS: dict[str, type] = {"FEATURES": FeatureDefinition, "FEATURE_SETS": FeatureSet}


def _run(path: Path) -> Mapping[str, object]:
    if not path.is_file():
        raise Misused("there is no such definition file", where=str(path))
    try:
        return run_path(str(path))
    except SyntaxError as error:
        raise BadInput(f"doesn't load: {error.msg}", where=str(path), line=error.lineno) from error
    except Exception as error:
        words = str(error) if isinstance(error, MlopsError) else f"{type(error).__name__}: {error}"
        raise BadInput(f"doesn't load: {words}", where=str(path), line=_line(path)) from error


def _line(path: Path) -> int | None:
    """The newest line of the file that an error went through."""
    frames = traceback.extract_tb(sys.exception().__traceback__)  # type: ignore[union-attr]
    return next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), None)


def _list(names: Mapping[str, object], name: str, kind: type, path: Path) -> list:  # type: ignore[type-arg]
    found = names.get(name, [])
    if not isinstance(found, list | tuple) or not all(isinstance(entry, kind) for entry in found):
        raise BadInput(f"{name} is not a list of {kind.__name__}", where=str(path))
    return list(found)


def _unique(names: Sequence[str], what: str, path: Path) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadInput(f"declares two {what} named {twice[0]!r}; rename one", where=str(path))


def _name(what: str, name: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(name):
        raise BadInput(
            f"{what} {name!r} can't be taken as a name; expected small letters, digits and _, like weight_mean_7"
        )


def _choice(name: str, what: str, found: str, choices: Sequence[str]) -> None:
    if found not in choices:
        raise BadInput(f"feature {name!r}: {what} {found!r} can't be taken; expected {', '.join(choices)}")
