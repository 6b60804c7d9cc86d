"""Tuning: parameters tried on past origins within a number of seconds (the only door to optuna).

Time is ordered: trials are judged on origins whose outcomes end before the newest block begins. That block is held out
and looked at once, for the winner and for the parameters that tuning began with.
"""

import shlex
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from mlops.domain.canonical import JsonObject, Parameters
from mlops.domain.forecasts import wape
from mlops.domain.granularity import Granularity
from mlops.errors import BadInput, Misused
from mlops.evaluation.backtest import Candidate, Newest, fit_and_forecast, origins, with_outcomes
from mlops.forecasting import forecaster
from mlops.forecasting.parameters import held, nested, parameters, space, tunable
from mlops.panels.from_frame import Panels
from mlops.project import project_file
from mlops.training.dataset import BacktestDataset, BacktestPlan
from mlops.training.spec import TrainingSpec

__all__ = ["Budget", "Space", "Trial", "Tuned", "read_space", "searched", "start", "tune", "wapes"]

Space = Parameters
"""By parameter: a list to choose from, or `low`, `high` and perhaps `log`."""
Judge = Callable[[Parameters, pd.Timestamp], float]
"""The WAPE of parameters from one origin."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop: after `seconds` of wall time, or after `trials` (0: no limit). The sampler begins with `seed`."""

    seconds: float
    trials: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """Parameters and how they did; `state` is complete, pruned (hopeless after some origins), stopped or failed."""

    number: int
    state: str
    value: float
    """Mean WAPE of the origins that were tried."""
    seconds: float
    params: Parameters
    by_origin: tuple[float, ...]
    note: str = ""


@dataclass(frozen=True)
class Tuned:
    """What tuning found. `held_out` is the WAPE on the newest block by name: tuned, default and naive."""

    candidate: Candidate
    best: Trial
    default: Trial
    trials: tuple[Trial, ...]
    cutoffs: tuple[pd.Timestamp, ...]
    held_out_from: pd.Timestamp
    held_out: Mapping[str, float]
    interrupted: bool
    began_at: datetime
    options: tuple[str, ...] = ()
    """The options of `mlops train`, word by word, that say what was not searched: the data, other parameters."""

    @property
    def better(self) -> bool:
        """Whether the winner does better than what tuning began with on the block that was held out, too."""
        return self.held_out["tuned"] < self.held_out["default"]

    @property
    def table(self) -> pd.DataFrame:
        """One row per trial: number, state, value, seconds, note, a column per origin and per parameter."""
        rows = []
        for trial in self.trials:
            values = dict(zip((f"wape_{cutoff:%Y-%m-%d}" for cutoff in self.cutoffs), trial.by_origin, strict=False))
            kept = {name: getattr(trial, name) for name in ("number", "state", "value", "seconds", "note")}
            rows.append(kept | values | dict(trial.params))
        return pd.DataFrame(rows)

    @property
    def toml(self) -> str:
        """The winner as lines for the section [params] of a params.toml."""
        return "[params]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in self.best.params.items())

    @property
    def command(self) -> str:
        """The command that trains the winner."""
        settings = (word for key, value in self.best.params.items() for word in ("--set", f"{key}={value}"))
        return shlex.join(["mlops", "train", self.candidate.name, *self.options, *settings])


def searched(name: str, spec: TrainingSpec) -> Space:
    """What is searched for an experiment or kind with the parameters of a spec, of members those that it has."""
    declared = read_space(name, spec.kind)
    space = {path: declared[path] for path in held(spec.kind, spec.params, declared)}
    if not space:
        raise Misused(f"none of {', '.join(declared)} belongs to the members {', '.join(spec.params['members'])}")
    return space


def read_space(name: str, kind: str) -> Space:
    """What is searched for an experiment or kind: what its search.toml says, else what its kind says of itself.

    BadInput for a kind with nothing to tune, and for a parameter that the kind doesn't have.
    """
    path = project_file(f"training/{name}/search.toml")
    if not path.is_file():
        if not space(kind):
            can = ", ".join(tunable())
            raise Misused(f"kind {kind!r} has no parameter that is worth a search; what can be tuned: {can}")
        return space(kind)
    try:
        document: JsonObject = tomllib.loads(path.read_text(encoding="utf-8"))["params"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise BadInput(f"is no search space: {error}; expected a section [params]", where=str(path)) from error
    declared, known = dict(_flat(document)), parameters(kind)
    for parameter, given in declared.items():
        if parameter not in known:
            raise BadInput(f"kind {kind!r} has no parameter {parameter!r}", where=str(path))
        if not (isinstance(given, list) and given) and not (isinstance(given, dict) and {"low", "high"} <= set(given)):
            raise BadInput(f"{parameter} = {given!r}; expected a list, or low and high", where=str(path))
    return declared


def _flat(document: Parameters, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Parameters by path: a table that is no range holds those of a member."""
    for name, given in document.items():
        if isinstance(given, dict) and not {"low", "high"} & set(given):
            yield from _flat(given, f"{prefix}{name}.")
        else:
            yield prefix + name, given


def tune(
    candidate: Candidate,
    tried: Space,
    dataset: BacktestDataset,
    plan: BacktestPlan,
    budget: Budget,
    *,
    options: tuple[str, ...] = (),
    told: Callable[[Trial], None] = lambda _: None,
) -> Tuned:
    """The parameters with the least mean WAPE over `plan.origins` origins, among those tried within the budget.

    The first trial are the candidate's own parameters, so the winner is never worse than they are. A KeyboardInterrupt
    ends the search early and keeps what was tried; before the first trial is complete it is raised.
    """
    began_at = datetime.now(UTC)
    last, before = dataset.cutoffs[-1], dataset.outcomes[dataset.outcomes["ds"] <= dataset.cutoffs[-1]]
    panels = Panels.of(before, dataset.granularity.name)
    cutoffs = origins(panels, plan.origins, every=plan.every, horizon=plan.horizon)

    def judge(params: Parameters, cutoff: pd.Timestamp) -> float:
        return wapes(_with(candidate, params), before, [cutoff], plan.horizon, dataset.granularity)[0]

    search = _Search(candidate, tried, judge, cutoffs)
    interrupted = search.run(budget, told)
    complete = [trial for trial in search.trials if trial.state == "complete"]
    best = min(complete, key=lambda trial: trial.value)
    held = {"tuned": best.params, "default": complete[0].params}
    scored = {
        name: wapes(_with(candidate, params), dataset.outcomes, [last], plan.horizon, dataset.granularity)[0]
        for name, params in held.items()
    }
    common = {name: candidate.params.get(name) for name in ("country", "horizon")}
    naive = wapes(Candidate("naive", "naive", common), dataset.outcomes, [last], plan.horizon, dataset.granularity)[0]
    held_out = scored | {"naive": naive}
    trials = tuple(search.trials)
    return Tuned(candidate, best, complete[0], trials, cutoffs, last, held_out, interrupted, began_at, options)


def wapes(
    candidate: Candidate, frame: pd.DataFrame, cutoffs: Sequence[pd.Timestamp], horizon: int, step: Granularity
) -> list[float]:
    """WAPE of a candidate from each cutoff, fitted anew at each."""
    sources = forecaster(candidate.kind)(**candidate.params).sources
    past = Newest(Panels.of(frame, step.name, candidate.params.get("covariates") or (), sources=sources))
    losses = []
    for done in fit_and_forecast([candidate], past, cutoffs, horizon, where="serial"):
        judged = with_outcomes(done.forecasts, frame)
        losses.append(wape(judged["y"], judged["y_hat"]))
    return losses


def start(candidate: Candidate) -> JsonObject:
    """The parameters by path that a candidate has without a search: its own, and its kind's defaults."""
    found = parameters(candidate.kind)
    return found | {path: value for path, value in _flat(candidate.params) if path in found}


class _Search:
    """A study of optuna, asked for parameters and told how they did."""

    def __init__(self, candidate: Candidate, tried: Space, judge: Judge, cutoffs: Sequence[pd.Timestamp]) -> None:
        self.tried, self.judge, self.cutoffs = tried, judge, cutoffs
        self.first = {name: value for name, value in start(candidate).items() if name in tried}
        self.trials: list[Trial] = []

    def run(self, budget: Budget, told: Callable[[Trial], None]) -> bool:
        """Try until the budget is spent; whether it was interrupted."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruner, sampler = optuna.pruners.MedianPruner(n_startup_trials=5), optuna.samplers.TPESampler(seed=budget.seed)
        study = optuna.create_study(sampler=sampler, pruner=pruner)
        study.enqueue_trial(self.first)
        deadline = time.monotonic() + budget.seconds
        try:
            while not self.trials or (time.monotonic() < deadline and len(self.trials) != budget.trials):
                self.trials.append(self._try(study, deadline))
                told(self.trials[-1])
        except KeyboardInterrupt:
            if not self.trials:
                raise
            return True
        return False

    def _try(self, study: Any, deadline: float) -> Trial:
        trial, begun, values = study.ask(), time.monotonic(), []
        params = {name: _suggest(trial, name, given) for name, given in self.tried.items()}
        if not self.trials:  # exactly as the caller has them, also where the space doesn't reach
            params |= self.first
        state, note = "complete", ""
        for step, cutoff in enumerate(self.cutoffs):
            if self.trials and time.monotonic() > deadline:
                state = "stopped"
                break
            try:
                values.append(self.judge(params, cutoff))
            except Exception as error:
                if not self.trials:
                    raise
                state, note = "failed", f"{type(error).__name__}: {error}"
                break
            trial.report(sum(values) / len(values), step)
            if step + 1 < len(self.cutoffs) and trial.should_prune():
                state = "pruned"
                break
        _tell(study, trial, state, values)
        value = sum(values) / len(values) if values else float("nan")
        return Trial(len(self.trials), state, value, time.monotonic() - begun, params, tuple(values), note)


def _tell(study: Any, trial: Any, state: str, values: Sequence[float]) -> None:
    from optuna.trial import TrialState

    if state == "complete":
        study.tell(trial, sum(values) / len(values))
    else:
        study.tell(trial, state=TrialState.PRUNED if state == "pruned" else TrialState.FAIL)


def _suggest(trial: Any, name: str, given: Any) -> Any:
    if isinstance(given, list):
        return trial.suggest_categorical(name, given)
    whole = isinstance(given["low"], int) and isinstance(given["high"], int)
    suggest = trial.suggest_int if whole else trial.suggest_float
    return suggest(name, given["low"], given["high"], log=given.get("log", False))


def _with(candidate: Candidate, params: Parameters) -> Candidate:
    return replace(candidate, params=nested(params, candidate.params))


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else repr(value)
