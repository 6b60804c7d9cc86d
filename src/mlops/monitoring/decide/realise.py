"""Whether a promise came true: what acting saved, against forecasts that the replaced version would have made."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops.db import Database
from mlops.domain.findings import Benefit
from mlops.errors import MlopsError
from mlops.monitoring.decide.costs import benefit
from mlops.monitoring.decide.shadow import shadowed, terms_of
from mlops.policy import Policy
from mlops.tracking.store import Store

__all__ = ["Realised", "realise", "realised"]

log = logging.getLogger(__name__)


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
        said, came = self.promised, self.benefit
        return (
            f"{self.action} of recommendation {self.recommendation_id}: version {self.version} instead of"
            f" {self.replaced} was to save WAPE {said.wape:+.3f} ({said.wape_low:+.3f} to {said.wape_high:+.3f});"
            f" it saved {came.wape:+.3f} ({came.wape_low:+.3f} to {came.wape_high:+.3f}) over {came.days} days"
        )


def realise(database: Database, store: Store, policy: Policy, as_of: datetime) -> list[Realised]:
    """Measure and store the benefit of what was acted on `realised_weeks` before `as_of`; each once.

    The days are those for which the new version's forecasts were served and whose outcomes are known by now. Where
    there are too few, it is asked again the next time; what was promoted past `mlops retrain` has no promise to be held
    to.
    """
    with database.transaction() as transaction:
        waiting = transaction.rows("benefits_to_realise", as_of=as_of, weeks=policy.recommend.realised_weeks)
    found = [_realised(database, store, policy, row, as_of) for row in waiting]
    return [one for one in found if one is not None]


def realised(database: Database, name: str) -> list[dict[str, Any]]:
    """What acting on recommendations about a model promised and what it brought, as `analytics.realised_benefits`."""
    with database.transaction() as transaction:
        return transaction.rows("realised_benefits", name=name)


def _realised(
    database: Database, store: Store, policy: Policy, row: dict[str, Any], as_of: datetime
) -> Realised | None:
    served, number = row["served"], row["recommendation_id"]
    try:
        judged = shadowed(database, store, served, row["other"], row["since"], row["until"], as_of)
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
        served["name"],
        row["action"],
        served["version"],
        row["other"]["version"],
        saved,
        Benefit(**row["promised"]),
    )
