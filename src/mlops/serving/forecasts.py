"""Stored forecasts: which there are, with their outcomes, and one of them beside the history that it came from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from mlops.db import Database
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.domain.model_uri import MODEL_FORMS, model_of, uri_of
from mlops.errors import BadInput, Misused, ModelNotFound, NothingToDo, UnknownName
from mlops.series.names import find, series_names
from mlops.series.read import ShownSeries, history
from mlops.times import aware_utc

__all__ = [
    "Choice",
    "ForecastVersion",
    "StoredForecast",
    "WeekAccuracy",
    "choose_forecasts",
    "forecasts",
    "issues",
    "newest_issue",
    "seen",
    "weekly_accuracy",
]

WINDOW = timedelta(weeks=13)
"""Targets that are looked at when nobody says since when: the newest quarter of a year."""
EVER = (datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class ForecastVersion:
    """A version that forecasts series of the database: these and their totals, by id, and its aliases now."""

    version_id: int
    name: str
    version: int
    live: bool
    horizon: int
    granularity: str
    series: list[int]
    aliases: list[str]


@dataclass(frozen=True, slots=True)
class WeekAccuracy:
    """How good the freshest forecasts of one week of targets were, beside the seasonal naive; `size` is sum |y|."""

    week: datetime
    forecasts: int
    size: float
    wape: float | None
    wape_naive: float | None
    coverage_80: float | None
    coverage_95: float | None


@dataclass(frozen=True)
class Choice:
    """Which stored forecasts: of these versions, for these series (None: all), for days from `start` to `end`.

    `versions` are by id; `cutoffs` are the first and the one after the last; times are
    aware. Nothing counts that was issued or observed after `as_of`.
    """

    versions: dict[int, ForecastVersion]
    series: tuple[int, ...] | None
    start: datetime
    end: datetime
    cutoffs: tuple[datetime, datetime]
    as_of: datetime
    names: dict[int, str]

    @property
    def parameters(self) -> dict[str, list[int] | datetime | None]:
        """What the queries take."""
        return {
            "version_ids": list(self.versions),
            "series_ids": None if self.series is None else list(self.series),
            "start": self.start,
            "end_at": self.end,
            "cutoff_from": self.cutoffs[0],
            "cutoff_to": self.cutoffs[1],
            "as_of": self.as_of,
        }


@dataclass(frozen=True)
class StoredForecast:
    """One forecast of one series and what was observed: `forecast` as `forecasts` gives it, `observed` is `ds, y`."""

    model: str
    series: str
    unit: str
    cutoff: pd.Timestamp
    granularity: Granularity
    forecast: pd.DataFrame
    observed: pd.DataFrame


def choose_forecasts(
    database: Database,
    *,
    model: str | None = None,
    series: str | None = None,
    cutoff: tuple[datetime, datetime] | None = None,
    since: datetime | None = None,
    as_of: datetime,
) -> Choice:
    """The stored forecasts of a model (`models:/NAME`, `…/VERSION`, `…@ALIAS`; None: all) for a series by name or id.

    With a `cutoff` (from, to) only the days that can be forecast from there are looked at; else those since `since`, or
    of the newest quarter of a year. Raises ModelNotFound, UnknownName (a series), NothingToDo when nothing is stored.
    """
    versions = _versions(database, model)
    forecast = {series_id for version in versions.values() for series_id in version.series}
    known = {series_id: name for series_id, name in series_names(database).items() if series_id in forecast}
    chosen = None if series is None else (find(series, known),)
    if chosen is not None:
        versions = {number: version for number, version in versions.items() if chosen[0] in version.series}
    if cutoff is not None:
        # how far after its cutoff any of these versions forecasts
        steps = [(row.horizon + 1) * GRANULARITIES[row.granularity].longest_step for row in versions.values()]
        farthest = max(steps, default=timedelta(0))
        return Choice(versions, chosen, cutoff[0], cutoff[1] + farthest, cutoff, as_of, known)
    with database.transaction() as transaction:
        newest = transaction.value("forecast_newest", version_ids=list(versions), as_of=as_of)
    if newest is None:
        of = f" of {model}" if model else ""
        raise NothingToDo(
            f"no forecast{of} was stored by {as_of:%Y-%m-%d %H:%M} UTC; `mlops predict models:/NAME@champion` makes"
            " some"
        )
    start = newest - WINDOW if since is None else since
    return Choice(versions, chosen, start, max(newest, start) + timedelta(seconds=1), EVER, as_of, known)


def issues(database: Database, choice: Choice) -> pd.DataFrame:
    """A row per version and cutoff, the newest first.

    `model, version, cutoff, issued_at, series, steps, forecasts, outcomes` (how many are known), `wape` of these.
    """
    with database.transaction() as transaction:
        listed = transaction.frame("forecast_list", **choice.parameters)
    return _with_version(listed, choice)


def forecasts(database: Database, choice: Choice) -> pd.DataFrame:
    """`model, version, series_id, name, ds, cutoff, y_hat, lo_80, hi_80, lo_95, hi_95, outcome` (naive UTC)."""
    with database.transaction() as transaction:
        stored = _with_version(transaction.frame("forecast_rows", **choice.parameters), choice)
    stored.insert(3, "name", stored["series_id"].map(choice.names))
    return stored


def newest_issue(database: Database, name: str) -> datetime | None:
    """When a model's newest forecast was issued (aware); None where none is stored."""
    with database.transaction() as transaction:
        issued: datetime | None = transaction.value("newest_issue", name=name)
    return issued


def weekly_accuracy(database: Database, name: str, as_of: datetime) -> list[WeekAccuracy]:
    """Of a daily model's freshest forecasts, week by week, as of a time."""
    with database.transaction() as transaction:
        return transaction.rows("weekly_accuracy", of=WeekAccuracy, name=name, as_of=as_of, cycle="7 days", steps=7)


def seen(database: Database, choice: Choice) -> StoredForecast:
    """The newest chosen forecast of the chosen series, the history before it and what was observed since."""
    if choice.series is None:
        raise BadInput("a picture shows one series; name it with --series, as in `mlops series list`")
    issued = issues(database, choice)
    if issued.empty:
        raise no_forecasts(choice)
    newest = issued.iloc[0]
    rows = forecasts(database, choice)
    rows = rows[(rows["cutoff"] == newest["cutoff"]) & (rows["version"] == newest["version"])]
    rows = rows[rows["model"] == newest["model"]].reset_index(drop=True)
    key = (newest["model"], newest["version"])
    version = next(row for row in choice.versions.values() if (row.name, row.version) == key)
    step = GRANULARITIES[version.granularity]
    start = newest["cutoff"] - step.plotted * pd.Timedelta(step.longest_step)
    observed = history(database, series_ids=choice.series, as_of=choice.as_of, start=aware_utc(start))
    last = rows["ds"].max()
    observed = observed.loc[observed["ds"] <= last, ["ds", "y"]].reset_index(drop=True)
    with database.transaction() as transaction:
        shown = transaction.one("series_show", of=ShownSeries, series_id=choice.series[0])
    assert shown is not None
    model = uri_of(newest["model"], newest["version"])
    name = choice.names[choice.series[0]]
    unit = f"{shown.metric_type.replace('_', ' ')}, {shown.unit}"
    return StoredForecast(model, name, unit, newest["cutoff"], step, rows, observed)


def no_forecasts(choice: Choice) -> NothingToDo:
    """What to say when no forecast fits."""
    when = f"from {choice.cutoffs[0]:%Y-%m-%d}" if choice.cutoffs != EVER else f"for days since {choice.start:%Y-%m-%d}"
    return NothingToDo(
        f"no such forecast {when} was stored by {choice.as_of:%Y-%m-%d %H:%M} UTC; `mlops forecasts list` shows what is"
        " there, --since DAY looks farther back"
    )


def _versions(database: Database, model: str | None) -> dict[int, ForecastVersion]:
    """The versions that a model means, by id."""
    asked = model_of(model) if model else None
    if model and asked is None:
        raise Misused(f"{model!r} is no model; expected {MODEL_FORMS}")
    with database.transaction() as transaction:
        rows = transaction.rows("forecast_versions", of=ForecastVersion, name=asked.name if asked else None)
        if asked and not rows:
            every = transaction.rows("forecast_versions", of=ForecastVersion, name=None)
            raise UnknownName("model", asked.name, {row.name for row in every}, stored=True)
    if asked and asked.alias:
        rows = [row for row in rows if asked.alias in row.aliases]
    if asked and asked.version is not None:
        rows = [row for row in rows if row.version == asked.version]
    if model and not rows:
        raise ModelNotFound(f"{model} leads nowhere; see `mlops registry list`")
    return {row.version_id: row for row in rows}


def _with_version(forecasts: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """Name and number of the version in place of its id."""
    versions = [choice.versions[version_id] for version_id in forecasts["version_id"]]
    names, numbers = [version.name for version in versions], [version.version for version in versions]
    forecasts.insert(0, "model", pd.Series(names, forecasts.index, dtype=object))
    forecasts.insert(1, "version", pd.Series(numbers, forecasts.index, dtype=object))
    return forecasts.drop(columns="version_id")
