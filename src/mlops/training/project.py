"""A training as an MLflow project's script: arguments `--key value` change keys of its params.toml."""

import sys
from collections.abc import Sequence
from pathlib import Path

from mlops.config import Settings
from mlops.db import open_database
from mlops.db.failures import explained
from mlops.domain.moments import moment
from mlops.errors import Misused, quoted, typed
from mlops.tracking.store import open_store
from mlops.training.spec import TrainingSpec
from mlops.training.train import train

__all__ = ["run"]


def run(params: Path, arguments: Sequence[str]) -> None:
    """Train as `params` says with what the arguments change; an empty value changes nothing.

    Ends with the exit code of what is refused (`mlops.errors`), told in a sentence on stderr.
    """
    try:
        changes = _pairs(arguments)
        with typed("--as_of"):
            as_of = moment(changes.pop("as_of", None))
        file = changes.pop("file", "")
        spec = TrainingSpec.from_toml(params, changes, as_of=as_of, file=Path(file) if file else None)
        settings = Settings()
        database = open_database(settings)
        trained = train(spec, database, open_store(settings, database.url), _say)
    except Exception as error:
        known = explained(error)
        if known is None:
            raise
        _say(f"train: {known}")
        sys.exit(known.exit_code)
    figures = trained.metrics
    baselines = f"seasonal naive {figures['wape_naive']:.3f}, moving average {figures['wape_average']:.3f}"
    _say(f"{trained.version.uri}: WAPE {figures['wape']:.3f}, {baselines}")


def _pairs(arguments: Sequence[str]) -> dict[str, str]:
    if len(arguments) % 2 or not all(key.startswith("--") for key in arguments[::2]):
        raise Misused(f"{quoted(' '.join(arguments))} is not of the form --key value")
    keys = [key.removeprefix("--") for key in arguments[::2]]
    return {key: value for key, value in zip(keys, arguments[1::2], strict=True) if value}


def _say(note: str) -> None:
    sys.stderr.write(note + "\n")
