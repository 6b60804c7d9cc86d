"""A version against the champion on the same folds: those of the version's own backtest.

Folds that begin after the champion was trained are forecast by the champion itself, which has not seen them. Where
there is none, recipe stands against recipe: by the champion's own backtest where it has these folds, else by a backtest
of its recipe on them. Nothing is compared on days that a model was trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.forecasts import wape
from mlops.domain.lineage import LineageDocument, trained_from_file, trained_here, why_not_here
from mlops.errors import MlopsError, NothingToDo, Refused
from mlops.evaluation.backtest import backtest, mean_before
from mlops.evaluation.winning import Losses
from mlops.feature_store.sources import sets_of
from mlops.series.read import observed
from mlops.times import aware_utc, naive_utc
from mlops.tracking.artifacts.checked import load_model
from mlops.tracking.bridge.mirror import LiveVersion
from mlops.tracking.registry import ModelVersion
from mlops.tracking.runs import read_run_table
from mlops.tracking.store import Store
from mlops.training.data import read_data
from mlops.training.spec import TrainingSpec

__all__ = ["MirroredVersion", "compare_with_champion"]

KEYS = ["series_id", "cutoff", "ds"]
ENOUGH = 0.5
"""Of the candidate's rows, what the champion's own backtest must have to stand for it. Chosen, not measured."""


@dataclass(frozen=True, slots=True)
class MirroredVersion:
    """A version with its row in the mirror."""

    version: ModelVersion
    row: LiveVersion

    @property
    def lineage(self) -> LineageDocument:
        """What it was made from; only of one that has a lineage."""
        assert self.row.lineage is not None
        return self.row.lineage

    @property
    def as_of(self) -> datetime:
        """What it may have known; only of one that has a lineage."""
        assert self.row.as_of is not None
        return self.row.as_of


def compare_with_champion(
    database: Database,
    store: Store,
    candidate: MirroredVersion,
    champion: MirroredVersion | None,
    say: Callable[[str], None] = lambda _: None,
) -> Losses:
    """WAPE of a version, of the champion, of the naive and of the mean on the rows that all of them forecast."""
    first = champion is None
    try:
        tables = {
            "candidate": _forecasts(database, store, candidate, "backtest"),
            "naive": _forecasts(database, store, candidate, "backtest_naive"),
        }
        tables["mean"] = tables["candidate"].assign(
            y_hat=mean_before(_known_to(database, candidate), tables["candidate"])
        )
    except MlopsError as error:
        return Losses(None, None, on=str(error), first=first)
    on = "its own backtest"
    if champion is not None:
        try:
            tables["champion"], on = _of_champion(database, store, candidate, champion, tables["candidate"], say)
        except (MlopsError, ValueError, TypeError, KeyError) as error:  # a recipe of other code, a model of other data
            why = error if isinstance(error, MlopsError) else f"{type(error).__name__}: {error}"
            on = f"the champion can't be compared with: {why}"
    # every model on the rows that all of them have; nothing where there is no such row
    rows = tables["candidate"][[*KEYS, "y"]]
    for name, table in tables.items():
        rows = rows.merge(table[[*KEYS, "y_hat"]].rename(columns={"y_hat": name}), on=KEYS)
    rows = rows.dropna()
    losses = {name: wape(rows["y"], rows[name]) for name in tables if len(rows)}
    return Losses(losses.get("candidate"), losses.get("champion"), losses.get("naive"), losses.get("mean"), on, first)


def _of_champion(
    database: Database,
    store: Store,
    candidate: MirroredVersion,
    champion: MirroredVersion,
    mine: pd.DataFrame,
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, str]:
    """The champion's forecasts `series_id, cutoff, ds, y_hat` on our folds, and in words where they come from."""
    for version in (candidate, champion):
        if not trained_here(version.row.lineage):
            raise NothingToDo(f"version {_number(version)} can't be asked: {why_not_here(version.row.lineage)}")
    assert champion.row.trained_to is not None
    trained_to = naive_utc(champion.row.trained_to)
    unseen = sorted(cutoff for cutoff in mine["cutoff"].unique() if cutoff >= trained_to)
    if unseen:
        say(f"the champion forecasts {len(unseen)} folds that it has not seen")
        forecasts = _itself(database, candidate, champion, unseen)
        return forecasts, f"{len(unseen)} folds after version {_number(champion)} was trained"
    try:
        own = _forecasts(database, store, champion, "backtest")
    except MlopsError:
        own = mine.iloc[:0]
    if len(own.merge(mine[KEYS], on=KEYS)) >= ENOUGH * len(mine):
        return own, "the backtests of both on the same folds"
    folds = sorted(mine["cutoff"].unique())
    say(f"backtesting the champion's recipe on {len(folds)} folds")
    return _recipe(database, candidate, champion, folds), f"the champion's recipe on the same {len(folds)} folds"


def _forecasts(database: Database, store: Store, version: MirroredVersion, name: str) -> pd.DataFrame:
    """A backtest of a version; NothingToDo when it is gone, or none of ours, Refused when it can't be believed.

    It has to be the table whose digest was anchored, and its outcomes have to be what was observed.
    """
    lineage = version.lineage
    if version.row.lineage_state == "claimed":
        raise Refused(f"the backtest of version {_number(version)} is only claimed, and nothing is anchored of it")
    if trained_from_file(lineage):
        raise Refused(
            f"the backtest of version {_number(version)} can't be held against what was observed:"
            f" {why_not_here(lineage)}"
        )
    if name not in (lineage.get("tables") or {}):
        raise NothingToDo(f"the lineage of version {_number(version)} has no digest of the table {name!r}")
    table = read_run_table(store, version.version.run_id, name, lineage=lineage)
    missing = sorted({*KEYS, "y", "y_hat"} - set(table))
    if missing:
        raise NothingToDo(f"the table {name!r} of run {version.version.run_id} has no column {', '.join(missing)}")
    _observed(database, version, table, name)
    return table


def _observed(database: Database, version: MirroredVersion, table: pd.DataFrame, name: str) -> None:
    """Refused when a table has outcomes that are not the observations known when its model was trained."""
    known_then = table.loc[table["y"].notna(), ["series_id", "ds", "y"]].drop_duplicates()
    start = aware_utc(known_then["ds"].min()) if len(known_then) else None
    known = observed(database, series_ids=version.lineage["series"], as_of=version.as_of, start=start)
    both = known_then.merge(known.rename(columns={"y": "known"}), on=["series_id", "ds"], how="left")
    wrong = both[both["y"] != both["known"]]
    if wrong.empty:
        return
    first = wrong.iloc[0]
    was = "nothing is known of it" if pd.isna(first["known"]) else f"it was {first['known']:g}"
    raise Refused(
        f"{len(wrong):,} outcomes in the table {name!r} of version {_number(version)} are not what was observed:"
        f" series {first['series_id']} on {first['ds']:%Y-%m-%d %H:%M} is {first['y']:g} there, and {was}"
    )


def _itself(
    database: Database, candidate: MirroredVersion, champion: MirroredVersion, folds: list[pd.Timestamp]
) -> pd.DataFrame:
    frame = _known_to(database, candidate, champion)
    frame = frame[frame["series_id"].isin(champion.lineage["series"])]
    model = load_model(database, champion.version)
    parts: list[pd.DataFrame] = [model.predict(frame[frame["ds"] <= fold]) for fold in folds]
    return pd.concat(parts, ignore_index=True)


def _recipe(
    database: Database, candidate: MirroredVersion, champion: MirroredVersion, folds: list[pd.Timestamp]
) -> pd.DataFrame:
    spec = TrainingSpec.from_recipe(champion.version.name, champion.lineage, as_of=candidate.as_of)
    frame = _known_to(database, candidate, champion)
    return backtest(spec.kind, spec.forecaster_params, frame, folds, spec.horizon, refit_every=spec.refit_every)


def _known_to(database: Database, candidate: MirroredVersion, asked: MirroredVersion | None = None) -> pd.DataFrame:
    """What the version was trained on: both are measured by the same data; with what `asked` needs beside it."""
    sets = sets_of(asked.lineage["recipe"]["params"]) if asked else ()
    selection = Selection(**candidate.lineage["selection"])
    return read_data(database, selection, candidate.as_of, feature_sets=sets).frame


def _number(version: MirroredVersion) -> int:
    return version.version.version
