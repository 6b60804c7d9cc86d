"""Which version a key is given to, where it has to be one of them: the same one on every machine, every time. Pure.

For effects on users, which a shadow can't have: a customer sees one forecast, and acts on it. Where only errors are
compared, a split wastes evidence: shadows answer every request, and are compared on the same outcomes.
"""

import hashlib
import math
from collections.abc import Mapping

from mlops.errors import BadInput

__all__ = ["split"]


def split(key: str, shares: Mapping[str, float], *, experiment: str) -> str:
    """The name that a key falls to, of names with their shares, which add up to 1.

    Keys of another `experiment` fall otherwise, so that the customers of one are no group in the next. Keys move only
    between neighbours: a name that comes first and whose share grows keeps all of its keys.

    >>> split("customer 17", {"challenger": 0.2, "champion": 0.8}, experiment="spring")
    'champion'
    """
    if any(not share >= 0 for share in shares.values()) or not math.isclose(math.fsum(shares.values()), 1):
        raise BadInput(f"shares are {', '.join(f'{share:g}' for share in shares.values())}; they have to add up to 1")
    digest = hashlib.sha256(f"{len(experiment)}:{experiment}{key}".encode()).digest()
    place, reached = int.from_bytes(digest[:8]) / 2**64, 0.0
    names = [name for name, share in shares.items() if share > 0]
    for name in names[:-1]:
        reached += shares[name]
        if place < reached:
            return name
    return names[-1]
