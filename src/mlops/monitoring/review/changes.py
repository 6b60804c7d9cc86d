"""What differs between two states a week apart, model by model. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from mlops.monitoring.review.decisions import Change
from mlops.monitoring.review.document import ACTIONS, Model
from mlops.monitoring.review.history import AliasMove, Week

__all__ = ["changes"]


def changes(
    models: Sequence[Model],
    then: Sequence[Mapping[str, Any]],
    weeks: Mapping[str, Sequence[Week]],
    moves: Mapping[str, Sequence[AliasMove]],
    since: datetime,
) -> Iterator[Change]:
    """Advice, retrainings and aliases that are not what they were at `since`; `weeks` and `moves` are by model."""
    before = {row["name"]: row["action"] or "unchecked" for row in then}
    for model in models:
        was, now = before.pop(model.name, None), model.advice.action
        if was != now:
            words = "new here" if was is None else ACTIONS[was]
            yield Change(model.name, "recommendation", was, now, f"{model.name}: {words} → {ACTIONS[now]}")
        for week in weeks.get(model.name, ()):
            if week.verdict and week.retrained_at and week.retrained_at > since:
                text = f"{model.name} was retrained: {week.verdict}"
                yield Change(model.name, "retraining", None, week.verdict, text)
        for move in moves.get(model.name, ()):
            if move.moved_at > since and move.until is None:
                yield _moved(model.name, move)
    for name, was in before.items():
        yield Change(name, "recommendation", was, None, f"{name}: no champion any more")


def _moved(model: str, move: AliasMove) -> Change:
    before = None if move.before is None else f"version {move.before}"
    way = f"now points at version {move.version}" + (f", before at {before}" if before else "")
    return Change(model, "alias", before, f"version {move.version}", f"{model}: @{move.alias} {way}")
