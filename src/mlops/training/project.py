"""A training as an MLflow project's script: arguments `--key value` change keys of its params.toml."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlops.config import Settings
from mlops.db import open_database
from mlops.db.failures import explained
from mlops.domain.moments import before_last, moment
from mlops.errors import Misused, quoted, typed
from mlops.series.read import newest_end
from mlops.tracking.store import open_store
from mlops.training.spec import TrainingSpec
from mlops.training.train import train

__all__ = ["run_project"]


def run_project(params: Path, arguments: Sequence[str]) -> None:
    """Train as `params` says with what the arguments change; an empty value changes nothing.

    Ends with the exit code of what is refused (`mlops.errors`), told in a sentence on stderr.
    """
    try:
        if len(arguments) % 2 or not all(key.startswith("--") for key in arguments[::2]):
            raise Misused(f"{quoted(' '.join(arguments))} is not of the form --key value")
        pairs = zip(arguments[::2], arguments[1::2], strict=True)
        changes = {key.removeprefix("--"): value for key, value in pairs if value}
        as_of, file = changes.pop("as_of", None), changes.pop("file", "")
        with typed("--as_of"):
            before = None if file else before_last(as_of)
            known = None if before is not None else moment(as_of, of_file=bool(file))
        with typed():
            spec = TrainingSpec.from_toml(params, changes, as_of=known, file=Path(file) if file else None).check()
        settings = Settings()
        database = open_database(settings)
        if before is not None:
            spec = replace(spec, as_of=newest_end(database, spec.metric_type, spec.granularity) - before)
        trained = train(spec, database, open_store(settings, database.url), _say)
    except Exception as error:
        refused = explained(error)
        if refused is None:
            raise
        _say(f"train: {refused}")
        sys.exit(refused.exit_code)
    figures = trained.metrics
    baselines = f"seasonal naive {figures['wape_naive']:.3f}, moving average {figures['wape_average']:.3f}"
    _say(f"{trained.version.uri}: WAPE {figures['wape']:.3f}, {baselines}")


def _say(note: str) -> None:
    sys.stderr.write(note + "\n")
