"""The running verdict on challengers: better or worse than the champion, or not decided yet, and for how long."""

from dataclasses import asdict, dataclass
from datetime import datetime

from mlops.db import Database
from mlops.evaluation.paired import Estimate
from mlops.evaluation.sequence import confidence_sequence, weeks_to_go
from mlops.evaluation.winning import Losses, Rule
from mlops.policy import ShadowPolicy
from mlops.serving.shadow.pairs import Challenger, PairedWeeks, challengers, paired

__all__ = ["LIVE", "Comparison", "LiveComparison", "Verdict", "compare_live", "compared_live", "verdict"]

LIVE = Rule(beyond_chance=True, baselines=False)
"""What a challenger has to show beside the champion on the same requests: that it is better beyond chance. That it is
no worse than the seasonal naive is asked where it is promoted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What weeks of pairs say: the row of `analytics.live_comparisons`, without whom it is about.

    `gain` is by how much the challenger's WAPE is lower, as the mean of weeks; its ends are None while there are too
    few. `decided_at` is the end of the first week after which zero was outside.
    """

    verdict: str
    gain: float
    gain_low: float | None
    gain_high: float | None
    confidence: float
    wape_challenger: float
    wape_champion: float
    weeks: int
    pairs: int
    series: int
    compared_from: datetime
    compared_until: datetime
    decided_at: datetime | None
    weeks_to_go: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger with its verdict as of a time; None where no week can be compared yet."""

    challenger: Challenger
    as_of: datetime
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class LiveComparison(Verdict):
    """A row of `analytics.live_comparisons`, with names."""

    name: str
    champion: int
    challenger: int
    champion_id: int
    challenger_id: int
    as_of: datetime


def compare_live(
    database: Database, as_of: datetime, policy: ShadowPolicy, *, name: str | None = None
) -> list[Comparison]:
    """Compare every challenger with its champion on what was known at `as_of` (aware), and record the verdicts.

    Without a name of all models. Repeating it changes nothing unless outcomes came; within a week the newest time
    counts. With several challengers of a model each interval is so much wider that all hold at once (Bonferroni).
    """
    compared = challengers(database, policy.aliases, name)
    beside = [challenger.champion_id for challenger in compared]
    return [
        _compare(database, challenger, as_of, 1 - (1 - policy.confidence) / beside.count(challenger.champion_id))
        for challenger in compared
    ]


def compared_live(database: Database, as_of: datetime, *, name: str | None = None) -> list[LiveComparison]:
    """The newest verdict on every challenger that was recorded by `as_of` (aware), the newest first."""
    with database.transaction() as transaction:
        return transaction.rows("live_comparisons", of=LiveComparison, as_of=as_of, name=name)


def verdict(weeks: PairedWeeks, confidence: float) -> Verdict:
    """What the weeks say at this confidence, by the one rule of who wins. Pure."""
    sequence = confidence_sequence(weeks.gains, confidence)
    gain, low, high = (float(course[-1]) for course in (sequence.value, sequence.low, sequence.high))
    endless = low == -high == -float("inf")
    ours, theirs = weeks.wape_challenger, weeks.wape_champion
    better = LIVE.wins(Losses(ours, theirs, gain=Estimate(gain, low, high)))
    worse = LIVE.wins(Losses(theirs, ours, gain=Estimate(-gain, -high, -low)))
    return Verdict(
        verdict="better" if better else "worse" if worse else "undecided",
        gain=gain,
        gain_low=None if endless else low,
        gain_high=None if endless else high,
        confidence=confidence,
        wape_challenger=ours,
        wape_champion=theirs,
        weeks=len(weeks.begins),
        pairs=weeks.pairs,
        series=weeks.series,
        compared_from=weeks.begins[0],
        compared_until=weeks.ends[-1],
        decided_at=None if sequence.decided is None else weeks.ends[sequence.decided - 1],
        weeks_to_go=weeks_to_go(sequence),
    )


def _compare(database: Database, challenger: Challenger, as_of: datetime, confidence: float) -> Comparison:
    weeks = paired(database, challenger, as_of)
    if weeks is None:
        return Comparison(challenger, as_of, None)
    said = verdict(weeks, confidence)
    with database.transaction() as transaction:
        transaction.run(
            "add_live_comparison",
            champion_id=challenger.champion_id,
            challenger_id=challenger.challenger_id,
            as_of=as_of,
            **asdict(said),
        )
    return Comparison(challenger, as_of, said)
