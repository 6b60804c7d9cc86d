"""What the team tolerates: `monitoring/policy.toml` as an object."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from mlops.errors import BadInput

__all__ = ["Policy", "read_policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The false-alarm budget, the watched features, and when drift calls for retraining."""

    alarms_per_year: float
    features: tuple[str, ...]
    need: int
    of: int


def read_policy(path: Path) -> Policy:
    """The policy of a file; BadInput names what is wrong with it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        drift, rule = document["drift"], document["recommend"]
        return Policy(float(drift["alarms_per_year"]), tuple(drift["features"]), int(rule["need"]), int(rule["of"]))
    except KeyError as error:
        raise BadInput(f"has no {error}", where=str(path)) from error
    except (OSError, tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise BadInput(f"can't be read: {error}", where=str(path)) from error
