"""A registry URI becomes a loaded model and what it may look back on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.lineage import LineageDocument, trained_from_file, trained_here
from mlops.errors import BadHorizon, ModelNotFound, NothingToDo, Refused
from mlops.feature_store.build import selection_history
from mlops.feature_store.sources import sets_of, with_sources
from mlops.forecasting.base import Forecaster
from mlops.panels.files import read_file
from mlops.series.names import series_names
from mlops.series.quality import usable
from mlops.series.read import nothing_current
from mlops.times import naive_utc
from mlops.tracking.artifacts.checked import load_model
from mlops.tracking.bridge.mirror import live_version
from mlops.tracking.bridge.sync import sync
from mlops.tracking.registry import ModelVersion, resolve
from mlops.tracking.store import Store

__all__ = ["Served", "served_model"]

LOADED: dict[tuple[str, str, datetime], Any] = {}


@dataclass(frozen=True)
class Served:
    """A version with its loaded `model` (MLflow's pyfunc), the `steps` asked of it and the usable history at a time.

    `names` are those of the series that are forecast, by id; of a `file` series are their own names, in no database.
    """

    version: ModelVersion
    version_id: int
    model: Any
    steps: int
    observed: pd.DataFrame
    refused: Mapping[Any, str]
    names: Mapping[Any, str]
    lineage: LineageDocument
    file: Path | None = None

    @property
    def forecaster(self) -> Forecaster:
        """The forecaster inside of the model: it also explains, decomposes and answers what-ifs."""
        inner: Forecaster = self.model.unwrap_python_model().forecaster
        return inner


def served_model(
    database: Database,
    store: Store,
    uri: str,
    *,
    horizon: int | None = None,
    as_of: datetime,
    file: Path | None = None,
) -> Served:
    """The model that a URI means, with what was known of its series at `as_of`, or what a `file` says of them.

    A model that was trained on a file is asked with a file, any other from the database. Raises ModelNotFound,
    BadHorizon, NothingToDo (no series of the model has recent data), BadInput (the file), Refused (the model knows more
    than `as_of`, was not trained by `mlops train`, needs a file or needs none, or its files are not those that were
    anchored).
    """
    version = resolve(store, uri)
    version_id, lineage = _mirrored(database, store, version)
    _fits(version, lineage, file)
    known_at = datetime.fromisoformat(lineage["as_of"])
    if known_at > as_of:
        raise Refused(
            f"{version.uri} was trained on what was known at {known_at:%Y-%m-%d %H:%M} UTC; a forecast as of"
            f" {as_of:%Y-%m-%d %H:%M} UTC by it would leak the future; use a version that is older"
        )
    model = _model(database, version)
    steps = _checked(horizon, model)
    if file is not None:
        return _of_file(version, version_id, model, steps, file, lineage, as_of)
    observed, refused = _recent(database, version, lineage, as_of)
    known = series_names(database, Selection(**lineage["selection"]))
    there = set(observed["series_id"])
    shown = {series: name for series, name in known.items() if series in there}
    return Served(version, version_id, model, steps, observed, refused, shown, lineage)


def _fits(version: ModelVersion, lineage: LineageDocument, file: Path | None) -> None:
    """Whether the model is asked with a file if and only if it was trained on one."""
    if trained_from_file(lineage):
        source, recipe = lineage["source"], lineage["recipe"]
        columns = ", ".join(["series_id", "ds", "y", *recipe.get("covariates", ())])
        ahead = "; in rows of the steps ahead y is empty" if recipe.get("covariates") else ""
        if file is None:
            raise Refused(
                f"{version.uri} was trained on the file {source['file']} (SHA-256 {source['sha256'][:12]}…), whose"
                f" series are not in the database; pass --file FILE with their newest values ({columns}{ahead}), or"
                " bring them in with `mlops series ingest FILE` and train on them there"
            )
    elif file is not None:
        raise Refused(
            f"{version.uri} was trained on series of the database and forecasts those; leave --file out, and bring"
            " newer values in with `mlops series ingest FILE`"
        )


def _of_file(
    version: ModelVersion,
    version_id: int,
    model: Any,
    steps: int,
    file: Path,
    lineage: LineageDocument,
    as_of: datetime,
) -> Served:
    """The series of a file; one that the model has not seen is refused when its kind has to know a series."""
    covariates = lineage["recipe"].get("covariates", ())
    series = read_file(file, as_of, freq=lineage["source"]["granularity"], covariates=covariates)
    forecaster: Forecaster = model.unwrap_python_model().forecaster
    refused = {}
    if not forecaster.knows_new_series:
        why = f"it was not in the training data, and {forecaster.kind} forecasts no series that it has not learned from"
        refused = dict.fromkeys(series.panels.ids.difference(forecaster.known), why)
    frame = series.frame[~series.frame["series_id"].isin(list(refused))]
    if not frame["y"].notna().any():
        raise NothingToDo(f"{file}: none of its series was in the training data of {version.uri}; train on this file")
    shown = {name: str(name) for name in series.panels.ids if name not in refused}
    return Served(version, version_id, model, steps, frame.reset_index(drop=True), refused, shown, lineage, file)


def _mirrored(database: Database, store: Store, version: ModelVersion) -> tuple[int, LineageDocument]:
    """The version's id in the mirror and its lineage; the bridge runs when it is not there yet."""
    row = live_version(database, version)
    if row is None:
        sync(store, database, foreign=False)
        row = live_version(database, version)
    if row is None or row.lineage is None:
        why = "it is not in the mirror" if row is None else row.lineage_problem or "it has no lineage"
        raise ModelNotFound(f"{version.uri} can't be served: {why}; register models with `mlops train`")
    if not trained_here(row.lineage) and not trained_from_file(row.lineage):
        raise Refused(
            f"{version.uri} was not trained by `mlops train`, so it is not known how its inputs are made of a series'"
            " history; ask it with MLflow where its features are built, as docs/how-to/features.md says under Serve"
        )
    return row.version_id, row.lineage


def _model(database: Database, version: ModelVersion) -> Any:
    """The loaded model; what was compared with its anchor when it was loaded never changes, so the newest few stay."""
    key = (database.url, version.uri, version.created_at)
    if key not in LOADED:
        while len(LOADED) >= 4:
            LOADED.pop(next(iter(LOADED)))
        LOADED[key] = load_model(database, version)
    return LOADED[key]


def _checked(horizon: int | None, model: Any) -> int:
    """The horizon asked for, or the model's own; MLflow drops what it doesn't know, so we look ourselves."""
    most = int(model.metadata.get_params_schema().params[0].default)
    if horizon is None:
        return most
    if isinstance(horizon, bool) or not 1 <= horizon <= most:
        raise BadHorizon(horizon, most)
    return horizon


def _recent(
    database: Database, version: ModelVersion, lineage: LineageDocument, as_of: datetime
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Usable history of the model's series, and the series that have none."""
    end = naive_utc(as_of)
    selection = Selection(**lineage["selection"])
    observed = selection_history(database, selection, as_of, series=lineage["series"])
    frame, excluded = usable(observed, selection.granularity, end=end, need=GRANULARITIES[selection.granularity].least)
    refused = {int(exclusion.series_id): exclusion.reason for exclusion in excluded}
    refused |= dict.fromkeys(set(lineage["series"]) - set(observed["series_id"]), "no observation by this time")
    if frame.empty:
        first, *others = refused.items()
        raise nothing_current(
            database,
            selection.metric_type,
            selection.granularity,
            as_of,
            f"no series of {version.name} version {version.version} has usable data by {as_of:%Y-%m-%d}:"
            f" series {first[0]} is {first[1]}{f' ({len(others)} more are refused)' if others else ''};"
            " bring newer observations in with `mlops series ingest FILE`, or ask for an earlier time with --as-of",
        )
    return with_sources(database, frame, sets_of(lineage["recipe"]["params"]), as_of), refused
