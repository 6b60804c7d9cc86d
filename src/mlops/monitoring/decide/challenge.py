"""Whether a retraining would help: challengers fitted without the newest days, against the champion on these days.

Only forecasting is needed for it, and nothing is kept: what is promoted is decided by `mlops retrain`, which fits anew.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pandas as pd

from mlops.db import Database
from mlops.domain.canonical import JsonObject
from mlops.domain.features import Selection
from mlops.domain.lineage import Recipe, trained_here, why_not_here
from mlops.domain.model_uri import uri_of
from mlops.errors import MlopsError, Refused
from mlops.evaluation.holdout import Holdout, losses, unseen
from mlops.feature_store.build import selection_history
from mlops.feature_store.sources import sets_of, with_sources
from mlops.monitoring.decide.costs import BenefitTerms, benefit
from mlops.monitoring.decide.proof import Proof
from mlops.monitoring.decide.shadow import Predecessor, VersionOfSeries, comparable, terms_of
from mlops.policy import SAME, Policy
from mlops.series.quality import usable
from mlops.times import naive_utc
from mlops.tracking.artifacts.checked import load_model
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store

__all__ = ["challenge", "prove", "recipe_arguments"]


def challenge(
    database: Database,
    store: Store,
    policy: Policy,
    champion: VersionOfSeries,
    as_of: datetime,
    stood_in_for: Predecessor | None = None,
) -> tuple[tuple[Proof, ...], str]:
    """The proofs of the policy's challengers on what was known at `as_of`, and why there are none.

    Where the champion stands in for a version, `same` is that version's recipe. With several challengers each interval
    is so much wider that all hold at once (Bonferroni).
    """
    try:
        own = stood_in_for or champion
        held = _held_out(database, policy, champion, as_of, own)
        recipe = own.lineage["recipe"]
        model = load_model(database, resolve(store, uri_of(champion.name, champion.version)))
        theirs = held.of_model(lambda past, steps: model.predict(past, params={"horizon": steps}))
        naive = held.of_naive(recipe)
        challengers = {name: held.of_recipe(*_recipe(recipe, name)) for name in policy.recommend.challengers}
    except MlopsError as error:  # one model that can't be challenged stops no other
        return (), str(error)
    proofs = prove(held, challengers, theirs, naive, terms_of(policy, champion))
    if stood_in_for is not None:
        number = stood_in_for.version
        proofs = tuple(replace(proof, predecessor=number) if proof.challenger == SAME else proof for proof in proofs)
    return proofs, "too few outcomes are known of the held-out days"


def prove(
    held: Holdout,
    challengers: Mapping[str, pd.DataFrame],
    theirs: pd.DataFrame,
    naive: pd.DataFrame,
    terms: BenefitTerms,
) -> tuple[Proof, ...]:
    """What each challenger's forecasts of the held-out days prove against the champion's. Pure.

    `terms` are those of `terms_of`; nothing where too few outcomes are known.
    """
    all_at_once: BenefitTerms = {**terms, "confidence": 1 - (1 - terms["confidence"]) / len(challengers)}
    proofs = [_proof(held, name, ours, theirs, naive, all_at_once) for name, ours in challengers.items()]
    return tuple(proof for proof in proofs if proof is not None)


def recipe_arguments(recipe: Recipe) -> JsonObject:
    """The arguments with which the kind of a recipe of series of the database is fitted again."""
    events = {"events": recipe["events"]} if recipe.get("events") else {}
    return {**recipe["params"], "country": recipe["country"], "horizon": recipe["horizon"], **events}


def _held_out(
    database: Database, policy: Policy, champion: VersionOfSeries, as_of: datetime, own: VersionOfSeries
) -> Holdout:
    lineage = champion.lineage
    if not trained_here(lineage):
        raise Refused(f"version {champion.version} can't be challenged: {why_not_here(lineage)}")
    observed = selection_history(database, Selection(**lineage["selection"]), as_of, series=lineage["series"])
    granularity = lineage["selection"]["granularity"]
    frame, _ = usable(observed, granularity, end=naive_utc(as_of))
    frame = frame.drop(columns="quality_score")
    if frame.empty:
        raise Refused("no series has enough usable history for a refit")
    feature_sets = [
        feature_set for version in (champion, own) for feature_set in sets_of(version.lineage["recipe"]["params"])
    ]
    frame = with_sources(database, frame, feature_sets, as_of)
    return unseen(frame, champion.version, lineage, policy.retrain.holdout_days)


def _recipe(recipe: Recipe, challenger: str) -> tuple[str, JsonObject]:
    """Kind and arguments of a challenger: the champion's own, or a kind as it comes."""
    if challenger == SAME:
        return recipe["kind"], recipe_arguments(recipe)
    return challenger, recipe_arguments({**recipe, "params": {}})


def _proof(
    held: Holdout,
    name: str,
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    naive: pd.DataFrame,
    terms: BenefitTerms,
) -> Proof | None:
    compared = held.compared(ours, theirs, naive)
    if not comparable(compared, terms["granularity"]):
        return None
    measured = losses(compared, "the held-out days")
    assert measured.candidate is not None
    assert measured.champion is not None
    return Proof(
        benefit=benefit(compared, "candidate", "champion", **terms),
        wape=measured.candidate,
        champion=measured.champion,
        naive=measured.naive,
        challenger=name,
        mean=measured.mean,
    )
