"""One text and one digest for the same content."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = ["JsonObject", "Parameters", "canonical_json", "one_line", "sha256"]

JsonObject: TypeAlias = dict[str, Any]
"""An object of JSON whose keys are not ours: a user's parameters, labels, what another program has written."""
Parameters: TypeAlias = Mapping[str, Any]
"""Parameters of a model by name, as people give them and MLflow keeps them; each kind says which it takes."""
LONGEST = 500


def canonical_json(document: object) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sha256(text: str) -> str:
    """Hexadecimal SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def one_line(text: str) -> str:
    """A text as one line of at most 500 characters that a database takes, whatever an error has quoted."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))[:LONGEST]
