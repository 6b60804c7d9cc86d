"""Transformations as data: a canonical text says exactly what is computed, and what is computed is read from it.

    >>> str(rolling_mean(28))
    'rolling_mean(window=28, lag=1)'

A window looks back from its newest step, which lies `lag` steps before the row: with `lag=1`, unless something else is
said, the row's own value is not included. A transformation is one function in `kernels` and one line here.
"""

import ast
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from mlops.arrays import Floats
from mlops.errors import BadInput, UnknownName
from mlops.features import kernels
from mlops.features.cells import Cells

__all__ = [
    "TRANSFORMATIONS",
    "Kind",
    "Part",
    "Transformation",
    "compute",
    "dated",
    "newest",
    "parse",
    "reach",
    "room",
    "sources",
]

Argument: TypeAlias = "int | float | str | tuple[str, ...] | Transformation"
Steps = Callable[..., int | None]


@dataclass(frozen=True, slots=True)
class Transformation:
    """A name and its arguments, in the order of the function's parameters; what is left at None is not there."""

    name: str
    arguments: tuple[tuple[str, Argument], ...] = ()

    def __str__(self) -> str:
        """The canonical text: the same transformation is the same text."""
        if not self.arguments:
            return self.name
        return f"{self.name}({', '.join(f'{name}={_text(value)}' for name, value in self.arguments)})"

    @property
    def given(self) -> dict[str, Any]:
        """The arguments by name."""
        return dict(self.arguments)


class Part(Protocol):
    """Some series with their steps: what transformations are computed from."""

    @property
    def steps(self) -> kernels.Steps:
        """The steps of the rows."""

    def cells(self, metric_type: str | None, across: str | None) -> Cells:
        """A metric type of each series' place (None: the definition's own), with steps before those of the rows."""

    def labels(self, key: str) -> Sequence[str | None]:
        """A label of each series."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One line of the table: the function, what it works on and, in steps, how far back it looks.

    `memory` is how many steps a window spans (None: all there are), `shift` how long before the row it ends.
    """

    function: Callable[..., Floats]
    needs: str = "values"
    memory: Steps = lambda **_: 1
    shift: Callable[..., int] = lambda lag, **_: lag
    rule: Callable[..., str] = lambda **_: ""
    """What is wrong with arguments that can't stand together."""

    @property
    def name(self) -> str:
        """The name that texts use."""
        return self.function.__name__

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters with their defaults; `inspect.Parameter.empty` marks those that must be given."""
        own = list(inspect.signature(self.function).parameters.values())
        own = [one for one in own if one.name not in _GIVEN]
        found = {one.name: one.default for one in own}
        if self.needs == "values":
            found |= {"lag": 1} if self.shift is Kind.__dataclass_fields__["shift"].default else {}
            found |= {"of": None, "across": None}
        return found

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
        made = [(name, _checked(self.name, name, value)) for name, value in given.items() if value is not None]
        wrong = self.rule(**dict(made))
        if wrong:
            raise BadInput(f"{self.name} {wrong}")
        return Transformation(self.name, tuple(made))


_GIVEN = {"cells", "steps", "texts"}

_RULES: dict[str, Callable[..., str]] = {
    "fits": lambda window, min_count=1, **_: (
        f"can't find min_count={min_count} values in window={window}" if min_count > window else ""
    ),
    "one": lambda alpha=None, halflife=None, **_: (
        "takes either alpha or halflife; give one of them" if (alpha is None) == (halflife is None) else ""
    ),
}

value = Kind(kernels.value, shift=lambda **_: 0)
lag = Kind(kernels.lag, shift=lambda n, **_: n)
seasonal_lag = Kind(kernels.seasonal_lag, shift=lambda season, n, **_: season * n)
difference = Kind(kernels.difference, memory=lambda n, **_: n + 1)
rolling_mean = Kind(kernels.rolling_mean, memory=lambda window, **_: window, rule=_RULES["fits"])
rolling_sum = Kind(kernels.rolling_sum, memory=lambda window, **_: window, rule=_RULES["fits"])
rolling_std = Kind(kernels.rolling_std, memory=lambda window, **_: window, rule=_RULES["fits"])
rolling_min = Kind(kernels.rolling_min, memory=lambda window, **_: window)
rolling_max = Kind(kernels.rolling_max, memory=lambda window, **_: window)
rolling_median = Kind(kernels.rolling_median, memory=lambda window, **_: window)
rolling_quantile = Kind(kernels.rolling_quantile, memory=lambda window, **_: window)
expanding_mean = Kind(kernels.expanding_mean, memory=lambda **_: None)
ewm_mean = Kind(kernels.ewm_mean, memory=lambda **_: None, rule=_RULES["one"])
seasonal_rolling_mean = Kind(
    kernels.seasonal_rolling_mean, memory=lambda season, window, **_: season * (window - 1) + 1
)
share_missing = Kind(kernels.share_missing, memory=lambda window, **_: window)
steps_since_observed = Kind(kernels.steps_since_observed, memory=lambda most, **_: most + 1)
steps_since_nonzero = Kind(kernels.steps_since_nonzero, memory=lambda most, **_: most + 1)
ratio = Kind(kernels.ratio, needs="parts")
label = Kind(kernels.label, needs="labels")
day_of_week = Kind(kernels.day_of_week, needs="times")
day_of_month = Kind(kernels.day_of_month, needs="times")
day_of_year = Kind(kernels.day_of_year, needs="times")
month = Kind(kernels.month, needs="times")
hour = Kind(kernels.hour, needs="times")
holiday = Kind(kernels.holiday, needs="times")
steps_to_holiday = Kind(kernels.steps_to_holiday, needs="times")
steps_since_holiday = Kind(kernels.steps_since_holiday, needs="times")

TRANSFORMATIONS: Mapping[str, Kind] = {kind.name: kind for kind in list(vars().values()) if isinstance(kind, Kind)}
"""Every transformation by its name."""


def parse(text: str) -> Transformation:
    """The transformation of a text; UnknownName for a name that is none, BadInput for what can't be read."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise BadInput(f"{text!r} is not a transformation; expected one like rolling_mean(window=28)") from error
    return _read(tree.body, text)


def compute(transformation: Transformation, part: Part) -> Floats:
    """Its values of each series at each step of `part.times`; one row when they are the same for all series."""
    kind, given = TRANSFORMATIONS[transformation.name], transformation.given
    if kind.needs == "times":
        return kind.function(part.steps, **given)[None, :]
    if kind.needs == "labels":
        return kind.function(part.labels, **given)
    if kind.needs == "parts":
        return kind.function(**{name: compute(one, part) for name, one in given.items()})
    own = {name: given[name] for name in given if name not in ("lag", "of", "across")}
    found = kind.function(part.cells(given.get("of"), given.get("across")), **own)
    last = found.shape[1] - kind.shift(**given)
    return found[:, last - len(part.steps.times) : last]


def reach(transformation: Transformation) -> int | None:
    """How many steps before the row the oldest value lies that it looks at; None when it looks at all of them."""
    bounded = all(kind.memory(**given) is not None for kind, given in _leaves(transformation))
    return room(transformation) if bounded else None


def room(transformation: Transformation) -> int:
    """How many steps before the row an array has to begin at least; windows without an end need none of their own."""
    spans = [kind.shift(**given) + (kind.memory(**given) or 1) - 1 for kind, given in _leaves(transformation)]
    return max(spans, default=0)


def newest(transformation: Transformation, metric_type: str, own: str | None) -> int | None:
    """How many steps before the row the newest value of a metric type lies that it looks at; None when it sees none.

    `own` is the metric type that the transformation works on when it names none.
    """
    shifts = [kind.shift(**given) for kind, given in _leaves(transformation) if (given.get("of") or own) == metric_type]
    return min(shifts, default=None)


def dated(transformation: Transformation) -> bool:
    """Whether it looks at the calendar."""
    inner = (one for one in transformation.given.values() if isinstance(one, Transformation))
    return TRANSFORMATIONS[transformation.name].needs == "times" or any(map(dated, inner))


def sources(transformation: Transformation) -> set[tuple[str | None, str | None]]:
    """Metric types that it works on (None: its definition's own), and how several series of one are put together."""
    return {(given.get("of"), given.get("across")) for _, given in _leaves(transformation)}


def _leaves(transformation: Transformation) -> Iterator[tuple[Kind, dict[str, Any]]]:
    """The transformations of values inside, with their arguments."""
    kind, given = TRANSFORMATIONS[transformation.name], transformation.given
    if kind.needs == "values":
        yield kind, given
    for one in given.values():
        if isinstance(one, Transformation):
            yield from _leaves(one)


def _read(node: ast.expr, text: str) -> Transformation:
    name = node.func if isinstance(node, ast.Call) else node
    if not isinstance(name, ast.Name):
        raise BadInput(f"{text!r} is not a transformation; expected one like rolling_mean(window=28)")
    if name.id not in TRANSFORMATIONS:
        raise UnknownName("transformation", name.id, TRANSFORMATIONS)
    if not isinstance(node, ast.Call):
        return TRANSFORMATIONS[name.id]()
    values = [_literal(one, text) for one in node.args]
    return TRANSFORMATIONS[name.id](*values, **{one.arg or "**": _literal(one.value, text) for one in node.keywords})


def _literal(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Call | ast.Name):
        return _read(node, text)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise BadInput(f"{ast.unparse(node)!r} in {text!r} is not a number, text or list of texts") from error


def _text(value: Argument) -> str:
    if isinstance(value, Transformation):
        return str(value)
    if isinstance(value, tuple):
        return json.dumps(list(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


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
        lambda value: 0 < len(value) == len(set(value)) and all(isinstance(one, str) for one in value),
    ),
    "top": _INNER,
    "bottom": _INNER,
}
"""What each parameter takes, whichever transformation has it."""


def _checked(kind: str, name: str, value: Any) -> Argument:
    if isinstance(value, list):
        value = tuple(value)
    words, holds = _CHECKS[name]
    if not holds(value):
        raise BadInput(f"{name}={value!r} of {kind} can't be taken; expected {words}")
    accepted: Argument = float(value) if name in ("alpha", "halflife", "q") else value
    return accepted
