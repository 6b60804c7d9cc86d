"""One training: from the spec to a registered version, with its backtest against the baselines."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd

from mlops.db import Database
from mlops.domain.canonical import JsonObject, Parameters
from mlops.domain.findings import FEWEST_DAYS
from mlops.domain.forecasts import wape, worse_than_trivial
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.lineage import BASELINES
from mlops.domain.metric_types import MetricType
from mlops.domain.model_uri import uri_of
from mlops.errors import Misused
from mlops.evaluation.accuracy import accuracy_table
from mlops.evaluation.backtest import accuracy_of, backtest, freshest, mean_before, origins
from mlops.feature_store.sources import sets_of
from mlops.feature_store.store import register_features
from mlops.forecasting import forecaster
from mlops.forecasting.base import Forecaster
from mlops.panels.calendar import about
from mlops.panels.files import read_file
from mlops.panels.from_frame import Panels
from mlops.series.totals import Totals, totals_of
from mlops.times import aware_utc
from mlops.tracking.bridge.mirror import live_version
from mlops.tracking.bridge.sync import register_version, sync
from mlops.tracking.environment import installed
from mlops.tracking.lineage import Declaration
from mlops.tracking.registry import ModelVersion, resolve
from mlops.tracking.runs import RunRecord, log_run, read_run_table
from mlops.tracking.store import Store
from mlops.training.data import TrainingData, learned, needs_file, read_data, select
from mlops.training.record import Record, public_holidays
from mlops.training.report.describe import BASELINE_WORDS, of_training, tags_of
from mlops.training.report.page import BacktestPage
from mlops.training.spec import TrainingSpec

__all__ = ["BASELINES", "OF_A_FILE", "REQUEST_TAG", "Trained", "backtests", "train", "trained_for"]

log = logging.getLogger(__name__)
REQUEST_TAG = "mlops.request"
OF_A_FILE = (
    "its data are not in the database: it is forecast with `mlops predict URI --file FILE`, nothing of that is stored,"
    " and it can't be watched or retrained by itself; for that bring the series in with `mlops series ingest`"
)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """A registered version, what its backtest measured, and whether an earlier call had trained it."""

    version: ModelVersion
    metrics: dict[str, float]
    excluded: pd.DataFrame
    """`series_id, name, reason` of the series that were left out."""
    notes: tuple[str, ...] = ()
    """What will not work for this version, and what to do about it."""
    repeated: bool = False

    @property
    def poor(self) -> bool:
        """Whether its backtest says that a forecast without it is better, which a gate refuses."""
        return bool(_poor(self.metrics))


def train(spec: TrainingSpec, database: Database, store: Store, say: Say = lambda _: None) -> Trained:
    """Train what `spec` says on what was known at `spec.as_of`, register it as challenger and mirror it.

    Raises NothingToDo without usable series and HistoryTooShort when there is too little for one backtest origin.
    """
    if spec.request and (done := trained_for(database, store, spec.name, spec.request)):
        return _done(database, store, done)
    began_at = datetime.now(UTC)
    say("reading what was known")
    spec, data, notes = _read(spec, database)
    frame, totals = data.frame, _totals(spec, data, database)
    cutoffs = _cutoffs(spec, frame)
    notes += _short(spec, cutoffs)
    for note in notes:
        log.warning(note)
    say(f"backtesting {spec.kind} on {frame['series_id'].nunique()} series")
    tested = backtests(spec, frame, cutoffs)
    say(f"fitting {spec.kind} on {frame['y'].count():,} observations")
    fitted = forecaster(spec.kind)(**about(spec.forecaster_params, frame)).fit(frame)
    say("logging and registering")
    version, metrics = _register(spec, data, tested, fitted, database, store, began_at, totals)
    poor = _poor(metrics)
    for note in poor:
        log.warning(note)
    return Trained(version, metrics, data.excluded_frame, (*notes, *poor))


def _read(spec: TrainingSpec, database: Database) -> tuple[TrainingSpec, TrainingData, tuple[str, ...]]:
    """What is learned from, the spec with what the data say of it, and what a person should know of them."""
    if spec.file is not None:
        if spec.totals:
            raise Misused("totals are of series of the database; with --file leave --totals and [data] totals out")
        series = read_file(spec.file, spec.as_of, freq=spec.granularity, covariates=spec.covariates)
        later = f"{series.left_out:,} values are left out: their steps were not over by {spec.as_of:%Y-%m-%d %H:%M} UTC"
        notes = (f"{spec.file}: {later}",) if series.left_out else ()
        return spec.at(series.panels.granularity), learned(series, spec.covariates), notes
    needs_file(spec.covariates)
    selection = select(database, spec.metric_type, spec.granularity, dict(spec.labels), spec.level)
    with database.transaction() as transaction:
        absences = {declared.name: declared.absence for declared in transaction.rows("metric_types", of=MetricType)}
    if absences[selection.metric_type] != "nothing":
        # what a step without service means for the metric type is part of the recipe
        spec = replace(spec, params={"absence": absences[selection.metric_type], **spec.params})
    data = read_data(database, selection, spec.as_of, feature_sets=sets_of(spec.params))
    frame = data.frame.drop(columns="quality_score")  # it says what can be learned from, and is not learned from
    return spec, replace(data, frame=frame), _mixed(database, data)


def _mixed(database: Database, data: TrainingData) -> tuple[str, ...]:
    """What to do when customers are learned from beside the routes that they are on."""
    series = [int(series_id) for series_id in data.frame["series_id"].unique()]
    with database.transaction() as transaction:
        parts = transaction.value("count_parts_among", metric_type=data.what, series_ids=series)
    if not parts:
        return ()
    return (
        f"{parts:,} of {len(series):,} series measure a part of what another of them measures (a customer of its"
        " route), so figures over all of them count that twice; choose one level with --level",
    )


def trained_for(database: Database, store: Store, name: str, request: str) -> ModelVersion | None:
    """The newest version of a name that was trained for a request, as anchored: anybody may write tags."""
    sync(store, database, foreign=False)
    with database.transaction() as transaction:
        version = transaction.value("version_of_request", name=name, request=request)
    return None if version is None else resolve(store, uri_of(name, version))


def _cutoffs(spec: TrainingSpec, frame: pd.DataFrame) -> tuple[pd.Timestamp, ...]:
    panels, step = Panels.of(frame, spec.granularity, spec.covariates), GRANULARITIES[spec.granularity]
    every = 1 if step.counted else step.issue  # a week of hours or days, else one step
    return origins(panels, spec.backtest_weeks, every=every, horizon=spec.horizon)


def _short(spec: TrainingSpec, cutoffs: Sequence[pd.Timestamp]) -> tuple[str, ...]:
    """In words, when the backtest will be too short for a monitor."""
    step = GRANULARITIES[spec.granularity]
    days = round((cutoffs[-1] - cutoffs[0]).days + spec.horizon * step.days)
    if days >= FEWEST_DAYS:
        return ()
    more = "more origins (--set weeks=)" if len(cutoffs) >= spec.backtest_weeks else "more history"
    return (
        f"the backtest covers {days} days, and a monitor is fitted on {FEWEST_DAYS} or more:"
        f" `mlops monitor run` can't watch this version; it needs {more}",
    )


def backtests(
    spec: TrainingSpec, frame: pd.DataFrame, cutoffs: Sequence[pd.Timestamp] | None = None
) -> dict[str, pd.DataFrame]:
    """Forecasts of the model and of every baseline from the same origins in `series_id, ds, y`, by table name."""
    cutoffs = cutoffs or _cutoffs(spec, frame)
    common: JsonObject = {"freq": spec.granularity, "country": spec.country, "horizon": spec.horizon}
    if spec.covariates:
        common["covariates"] = list(spec.covariates)
    tested = {
        "backtest": backtest(
            spec.kind, spec.forecaster_params, frame, cutoffs, spec.horizon, refit_every=spec.refit_every
        )
    }
    for kind in BASELINES:
        tested[f"backtest_{kind}"] = backtest(kind, common, frame, cutoffs, spec.horizon, refit_every=spec.refit_every)
    return tested


def _register(
    spec: TrainingSpec,
    data: TrainingData,
    tested: dict[str, pd.DataFrame],
    fitted: Forecaster,
    database: Database,
    store: Store,
    began_at: datetime,
    totals: Totals | None,
) -> tuple[ModelVersion, dict[str, float]]:
    times = data.frame["ds"]
    holidays = public_holidays(spec.country, times.min(), times.max(), spec.horizon, spec.granularity)
    record = Record.of(data.frame, installed(), holidays)
    metrics = _measured(tested, data.frame) | _measured_totals(tested["backtest"], totals)
    tags = tags_of(spec, data) | ({REQUEST_TAG: spec.request} if spec.request else {})
    page = of_training(spec, data, tested["backtest"]["cutoff"].nunique(), metrics, began_at)
    by_series = accuracy_table(tested["backtest"], ["series_id"])
    by_series.insert(1, "name", by_series["series_id"].map(data.names))
    run = RunRecord(
        experiment=spec.name,
        page=page,
        forecaster=fitted,
        lineage=_lineage(spec, data, record, fitted, database),
        params=_shown(fitted.params) | {"kind": spec.kind, "as_of": tags["mlops.as_of"]} | _origin(data),
        metrics=metrics,
        tags=tags,
        tables=tested | {"excluded_series": data.excluded_frame},
        shown={
            "scores_by_series": by_series,
            "scores_by_step": accuracy_table(tested["backtest"], ["step"]),
            "feature_importance": _ranked(fitted.importance()),
        },
        files={"backtest.html": _page(page.name, spec, data, tested, fitted, by_series).html()},
        training=record.files(),
        names=data.names,
    )
    logged = log_run(store, run)
    return register_version(store, database, spec.name, logged, tags), metrics


def _measured(tested: Mapping[str, pd.DataFrame], frame: pd.DataFrame) -> dict[str, float]:
    """Scores of every forecast of the backtest, WAPE of its baselines, and the same of the freshest forecasts alone.

    The freshest are what monitoring holds later forecasts against.
    """
    ours, metrics = tested["backtest"], accuracy_of(tested["backtest"])
    metrics |= {f"wape_{kind}": accuracy_of(tested[f"backtest_{kind}"])["wape"] for kind in BASELINES}
    metrics["wape_mean"] = wape(ours["y"], mean_before(frame, ours))
    newest = accuracy_of(freshest(ours))
    metrics |= {f"{name}_freshest": newest[name] for name in ("wape", "coverage_80", "coverage_95")}
    metrics["wape_naive_freshest"] = accuracy_of(freshest(tested["backtest_naive"]))["wape"]
    return metrics


def _totals(spec: TrainingSpec, data: TrainingData, database: Database) -> Totals | None:
    """The totals that the model is to forecast, so that one that can't be is refused before anything is fitted."""
    if not spec.totals or data.selection is None:
        return None
    series = [int(series_id) for series_id in sorted(data.frame["series_id"].unique())]
    return totals_of(database, series, spec.totals, data.selection.labels)


def _measured_totals(forecasts: pd.DataFrame, totals: Totals | None) -> dict[str, float]:
    """WAPE of the totals of each level over the backtest: of the sums of what was observed and was forecast of it.

    No gate asks for it.
    """
    if totals is None or not totals.each:
        return {}
    level = {-1 - key: total.level for key, total in enumerate(totals.each)}
    rows = forecasts[forecasts["y"].notna()].merge(totals.members, on="series_id")
    summed = rows.groupby(["total", "cutoff", "ds"])[["y", "y_hat"]].sum().reset_index()
    return {
        f"wape_total_{name}": wape(some["y"], some["y_hat"])
        for name, some in summed.groupby(summed["total"].map(level))
    }


def _poor(metrics: Mapping[str, float]) -> tuple[str, ...]:
    """In words, when the backtest says that a forecast without this model is better: promotion refuses it."""
    why = worse_than_trivial(metrics["wape"], metrics.get("wape_mean"))
    if not why and metrics["wape"] > metrics["wape_naive"]:
        why = f"the seasonal naive is better, with a WAPE of {metrics['wape_naive']:.3f}"
    if not why:
        return ()
    return (f"in the backtest the WAPE is {metrics['wape']:.3f}: {why}; `mlops registry promote` refuses such a model",)


def _page(
    title: str,
    spec: TrainingSpec,
    data: TrainingData,
    tested: Mapping[str, pd.DataFrame],
    fitted: Forecaster,
    by_series: pd.DataFrame,
) -> BacktestPage:
    return BacktestPage(
        title=title,
        forecasts={
            BASELINE_WORDS.get(name.removeprefix("backtest_"), spec.kind): found for name, found in tested.items()
        },
        by_series=by_series,
        importance=fitted.importance(),
        excluded=data.excluded_frame,
        words=GRANULARITIES[spec.granularity].words,
    )


def _ranked(importance: Mapping[str, float]) -> pd.DataFrame:
    """`rank, feature, importance`, the most important first."""
    ordered = sorted(importance.items(), key=lambda item: -item[1])
    rows = [(rank, *item) for rank, item in enumerate(ordered, 1)]
    return pd.DataFrame(rows, columns=["rank", "feature", "importance"])


def _shown(params: Parameters) -> JsonObject:
    """Parameters as a run shows them: of a feature set its name; the whole is in the recipe."""
    return {
        name: value["name"] if name == "features" and isinstance(value, Mapping)
        else _shown(value) if isinstance(value, Mapping)
        else value
        for name, value in params.items()
    }  # fmt: skip


def _origin(data: TrainingData) -> dict[str, str]:
    """Where the data are from, as parameters of the run."""
    if data.selection is not None:
        return {"metric_type": data.selection.metric_type}
    assert data.source is not None
    return {"file": data.source["file"], "sha256": data.source["sha256"]}


def _lineage(
    spec: TrainingSpec, data: TrainingData, record: Record, fitted: Forecaster, database: Database
) -> Declaration:
    """What the training declares of its model.

    The series of a file are not in the database, so neither they nor features of theirs are named: its `source` is.
    """
    observed = data.frame.loc[data.frame["y"].notna(), "ds"]
    declaration: Declaration = {
        "features": {},
        "label": "value",
        "as_of": spec.as_of,
        "trained_from": aware_utc(observed.min()),
        "trained_to": aware_utc(observed.max()),
        "rows": record.data.rows,
        "columns": record.data.columns,
        "content_sha256": record.data.sha256,
        "recipe": spec.recipe,
    }
    if data.selection is None:
        assert data.source is not None
        declaration["source"] = data.source
        return declaration
    declaration["features"] = register_features(database, fitted.definitions(data.selection, spec.owner))
    for name, share in fitted.importance().items():
        if name in declaration["features"]:
            declaration["features"][name]["importance"] = round(share, 9)
    declaration["selection"] = data.selection
    declaration["series"] = tuple(int(series) for series in sorted(data.frame["series_id"].unique()))
    return declaration


def _done(database: Database, store: Store, version: ModelVersion) -> Trained:
    """What an earlier call has trained, as it was recorded."""
    row = live_version(database, version)
    assert row is not None
    metrics = {name: value for name, value in row.metrics.items() if not name.startswith("importance.")}
    return Trained(
        version,
        metrics,
        read_run_table(store, version.run_id, "excluded_series", lineage=row.lineage),
        repeated=True,
    )
