"""A champion beside its rivals: what each would have saved on the same days, and which of them is to serve. Pure."""

import math
from dataclasses import dataclass, replace

from mlops.domain.findings import Benefit
from mlops.domain.forecasts import worse_than_trivial
from mlops.evaluation.paired import Estimate
from mlops.evaluation.winning import Losses, Rule
from mlops.policy import SAME

__all__ = ["IN_ITS_PLACE", "NAIVE", "Proof", "Standing"]

NAIVE = "naive"
"""The challenger that is the seasonal naive, which may serve until a model is better again."""
IN_ITS_PLACE = Rule(beyond_chance=True, baselines=False)
"""What the version that served before, or the seasonal naive, has to show: each is held against the champion alone."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A rival against the champion on the same days: what it saves, and the WAPE of both, of the naive and of the mean.

    The rival is a refit by a recipe (`challenger`: same, or a kind), the seasonal naive (`challenger` is naive), the
    version that was champion before (`predecessor`), or one that has answered `beside` the champion for so many
    `weeks`; a refit that names a predecessor is one by that version's recipe.
    """

    benefit: Benefit
    wape: float
    champion: float
    naive: float | None = None
    challenger: str | None = None
    predecessor: int | None = None
    mean: float | None = None
    beside: int | None = None
    weeks: int = 0

    @property
    def rival(self) -> str:
        """The rival in words."""
        if self.beside is not None:
            return f"version {self.beside}, which has answered beside it for {self.weeks} weeks,"
        if self.challenger is None:
            return f"version {self.predecessor}, which was champion before"
        if self.challenger == NAIVE:
            return "the seasonal naive"
        if self.challenger != SAME:
            return f"a refit as {self.challenger}"
        return "a refit by the same recipe" if self.predecessor is None else f"a refit of version {self.predecessor}"

    @property
    def losses(self) -> Losses:
        """What the rule of winning reads; `Standing` says which rival has to show what."""
        saved = self.benefit
        gain = Estimate(saved.wape, saved.wape_low, saved.wape_high)
        return Losses(self.wape, self.champion, self.naive, self.mean, gain=gain)

    def __str__(self) -> str:
        naive = "" if self.naive is None else f" and {self.naive:.3f} of the seasonal naive"
        trivial = worse_than_trivial(self.wape, self.mean)
        worse = f" ({trivial})" if trivial else ""
        return f"{self.rival} has WAPE {self.wape:.3f} against {self.champion:.3f} of the champion{naive}{worse}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a champion stands beside its rivals; the fields are the parameters of `recommend`.

    That the naive was better was proven before it came to stand in, so a model need not prove more than that it is
    better again: it comes back when it is, by the margin, on the newest days.
    """

    shadow: Proof | None
    proofs: tuple[Proof, ...]
    unproven: str
    naive: Proof | None
    stands_in_for: int | None
    live: Proof | None = None

    def brings_back(self, margin: float) -> Proof | None:
        """The version before, where it should serve again; not where a refit is better than that, too."""
        if self.shadow is None:
            return None
        if self.stands_in_for is None:
            return self.shadow if IN_ITS_PLACE.wins(self.shadow.losses) else None
        refits = [refit.wape for refit in self.proofs if Rule(margin).wins(refit.losses)]
        as_good = min(refits, default=math.inf) >= self.shadow.wape * (1 - margin)
        return self.shadow if Rule(margin, baselines=False).wins(self.shadow.losses) and as_good else None

    def promotes(self, margin: float) -> Proof | None:
        """The challenger that has answered beside the champion, where it should take its place."""
        won = self.live is not None and Rule(margin, beyond_chance=True).wins(self.live.losses)
        return self.live if won else None

    def winner(self, margin: float) -> Proof | None:
        """The refit that should be promoted: of several the one that saves most."""
        rule = Rule(margin, beyond_chance=self.stands_in_for is None)
        return max(
            (refit for refit in self.proofs if rule.wins(refit.losses)),
            key=lambda refit: refit.benefit.money,
            default=None,
        )

    def falls_back(self, margin: float) -> Proof | None:
        """The seasonal naive, where it should serve."""
        rule = replace(IN_ITS_PLACE, margin=margin)
        return self.naive if self.naive is not None and rule.wins(self.naive.losses) else None
