"""Whether a promise came true: what acting saved, against forecasts that the replaced version would have made."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from mlops.db import Database
from mlops.domain.findings import Benefit, BenefitDocument
from mlops.domain.lineage import LineageDocument
from mlops.errors import MlopsError
from mlops.monitoring.decide.costs import benefit
from mlops.monitoring.decide.shadow import VersionOfSeries, shadowed, terms_of
from mlops.policy import Policy
from mlops.tracking.store import Store

__all__ = ["Realised", "RealisedBenefit", "realise", "realised"]

log = logging.getLogger(__name__)


class _VersionDocument(TypedDict):
    """A `VersionOfSeries` as JSON."""

    version_id: int
    name: str
    version: int
    lineage: LineageDocument


@dataclass(frozen=True, slots=True)
class _Promise:
    """A recommendation that was acted on: the version that was served from `since` to `until`, and the replaced."""

    recommendation_id: int
    action: str
    promised: BenefitDocument
    since: datetime
    until: datetime
    served: _VersionDocument
    other: _VersionDocument


@dataclass(frozen=True, slots=True)
class Realised:
    """What came of one recommendation: the benefit of the version that it brought, over the one that it replaced.

    `promised` is what the recommendation had said of it.
    """

    recommendation_id: int
    name: str
    action: str
    version: int
    replaced: int
    benefit: Benefit
    promised: Benefit

    def __str__(self) -> str:
        promised, saved = self.promised, self.benefit
        return (
            f"{self.action} of recommendation {self.recommendation_id}: version {self.version} instead of"
            f" {self.replaced} was to save WAPE {promised.wape:+.3f}"
            f" ({promised.wape_low:+.3f} to {promised.wape_high:+.3f}); it saved {saved.wape:+.3f}"
            f" ({saved.wape_low:+.3f} to {saved.wape_high:+.3f}) over {saved.days} days"
        )


@dataclass(frozen=True, slots=True)
class RealisedBenefit:
    """A row of `analytics.realised_benefits`: what acting promised and what it saved, of the WAPE and in money a week.

    Money is None where prices are placeholders. `kept` says that no less came than the promise's lower end.
    """

    recommendation_id: int
    model: str
    action: str
    recommended_at: datetime
    realised_at: datetime
    replaced_version: int
    new_version: int | None
    promised_wape: float
    promised_wape_low: float
    promised_wape_high: float
    realised_wape: float
    realised_wape_low: float
    realised_wape_high: float
    promised_money: float | None
    realised_money: float | None
    currency: str | None
    promised_over_days: int
    realised_over_days: int
    paid_off: bool
    kept: bool


def realise(database: Database, store: Store, policy: Policy, as_of: datetime) -> list[Realised]:
    """Measure and store the benefit of what was acted on `realised_weeks` before `as_of`; each once.

    The days are those for which the new version's forecasts were served and whose outcomes are known by now. Where
    there are too few, it is asked again the next time; what was promoted past `mlops retrain` has no promise to be held
    to.
    """
    with database.transaction() as transaction:
        waiting = transaction.rows(
            "benefits_to_realise", of=_Promise, as_of=as_of, weeks=policy.recommend.realised_weeks
        )
    measured = [_realised(database, store, policy, promise, as_of) for promise in waiting]
    return [benefit for benefit in measured if benefit is not None]


def realised(database: Database, name: str) -> list[RealisedBenefit]:
    """What acting on recommendations about a model promised and what it brought, as `analytics.realised_benefits`."""
    with database.transaction() as transaction:
        return transaction.rows("realised_benefits", of=RealisedBenefit, name=name)


def _realised(database: Database, store: Store, policy: Policy, promise: _Promise, as_of: datetime) -> Realised | None:
    served, other = VersionOfSeries(**promise.served), VersionOfSeries(**promise.other)
    number = promise.recommendation_id
    try:
        judged = shadowed(database, store, served, other, promise.since, promise.until, as_of)
    except MlopsError as error:  # one version whose files are gone stops no other
        log.warning("what recommendation %s saved can't be told: %s", number, error)
        return None
    if judged is None:
        return None
    saved = benefit(judged, "served", "other", **terms_of(policy, served))
    with database.transaction() as transaction:
        transaction.run("set_realised_benefit", recommendation_id=number, benefit=saved.to_json(), as_of=as_of)
    return Realised(
        number,
        served.name,
        promise.action,
        served.version,
        other.version,
        saved,
        Benefit(**promise.promised),
    )
