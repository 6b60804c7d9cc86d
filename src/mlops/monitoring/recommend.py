"""What to do about a model, from the findings of its last weeks."""

import math
from collections.abc import Sequence

from mlops.domain.findings import Finding, FindingKind, Findings, Recommendation

__all__ = ["RULE_VERSION", "recommend"]

RULE_VERSION = "1"
SHOWN = 10


def recommend(weeks: Sequence[Findings], *, labels_missing: bool = False, need: int = 2, of: int = 3) -> Recommendation:
    """Broken data first; retrain when the model drifted in `need` of the last `of` weeks and in the newest too.

    `weeks` are oldest first. A retrain on broken data makes things worse, and one bad week may be chance.
    """
    if not weeks:
        return Recommendation("none", ("no week has been checked yet",))
    newest, last = weeks[-1], weeks[-of:]
    evidence = _evidence(newest, last)
    if newest.data_faults:
        return Recommendation("investigate_data", _data_reasons(newest), evidence)
    if _model_drifted(newest) and sum(map(_model_drifted, last)) >= need:
        return Recommendation("retrain", _retrain_reasons(newest, last), evidence)
    drifted = tuple(finding.detail or finding.subject for finding in _drifted(newest))
    unlabelled = ("outcomes are missing, so the model's errors can't be judged",) if labels_missing else ()
    if drifted:
        return Recommendation("watch", (*drifted[:SHOWN], *unlabelled), evidence)
    return Recommendation("none", unlabelled or ("nothing has drifted in the newest week",), evidence)


def _model_drifted(week: Findings) -> bool:
    return week.concept or week.performance


def _drifted(week: Findings, *kinds: FindingKind) -> list[Finding]:
    """The drifted findings, of these kinds if any are named, the clearest first."""
    found = [finding for finding in week.details if finding.drifted and (not kinds or finding.kind in kinds)]
    return sorted(found, key=_clearness, reverse=True)


def _clearness(finding: Finding) -> float:
    return finding.statistic / finding.threshold if finding.threshold > 0 else finding.statistic


def _data_reasons(newest: Findings) -> tuple[str, ...]:
    faults = _drifted(newest, "data")
    names = ", ".join(sorted(newest.data_faults))
    details = (finding.detail for finding in faults[:SHOWN] if finding.detail)
    return (f"the data of {names} looks broken; look there before anything is retrained", *details)


def _retrain_reasons(newest: Findings, last: Sequence[Findings]) -> tuple[str, ...]:
    broken = sum(map(_model_drifted, last))
    summary = f"the model drifted in {broken} of the last {len(last)} weeks, the newest among them"
    numbers = (
        f"{finding.detail or finding.kind} ({finding.statistic:.1f} against a limit of {finding.threshold:.1f})"
        for finding in _drifted(newest, "concept", "performance")[:SHOWN]
    )
    return (summary, *numbers)


def _evidence(newest: Findings, last: Sequence[Findings]) -> dict[str, float]:
    """Counts, and the statistics of what drifted in the newest week by kind and subject; all finite."""
    clear = [finding for finding in _drifted(newest) if math.isfinite(finding.statistic)]
    statistics = {f"{finding.kind}.{finding.subject}".rstrip("."): finding.statistic for finding in clear}
    return {"weeks": float(len(last)), "weeks_drifted": float(sum(map(_model_drifted, last))), **statistics}
