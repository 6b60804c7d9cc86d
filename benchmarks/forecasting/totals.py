"""Coverage of the intervals of totals: of each day and of each week, by level, at past cutoffs.

    python -m benchmarks.forecasting.totals --datasets nn5,company --folds dev --kind auto
    python -m benchmarks.forecasting.totals --datasets auckland,austin_daily --folds report --kind auto

Run it at the root of the repository in the project's environment. A model is fitted on the series at the first cutoff
of every `--refit-every`, and forecasts series and totals from each cutoff (`forecasting.totals.sums`), as a served
model does.
The outcome of a total is the sum of what was observed; gaps that don't mean zero are filled as `reconcile.totals` does.
Beside it stand what people do without: the bounds of the series added up, and the root of the sum of their squares.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from benchmarks.forecasting.datasets import _austin, _folder, _long, load

from mlops.domain.forecasts import bias, coverage, wape
from mlops.forecasting import forecaster
from mlops.forecasting.totals.reconcile import group_totals
from mlops.forecasting.totals.sums import with_totals
from mlops.simulation.company import Company, simulate_company

HORIZON = 28
LEVELS = ("route", "site", "company")
SPACING = 7


@dataclass(frozen=True)
class Subject:
    """Daily series, the totals that each belongs to by level, and what a day without a value means."""

    frame: pd.DataFrame
    groups: pd.DataFrame
    country: str | None
    zero: bool


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kind", default="auto")
    options.add_argument("--datasets", default="nn5,company")
    options.add_argument("--folds", choices=("dev", "report"), default="dev")
    options.add_argument("--origins", type=int, default=12)
    options.add_argument("--refit-every", type=int, default=4)
    chosen = options.parse_args()
    for name in chosen.datasets.split(","):
        judged = pd.concat(judge(SUBJECTS[name](), chosen), ignore_index=True)
        print(
            f"\n{name}, {chosen.kind}, {chosen.folds}: {chosen.origins} cutoffs\n{table(judged).to_string()}",
            flush=True,
        )


def judge(subject: Subject, chosen: argparse.Namespace) -> Iterator[pd.DataFrame]:
    """Forecasts with outcomes of every total, day and week at every cutoff, with `level` and `span`."""
    index = pd.date_range(subject.frame["ds"].min(), subject.frame["ds"].max(), freq="D")
    end = len(index) - 1 - HORIZON - (0 if chosen.folds == "report" else chosen.origins * SPACING)
    cutoffs = [index[end - SPACING * back] for back in range(chosen.origins)][::-1]
    members = _members(subject)
    model = None
    for number, cutoff in enumerate(cutoffs):
        past = subject.frame[subject.frame["ds"] <= cutoff]
        alive = past.loc[past["ds"] > cutoff - pd.Timedelta(days=56), "series_id"].value_counts()
        past = past[past["series_id"].isin(alive.index[alive >= 4])]
        if number % chosen.refit_every == 0:
            absence = "zero" if subject.zero else "nothing"
            model = forecaster(chosen.kind)(
                freq="daily", country=subject.country, horizon=HORIZON, absence=absence
            ).fit(past)
        known = past[past["series_id"].isin(model.known)]
        found = with_totals(model, HORIZON, members, weeks=True, history=known)
        served = members[members["series_id"].isin(known["series_id"])]
        outcomes = _outcomes(subject, served, found.series)
        series = _added(found.series[~found.series["closed"]], served)
        daily = found.totals.rename(columns={"total": "id"}).merge(
            series, left_on=["id", "ds"], right_on=["total", "ds"]
        )
        daily = daily.merge(outcomes, left_on=["id", "ds"], right_on=["total", "ds"], how="left")
        yield daily.assign(span="day", level=daily["id"].str.split("=").str[0])
        each = found.series[~found.series["closed"]].merge(subject.frame, on=["series_id", "ds"])
        each = each.rename(columns={"series_id": "id"}).assign(span="day", level="series")
        yield each.assign(low=each["lo_80"], high=each["hi_80"], below=np.nan, above=np.nan)
        week = found.weeks[found.weeks["total"].isin(members["total"])]
        by_week = outcomes.merge(found.totals[["total", "ds"]]).assign(
            ds=lambda rows: rows["ds"] - pd.to_timedelta(rows["ds"].dt.dayofweek, unit="D")
        )
        by_week = by_week.groupby(["total", "ds"])["y"].agg(lambda y: y.sum(skipna=False)).reset_index()
        bounds = daily.assign(ds=daily["ds"] - pd.to_timedelta(daily["ds"].dt.dayofweek, unit="D"))
        added = (
            bounds.groupby(["id", "ds"])[["low", "high", "below", "above", "daily_below", "daily_above"]]
            .sum()
            .reset_index()
        )
        weekly = week.rename(columns={"total": "id"}).merge(by_week, left_on=["id", "ds"], right_on=["total", "ds"])
        weekly = weekly.merge(added, on=["id", "ds"])
        yield weekly.assign(span="week", level=weekly["id"].str.split("=").str[0])


def _added(series: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    """By total and day: bounds of the series added up, and the squares of their distances from the forecast."""
    rows = series.merge(members, on="series_id")
    rows = rows.assign(
        low=rows["lo_80"],
        high=rows["hi_80"],
        below=(rows["y_hat"] - rows["lo_80"]) ** 2,
        above=(rows["hi_80"] - rows["y_hat"]) ** 2,
    )
    found = rows.groupby(["total", "ds"])[["low", "high", "below", "above"]].sum().reset_index()
    return found.assign(daily_below=found["below"], daily_above=found["above"])


def _outcomes(subject: Subject, members: pd.DataFrame, series: pd.DataFrame) -> pd.DataFrame:
    """`total, ds, y` of the days that were forecast."""
    days = pd.DatetimeIndex(sorted(series["ds"].unique()))
    groups = members.pivot_table(index="series_id", columns="level", values="total", aggfunc="first").reset_index()
    frame = subject.frame[subject.frame["series_id"].isin(groups["series_id"])]
    if not subject.zero:
        found = group_totals(frame, groups.rename_axis(columns=None), freq="D")
        found = found.assign(total=found["series_id"].str.replace(r"^(route|site|company)=", "", regex=True))
        found = found[found["total"].isin(members["total"])]
    else:
        found = frame.merge(members, on="series_id").groupby(["total", "ds"])["y"].sum().reset_index()
    wide = found.pivot_table(index="total", columns="ds", values="y").reindex(columns=days)
    wide = wide.fillna(0.0) if subject.zero else wide
    return wide.rename_axis(columns="ds").stack(future_stack=True).rename("y").reset_index()


def table(judged: pd.DataFrame) -> pd.DataFrame:
    """Per span and level: how many totals and outcomes, WAPE and bias in %, coverage; and of the bounds people make."""
    rows = {}
    for (span, level), some in judged.groupby(["span", "level"]):
        some = some[some["y"].notna()]
        y = some["y"]
        root = (some["y_hat"] - np.sqrt(some["below"]), some["y_hat"] + np.sqrt(some["above"]))
        rows[(span, level)] = {
            "totals": some["id"].nunique(),
            "outcomes": len(some),
            "wape %": round(100 * wape(y, some["y_hat"]), 2),
            "bias %": round(100 * bias(y, some["y_hat"]), 2),
            "coverage 80": round(100 * coverage(y, some["lo_80"], some["hi_80"]), 1),
            "coverage 95": round(100 * coverage(y, some["lo_95"], some["hi_95"]), 1),
            "width 80 %": round(100 * float((some["hi_80"] - some["lo_80"]).sum() / y.abs().sum()), 1),
            "added 80": round(100 * coverage(y, some["low"], some["high"]), 1),
            "roots 80": round(100 * coverage(y, *root), 1),
        }
    order = [(span, level) for span in ("day", "week") for level in ("series", *LEVELS) if (span, level) in rows]
    return pd.DataFrame.from_dict(rows, orient="index").loc[order]


def _members(subject: Subject) -> pd.DataFrame:
    """`series_id, total, level`, a row per series and level."""
    parts = [
        subject.groups.assign(total=f"{level}=" + subject.groups[level].astype(str), level=level)[
            ["series_id", "total", "level"]
        ]
        for level in LEVELS
        if level in subject.groups
    ]
    return pd.concat(parts, ignore_index=True)


def _nn5() -> Subject:
    """111 cash machines; routes of ten and sites of forty in the order of the file: it says nothing of places."""
    found = load("nn5")
    ids = found.frame["series_id"].unique()
    at = np.arange(len(ids))
    groups = pd.DataFrame({"series_id": ids, "route": at // 10, "site": at // 40, "company": "all"})
    return Subject(found.frame, groups, "GB", zero=False)


def _auckland() -> Subject:
    """18 counters: a street is a route; there is no site."""
    found = load("auckland")
    assert found.groups is not None
    return Subject(
        found.frame, found.groups.rename(columns={"street": "route"}).assign(company="all"), "NZ", zero=False
    )


def _austin_daily() -> Subject:
    """Pounds by route number and day of three streams in four years; a route type is a route here, a stream a site."""
    loads = _austin(_folder())
    loads = loads[loads["load_type"].isin(("GARBAGE COLLECTIONS", "RECYCLING - SINGLE STREAM", "YARD TRIMMING"))]
    loads = loads[loads["date"] > loads["date"].max() - pd.Timedelta(days=4 * 364)]
    stream = loads["load_type"].str.split().str[0].str.lower()
    loads = loads.assign(stream=stream, series_id=stream + "|" + loads["route_type"] + "|" + loads["route"])
    loads = loads.assign(way=stream + "|" + loads["route_type"])
    wide = loads.pivot_table(index="date", columns="series_id", values="pounds", aggfunc="sum")
    wide = wide.where(wide > 0)
    kept = wide.columns[wide.notna().sum() >= 100]
    groups = loads.drop_duplicates("series_id")[["series_id", "way", "stream"]]
    groups = (
        groups[groups["series_id"].isin(kept)].rename(columns={"way": "route", "stream": "site"}).assign(company="all")
    )
    return Subject(_long(wide[kept]), groups, "US", zero=True)


def _company() -> Subject:
    """The simulated waste company: what was collected of 150 customers on the days of their contracts."""
    books = simulate_company(Company(customers=150, routes=12, years=2.5), seed=20261130)
    true = pd.concat([books.arrivals.observations, books.arrivals.late, books.arrivals.corrections])
    rows = true[(true["metric_type"] == "collection_weight") & true["customer_id"].notna()]
    rows = rows.assign(ds=rows["observed_at"].dt.tz_localize(None)).rename(
        columns={"customer_id": "series_id", "value": "y"}
    )
    rows = rows.drop_duplicates(["series_id", "ds"], keep="last")
    rows[["series_id", "route_id", "site_id"]] = rows[["series_id", "route_id", "site_id"]].astype(str)
    groups = rows.drop_duplicates("series_id")[["series_id", "route_id", "site_id"]]
    groups = groups.rename(columns={"route_id": "route", "site_id": "site"}).assign(company="all")
    return Subject(
        rows[["series_id", "ds", "y"]].sort_values(["series_id", "ds"], ignore_index=True), groups, "NZ", zero=True
    )


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "nn5": _nn5,
    "auckland": _auckland,
    "austin_daily": _austin_daily,
    "company": _company,
}

if __name__ == "__main__":
    main()
