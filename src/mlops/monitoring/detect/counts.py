"""How often something goes wrong on a day, out of how many chances, and how strange so many in the last days are."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from mlops.arrays import Floats

__all__ = ["LONGEST", "SPANS", "Usual", "usual"]

SPANS = (2, 4, 7, 14, 28)
LONGEST = max(SPANS)
WEEK = SPANS.index(7)
SUSPICIOUS = 1.3  # −log10 of 5 %: what went wrong for a while counts as long as the newest week is no good week
RECURRING = 3  # what happened in fewer spans of the history was a fault, not usual
SURE = 300.0


@dataclass(frozen=True, slots=True)
class Usual:
    """The usual rate of each tally, and how much more it clumps than independent chances do; spans × tallies."""

    rate: Floats
    clumps: Floats

    def surprise(self, went: Floats, chances: Floats) -> tuple[Floats, Floats]:
        """How strange the last days are, as −log10 of a chance, and the place in SPANS of the span that says so.

        `went` and `chances` are days × tallies. The chance is binomial, with counts shrunk by the clumping
        (quasi-binomial, McCullagh and Nelder, 1989, section 4.5).
        """
        strange = np.array([self._of(place, went[-span:], chances[-span:]) for place, span in enumerate(SPANS)])
        strange = np.where(strange[WEEK] > SUSPICIOUS, strange, strange[WEEK])
        return strange.max(axis=0), strange.argmax(axis=0)

    def _of(self, place: int, went: Floats, chances: Floats) -> Floats:
        """−log10 of the chance of so many or more."""
        times = went.sum(axis=0) / self.clumps[place]
        others = (chances - went).sum(axis=0) / self.clumps[place]
        chance = special.betainc(np.maximum(times, 1e-9), others + 1, self.rate[place])
        return np.where(times > 0, -np.log10(np.maximum(chance, 10**-SURE)), 0.0)


def usual(went: Floats, chances: Floats, rarest: Floats) -> Usual:
    """What a history of days × tallies says; no rate is taken to be below `rarest`."""
    rate, clumps = zip(*(_of_span(_blocks(went, span), _blocks(chances, span), rarest) for span in SPANS), strict=True)
    return Usual(np.array(rate), np.array(clumps))


def _blocks(daily: Floats, span: int) -> Floats:
    return np.add.reduceat(daily, np.arange(0, len(daily), span), axis=0)


def _of_span(went: Floats, chances: Floats, rarest: Floats) -> tuple[Floats, Floats]:
    """Rate and clumping from spans that follow each other, the very worst of them pulled in."""
    share = went / np.maximum(chances, 1)
    worst = np.sort(share, axis=0)[-min(RECURRING, 1 + len(share) // 8)]
    went = np.minimum(share, worst) * chances
    rate = np.clip(went.sum(axis=0) / np.maximum(chances.sum(axis=0), 1), rarest, 1 - 1e-9)
    independent = (rate * (1 - rate) * chances).sum(axis=0)
    return rate, np.maximum(((went - rate * chances) ** 2).sum(axis=0) / np.maximum(independent, 1e-9), 1.0)
