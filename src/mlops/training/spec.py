"""What one training is to do: an experiment's `params.toml`, with what the caller changes."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops.errors import BadInput, UnknownName
from mlops.forecasting import forecaster
from mlops.forecasting.calendar import read_events
from mlops.forecasting.stamps import granularity_of
from mlops.project import project_file, project_files

__all__ = ["TrainingSpec", "experiments", "params_file"]


TYPES = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class TrainingSpec:
    """One training; `as_of` is what it may know, `request` makes a repeated call return the first one's version."""

    name: str
    kind: str
    owner: str
    metric_type: str
    granularity: str
    country: str | None
    horizon: int
    params: Mapping[str, Any]
    backtest_weeks: int
    refit_every: int
    as_of: datetime
    events: Sequence[Mapping[str, str]] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    request: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_toml(
        cls, path: Path, changes: Mapping[str, str] | None = None, *, as_of: datetime | None = None, **more: Any
    ) -> "TrainingSpec":
        """The spec of a `params.toml`; `changes` replaces values by their key, given as text.

        With another granularity the horizon is the usual one of that, unless it is changed, too.
        """
        document = _read(path)
        for key, text in (changes or {}).items():
            _change(document, key, text, path)
        experiment, data, backtest = document["experiment"], document["data"], document["backtest"]
        step = granularity_of(data["granularity"])
        other = "granularity" in (changes or {}) and "horizon" not in (changes or {})
        return cls(
            name=experiment["name"],
            kind=experiment["kind"],
            owner=experiment["owner"],
            country=experiment["country"] or None,
            horizon=step.horizon if other else experiment["horizon"],
            events=_events(experiment.get("events", ""), path),
            metric_type=data["metric_type"],
            granularity=step.name,
            params=document["params"],
            backtest_weeks=backtest["weeks"],
            refit_every=backtest["refit_every"],
            as_of=as_of or datetime.now(UTC),
            **more,
        )

    @classmethod
    def from_recipe(cls, name: str, lineage: Mapping[str, Any], *, as_of: datetime, **more: Any) -> "TrainingSpec":
        """The spec that a version was trained with, to be trained again with what was known at another time."""
        return cls(name=name, as_of=as_of, **lineage["selection"], **lineage["recipe"], **more)

    def check(self) -> "TrainingSpec":
        """The spec, when its kind takes its parameters; BadInput or UnknownName says which it does not."""
        forecaster(self.kind)(**self.forecaster_params)
        return self

    @property
    def recipe(self) -> dict[str, Any]:
        """How to train, apart from the data: what `from_recipe` takes."""
        names = ("kind", "owner", "country", "horizon", "params", "backtest_weeks", "refit_every")
        return {name: getattr(self, name) for name in names} | ({"events": list(self.events)} if self.events else {})

    @property
    def forecaster_params(self) -> dict[str, Any]:
        """Arguments of the forecaster's constructor."""
        common = {"freq": self.granularity, "country": self.country, "horizon": self.horizon}
        return dict(self.params) | common | ({"events": list(self.events)} if self.events else {})


def experiments() -> list[str]:
    """The experiments of the project and of the package: the folders of training/ with a params.toml."""
    return sorted(path.parent.name for path in project_files("training/*/params.toml").values())


def params_file(experiment: str) -> Path:
    """The params.toml of an experiment."""
    if experiment not in experiments():
        raise UnknownName("experiment", experiment, experiments())
    return project_file(f"training/{experiment}/params.toml")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"can't be read as TOML: {error}", where=str(path)) from error
    missing = {"experiment", "data", "params", "backtest"} - set(document)
    if missing:
        raise BadInput(f"has no section [{sorted(missing)[0]}]", where=str(path))
    return document


def _events(file: str, params: Path) -> Sequence[Mapping[str, str]]:
    """The events of a calendar file, which stands relative to the params.toml that names it; they travel as values."""
    return [event.to_json() for event in read_events(params.parent / file)] if file else ()


def _change(document: dict[str, dict[str, Any]], key: str, text: str, path: Path) -> None:
    """Replace the value of a key in whichever section has it, in the type that it has."""
    if key == "events" and text:
        text = str(Path(text).resolve())  # where the caller stands, not where params.toml does
    for section in document.values():
        if key in section:
            section[key] = _typed(key, text, type(section[key]))
            return
    raise UnknownName(f"parameter in {path.name}", key, (name for section in document.values() for name in section))


def _typed(key: str, text: str, kind: type) -> Any:
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind is list:
        return [part.strip() for part in text.split(",")]
    try:
        return kind(text)
    except ValueError as error:
        raise BadInput(f"{key} = {text!r} is not {TYPES.get(kind, kind.__name__)}") from error
