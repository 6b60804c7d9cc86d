"""What people write down with a decision: a name, a reason."""

import unicodedata

__all__ = ["LONGEST", "sentence"]

LONGEST = 5_000
"""Characters: every registry of MLflow takes a tag of that length."""


def sentence(what: str, text: str) -> str:
    """The text in one line, as a database, a registry and a terminal take it; ValueError says why it can't be kept."""
    line = " ".join(text.split())
    if not line:
        raise ValueError(f"the {what} is empty; it is kept with the decision, so say it")
    if len(line) > LONGEST:
        raise ValueError(f"the {what} has {len(line):,} characters; at most {LONGEST:,} are kept")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in line):
        raise ValueError(f"the {what} is {line[:80]!r}, which is no text (UTF-8); leave control characters out")
    return line
