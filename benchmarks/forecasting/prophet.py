"""Prophet's own fit and predict (Stan) against ours for all series at once: CPU, posterior, forecasts.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.forecasting.prophet nn5 auckland austin_routes

Each side is a process of its own; CPU is its own and its children's seconds in user and system mode, imports done
before. Ours is everything that `fit` and `predict` do: the frame, the calibration backtest with refits, the fit, the
forecasts with conformal intervals. Prophet's is its fit and its predict with its 1,000 samples for its intervals, from
the same frames. The posterior is computed here from what Prophet hands to Stan.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.forecasting.datasets import NAMES, Dataset, folds, load

import mlops.forecasting.prophet.model as ours
from mlops import forecasting
from mlops.panels.panel import Panel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", default=["nn5"], metavar="DATASET", help=", ".join(NAMES))
    parser.add_argument("--mode", default="additive", choices=("additive", "multiplicative"))
    parser.add_argument("--side", choices=("ours", "stan"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        _side(arguments.side, load(arguments.datasets[0]), arguments.mode, arguments.folder)
        return
    for name in arguments.datasets:
        with tempfile.TemporaryDirectory() as folder:
            for side in ("ours", "stan"):
                command = [sys.executable, "-m", "benchmarks.forecasting.prophet", name, "--mode", arguments.mode]
                subprocess.run([*command, "--side", side, "--folder", folder], check=True, env=_one_thread())
            print(_line(name, arguments.mode, Path(folder)), flush=True)


def _side(side: str, dataset: Dataset, mode: str, folder: Path) -> None:
    result = _ours(dataset, mode, folder) if side == "ours" else _stan(dataset.horizons[-1], folder)
    (folder / f"{side}.json").write_text(json.dumps(result))


def _ours(dataset: Dataset, mode: str, folder: Path) -> dict[str, Any]:
    frame, horizon = dataset.frame[dataset.frame["ds"] <= folds(dataset, "report")[-1]], dataset.horizons[-1]
    params = {"freq": dataset.freq, "country": dataset.country, "horizon": horizon, "seasonality_mode": mode}
    start = _cpu()
    fitted = ours.Prophet(**params).fit(frame)
    fitted.predict(horizon)
    whole = _cpu() - start
    panel = Panel.of(frame, dataset.freq)
    start = _cpu()
    fitted._fit(panel)
    one = _cpu() - start
    fitted.save(folder / "model")
    return {"whole": whole, "one": one, "series": len(panel.ids)}


def _stan(horizon: int, folder: Path) -> dict[str, Any]:
    fitted = forecasting.load(folder / "model")
    assert isinstance(fitted, ours.Prophet)
    plan = fitted._template(fitted._history)
    series = [name for name, solver in fitted.solver.items() if solver == "map"]
    frames = {
        name: (plan.frame(fitted._history, fitted._row(name)), fitted.frame_ahead(name, horizon)) for name in series
    }
    plan.model()  # imports
    seconds = {"fit": 0.0, "predict": 0.0}
    worse, apart = [], []
    for name, (past, ahead) in frames.items():
        start = _cpu()
        model = plan.model()
        tap = _Tap(model.stan_backend)
        model.stan_backend = tap
        model.fit(past)
        seconds["fit"] += _cpu() - start
        start = _cpu()
        forecast = model.predict(ahead)["yhat"].to_numpy()
        seconds["predict"] += _cpu() - start
        genuine = fitted.model(name)
        if tap.data:
            stan, mine = (_objective(tap.data, params) for params in (tap.found, genuine.params))
            worse.append((mine - stan) / max(1.0, abs(stan)))
        genuine.uncertainty_samples = 0
        difference = np.abs(genuine.predict(ahead)["yhat"].to_numpy() - forecast)
        apart.append(float(np.mean(difference) / max(float(np.mean(np.abs(forecast))), 1e-9)))
    return seconds | {"worse": worse, "apart": apart, "solvers": list(fitted.solver.values())}


class _Tap:
    """Prophet's backend, remembering what it was asked and what it answered."""

    def __init__(self, backend: Any) -> None:
        self.backend, self.data, self.found, self.stan_fit = backend, {}, {}, None

    def fit(self, init: Mapping[str, Any], data: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        self.data, self.found = data, self.backend.fit(init, data, **more)
        return dict(self.found)


def _objective(data: Mapping[str, Any], params: Mapping[str, Any]) -> float:
    """Minus the log density of prophet.stan, without constants."""
    k, m, sigma = (params[name][0, 0] for name in ("k", "m", "sigma_obs"))
    delta, beta, t = params["delta"][0], params["beta"][0], np.asarray(data["t"])
    trend = k * t + m + np.maximum(t[:, None] - data["t_change"], 0) @ delta
    x = data["X"].to_numpy(dtype=float)
    mean = trend * (1 + x @ (beta * np.asarray(data["s_m"]))) + x @ (beta * np.asarray(data["s_a"]))
    errors = np.square(np.asarray(data["y"]) - mean).sum()
    priors = (k**2 + m**2) / 50 + np.abs(delta).sum() / data["tau"] + np.square(beta / data["sigmas"]).sum() / 2
    return float(len(t) * np.log(sigma) + errors / (2 * sigma**2) + 2 * sigma**2 + priors)


def _line(name: str, mode: str, folder: Path) -> str:
    mine, stan = (json.loads((folder / f"{side}.json").read_text()) for side in ("ours", "stan"))
    count, fitted = mine["series"], len(stan["apart"])
    worse, apart = np.array(stan["worse"]), np.array(stan["apart"])
    prophet = (stan["fit"] + stan["predict"]) / fitted * 1000
    whole, one = mine["whole"] / count * 1000, mine["one"] / count * 1000
    solvers = {solver: stan["solvers"].count(solver) for solver in sorted(set(stan["solvers"]))}
    return (
        f"{name} {mode}: {count} series {solvers}\n"
        f"  CPU ms/series: Prophet {prophet:.0f} (fit {stan['fit'] / fitted * 1000:.0f}), ours {whole:.1f} = "
        f"{prophet / whole:.0f}x less; one fit {one:.2f} = {stan['fit'] / fitted * 1000 / one:.0f}x less\n"
        f"  objective against Stan's, relative: worst {worse.max():+.1e}, best {worse.min():+.1e}, "
        f"above 1e-3: {int((worse > 1e-3).sum())}\n"
        f"  forecasts, mean difference over mean: median {np.median(apart):.2%}, largest {apart.max():.2%}"
    )


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _one_thread() -> dict[str, str]:
    return dict(os.environ) | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MLOPS_PARALLEL": "serial"}


if __name__ == "__main__":
    main()
