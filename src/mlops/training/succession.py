"""Which champion came before: a rollback takes back what made the champion one, whoever did that. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Move", "before"]


@dataclass(frozen=True, slots=True)
class Move:
    """A version that became champion: whether by a rollback (`back`), and whether it is still in the registry."""

    version: int
    back: bool
    there: bool


def before(moves: Iterable[Move]) -> int | None:
    """The version to roll back to after these moves, the oldest first; None when there is none.

    Each rollback leaves fewer champions to go back to, so rollbacks never go round in circles.
    """
    standing: list[Move] = []
    for move in moves:
        if move.back:
            standing = _down_to(move.version, standing)
        standing.append(move)
    if not standing:
        return None
    now = standing[-1].version
    return next((move.version for move in reversed(standing) if move.there and move.version != now), None)


def _down_to(version: int, standing: list[Move]) -> list[Move]:
    """What lay below a version where it was champion before; nothing when it was not."""
    below = [place for place, move in enumerate(standing[:-1]) if move.version == version]
    return standing[: below[-1]] if below else []
