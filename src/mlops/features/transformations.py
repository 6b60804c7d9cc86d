"""Transformations as data: a canonical text says exactly what is computed, and what is computed is read from it.

    >>> str(rolling_mean(28))
    'rolling_mean(window=28, lag=1)'

A feature is of a series, an origin (the newest step that may be seen) and a target, some steps ahead. A window looks
back from its newest step, which lies `lag` steps before the first one ahead: with `lag=1`, unless something else is
said, it is the origin, however far ahead the target is. `lag=0` is of what is known ahead, and ends at the target. A
transformation with a `season` follows the target's place in it, a season or more back.

A transformation is one function in `kernels` or `origins` and one line here.
"""

import ast
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, TypeAlias

import numpy as np

from mlops.arrays import Floats
from mlops.domain.features import FeatureDefinition
from mlops.errors import BadInput, UnknownName
from mlops.features import kernels, origins
from mlops.features.cells import Cells
from mlops.features.point import Point, Source

__all__ = [
    "TRANSFORMATIONS",
    "Column",
    "Operation",
    "Transformation",
    "column_of",
    "component",
    "compute",
    "dated",
    "newest",
    "parse_transformation",
    "reach",
    "remembers",
    "room",
    "sources",
    "sources_in",
    "uses",
    "years",
]

Argument: TypeAlias = "int | float | str | tuple[str, ...] | Transformation"
Arguments: TypeAlias = dict[str, Any]
"""Arguments by name, or parameters with their defaults: each function has its own, which its signature declares."""
Memory = Callable[..., int | None]
Column: TypeAlias = "tuple[Transformation, Source]"
"""What a feature computes, and the source that it works on when it names none."""


@dataclass(frozen=True, slots=True)
class Transformation:
    """A name and its arguments, in the order of the function's parameters; what is left at None is not there."""

    name: str
    arguments: tuple[tuple[str, Argument], ...] = ()

    def __str__(self) -> str:
        """The canonical text: the same transformation is the same text."""
        if not self.arguments:
            return self.name
        texts = (
            f"{name}={value if isinstance(value, Transformation) else json.dumps(value, ensure_ascii=False)}"
            for name, value in self.arguments
        )
        return f"{self.name}({', '.join(texts)})"

    @property
    def given(self) -> Arguments:
        """The arguments by name."""
        return dict(self.arguments)


def _after_lag(lag: int, step: int = 1, **_: Any) -> int:
    """Of a window that ends at the origin or before; of what is known ahead, at the target."""
    return step - 1 + lag if lag else 0


def _after_season(season: int, lag: int, step: int = 1, **_: Any) -> int:
    """Of values a season apart: as many seasons more as the origin asks for."""
    return lag + season * max(-(-(step - lag) // season), 0)


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the table: the function, what it works on and, in steps, how far back it looks.

    It `needs` the windows of values, the origins, the calendar ("times"), the labels or other transformations ("parts")
    of some series. `memory` is how many steps a window spans (None: all there are), `back` how long before the target
    it ends. `years` of history are needed to learn from it, and its contributions to a forecast are of a `component`.
    `scales` says whether it is in the unit of its values, so that it may be `relative` to a level.
    """

    function: Callable[..., Floats]
    needs: str = "values"
    memory: Memory = lambda **_: 1
    back: Callable[..., int] = _after_lag
    rule: Callable[..., str] = lambda **_: ""
    """What is wrong with arguments that can't stand together."""
    years: float = 0.0
    component: str = "trend"
    scales: bool = False

    @property
    def name(self) -> str:
        """The name that texts use."""
        return self.function.__name__

    @property
    def parameters(self) -> Arguments:
        """Parameters with their defaults; `inspect.Parameter.empty` marks those that must be given."""
        found = {name: default for name, default in _defaults(self.function).items() if name not in _GIVEN}
        if self.needs == "values" and self.back in (_after_lag, _after_season):
            found |= {"lag": 1}
        return found | ({"of": None, "across": None} if self.sourced else {})

    @property
    def sourced(self) -> bool:
        """Whether it works on values of a metric type."""
        return self.needs == "values" or "source" in _defaults(self.function)

    def __call__(self, *values: Any, **named: Any) -> Transformation:
        """The transformation with these arguments; BadInput says which one can't be taken."""
        parameters = self.parameters
        extra = [*map(str, values[len(parameters) :]), *(name for name in named if name not in parameters)]
        if extra:
            raise BadInput(f"{self.name} takes {', '.join(parameters) or 'nothing'}; found {', '.join(extra)}")
        given = parameters | dict(zip(parameters, values, strict=False)) | named
        missing = [name for name, value in given.items() if value is inspect.Parameter.empty]
        if missing:
            raise BadInput(f"{self.name} needs {', '.join(missing)}; write {self.name}({missing[0]}=…)")
        made: dict[str, Argument] = {}
        for name, value in given.items():
            if value is not None:
                made[name] = tuple(value) if isinstance(value, list) else value
                words, holds = _CHECKS[name]
                if not holds(made[name]):
                    raise BadInput(f"{name}={made[name]!r} of {self.name} can't be taken; expected {words}")
                if name in ("alpha", "halflife", "q"):
                    made[name] = float(value)
        if wrong := self.rule(**made):
            raise BadInput(f"{self.name} {wrong}")
        return Transformation(self.name, tuple(made.items()))


@cache
def _defaults(function: Callable[..., Floats]) -> Arguments:
    """The parameters of a function with their defaults."""
    return {parameter.name: parameter.default for parameter in inspect.signature(function).parameters.values()}


_GIVEN = {"cells", "steps", "texts", "at", "source"}

_RULES: dict[str, Callable[..., str]] = {
    "fits": lambda window, min_count=1, **_: (
        f"can't find min_count={min_count} values in window={window}" if min_count > window else ""
    ),
    "one": lambda alpha=None, halflife=None, **_: (
        "takes either alpha or halflife; give one of them" if (alpha is None) == (halflife is None) else ""
    ),
}

ONCE, TWICE = 1.15, 2.0
"""Years: what happened a year ago has to have been seen; a time of the year, two times. Chosen, not measured."""

value = Operation(kernels.value, back=lambda **_: 0, scales=True)
lag = Operation(kernels.lag, back=lambda n, step=1, **_: step - 1 + n if n else 0, scales=True)
lag_of_target = Operation(
    kernels.lag_of_target, back=lambda n, step=1, **_: max(n, step), years=ONCE, component="yearly", scales=True
)
seasonal_lag = Operation(
    kernels.seasonal_lag,
    back=lambda season, n, step=1, **_: season * (-(-step // season) + n - 1),
    component="weekly",
    scales=True,
)
difference = Operation(kernels.difference, memory=lambda n, **_: n + 1, scales=True)
rolling_mean = Operation(kernels.rolling_mean, memory=lambda window, **_: window, rule=_RULES["fits"], scales=True)
rolling_sum = Operation(kernels.rolling_sum, memory=lambda window, **_: window, rule=_RULES["fits"], scales=True)
rolling_std = Operation(kernels.rolling_std, memory=lambda window, **_: window, rule=_RULES["fits"], scales=True)
rolling_min = Operation(kernels.rolling_min, memory=lambda window, **_: window, scales=True)
rolling_max = Operation(kernels.rolling_max, memory=lambda window, **_: window, scales=True)
rolling_median = Operation(kernels.rolling_median, memory=lambda window, **_: window, scales=True)
rolling_quantile = Operation(kernels.rolling_quantile, memory=lambda window, **_: window, scales=True)
expanding_mean = Operation(kernels.expanding_mean, memory=lambda **_: None, scales=True)
ewm_mean = Operation(kernels.ewm_mean, memory=lambda **_: None, rule=_RULES["one"], scales=True)
seasonal_rolling_mean = Operation(
    kernels.seasonal_rolling_mean,
    memory=lambda season, window, **_: season * (window - 1) + 1,
    back=_after_season,
    component="weekly",
    scales=True,
)
share_missing = Operation(kernels.share_missing, memory=lambda window, **_: window)
steps_since_observed = Operation(kernels.steps_since_observed, memory=lambda most, **_: most + 1)
steps_since_nonzero = Operation(kernels.steps_since_nonzero, memory=lambda most, **_: most + 1)
level = Operation(origins.level, needs="origins", memory=lambda **_: None)
running_mean = Operation(origins.running_mean, needs="origins", memory=lambda **_: None, scales=True)
seasonal_mean = Operation(
    origins.seasonal_mean,
    needs="origins",
    memory=lambda season, window, **_: season * (window - 1) + 1,
    back=lambda season, step=1, **_: season * -(-step // season),
    component="weekly",
    scales=True,
)
seasonal_std = replace(seasonal_mean, function=origins.seasonal_std)
smoothed = Operation(origins.smoothed, needs="origins", memory=lambda **_: None, component="weekly", scales=True)
year_index = Operation(origins.year_index, needs="origins", memory=lambda **_: None, years=ONCE, component="yearly")
year_growth = Operation(origins.year_growth, needs="origins", memory=lambda **_: None, years=TWICE, component="yearly")
step_ahead = Operation(origins.step_ahead, needs="origins")
relative = Operation(
    kernels.relative,
    needs="parts",
    rule=lambda x, **_: (
        "" if TRANSFORMATIONS[x.name].scales else f"takes a transformation in the unit of its values; found {x}"
    ),
)
ratio = Operation(kernels.ratio, needs="parts")
log1p = Operation(kernels.log1p, needs="parts")
label = Operation(kernels.label, needs="labels")
day_of_week = Operation(kernels.day_of_week, needs="times", component="weekly")
day_of_month = Operation(kernels.day_of_month, needs="times", component="yearly")
day_of_year = Operation(kernels.day_of_year, needs="times", years=TWICE, component="yearly")
month = Operation(kernels.month, needs="times", years=TWICE, component="yearly")
hour = Operation(kernels.hour, needs="times", component="weekly")
holiday = Operation(kernels.holiday, needs="times", component="holidays")
steps_to_holiday = Operation(kernels.steps_to_holiday, needs="times", component="holidays")
steps_since_holiday = Operation(kernels.steps_since_holiday, needs="times", component="holidays")

TRANSFORMATIONS: Mapping[str, Operation] = {
    operation.name: operation for operation in list(vars().values()) if isinstance(operation, Operation)
}
"""Every transformation by its name."""

_AS_OBSERVED = (kernels.value, kernels.lag, kernels.lag_of_target, kernels.seasonal_lag)
"""What takes single values as they are."""


@lru_cache(maxsize=4096)
def parse_transformation(text: str) -> Transformation:
    """The transformation of a text; UnknownName for a name that is none, BadInput for what can't be read."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise BadInput(f"{text!r} is not a transformation; expected one like rolling_mean(window=28)") from error
    return _read(tree.body, text)


def column_of(definition: FeatureDefinition) -> Column:
    """What is computed for a definition."""
    return parse_transformation(definition.transformation), Source(
        next(iter(definition.source_metric_types), ""), definition.entity
    )


def sources_in(transformation: Transformation, own: Source) -> set[Source]:
    """The sources that it works on, where `own` is that of its definition."""
    return {
        Source(given.get("of") or own.metric_type, own.entity, given.get("across"))
        for _, given in _leaves(transformation)
    }


def compute(transformation: Transformation, at: Point) -> Floats:
    """Its values of each series at each origin; one row or column when they are the same for all."""
    return _computed(transformation)(at)


@lru_cache(maxsize=4096)
def _computed(transformation: Transformation) -> Callable[[Point], Floats]:
    """What computes it: a training asks for the same ones at every step ahead."""
    operation, given = TRANSFORMATIONS[transformation.name], transformation.given
    if operation is relative:
        inner = _computed(given["x"])
        return lambda at: inner(replace(at, relative=True))
    if operation.needs == "parts":
        parts = {name: _computed(part) for name, part in given.items()}
        return lambda at: operation.function(**{name: part(at) for name, part in parts.items()})
    if operation.needs == "labels":
        return lambda at: operation.function(at.inputs.labels, **given)
    if operation.needs == "times":
        text = str(transformation)
        return lambda at: at.back(Cells(at.inputs.dated(text, lambda steps: operation.function(steps, **given))), 0)
    of, across = given.get("of"), given.get("across")
    own = {name: given[name] for name in given if name not in ("of", "across")}
    if not operation.sourced:
        return lambda at: operation.function(at, **own)
    if operation.needs == "origins":
        return lambda at: operation.function(at, at.source(of, across), **own)
    if operation.function in _AS_OBSERVED:
        return lambda at: at.value(at.source(of, across), operation.back(**given, step=at.step))
    own.pop("lag", None)
    memory, key = operation.memory(**given) or 1, (operation.name, *own.items())

    def windows(at: Point) -> Floats:
        source = at.source(of, across)
        whole = at.inputs.windows(key, source, memory, lambda cells: operation.function(cells, **own))
        return at.scaled(at.back(whole, operation.back(**given, step=at.step)), source)

    return windows


def reach(transformation: Transformation) -> int | None:
    """How many steps before the row the oldest value lies that it looks at; None when it looks at all of them."""
    bounded = all(operation.memory(**given) is not None for operation, given in _leaves(transformation))
    return room(transformation) if bounded else None


def room(transformation: Transformation) -> int:
    """How many steps before the row an array has to begin at least; windows without an end need none of their own."""
    spans = [  # what has no lag of its own ends at the origin
        operation.back(**{"lag": 1} | given) + (operation.memory(**given) or 1) - 1
        for operation, given in _leaves(transformation)
    ]
    return max(spans, default=0)


def remembers(transformation: Transformation) -> int | None:
    """How many steps of history a forecast has to remember for its windows; None when it looks at all of them.

    Levels, years and smoothing remember what models do anyhow.
    """
    if uses(transformation, expanding_mean) or uses(transformation, ewm_mean):
        return None
    windows = [int(given.get("window", 1)) + int(given.get("lag", 0)) for _, given in _leaves(transformation)]
    return max([room(transformation) + 1, *windows])


def newest(transformation: Transformation, metric_type: str, own: str | None) -> int | None:
    """How many steps before the row the newest value of a metric type lies that it looks at; None when it sees none.

    `own` is the metric type that the transformation works on when it names none.
    """
    backs = [
        operation.back(**{"lag": 1} | given)
        for operation, given in _leaves(transformation)
        if (given.get("of") or own) == metric_type
    ]
    return min(backs, default=None)


def dated(transformation: Transformation) -> bool:
    """Whether it looks at the calendar."""
    operation = TRANSFORMATIONS[transformation.name]
    return operation.needs == "times" or operation is smoothed or any(map(dated, _inner(transformation)))


def uses(transformation: Transformation, operation: Operation) -> bool:
    """Whether it is of a operation, or has one of that operation inside."""
    return transformation.name == operation.name or any(uses(inner, operation) for inner in _inner(transformation))


def years(transformation: Transformation) -> float:
    """How many years of history it needs to be learned from."""
    return max([TRANSFORMATIONS[transformation.name].years, *map(years, _inner(transformation))])


def component(transformation: Transformation) -> str:
    """Which component of a forecast its contributions belong to: that of the first part that is not of the trend."""
    parts = (TRANSFORMATIONS[transformation.name].component, *map(component, _inner(transformation)))
    return next((part for part in parts if part != "trend"), "trend")


def sources(transformation: Transformation) -> set[tuple[str | None, str | None]]:
    """Metric types that it works on (None: its definition's own), and how several series of one are put together."""
    return {(given.get("of"), given.get("across")) for _, given in _leaves(transformation)}


def _leaves(transformation: Transformation) -> Iterator[tuple[Operation, Arguments]]:
    """The transformations of values inside, with their arguments."""
    operation, given = TRANSFORMATIONS[transformation.name], transformation.given
    if operation.sourced:
        yield operation, given
    for inner in _inner(transformation):
        yield from _leaves(inner)


def _inner(transformation: Transformation) -> Iterator[Transformation]:
    return (argument for argument in transformation.given.values() if isinstance(argument, Transformation))


def _read(node: ast.expr, text: str) -> Transformation:
    name = node.func if isinstance(node, ast.Call) else node
    if not isinstance(name, ast.Name):
        raise BadInput(f"{text!r} is not a transformation; expected one like rolling_mean(window=28)")
    if name.id not in TRANSFORMATIONS:
        raise UnknownName("transformation", name.id, TRANSFORMATIONS)
    if not isinstance(node, ast.Call):
        return TRANSFORMATIONS[name.id]()
    values = [_literal(argument, text) for argument in node.args]
    named = {keyword.arg or "**": _literal(keyword.value, text) for keyword in node.keywords}
    return TRANSFORMATIONS[name.id](*values, **named)


def _literal(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Call | ast.Name):
        return _read(node, text)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise BadInput(f"{ast.unparse(node)!r} in {text!r} is not a number, text or list of texts") from error


def _whole(least: int) -> tuple[str, Callable[[Any], bool]]:
    return (
        f"a whole number from {least}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least,
    )


def _number(words: str, holds: Callable[[float], bool]) -> tuple[str, Callable[[Any], bool]]:
    return words, lambda value: isinstance(value, int | float) and not isinstance(value, bool) and holds(value)


_NAME = ("a text", lambda value: isinstance(value, str) and value != "")
_INNER = ("a transformation", lambda value: isinstance(value, Transformation))
_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "n": _whole(1),
    "lag": _whole(0),
    "window": _whole(1),
    "season": _whole(2),
    "most": _whole(1),
    "min_count": _whole(1),
    "alpha": _number("a number above 0, at most 1", lambda value: 0 < value <= 1),
    "halflife": _number("a number of steps above 0", lambda value: 0 < value < np.inf),
    "q": _number("a number from 0 to 1", lambda value: 0 <= value <= 1),
    "of": _NAME,
    "key": _NAME,
    "country": _NAME,
    "across": ("sum, mean, min or max", lambda value: value in ("sum", "mean", "min", "max")),
    "categories": (
        "a list of different texts",
        lambda value: 0 < len(value) == len(set(value)) and all(isinstance(entry, str) for entry in value),
    ),
    "year": _whole(1),
    "around": _whole(1),
    "x": _INNER,
    "top": _INNER,
    "bottom": _INNER,
}
"""What each parameter takes, whichever transformation has it."""
