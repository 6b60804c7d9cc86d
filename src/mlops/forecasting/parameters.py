"""The parameters of a kind by name, those of its members by a path, and which of them are worth a search.

A path is written as in TOML: `settings.lightgbm.trees` is the parameter `trees` of the member `lightgbm`.
"""

from collections.abc import Iterable, Iterator, Mapping
from inspect import Parameter, signature
from typing import Any

from mlops.domain.canonical import JsonObject, Parameters
from mlops.forecasting import KINDS, forecaster

__all__ = ["constructor_arguments", "held", "nested", "parameters", "space", "tunable"]

TABLES = ("seasonalities", "settings")
"""Parameters that are tables in a params.toml, or hold those of members; no text on a command line is one."""
COMMON = ("freq", "country", "horizon", "events", "covariates")
"""What belongs to the data and is given beside the parameters."""


def constructor_arguments(kind: str) -> list[str]:
    """What the constructor of a kind takes: its own parameters, tables among them, and what belongs to the data."""
    accepted = signature(forecaster(kind).__init__).parameters.values()
    return [argument.name for argument in accepted if argument.kind is Parameter.KEYWORD_ONLY]


def parameters(kind: str) -> JsonObject:
    """Every parameter of a kind with its default, members' by their path; UnknownName for a kind that is none."""
    return dict(_parameters(kind))


def space(kind: str) -> dict[str, object]:
    """What a search tries by itself, by parameter: a list, or `low`, `high` and perhaps `log`; empty: nothing."""
    return dict(forecaster(kind).search)


def tunable() -> list[str]:
    """The kinds that have something to tune."""
    return sorted(kind for kind in KINDS if space(kind))


def held(kind: str, params: Parameters, paths: Iterable[str]) -> list[str]:
    """The parameters by path that a forecaster with `params` has: those of other members are left out."""
    members = params.get("members")
    foreign = [f"{prefix}." for prefix, member in forecaster(kind).inner.items() if members and member not in members]
    return [path for path in paths if not path.startswith(tuple(foreign))]


def nested(flat: Parameters, base: Parameters | None = None) -> JsonObject:
    """Parameters by path as a kind's constructor takes them, laid over those of `base`.

    >>> nested({"trees": 50, "settings.lightgbm.trees": 60}, {"settings": {"lightgbm": {"seed": 1}}})
    {'settings': {'lightgbm': {'seed': 1, 'trees': 60}}, 'trees': 50}
    """
    tables = _copied(base or {})
    for path, value in flat.items():
        *folders, name = path.split(".")
        place = tables
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = value
    return tables


def _parameters(kind: str) -> Iterator[tuple[str, Any]]:
    cls = forecaster(kind)
    accepted = signature(cls.__init__).parameters.values()
    for argument in accepted:
        if argument.kind is Parameter.KEYWORD_ONLY and argument.name not in (*COMMON, *TABLES):
            yield argument.name, argument.default
    for prefix, member in cls.inner.items():
        own = cls.defaults.get(member, {})
        for path, default in _parameters(member):
            if path != "absence":
                yield f"{prefix}.{path}", own.get(path, default)


def _copied(given: Parameters) -> JsonObject:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in given.items()}
