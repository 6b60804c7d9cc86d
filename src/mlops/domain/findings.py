"""What monitoring finds, and what it says should be done."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal, TypedDict, cast

from mlops.domain.html import html_table

__all__ = [
    "CARRIED_OUT",
    "FEWEST_DAYS",
    "Action",
    "Benefit",
    "BenefitDocument",
    "Change",
    "ChangeDocument",
    "Finding",
    "FindingKind",
    "Findings",
    "Measure",
    "Movement",
    "Recommendation",
    "RecordedFinding",
    "ShownBenefit",
    "plain",
    "todo",
]

FEWEST_DAYS = 90
"""Days of a backtest from which a monitor can be fitted."""
Measure = Literal["level", "spread", "swing", "share", "season", "bias", "scale", "product", "loss"]
"""What moved, of a column: its mean, its scatter within a day, its distance from the calendar, a category's share, its
yearly wave; of the error: its mean, its size, how it goes with a feature, the loss."""
FindingKind = Literal["feature", "concept", "performance", "prediction", "data", "serving"]
Action = Literal["none", "watch", "investigate_data", "retrain", "rollback", "fallback"]
CARRIED_OUT: tuple[Action, ...] = ("retrain", "rollback", "fallback")
"""What `mlops retrain ID` does; the rest is done by people."""


LOOK = "find out whether the feed or the world has changed; name an event of the world as such"
WAIT = "nothing yet: one bad week may be chance; when it lasts, a challenger is fitted to prove itself"
REMEDIES: dict[tuple[str, str], str] = {
    (
        "performance",
        "naive",
    ): "plan with the seasonal naive's figures where it was better, until a challenger wins",
    ("performance", "coverage"): "plan with wider intervals: they widen by themselves as the newest outcomes come in",
    (
        "performance",
        "collapse",
    ): LOOK,
    (
        "performance",
        "upheaval",
    ): LOOK,
    (
        "performance",
        "",
    ): WAIT,
    ("concept", ""): WAIT,
    ("feature", ""): "nothing: the model sees the change in its inputs, and its errors are judged by themselves",
    ("prediction", ""): "nothing: outcomes will tell; look whether you expect what is forecast",
    ("data", ""): "look at the values as they came, and at what sends them, before anything is retrained",
    ("data", "feed"): "look at what sends the observations: mlops series list shows the newest of each series",
    ("serving", ""): "run what did not run, and plan it; nothing is wrong with the data or the model",
}
SIGMA = re.compile(r"(?:more than )?\d+(?:\.\d+)? sigma")


def todo(kind: str, subject: str) -> str:
    """What a person does about a finding beyond its limit, or why nothing."""
    return REMEDIES.get((kind, subject), REMEDIES[kind, ""])


def plain(detail: str) -> str:
    """A detail without its statistics.

    >>> plain("predictions are 4.1 sigma too high over the last 28 days")
    'predictions are clearly too high over the last 28 days'
    """
    return SIGMA.sub("clearly", detail)


class ChangeDocument(TypedDict):
    """A `Change` as it is stored beside its finding; times are ISO 8601."""

    what: str
    now: float
    usual: float
    unit: str
    days: int
    since: str | None
    ended: str | None
    weeks: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Change:
    """What changed, in its own unit: the mean `now`, over the last `days`, and what was `usual` on the same weekdays.

    `since` is about when (aware, None: it can't be told), `ended` the newest day; `weeks` are its weekly means, the
    newest last, None where a week has no value.
    """

    what: str
    now: float
    usual: float
    unit: str
    days: int
    since: datetime | None
    ended: datetime | None = None
    weeks: tuple[float | None, ...] = ()

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        part = f" ({self.now / self.usual - 1:+.0%})" if self.usual > 0 and self.now > 0 else ""
        since = "" if self.since is None else f", since about {self.since:%Y-%m-%d}"
        return (
            f"{self.what} is {_amount(self.now)}{unit} over the last {self.days} days,"
            f" where {_amount(self.usual)}{unit} is usual{part}{since}"
        )

    def to_json(self) -> ChangeDocument:
        """As it is stored beside the finding; the time as ISO 8601."""
        times = {name: time and time.isoformat() for name, time in (("since", self.since), ("ended", self.ended))}
        return cast("ChangeDocument", asdict(self) | times)

    @classmethod
    def from_json(cls, stored: ChangeDocument) -> "Change":
        """What `to_json` has stored."""
        since, ended = (
            None if time is None else datetime.fromisoformat(time) for time in (stored["since"], stored["ended"])
        )
        now, usual, weeks = stored["now"], stored["usual"], tuple(stored["weeks"])
        return cls(stored["what"], now, usual, stored["unit"], stored["days"], since, ended, weeks)


@dataclass(frozen=True, slots=True)
class Movement:
    """What moved, whether it rose (of a bias: outcomes beside forecasts), and over how many of the newest days."""

    measure: Measure
    rose: bool
    days: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One statistic of one week against its limit.

    `subject` is a feature, a series, or empty for the model itself; `slice` is the part of the series that it is about,
    as `route_type=urban`, or empty for all of them. `place` is what people call the series that `subject` is the number
    of. `movement` is what the detail says of a statistic over days, as facts; it is not stored. `change` says it in the
    unit of what changed, where it is a mean that moved.
    """

    kind: FindingKind
    subject: str
    statistic: float
    threshold: float
    drifted: bool
    detail: str = ""
    slice: str = ""
    place: str = ""
    change: Change | None = None
    movement: Movement | None = None

    @property
    def words(self) -> str:
        """What changed, by how much, since when: for people; the statistics are in the detail."""
        words = str(self.change) if self.change else plain(self.detail) or self.place or self.subject
        return f"{words} ({self.slice})" if self.slice and self.slice not in words else words

    @property
    def key(self) -> tuple[FindingKind, str, str]:
        """What it is about: a check has at most one finding of each key."""
        return self.kind, self.subject, self.slice

    @property
    def name(self) -> str:
        """The key in words: `feature.log_level`, `concept`, `data.R2`, `performance.coverage[route_type=urban]`."""
        whole = f"{self.kind}.{self.place or self.subject}" if self.subject else self.kind
        return f"{whole}[{self.slice}]" if self.slice else whole

    @property
    def clearness(self) -> float:
        """How many times its limit the statistic is; NaN where nothing was judged."""
        return self.statistic / self.threshold if self.threshold > 0 else self.statistic


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFinding:
    """A finding as it is stored; `place` is what people call the series that it is about, None where it is about none.

    `statistic` and `threshold` are None where nothing was judged.
    """

    kind: FindingKind
    subject: str
    slice: str
    statistic: float | None
    threshold: float | None
    drifted: bool
    detail: str
    change: ChangeDocument | None
    place: str | None

    @property
    def finding(self) -> Finding:
        """The finding itself."""
        nan = math.nan
        statistic, threshold = (nan if one is None else one for one in (self.statistic, self.threshold))
        change = None if self.change is None else Change.from_json(self.change)
        about = (self.detail, self.slice, self.place or "", change)
        return Finding(self.kind, self.subject, statistic, threshold, self.drifted, *about)


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that one check of one week found, drifted or not."""

    details: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, found: Iterable[Finding]) -> "Findings":
        """Findings of which each key is there once: the clearest of it, a drifted one before others."""
        clearest: dict[tuple[FindingKind, str, str], Finding] = {}
        for one in found:
            known = clearest.get(one.key)
            if known is None or _rank(one) > _rank(known):
                clearest[one.key] = one
        return cls(tuple(clearest.values()))

    @property
    def features(self) -> frozenset[str]:
        """Features whose distribution, given the calendar, has moved."""
        return self._drifted("feature")

    @property
    def concept(self) -> bool:
        """Whether the relation of features and target has moved."""
        return bool(self._drifted("concept"))

    @property
    def performance(self) -> bool:
        """Whether the loss is worse than the backtest promised."""
        return bool(self._drifted("performance"))

    @property
    def prediction(self) -> bool:
        """Whether the forecasts, or the loss to be expected of them, have moved: no outcome is needed to see it."""
        return bool(self._drifted("prediction"))

    @property
    def data_faults(self) -> frozenset[str]:
        """Columns or series that are broken rather than different."""
        return self._drifted("data")

    @property
    def calls(self) -> bool:
        """Whether anything is beyond its limit."""
        return any(finding.drifted for finding in self.details)

    def _repr_html_(self) -> str:
        """What drifted, the clearest first; the rest is counted."""
        drifted = sorted((one for one in self.details if one.drifted), key=_rank, reverse=True)
        rows = ((one.name, one.words, f"{one.statistic:.3g}", f"{one.threshold:.3g}") for one in drifted)
        quiet = len(self.details) - len(drifted)
        note = f"Within their limits: {quiet:,} more." if quiet else ""
        title = f"{len(drifted):,} finding{'' if len(drifted) == 1 else 's'}"
        return html_table(("finding", "what", "statistic", "limit"), rows, title=title, note=note)

    def _drifted(self, kind: FindingKind) -> frozenset[str]:
        return frozenset(finding.subject for finding in self.details if finding.kind == kind and finding.drifted)


def _amount(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _rank(finding: Finding) -> tuple[bool, float]:
    clear = finding.clearness
    return finding.drifted, -math.inf if math.isnan(clear) else clear


class BenefitDocument(TypedDict):
    """A `Benefit` as it is stored: what `analytics.is_benefit` takes."""

    wape: float
    wape_low: float
    wape_high: float
    money: float
    money_low: float
    money_high: float
    currency: str
    days: int


class ShownBenefit(TypedDict):
    """A benefit as people and programs are shown it; money is None where prices are, or were, placeholders."""

    money: float | None
    money_low: float | None
    money_high: float | None
    currency: str | None
    wape: float
    wape_low: float
    wape_high: float
    days: int


@dataclass(frozen=True, slots=True)
class Benefit:
    """What another model saves on the same days: of the WAPE, and in money per week; each with its interval.

    Below zero is a loss. `days` is over how many days it was measured. Without a `currency` money is made of prices
    that are placeholders, and is told to nobody.
    """

    wape: float
    wape_low: float
    wape_high: float
    money: float
    money_low: float
    money_high: float
    currency: str
    days: int

    @property
    def clear(self) -> bool:
        """Whether the error is smaller beyond chance."""
        return self.wape_low > 0

    def to_json(self) -> BenefitDocument:
        """The document that `analytics.is_benefit` takes."""
        return cast("BenefitDocument", asdict(self))

    def __str__(self) -> str:
        money = (
            f" and {self.money:,.2f} ({self.money_low:,.2f} to {self.money_high:,.2f}) {self.currency} a week"
            if self.currency
            else ""
        )
        return f"WAPE {self.wape:+.3f} ({self.wape_low:+.3f} to {self.wape_high:+.3f}){money}, over {self.days} days"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do about a model version, and why.

    `benefit` is what acting promises, `cost` (in its currency) what it takes and `horizon_weeks` for how long the one
    was held against the other; `challenger` is the recipe to retrain with (`same`, or a model kind), `predecessor` the
    version to roll back to, or the one of whose recipe `same` speaks where the champion stands in for it. `held_by` is
    an earlier recommendation that a person dismissed or snoozed.
    """

    action: Action
    reasons: tuple[str, ...] = ()
    evidence: dict[str, float] = field(default_factory=dict)
    cause: tuple[str, ...] = ()
    severity: float = 0.0
    benefit: Benefit | None = None
    cost: float | None = None
    horizon_weeks: int | None = None
    challenger: str | None = None
    predecessor: int | None = None
    onset: datetime | None = None
    held_by: int | None = None
