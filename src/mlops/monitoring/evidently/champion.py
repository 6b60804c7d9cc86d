"""Evidently's classic presets on a champion: its newest weeks against the same season a year earlier."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from mlops.db import Database
from mlops.domain.features import FeatureDefinition, FeatureSet, Selection
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.domain.lineage import trained_here, why_not_here
from mlops.errors import ModelNotFound, NothingToDo
from mlops.feature_store.build import selection_history, values
from mlops.feature_store.sources import with_sources
from mlops.feature_store.store import watched_of
from mlops.files import whole_file, write_whole
from mlops.monitoring.decide.shadow import VersionOfSeries
from mlops.times import naive_utc
from mlops.tracking.bridge.mirror import LiveVersion
from mlops.tracking.registry import resolve
from mlops.tracking.runs import read_run_table
from mlops.tracking.store import Store

__all__ = ["PresetsPage", "Windows", "presets", "same_season"]

AROUND, BEFORE = 0.5, 3  # of the current window
YEAR = timedelta(days=364)  # whole weeks, so that weekdays meet
LEAST = 0.5  # of a season's days
DAILY = GRANULARITIES["daily"]


@dataclass(frozen=True)
class Windows:
    """Two windows of the same columns, and in words what the reference is."""

    reference: pd.DataFrame
    current: pd.DataFrame
    words: str


@dataclass(frozen=True)
class PresetsPage:
    """Where the presets' page and snapshot lie, against what they compared, and what they say."""

    name: str
    version: int
    reference: str
    columns: tuple[str, ...]
    drifted: tuple[str, ...]
    left_out: dict[str, str]
    html: Path
    snapshot: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Champion(VersionOfSeries):
    run_id: str


def presets(
    database: Database, store: Store, features: tuple[str, ...], name: str, as_of: datetime, folder: Path
) -> PresetsPage:
    """Write the presets' page of the champion of `name`, by what was known at `as_of`, and its snapshot beside it.

    Raises ModelNotFound without a champion, NothingToDo where a window has no rows or no column values in both.
    """
    from mlops.monitoring.evidently import save_html
    from mlops.monitoring.evidently.presets import classic

    version = _champion(database, store, name)
    windows = same_season(
        _forecasts(database, store, version, as_of),
        as_of,
        GRANULARITIES[version.lineage["selection"]["granularity"]],
    )
    watched = watched_of(database, version.lineage, features)
    columns = [*(feature.name for feature in watched), "target", "prediction"]
    reference, current = (
        _featured(database, version, rows, watched, as_of)[columns] for rows in (windows.reference, windows.current)
    )
    compared = classic(reference, current, name=f"{name} v{version.version}", as_of=as_of)
    html = folder / f"presets-{name}-{as_of.astimezone(UTC):%Y-%m-%d}.html"
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(html) as unfinished:
        save_html(compared.snapshot, unfinished)
    write_whole(html.with_suffix(".json"), compared.snapshot)
    return PresetsPage(
        name,
        version.version,
        windows.words,
        compared.columns,
        compared.drifted,
        compared.left_out,
        html,
        html.with_suffix(".json"),
    )


def same_season(rows: pd.DataFrame, as_of: datetime, granularity: Granularity = DAILY) -> Windows:
    """The four weeks before `as_of`, and the same a year earlier with two more on either side; by `ds` (UTC, naive).

    Where fewer than half of those days have rows, the twelve weeks before the four take their place: no season is
    quiet then. Of longer steps the recent days of the granularity are the four weeks.
    """
    length = timedelta(days=granularity.recent_days)
    around, before = length * AROUND, length * BEFORE
    end = naive_utc(as_of)
    begin = end - length
    current, season = _between(rows, begin, end), _between(rows, begin - YEAR - around, end - YEAR + around)
    periods = (length + 2 * around).days / max(granularity.days, 1)
    if length + around < YEAR and season["ds"].dt.normalize().nunique() >= LEAST * periods:
        return Windows(season, current, "the same season a year earlier")
    span = "twelve weeks" if granularity.recent_days == DAILY.recent_days else f"{before.days} days"
    words = f"the {span} before, as no forecasts of a year earlier are known"
    return Windows(_between(rows, begin - before, begin), current, words)


def _between(rows: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    return rows[(rows["ds"] >= begin) & (rows["ds"] < end)]


def _champion(database: Database, store: Store, name: str) -> _Champion:
    champion = resolve(store, f"models:/{name}@champion")
    with database.transaction() as transaction:
        row = transaction.one("live_version", of=LiveVersion, name=name, version=champion.version)
    if row is None or not trained_here(row.lineage):
        why = "" if row is None else f": {why_not_here(row.lineage)}"
        raise ModelNotFound(
            f"the mirror knows no series of {champion.uri}{why}; `mlops train` declares them, `mlops registry sync`"
            " reads them"
        )
    return _Champion(
        version_id=row.version_id, name=row.name, version=row.version, lineage=row.lineage, run_id=champion.run_id
    )


def _forecasts(database: Database, store: Store, version: _Champion, as_of: datetime) -> pd.DataFrame:
    """The freshest forecast of every series and day that has come: of the backtest, and since then those served."""
    key = {"version_id": version.version_id, "as_of": as_of, "start": datetime(1970, 1, 1, tzinfo=UTC)}
    granularity = GRANULARITIES[version.lineage["selection"]["granularity"]]
    with database.transaction() as transaction:
        served = transaction.frame(
            "freshest_predictions", **key, cycle=granularity.block_interval, steps=granularity.block
        )
    if served.empty:
        raise NothingToDo(f"{version.name} has forecast no day before {as_of:%Y-%m-%d}")
    tested = read_run_table(store, version.run_id, "backtest", lineage=version.lineage)
    tested = tested[tested["ds"] < served["ds"].min()].sort_values("cutoff", kind="stable")
    tested = tested.drop_duplicates(["series_id", "ds"], keep="last")
    columns = ["series_id", "ds", "cutoff", "y", "y_hat"]
    both: pd.DataFrame = pd.concat([tested[columns], served[columns]], ignore_index=True)
    return both


def _featured(
    database: Database,
    version: _Champion,
    rows: pd.DataFrame,
    features: tuple[FeatureDefinition, ...],
    as_of: datetime,
) -> pd.DataFrame:
    rows = rows.rename(columns={"y": "target", "y_hat": "prediction"}).reset_index(drop=True)
    if rows.empty:
        return rows.reindex(columns=[*rows, *(feature.name for feature in features)])
    lineage = version.lineage
    selection, country = Selection(**lineage["selection"]), lineage["recipe"]["country"]
    observed = selection_history(database, selection, as_of, series=lineage["series"])
    observed = with_sources(database, observed, [FeatureSet("watched", selection, features)], as_of)
    featured: pd.DataFrame = values(observed, rows, features, country, selection)
    return featured
