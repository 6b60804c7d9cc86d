"""A training as an MLflow project's script: arguments `--key value` change keys of its params.toml."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlops.config import Settings
from mlops.db import open_database
from mlops.db.failures import explained
from mlops.errors import BadInput
from mlops.tracking.store import open_store
from mlops.training.spec import TrainingSpec
from mlops.training.train import train

__all__ = ["run"]


def run(params: Path, arguments: Sequence[str]) -> None:
    """Train as `params` says with what the arguments change; an empty value changes nothing, exit 1 is a refusal."""
    try:
        changes = _pairs(arguments)
        as_of = _time(changes.pop("as_of", ""))
        file = changes.pop("file", "")
        spec = TrainingSpec.from_toml(params, changes, as_of=as_of, file=Path(file) if file else None)
        settings = Settings()
        database = open_database(settings)
        trained = train(spec, database, open_store(settings, database.url), _say)
    except Exception as error:
        known = explained(error)
        if known is None:
            raise
        _say(f"refused: {known}")
        sys.exit(1)
    figures = trained.metrics
    baselines = f"seasonal naive {figures['wape_naive']:.3f}, moving average {figures['wape_average']:.3f}"
    _say(f"{trained.version.uri}: WAPE {figures['wape']:.3f}, {baselines}")


def _pairs(arguments: Sequence[str]) -> dict[str, str]:
    if len(arguments) % 2 or not all(key.startswith("--") for key in arguments[::2]):
        raise BadInput(f"{' '.join(arguments)!r} is not of the form --key value")
    keys = [key.removeprefix("--") for key in arguments[::2]]
    return {key: value for key, value in zip(keys, arguments[1::2], strict=True) if value}


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError as error:
        raise BadInput(f"as_of = {text!r} is not a time; expected 2020-03-23 or 2020-03-23T06:00:00+00:00") from error
    return found.replace(tzinfo=found.tzinfo or UTC)


def _say(note: str) -> None:
    sys.stderr.write(note + "\n")
