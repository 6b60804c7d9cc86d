"""Retraining on a recommendation: a challenger is compared on the newest weeks and promoted if it wins.

It has to win against the champion, and it must not be worse than the seasonal naive: of two bad models the better one
is still no reason to promote.
"""

import tomllib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.forecasts import wape
from mlops.errors import NothingToDo, Refused
from mlops.forecasting import forecaster
from mlops.tracking.bridge import sync
from mlops.tracking.registry import ModelVersion, alias_of, find_by_tag, load_model, resolve
from mlops.tracking.store import Store
from mlops.training import gates
from mlops.training.data import read_data
from mlops.training.promote import decide, structure
from mlops.training.spec import TrainingSpec
from mlops.training.train import REQUEST_TAG, Say, train

__all__ = ["Retrained", "Rule", "judge", "retrain"]

OURS, THEIRS, NAIVE = "mlops.wape_challenger", "mlops.wape_champion", "mlops.wape_naive"


@dataclass(frozen=True, slots=True)
class Rule:
    """How a challenger has to win: on the newest `holdout_days`, by the part `margin` of the champion's WAPE."""

    holdout_days: int = 14
    margin: float = 0.02

    @classmethod
    def from_toml(cls, path: Path) -> "Rule":
        """The section [retrain] of a policy file."""
        section = tomllib.loads(path.read_text(encoding="utf-8"))["retrain"]
        return cls(int(section["holdout_days"]), float(section["margin"]))


@dataclass(frozen=True)
class Retrained:
    """The new version, how it compared, and whether it is champion now."""

    version: ModelVersion
    champion: int
    wape_challenger: float
    wape_champion: float
    wape_naive: float | None
    promoted: bool
    verdict: str


def retrain(
    database: Database,
    store: Store,
    recommendation_id: int,
    rule: Rule,
    *,
    as_of: datetime | None = None,
    say: Say = lambda _: None,
) -> Retrained:
    """Act on a recommendation: compare, train on everything known at `as_of`, register, promote if that is won.

    `as_of` is the time of the recommendation when it is None. Repeating it returns what the first call did.
    """
    row = _recommendation(database, recommendation_id)
    when, request = as_of or row["as_of"], f"recommendation {recommendation_id}"
    champion = resolve(store, f"models:/{row['name']}/{row['version']}")
    version = find_by_tag(store, row["name"], REQUEST_TAG, request)
    if version is None:
        _still_champion(store, champion)
        spec = TrainingSpec.from_recipe(row["name"], row["lineage"], as_of=when, request=request)
        tags = {"mlops.recommendation_id": str(recommendation_id)} | _compare(database, champion, row, spec, rule, say)
        version = train(replace(spec, tags=tags), database, store, say).version
    result = judge(version, champion, rule)
    if result.promoted and row["status"] != "done":
        result = _promote(database, store, result, recommendation_id, rule)
    sync(store, database)
    _close(database, recommendation_id, result)
    return result


def _promote(database: Database, store: Store, won: Retrained, recommendation_id: int, rule: Rule) -> Retrained:
    """Promote the winner on the evidence of its comparison, unless a gate that asks nothing about accuracy fails."""
    version, champion = won.version, alias_of(store, won.version.name, "champion")
    on = f"the newest {rule.holdout_days} days"
    measured = gates.Comparison(won.wape_challenger, won.wape_champion, won.wape_naive, on)
    accuracy = [gates.better(measured, rule.margin)]
    if won.wape_naive is not None:
        accuracy.append(gates.naive(measured))
    built = structure(database, version, champion)
    if problems := gates.failed(built):
        why = "; ".join(f"{gate.gate}: {gate.found}" for gate in problems)
        verdict = won.verdict.replace(" promoted:", f" not promoted ({why}):", 1)
        return replace(won, promoted=False, verdict=verdict)
    decide(database, store, version, won.verdict, [*accuracy, *built], recommendation_id=recommendation_id)
    return won


def _recommendation(database: Database, recommendation_id: int) -> dict[str, Any]:
    with database.transaction() as transaction:
        row = transaction.one("recommendation", recommendation_id=recommendation_id)
        if row is None:
            there = transaction.rows("recommendations_to_act_on")
            ids = ", ".join(f"{one['recommendation_id']} ({one['action']})" for one in there) or "none"
            raise NothingToDo(f"there is no recommendation {recommendation_id}; open ones: {ids}")
    if row["action"] == "investigate_data":
        raise Refused(
            f"recommendation {recommendation_id} asks to investigate data first: {'; '.join(row['reasons'])};"
            " a model trained on broken data would learn the fault"
        )
    if "recipe" not in (row["lineage"] or {}):
        raise Refused(
            f"{row['name']} version {row['version']} was not trained by `mlops train`, so its recipe is not known;"
            " train it where it comes from, and promote that version"
        )
    return row


def _still_champion(store: Store, version: ModelVersion) -> None:
    """Refuse to compare with a version that has been replaced: its successor could be lost to a worse one."""
    now = resolve(store, f"models:/{version.name}@champion")
    if now.version != version.version:
        raise Refused(
            f"the recommendation is about version {version.version}, but {now.name}@champion is version {now.version}"
            " now; see `mlops review` for what is recommended about that one"
        )


def _compare(
    database: Database, champion: ModelVersion, row: dict[str, Any], spec: TrainingSpec, rule: Rule, say: Say
) -> dict[str, str]:
    """WAPE of both and of the seasonal naive on the newest days, as tags.

    None has seen them: the challenger is fitted on what came before.
    """
    say("comparing challenger and champion on the newest days")
    frame = read_data(database, Selection(**row["lineage"]["selection"]), spec.as_of).frame
    frame = frame[frame["series_id"].isin(row["lineage"]["series"])]
    cutoff = frame["ds"].max() - timedelta(days=rule.holdout_days)
    past, newest = frame[frame["ds"] <= cutoff], frame[frame["ds"] > cutoff]
    if datetime.fromisoformat(row["lineage"]["trained_to"]) > cutoff.tz_localize("UTC"):
        raise Refused(
            f"{champion.uri} was trained on the newest {rule.holdout_days} days; comparing on them would be unfair"
        )
    steps = min(rule.holdout_days, spec.horizon)
    ours = forecaster(spec.kind)(**spec.forecaster_params).fit(past).predict(steps)
    theirs = load_model(champion).predict(past, params={"horizon": steps})
    naive = forecaster("naive")(country=spec.country, horizon=spec.horizon).fit(past).predict(steps)
    found = {OURS: ours, THEIRS: theirs, NAIVE: naive}
    return {tag: f"{_wape(forecasts, newest):.6f}" for tag, forecasts in found.items()}


def _wape(forecasts: pd.DataFrame, outcomes: pd.DataFrame) -> float:
    judged = outcomes.merge(forecasts, on=["series_id", "ds"], suffixes=("", "_forecast"))
    return wape(judged["y"], judged["y_hat"])


def judge(version: ModelVersion, champion: ModelVersion, rule: Rule) -> Retrained:
    """What the comparison, as recorded on the version, means under the rule."""
    ours, theirs = float(version.tags[OURS]), float(version.tags[THEIRS])
    naive = float(version.tags[NAIVE]) if NAIVE in version.tags else None  # older versions have none
    won = ours < theirs * (1 - rule.margin) and (naive is None or ours <= naive)
    beside = f" and {naive:.3f} of the seasonal naive" if naive is not None else ""
    verdict = (
        f"version {version.version} {'promoted' if won else 'not promoted'}: WAPE {ours:.3f} against {theirs:.3f}"
        f" of version {champion.version}{beside} on the newest {rule.holdout_days} days"
    )
    return Retrained(version, champion.version, ours, theirs, naive, won, verdict)


def _close(database: Database, recommendation_id: int, result: Retrained) -> None:
    with database.transaction() as transaction:
        transaction.run(
            "close_recommendation",
            recommendation_id=recommendation_id,
            verdict=result.verdict,
            run_id=result.version.run_id,
            name=result.version.name,
            version=result.version.version,
        )
