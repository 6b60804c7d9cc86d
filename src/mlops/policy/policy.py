"""What the team tolerates and what that costs: `monitoring/policy.toml` as one object, a part for each section."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlops.errors import BadInput, Misused, UnknownName
from mlops.forecasting import KINDS
from mlops.policy.alerts import AlertPolicy, read_alerts
from mlops.policy.section import Section
from mlops.project import POLICY, bundled, policy_file

__all__ = [
    "HEALTH_PARTS",
    "SAME",
    "Costs",
    "DriftPolicy",
    "Policy",
    "PromotionPolicy",
    "RecommendPolicy",
    "RetrainPolicy",
    "SlicePolicy",
    "Terms",
    "UnitCost",
    "Weight",
    "read_policy",
]

SAME = "same"
"""The challenger that is the champion's own recipe."""
HEALTH_PARTS = ("accuracy", "coverage", "naive", "drift", "data", "labels", "issued", "lineage", "age")
"""What a model's health is made of; the first two are decisive."""


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """`[drift]`: the false alarms per model and year that reviewers accept, and the model inputs that are watched."""

    alarms_per_year: float
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SlicePolicy:
    """`[slices]`: by what models are sliced, what a slice must have, and its part of the false alarms.

    The defaults are those of the policy that is installed; how often slices of quiet models are blamed, and how soon
    one that moved is found, was measured with them (docs/benchmarks.md).
    """

    by: tuple[str, ...] = ("route_type", "service_area", "granularity", "segment")
    fewest_series: int = 2
    fewest_rows: int = 14
    most: int = 20
    budget: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.budget < 0.5:
            raise BadInput(f"budget is {self.budget}; expected a part of the false alarms, as 0.15")


@dataclass(frozen=True, slots=True)
class RecommendPolicy:
    """`[recommend]`: when drift asks for a proof, which recipes are fitted for it, and how long answers hold.

    `confidence` is that of every interval. A champion older than `max_age_days` is challenged without drift.
    """

    need: int
    of: int
    challengers: tuple[str, ...]
    confidence: float
    max_age_days: int
    rollback_weeks: int
    expires_days: int
    worse: float
    realised_weeks: int
    auto_retrain: bool

    def __post_init__(self) -> None:
        for name in self.challengers:
            if name != SAME and name not in KINDS:
                raise BadInput(str(UnknownName("challenger", name, (SAME, *KINDS))))
        if not 0 < self.confidence < 1:
            raise BadInput(f"confidence is {self.confidence}; expected a share between 0 and 1, as 0.9")


@dataclass(frozen=True, slots=True)
class RetrainPolicy:
    """`[retrain]`: a challenger has to win on the newest `holdout_days` by the part `margin` of the champion's WAPE."""

    holdout_days: int = 14
    margin: float = 0.02


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """`[promotion]`: a version's backtest WAPE has to be lower by the part `margin` of the champion's."""

    margin: float

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1:
            raise BadInput(f"margin is {self.margin:g}; expected a part such as 0.02, from 0 to below 1")


@dataclass(frozen=True, slots=True)
class Weight:
    """What a part of a model's health weighs beside others, and the figures at which it is worth all and nothing."""

    weight: float
    good: float
    bad: float


@dataclass(frozen=True, slots=True)
class UnitCost:
    """What one unit costs that was forecast too few (`under`) or too many (`over`)."""

    under: float
    over: float

    def __post_init__(self) -> None:
        if not (0 <= self.under < float("inf") and 0 <= self.over < float("inf")):
            raise BadInput(f"a unit's cost is under {self.under}, over {self.over}; neither may be below 0")


@dataclass(frozen=True, slots=True)
class Costs:
    """`[costs]`: what errors and remedies cost, and over how many weeks a remedy has to pay off.

    Without a `currency` the prices are placeholders: no money that is made with them is shown.
    """

    currency: str
    default: UnitCost
    retraining: float
    review_hour: float
    review_hours: float
    horizon_weeks: int
    metric_types: Mapping[str, UnitCost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.retraining, self.review_hour, self.review_hours) < 0:
            raise BadInput("costs may not be below 0")

    @property
    def priced(self) -> bool:
        """Whether the prices are somebody's."""
        return bool(self.currency)

    @property
    def review(self) -> float:
        """A person's look at what is recommended."""
        return self.review_hours * self.review_hour

    def unit(self, metric_type: str) -> UnitCost:
        """What a unit of a metric type costs."""
        return self.metric_types.get(metric_type, self.default)


@dataclass(frozen=True, slots=True)
class Terms:
    """When drift asks for a proof, by how much a challenger has to win, and what acting costs over how many weeks."""

    need: int = 2
    of: int = 3
    margin: float = 0.0
    retraining: float = 0.0
    review: float = 0.0
    horizon_weeks: int = 8


@dataclass(frozen=True, slots=True)
class Policy:
    """A part for each section, by its name."""

    drift: DriftPolicy
    slices: SlicePolicy
    recommend: RecommendPolicy
    retrain: RetrainPolicy
    promotion: PromotionPolicy
    health: Mapping[str, Weight]
    """By part; one that is not named stays as the database has it."""
    alerts: AlertPolicy
    costs: Costs

    @property
    def terms(self) -> Terms:
        """What recommendations are weighed by, from three sections."""
        return Terms(
            need=self.recommend.need,
            of=self.recommend.of,
            margin=self.retrain.margin,
            retraining=self.costs.retraining,
            review=self.costs.review,
            horizon_weeks=self.costs.horizon_weeks,
        )

    def with_budget(self, alarms_per_year: float) -> "Policy":
        """The same with another budget of false alarms."""
        return replace(self, drift=replace(self.drift, alarms_per_year=alarms_per_year))


OPTIONAL = ("slices", "health", "alerts")
"""Sections whose options may be left out, one by one or all."""
WHOLE = ("drift", "recommend", "retrain", "promotion", "costs")
"""Sections that are whole, or are taken whole from the policy that is installed."""


def read_policy(path: Path | None = None) -> Policy:
    """The policy of a file, by default of the project in use; BadInput names what is wrong with it, and where.

    As with the files of a project, a section that it does not have is taken from the package's own policy.
    """
    path = path or policy_file()
    own = _document(path)
    own.allow((*WHOLE, *OPTIONAL), "section")
    packed = own if own.options.keys() >= set(WHOLE) else _document(bundled(POLICY))
    whole = {name: (own if name in own.options else packed).section(name) for name in WHOLE}
    return Policy(
        drift=whole["drift"].read(DriftPolicy),
        slices=own.section("slices").read(SlicePolicy),
        recommend=whole["recommend"].read(RecommendPolicy),
        retrain=whole["retrain"].read(RetrainPolicy),
        promotion=whole["promotion"].read(PromotionPolicy),
        health=_read_health(own.section("health")),
        alerts=read_alerts(own.section("alerts")),
        costs=_read_costs(whole["costs"]),
    )


def _document(path: Path) -> Section:
    try:
        return Section(str(path), "", tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise Misused(
            "no such file; name the policy of a project, like monitoring/policy.toml", where=str(path)
        ) from error
    except (OSError, ValueError) as error:  # what is no text, and what is no TOML
        raise BadInput(f"can't be read: {error}", where=str(path)) from error


def _read_health(section: Section) -> dict[str, Weight]:
    section.allow(HEALTH_PARTS, "part in [health]")
    weights, shape = {}, "expected { weight = 1, good = 0.9, bad = 0.5 }"
    for part, entry in section.options.items():
        where = f"{section.where} {part}"
        if not isinstance(entry, dict) or entry.keys() != {"weight", "good", "bad"}:
            raise BadInput(f"{entry!r} is not the weight of a part; {shape}", where=where)
        try:
            weight = Section("", part, entry).read(Weight)
        except BadInput:
            raise BadInput(f"{entry!r} has something that is not a number; {shape}", where=where) from None
        if weight.weight < 0 or weight.good == weight.bad:
            raise BadInput(f"{entry!r}: a weight is 0 or more, and good differs from bad", where=where)
        weights[part] = weight
    return weights


def _read_costs(section: Section) -> Costs:
    """Without a currency while the prices are placeholders."""
    placeholders = "placeholders" in section.options and section.value("placeholders", bool)
    types = section.section("metric_types")
    return section.read(
        Costs,
        others=("placeholders", "currency", "under", "over", "metric_types"),
        currency="" if placeholders else section.text("currency"),
        default=section.read(UnitCost, others=section.options),
        metric_types={name: types.section(name).read(UnitCost) for name in types.options},
    )
