"""A model rebuilt from its lineage: the data as they were known then, the same recipe; the same forecasts and backtest?

Nothing is written: no run, no version, no tag. A verdict holds for the code, libraries and machine that gave it.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from mlops.db import Database
from mlops.db.archive.read import read_archived
from mlops.domain.features import Selection
from mlops.domain.lineage import LINEAGE_TAG, LineageDocument, trained_from_file, why_not_here
from mlops.errors import MlopsError, Refused
from mlops.evaluation.backtest import accuracy_of
from mlops.feature_store.digest import Fingerprint, fingerprint
from mlops.feature_store.sources import sets_of, with_sources
from mlops.features.standard import WORDS, as_recorded, standard
from mlops.forecasting import forecaster, load
from mlops.panels.calendar import about
from mlops.series.read import observed
from mlops.tracking.artifacts.checked import ARTIFACTS, Anchor, anchor_of, changed, digests, fetch, load_from
from mlops.tracking.bridge.mirror import live_version
from mlops.tracking.environment import environment, installed, source_code
from mlops.tracking.registry import ModelVersion, resolve
from mlops.tracking.runs import read_run_table
from mlops.tracking.store import Store
from mlops.training import differences
from mlops.training.differences import Difference
from mlops.training.record import Record, public_holidays
from mlops.training.spec import TrainingSpec
from mlops.training.train import backtests
from mlops.version import __version__

__all__ = ["ELSEWHERE", "Reproduction", "reproduce"]

ELSEWHERE = 1e-9
"""The tolerance with another machine or other libraries, relative to a series' mean forecast.

With the same ones every kind is equal bit for bit. The instructions of another processor were measured to move
forecasts by 5e-13 at most; a choice between two equal splits of a tree may turn over, and is then told as a difference.
"""
KEYS = ["series_id", "ds"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Reproduction:
    """Whether a version could be rebuilt; `differences` are why not, `changed_since` is what else is other by now.

    `largest` is the largest difference of a forecast or bound, relative to the mean forecast of its series (None:
    nothing could be compared).
    """

    uri: str
    verdict: Literal["reproduced", "differs"]
    differences: tuple[Difference, ...]
    changed_since: tuple[Difference, ...]
    series: int
    observations: int
    corrected_since: int
    """Observations that were corrected after the training; the rebuild read what had stood there."""
    content_then: str
    content_now: str | None
    forecasts: int
    largest: float | None
    backtest: int
    """Forecasts of the backtest, and of the baselines' beside it, that were made again."""
    tolerance: float


@dataclass(frozen=True)
class _Trained:
    """A version as its training left it: `lineage` and `metrics` as anchored, `model` its files, which are those."""

    version: ModelVersion
    lineage: LineageDocument
    metrics: dict[str, float]
    model: Path
    record: Record

    @property
    def folder(self) -> Path:
        return self.model / ARTIFACTS

    @property
    def spec(self) -> TrainingSpec:
        return TrainingSpec.from_recipe(self.version.name, self.lineage, as_of=self.as_of)

    @property
    def selection(self) -> Selection:
        return Selection(**self.lineage["selection"])

    @property
    def as_of(self) -> datetime:
        return datetime.fromisoformat(self.lineage["as_of"])


@dataclass(frozen=True)
class _Compared:
    """Forecasts of the model and of the rebuilt one side by side: how many, and how far apart at most, and where."""

    forecasts: int
    largest: float | None
    where: str = ""


def reproduce(
    database: Database, store: Store, uri: str, *, tolerance: float | None = None, say: Say = lambda _: None
) -> Reproduction:
    """Train a version again on what was known then, and compare data, forecasts and backtest with those of then.

    All forecasts of its whole horizon count, for every series, and all of its backtest, within `tolerance` relative to
    a series' mean forecast (None: 0 on the same machine with the same libraries, else ELSEWHERE). What it was is what
    was anchored; nothing of its files is loaded when one of them is another. Raises Refused for a version whose lineage
    is incomplete, or that `mlops train` did not make.
    """
    version = resolve(store, uri)
    lineage, anchor = _recorded(database, version)
    say("reading the model")
    with tempfile.TemporaryDirectory() as name:
        model = fetch(version, Path(name))
        broken = tuple(Difference("file", message) for message in changed(anchor.files or {}, digests(model)))
        if broken:
            return _result(version, lineage, broken, tolerance=tolerance or 0.0)
        record = Record.read(model / ARTIFACTS / "training")
        trained = _Trained(version, lineage, anchor.metrics or {}, model, record)
        return _rebuilt(database, store, trained, list(_contradictions(version, anchor)), tolerance, say)


def _recorded(database: Database, version: ModelVersion) -> tuple[LineageDocument, Anchor]:
    """The lineage of a version that can be rebuilt, and what is anchored of it; Refused for any other."""
    row = live_version(database, version)
    if row is None:
        raise Refused(f"{version.uri} can't be rebuilt: it is not in the mirror; run `mlops registry sync`")
    lineage, anchor = row.lineage, anchor_of(database, version)
    if lineage is None or anchor.files is None:
        raise Refused(f"{version.uri} can't be rebuilt: {row.lineage_problem or 'nothing is anchored of its files'}")
    if lineage.get("lineage_version", 1) < 2:
        raise Refused(f"{version.uri} was trained before mlops kept a record of its training data; train it again")
    if trained_from_file(lineage):
        raise Refused(
            f"{version.uri} can't be rebuilt from the database: {why_not_here(lineage)}; the file had the SHA-256"
            f" {lineage['source']['sha256']}"
        )
    if "recipe" not in lineage or "training/observations.parquet" not in lineage["files"]:
        raise Refused(f"{version.uri} was not made by `mlops train`, so there is no recipe to rebuild it by")
    return lineage, anchor


def _contradictions(version: ModelVersion, anchor: Anchor) -> Iterator[Difference]:
    """What the registry says of the version now, and was not so when it was anchored."""
    if anchor.lineage_state == "claimed":
        yield Difference("lineage", str(anchor.lineage_problem))
    tag = version.tags.get(LINEAGE_TAG)
    if tag != anchor.lineage_sha256:
        has = "has no tag of its lineage" if tag is None else f"has the tag of a lineage {tag[:12]}…"
        yield Difference("lineage", f"the version {has}, and {str(anchor.lineage_sha256)[:12]}… was anchored")
    elif anchor.altered:
        yield Difference("metric", anchor.altered)


def _rebuilt(
    database: Database,
    store: Store,
    trained: _Trained,
    found: list[Difference],
    tolerance: float | None,
    say: Say,
) -> Reproduction:
    say("reading what was known")
    frame = _read(database, trained)
    now = fingerprint(frame)
    found += [*_data(database, trained, frame, now), *_features(trained)]
    say(f"training {trained.lineage['recipe']['kind']} again on {len(frame):,} observations")
    compared, tested, since = _Compared(0, None), 0, tuple(_since(trained))
    elsewhere = any(change.what in ("library", "machine") for change in since)
    allowed = tolerance if tolerance is not None else ELSEWHERE if elsewhere else 0.0
    try:
        compared = _compared(trained, frame)
        found += _forecasts(compared, allowed)
        if not {one.what for one in found} & {"data", "feature", "forecast"}:  # else another backtest says nothing more
            say("making the backtest again")
            tested, others = _backtest(store, trained, frame, allowed)
            found += others
    except (MlopsError, OSError, ValueError, TypeError, KeyError) as error:  # other data, code or libraries
        found.append(Difference("retraining", f"the recipe can't be followed: {type(error).__name__}: {error}"))
    return _result(
        trained.version,
        trained.lineage,
        tuple(found),
        tolerance=allowed,
        changed_since=since,
        compared=compared,
        tested=tested,
        content_now=now.sha256,
        corrected_since=_corrected(database, trained),
    )


def _read(database: Database, trained: _Trained) -> pd.DataFrame:
    """The observations that were learned from, with the values that stood at that time.

    Which they were is on record: what is judged as an outage now may have been judged otherwise then.
    """
    known = observed(database, series_ids=trained.lineage["series"], as_of=trained.as_of)
    typed = known[[*KEYS, "y"]].astype({"series_id": "int64", "y": "float64"})  # nothing has no type
    frame = trained.record.observations.merge(typed, on=KEYS)
    return with_sources(database, frame, sets_of(trained.spec.params), trained.as_of)


def _data(database: Database, trained: _Trained, frame: pd.DataFrame, now: Fingerprint) -> Iterator[Difference]:
    if now.sha256 == trained.lineage["content_sha256"]:
        return
    wanted = trained.record.observations.merge(frame[KEYS], on=KEYS, how="left", indicator=True)
    missing = wanted.loc[wanted["_merge"] == "left_only", KEYS]
    # values that the model keeps to forecast from, and that are other ones now
    kept = load(trained.folder / "forecaster").remembered.rename(columns={"y": "was"})
    both = kept.merge(frame.rename(columns={"y": "now"}), on=KEYS)
    remembered = both.loc[both["was"] != both["now"], [*KEYS, "was", "now"]]
    found = [
        *differences.lost(database, missing, trained.as_of),
        *differences.value_differences(
            trained.record.data,
            now,
            remembered,
            differences.deleted(database, trained.lineage["series"], trained.version.created_at),
        ),
    ]
    yield from found or [Difference("data", "the digest of the data is another one, and all parts are equal")]


def _features(trained: _Trained) -> Iterator[Difference]:
    """Of a standard feature the definition in words is the same as that in the language of transformations."""
    then, spec = trained.lineage["features"], trained.spec
    declared = {one.name: one for each in sets_of(spec.params) for one in each.features}
    names = [name for name in then if name in WORDS and name not in declared]
    digests = {name: one["definition_sha256"] for name, one in then.items()}
    known = as_recorded(standard(trained.selection, spec.owner, names, spec.country), digests)
    now = {one.name: one.sha256 for one in (*declared.values(), *known)}
    return differences.definitions(then, now)


def _compared(trained: _Trained, frame: pd.DataFrame) -> _Compared:
    """The whole horizon from the end of the training data, of every series; the model is asked as serving asks it."""
    spec, asked = trained.spec, pd.DataFrame({"series_id": trained.lineage["series"]})
    rebuilt = forecaster(spec.kind)(**about(spec.forecaster_params, frame)).fit(frame)
    then = load_from(trained.model, trained.version).predict(asked, params={"horizon": spec.horizon})
    return _side_by_side(then, rebuilt.predict(spec.horizon), KEYS)


def _side_by_side(then: pd.DataFrame, now: pd.DataFrame, keys: list[str]) -> _Compared:
    """Two frames of forecasts with the same columns, row by row; a row that only one of them has is infinitely far."""
    both = then.merge(now, on=keys, how="outer", suffixes=("_then", "_now"))
    figures = [name for name in then.columns if name not in (*keys, "cutoff")]
    was, has = (both[[f"{name}_{when}" for name in figures]].to_numpy(dtype=float) for when in ("then", "now"))
    scale = both["series_id"].map(then["y_hat"].abs().groupby(then["series_id"]).mean()).to_numpy(dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(was - has) / np.where(scale > 0, scale, 1.0)[:, None]
    apart = np.where((was == has) | (np.isnan(was) & np.isnan(has)), 0.0, np.where(np.isnan(apart), np.inf, apart))
    row, column = np.unravel_index(int(apart.argmax()), apart.shape)
    one, figure = both.iloc[row], figures[column]
    where = (
        f"{figure} of series {one['series_id']} for {one['ds']:%Y-%m-%d %H:%M} was {was[row, column]:.10g}"
        f" and is {has[row, column]:.10g}"
    )
    return _Compared(len(both), float(apart.max()), where)


def _backtest(store: Store, trained: _Trained, frame: pd.DataFrame, allowed: float) -> tuple[int, list[Difference]]:
    """How many forecasts were made again, and what is other in the tables of the run, or in what they measured."""
    count, found = 0, list[Difference]()
    for name, made in backtests(trained.spec, frame).items():
        try:
            then = read_run_table(store, trained.version.run_id, name, lineage=trained.lineage)
        except MlopsError as error:
            found.append(Difference("table", str(error)))
            continue
        compared = _side_by_side(then, made[[*then.columns]], [*KEYS, "cutoff"])
        count += compared.forecasts
        found += _forecasts(compared, allowed, f"of the table {name!r} ", "table")
        for metric, value in accuracy_of(made).items() if name == "backtest" else ():
            recorded = trained.metrics.get(metric)
            if recorded is not None and abs(recorded - value) > allowed * max(1.0, abs(value)):
                message = f"{metric} was recorded as {recorded:.10g}, and its backtest makes {value:.10g}"
                found.append(Difference("metric", message))
    return count, found


def _forecasts(
    compared: _Compared, allowed: float, of: str = "", what: Literal["forecast", "table"] = "forecast"
) -> Iterator[Difference]:
    if compared.largest is not None and compared.largest > allowed:
        yield Difference(
            what,
            f"forecasts {of}differ by up to {compared.largest:.3g} of a series' mean forecast, {allowed:g} is allowed:"
            f" {compared.where}",
        )


def _since(trained: _Trained) -> Iterator[Difference]:
    """What is other by now and may explain a difference, or changed nothing."""
    then, spec, record = trained.lineage, trained.spec, trained.record
    yield from differences.code_differences(then["code"], source_code(), (then["code_version"], __version__))
    yield from differences.environment_differences(
        then["environment"], environment(), (record.distributions, installed())
    )
    times = record.observations["ds"]
    now = public_holidays(spec.country, times.min(), times.max(), spec.horizon, spec.granularity)
    yield from differences.holiday_differences(spec.country, record.holidays, now)


def _corrected(database: Database, trained: _Trained) -> int:
    series = trained.lineage["series"]
    first, last = (datetime.fromisoformat(trained.lineage[end]) for end in ("trained_from", "trained_to"))
    with database.transaction() as transaction:
        read_archived(transaction, series, start=first, end=last)
        corrected: int = transaction.value(
            "count_corrected_since", series_ids=series, first=first, last=last, as_of=trained.as_of
        )
    return corrected


def _result(
    version: ModelVersion,
    lineage: LineageDocument,
    found: tuple[Difference, ...],
    *,
    tolerance: float,
    changed_since: tuple[Difference, ...] = (),
    compared: _Compared = _Compared(0, None),
    tested: int = 0,
    content_now: str | None = None,
    corrected_since: int = 0,
) -> Reproduction:
    return Reproduction(
        uri=version.uri,
        verdict="differs" if found else "reproduced",
        differences=found,
        changed_since=changed_since,
        series=len(lineage["series"]),
        observations=lineage["rows"],
        corrected_since=corrected_since,
        content_then=lineage["content_sha256"],
        content_now=content_now,
        forecasts=compared.forecasts,
        largest=compared.largest,
        backtest=tested,
        tolerance=tolerance,
    )
