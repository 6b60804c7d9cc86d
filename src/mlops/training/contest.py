"""A version against the champion on the same folds: those of the version's own backtest.

Folds that begin after the champion was trained are forecast by the champion itself, which has not seen them. Where
there is none, recipe stands against recipe: by the champion's own backtest where it has these folds, else by a backtest
of its recipe on them. Nothing is compared on days that a model was trained on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.forecasts import wape
from mlops.domain.lineage import trained_from_file, trained_here, why_not_here
from mlops.errors import MlopsError, NothingToDo, Refused
from mlops.evaluation.backtest import backtest, mean_before
from mlops.feature_store.sources import sets_of
from mlops.series.read import observed
from mlops.times import aware_utc, naive_utc
from mlops.tracking.artifacts.checked import load
from mlops.tracking.registry import ModelVersion
from mlops.tracking.runs import read_table
from mlops.tracking.store import Store
from mlops.training.data import read_data
from mlops.training.gates import Comparison
from mlops.training.spec import TrainingSpec

__all__ = ["Contender", "contest"]

KEYS = ["series_id", "cutoff", "ds"]
ENOUGH = 0.5  # of our rows that the champion's own backtest must have, to stand for it


@dataclass(frozen=True, slots=True)
class Contender:
    """A version with its row in the mirror (lineage, as_of, trained_to)."""

    version: ModelVersion
    row: Mapping[str, Any]


def contest(
    database: Database,
    store: Store,
    ours: Contender,
    champion: Contender | None,
    say: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """WAPE of the version, of the champion, of the naive and of the mean on the rows that all of them forecast."""
    first = champion is None
    try:
        tables = {
            "ours": _forecasts(database, store, ours, "backtest"),
            "naive": _forecasts(database, store, ours, "backtest_naive"),
        }
        tables["mean"] = tables["ours"].assign(y_hat=mean_before(_known_to(database, ours), tables["ours"]))
    except MlopsError as error:
        return Comparison(None, None, None, str(error), first)
    how = "its own backtest"
    if champion is not None:
        try:
            tables["champion"], how = _of_champion(database, store, ours, champion, tables["ours"], say)
        except (MlopsError, ValueError, TypeError, KeyError) as error:  # a recipe of other code, a model of other data
            found, why = _wapes(tables), error if isinstance(error, MlopsError) else f"{type(error).__name__}: {error}"
            on = f"the champion can't be compared with: {why}"
            return Comparison(found["ours"], None, found["naive"], on, mean=found["mean"])
    found = _wapes(tables)
    return Comparison(found["ours"], found.get("champion"), found["naive"], how, first, found["mean"])


def _of_champion(
    database: Database,
    store: Store,
    ours: Contender,
    champion: Contender,
    mine: pd.DataFrame,
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, str]:
    """The champion's forecasts `series_id, cutoff, ds, y_hat` on our folds, and in words where they come from."""
    for one in (ours, champion):
        if not trained_here(one.row["lineage"]):
            raise NothingToDo(f"version {_number(one)} can't be asked: {why_not_here(one.row['lineage'])}")
    trained_to = naive_utc(champion.row["trained_to"])
    unseen = sorted(cutoff for cutoff in mine["cutoff"].unique() if cutoff >= trained_to)
    if unseen:
        say(f"the champion forecasts {len(unseen)} folds that it has not seen")
        return _itself(
            database, ours, champion, unseen
        ), f"{len(unseen)} folds after version {_number(champion)} was trained"
    try:
        own = _forecasts(database, store, champion, "backtest")
    except MlopsError:
        own = mine.iloc[:0]
    if len(own.merge(mine[KEYS], on=KEYS)) >= ENOUGH * len(mine):
        return own, "the backtests of both on the same folds"
    folds = sorted(mine["cutoff"].unique())
    say(f"backtesting the champion's recipe on {len(folds)} folds")
    return _recipe(database, ours, champion, folds), f"the champion's recipe on the same {len(folds)} folds"


def _forecasts(database: Database, store: Store, contender: Contender, name: str) -> pd.DataFrame:
    """A backtest of a version; NothingToDo when it is gone, or none of ours, Refused when it can't be believed.

    It has to be the table whose digest was anchored, and its outcomes have to be what was observed.
    """
    lineage = contender.row["lineage"]
    if contender.row["lineage_state"] == "claimed":
        raise Refused(f"the backtest of version {_number(contender)} is only claimed, and nothing is anchored of it")
    if trained_from_file(lineage):
        raise Refused(
            f"the backtest of version {_number(contender)} can't be held against what was observed:"
            f" {why_not_here(lineage)}"
        )
    if name not in (lineage.get("tables") or {}):
        raise NothingToDo(f"the lineage of version {_number(contender)} has no digest of the table {name!r}")
    table = read_table(store, contender.version.run_id, name, lineage=lineage)
    missing = sorted({*KEYS, "y", "y_hat"} - set(table))
    if missing:
        raise NothingToDo(f"the table {name!r} of run {contender.version.run_id} has no column {', '.join(missing)}")
    _observed(database, contender, table, name)
    return table


def _observed(database: Database, contender: Contender, table: pd.DataFrame, name: str) -> None:
    """Refused when a table has outcomes that are not the observations known when its model was trained."""
    row, told = contender.row, table.loc[table["y"].notna(), ["series_id", "ds", "y"]].drop_duplicates()
    start = aware_utc(told["ds"].min()) if len(told) else None
    known = observed(database, series_ids=row["lineage"]["series"], as_of=row["as_of"], start=start)
    both = told.merge(known.rename(columns={"y": "known"}), on=["series_id", "ds"], how="left")
    wrong = both[both["y"] != both["known"]]
    if wrong.empty:
        return
    one = wrong.iloc[0]
    was = "nothing is known of it" if pd.isna(one["known"]) else f"it was {one['known']:g}"
    raise Refused(
        f"{len(wrong):,} outcomes in the table {name!r} of version {_number(contender)} are not what was observed:"
        f" series {one['series_id']} on {one['ds']:%Y-%m-%d %H:%M} is {one['y']:g} there, and {was}"
    )


def _itself(database: Database, ours: Contender, champion: Contender, folds: list[pd.Timestamp]) -> pd.DataFrame:
    frame = _known_to(database, ours, champion)
    frame = frame[frame["series_id"].isin(champion.row["lineage"]["series"])]
    model = load(database, champion.version)
    parts: list[pd.DataFrame] = [model.predict(frame[frame["ds"] <= fold]) for fold in folds]
    return pd.concat(parts, ignore_index=True)


def _recipe(database: Database, ours: Contender, champion: Contender, folds: list[pd.Timestamp]) -> pd.DataFrame:
    spec = TrainingSpec.from_recipe(champion.version.name, champion.row["lineage"], as_of=ours.row["as_of"])
    frame = _known_to(database, ours, champion)
    return backtest(spec.kind, spec.forecaster_params, frame, folds, spec.horizon, refit_every=spec.refit_every)


def _known_to(database: Database, ours: Contender, asked: Contender | None = None) -> pd.DataFrame:
    """What the version was trained on: both are measured by the same data; with what `asked` needs beside it."""
    sets = sets_of(asked.row["lineage"]["recipe"]["params"]) if asked else ()
    selection = Selection(**ours.row["lineage"]["selection"])
    return read_data(database, selection, ours.row["as_of"], feature_sets=sets).frame


def _wapes(tables: Mapping[str, pd.DataFrame]) -> dict[str, float | None]:
    """WAPE of each table on the rows that all of them have; None when there is no such row."""
    joined = tables["ours"][[*KEYS, "y"]]
    for name, table in tables.items():
        joined = joined.merge(table[[*KEYS, "y_hat"]].rename(columns={"y_hat": name}), on=KEYS)
    joined = joined.dropna()
    return {name: wape(joined["y"], joined[name]) if len(joined) else None for name in tables}


def _number(contender: Contender) -> int:
    return contender.version.version
