"""The answers to the questions of docs/how-to/questions.md, by pandas out of a simulated company's files and truth."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["ANSWERS", "Files"]

PLACES = ["customer_id", "route_id", "vehicle_id", "driver_id", "site_id"]
LOWER = {"route": ["customer_id"], "site": ["customer_id", "route_id"]}
"""The places that name a part of a route or site: series that name none of them are the route's or site's own."""


@dataclass(frozen=True)
class Files:
    """What `mlops simulate` wrote into a folder; questions are asked on the day after the company's last."""

    folder: Path

    @cached_property
    def truth(self) -> dict[str, Any]:
        """What really went on."""
        found: dict[str, Any] = json.loads((self.folder / "truth.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def now(self) -> pd.DataFrame:
        """What is known in the end: a row per series and day, of what was corrected the right one."""
        parts = [self.read(name) for name in ("observations", "late", "corrections")]
        return pd.concat(parts, ignore_index=True).drop_duplicates(
            ["metric_type", "day", *PLACES], keep="last", ignore_index=True
        )

    @cached_property
    def customers(self) -> pd.DataFrame:
        """Their contracts, by id."""
        return pd.DataFrame(self.truth["customers"]).set_index("customer_id")

    @cached_property
    def today(self) -> pd.Timestamp:
        """The day after the company's last."""
        return pd.Timestamp(self.truth["company"]["last"]) + pd.Timedelta(days=1)

    @property
    def month(self) -> pd.Timestamp:
        """The first day of the month of today."""
        return self.today.replace(day=1)

    def read(self, name: str) -> pd.DataFrame:
        """The rows of a file, with their `day`."""
        frame = pd.read_csv(self.folder / f"{name}.csv", dtype=dict.fromkeys(PLACES, str))
        return frame.assign(day=pd.to_datetime(frame["observed_at"]).dt.tz_localize(None))

    def of(self, level: str, metric_type: str, since: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
        """The rows of a level's own series with the entity as `id`, from `since` until before `until`."""
        rows = self.now[self.now["metric_type"] == metric_type]
        own = rows[f"{level}_id"].notna() & rows[LOWER.get(level, [])].isna().all(axis=1)
        return rows[own & (rows["day"] >= since) & (rows["day"] < until)].assign(id=rows[f"{level}_id"])


def months(count: int) -> pd.DateOffset:
    return pd.DateOffset(months=count)


def collected(files: Files) -> pd.DataFrame:
    """A site's tonnes are those of its routes."""
    routes = files.of("route", "collection_weight", files.month - months(1), files.month)
    parts = [routes.assign(dimension=level, entity_id=routes[f"{level}_id"]) for level in ("route", "site")]
    found = pd.concat(parts).groupby(["dimension", "entity_id"], as_index=False)
    return (
        found.agg(tonnes=("value", "sum"), last_day=("day", "max"))
        .assign(tonnes=lambda one: one["tonnes"] / 1000, last_day=lambda one: one["last_day"].dt.date)
        .sort_values(["dimension", "tonnes"], ascending=[True, False])
    )


def fuel(files: Files) -> pd.DataFrame:
    """Of the twelve months up to this one."""
    since, names = files.month - months(11), ("collection_weight", "fuel_consumption", "route_distance")
    weight, litres, distance = (
        files.of("route", one, since, files.today).groupby("route_id")["value"].sum() for one in names
    )
    found = pd.DataFrame(
        {"tonnes": weight / 1000, "litres_per_tonne": 1000 * litres / weight, "kg_per_km": weight / distance}
    )
    return found.sort_values("litres_per_tonne", ascending=False).head(10).reset_index()


def missed(files: Files) -> pd.DataFrame:
    """Of the last three whole months, and of the three before."""
    border = files.month - months(3)

    def counted(metric_type: str) -> pd.DataFrame:
        rows = files.of("route", metric_type, files.month - months(6), files.month)
        return rows.groupby(["route_id", rows["day"] >= border])["value"].sum().unstack()

    lost, done = counted("missed_collections"), counted("collection_count")
    share = 100 * lost / (lost + done)
    found = pd.DataFrame(
        {"missed": lost[True], "planned": (lost + done)[True], "percent": share[True], "percent_before": share[False]}
    )
    return found.sort_values("percent", ascending=False).head(10).reset_index()


def means(files: Files) -> pd.DataFrame:
    """Of last month."""
    parts = []
    for level, metric_type in (("site", "contamination_rate"), ("vehicle", "vehicle_utilization")):
        rows = files.of(level, metric_type, files.month - months(1), files.month)
        mean = rows.groupby("id")["value"].agg(percent="mean", days="count", day_min="min", day_max="max")
        parts.append(
            mean.sort_values("percent").reset_index(names="entity_id").assign(dimension=level, metric_type=metric_type)
        )
    return pd.concat(parts)[["dimension", "entity_id", "metric_type", "percent", "days", "day_min", "day_max"]].head(10)


def revenue(files: Files) -> pd.DataFrame:
    """Of the last twelve whole months."""
    rows = files.of("customer", "revenue", files.month - months(12), files.month)
    total = rows.groupby("id")["value"].sum().sort_values(ascending=False)
    found = pd.DataFrame({"revenue": total, "percent_of_all": 100 * total / total.sum()}).reset_index(
        names="customer_id"
    )
    found.insert(1, "segment", found["customer_id"].map(files.customers["segment"]))
    return found.head(10)


def leaving(files: Files) -> pd.DataFrame:
    """A day of the three newest months against one of the three before; what was due is by the contract."""
    whole = files.of("customer", "collection_weight", files.month - months(36), files.today)
    begins, borders = whole.groupby("id")["day"].min(), [files.month - months(count) for count in (14, 11, 5, 2)]

    def a_day(since: pd.Timestamp, until: pd.Timestamp) -> pd.Series:
        rows = whole[(whole["day"] >= since) & (whole["day"] < until)].groupby("id")["value"].sum()
        days = (until - begins.clip(lower=since)).dt.days
        return rows.reindex(begins.index, fill_value=0.0) / days.where(days > 0)

    now, before = a_day(borders[3], files.today), a_day(borders[2], borders[3])
    year_before = a_day(borders[0], borders[1])
    newest = whole[whole["day"] >= borders[3]].groupby("id")["day"].count().reindex(begins.index, fill_value=0)
    found = pd.DataFrame(
        {
            "segment": files.customers["segment"],
            "last_day": whole.groupby("id")["day"].max().dt.date,
            "days": newest,
            "expected_days": [(9.0 * one, 18.0 * one) for one in files.customers["visits_a_week"][begins.index]],
            "percent": 100 * (now / before.where(before > 0) - 1),
            "percent_of_year_before": 100 * (now / year_before.where(year_before > 0) - 1),
        },
        index=begins.index,
    )
    fallen = found[found["percent"] < 0].reset_index(names="customer_id")
    return fallen.sort_values(["percent", "customer_id"]).head(10)


def silent(files: Files) -> pd.DataFrame:
    """Of those of whom something came in the half year before; the weeks since the first of it."""
    until = files.today - pd.Timedelta(days=files.today.dayofweek)
    since = until - pd.Timedelta(weeks=8)
    rows = files.of("customer", "collection_weight", since - pd.Timedelta(days=182), until)
    weeks = pd.date_range(since, periods=8, freq="7D")
    rows = rows.assign(week=rows["day"] - pd.to_timedelta(rows["day"].dt.dayofweek, unit="D"))
    seen = pd.crosstab(rows["id"], rows["week"]).reindex(columns=weeks, fill_value=0)
    begins = rows.groupby("id")["week"].min()
    empty = [(one, week) for one in seen.index for week in weeks if seen.loc[one, week] == 0 and week >= begins[one]]
    found = pd.DataFrame(empty, columns=["customer_id", "week"]).groupby("customer_id", as_index=False)
    found = found.agg(silent_weeks=("week", "size"), first_week=("week", "min"), last_week=("week", "max"))
    for name in ("first_week", "last_week"):
        found[name] = found[name].dt.date
    found["expected_days"] = ...
    return found.sort_values(["silent_weeks", "customer_id"], ascending=[False, True]).head(10)


def next_week(files: Files) -> pd.DataFrame:
    """About a usual week of the last half year, which the interval holds; what comes is not simulated."""
    monday = files.today + pd.Timedelta(days=7 - files.today.dayofweek)
    rows = files.of("route", "collection_weight", monday - pd.Timedelta(weeks=27), monday - pd.Timedelta(weeks=1))
    usual = rows.groupby("route_id")["value"].sum() / 26_000
    found = pd.DataFrame({"week": monday.date()}, index=usual.index)
    for name, low, high in (("tonnes", 0.6, 1.6), ("at_least", 0.1, 1.6), ("at_most", 0.9, 4.0)):
        found[name] = [(low * one, high * one) for one in usual]
    return found.reset_index()


def accuracy(files: Files) -> pd.DataFrame:
    """Of the forecasts that were written beside the store, by what was collected in the end."""
    parts = [forecasts(files, name) for name in ("five-weeks-before", "four-weeks-before", "newest")]
    rows = pd.concat(parts, ignore_index=True)
    known = files.of("route", "collection_weight", files.month - months(36), files.today)
    rows = rows.merge(known[["route_id", "day", "value"]], how="left", on=["route_id", "day"])
    rows["error"], judged = (rows["y_hat"] - rows["value"]).abs(), rows["value"].notna()
    inside = rows["value"].between(rows["lo_80"], rows["hi_80"])
    last = rows["route_id"].map(known.groupby("route_id")["day"].max())
    of_route = rows["route_id"]
    found = pd.DataFrame(
        {
            "judged": judged.groupby(of_route).sum(),
            "no_collection": (~judged & (rows["day"] < last)).groupby(of_route).sum(),
            "no_outcome": (~judged & (rows["day"] >= last)).groupby(of_route).sum(),
        }
    )
    for week in (1, 2, 4):
        chosen = rows[judged & (rows["week"] == week)].groupby("route_id")[["error", "value"]].sum()
        found[f"week_{week}"] = 100 * chosen["error"] / chosen["value"]
    found["inside_80"] = 100 * inside[judged].groupby(of_route[judged]).mean()
    total = rows[judged].groupby("route_id")[["error", "value"]].sum()
    worst = (total["error"] / total["value"]).sort_values(ascending=False).index
    return found.loc[worst].head(10).reset_index()


def forecasts(files: Files, name: str) -> pd.DataFrame:
    """What `mlops predict --output` wrote of the routes: their `day`, and which `week` ahead it is in."""
    rows = pd.read_csv(files.folder / f"{name}.csv", parse_dates=["ds", "cutoff"])
    day, ahead = rows["ds"].dt.tz_localize(None), (rows["ds"] - rows["cutoff"]).dt.days
    return rows.assign(route_id=rows["name"].str.split(" · ").str[0], day=day, week=-(-ahead // 7))


def then_and_now(files: Files) -> pd.DataFrame:
    """What the first file says of last month, and what all three say."""
    last = files.of("route", "collection_weight", files.month - months(1), files.month)
    first = files.read("observations").set_index(["metric_type", *PLACES, "day"])["value"]
    then = first.reindex(pd.MultiIndex.from_frame(last[["metric_type", *PLACES, "day"]])).to_numpy()
    last = last.assign(tonnes_then=then / 1000, tonnes_now=last["value"] / 1000, came_later=pd.isna(then))
    last["corrected"] = last["tonnes_then"].notna() & (last["tonnes_then"] != last["tonnes_now"])
    found = last.groupby("route_id")[["tonnes_then", "tonnes_now", "came_later", "corrected"]].sum()
    more = (found["tonnes_now"] - found["tonnes_then"]).round(9).sort_values(ascending=False, kind="stable")
    return found.loc[more.index].head(10).reset_index()


def by_file(files: Files) -> pd.DataFrame:
    """Of last month; the days after which a value came count until the files were written."""
    since, key = files.month - months(1), ["metric_type", "day", *PLACES]
    first, late, right = (files.read(name) for name in ("observations", "late", "corrections"))
    late, right = (
        rows[(rows["metric_type"] == "collection_weight") & rows["day"].between(since, files.month, "left")]
        for rows in (late, right)
    )
    written = pd.Timestamp((files.folder / "late.csv").stat().st_mtime, unit="s")
    before = first.set_index(key)["value"].reindex(pd.MultiIndex.from_frame(right[key])).to_numpy()
    rows = [
        ("company/late.csv", len(late), (written - late["day"].min() - pd.Timedelta(days=1)).days, 0, 0.0),
        ("company/corrections.csv", 0, 0, len(right), (right["value"] - before).sum()),
    ]
    return pd.DataFrame(rows, columns=["source", "late", "latest_days", "corrected", "added"], dtype=object)


def seasons(files: Files) -> pd.DataFrame:
    """The mean of days with collections; how strong a season is has its own tests."""
    rows = files.of("route", "collection_weight", files.month - months(36), files.today)
    mean = rows.groupby("route_id")["value"].mean()
    found = pd.DataFrame(index=mean.index)
    for name, position in (("weekday", rows["day"].dt.isocalendar().day), ("month", rows["day"].dt.month)):
        index = rows.groupby(["route_id", position])["value"].mean().unstack().div(mean, axis=0)
        found[name], found[f"{name}_percent"] = index.idxmax(axis=1), 100 * (index.max(axis=1) - 1)
        found[f"{name}_strength"] = ...
    return found.reset_index()


def decided(files: Files) -> pd.DataFrame:
    """What the page's commands decide."""
    rows = [
        ("promotion", "promote", "tonnage", 1, "ana", "the first one", "applied"),
        ("promotion", "promote", "tonnage", 2, "ben", "better, and knows strikes", "applied"),
    ]
    return pd.DataFrame(rows, columns=["kind", "what", "model", "version", "who", "why", "state"], dtype=object)


def named_days(files: Files) -> pd.DataFrame:
    """Of the last 92 days; the names of holidays are the calendar's."""
    days = [(pd.Timestamp(day), ..., "holiday", None) for day in files.truth["holidays"]]
    for event in files.truth["events"]:
        every = pd.date_range(event["first"], event["last"])
        days += [(day, event["name"], "event", event["announced"]) for day in every]
    since = files.today - pd.Timedelta(days=92)
    rows = files.of("route", "collection_weight", since, files.today)
    tonnes = rows.groupby("day")["value"].sum() / 1000
    found = pd.DataFrame(days, columns=["day", "name", "kind", "announced"], dtype=object)
    found = found[(found["day"] >= since) & (found["day"] < files.today)].sort_values("day", kind="stable")
    return found.assign(tonnes=found["day"].map(tonnes), day=found["day"].map(pd.Timestamp.date))


def sensors(files: Files) -> pd.DataFrame:
    """The dead one first; how the others rank is up to their noise."""
    rows = files.of("customer", "container_fill_level", files.month - months(36), files.today)
    (dead,) = (one["customer_id"] for one in files.truth["dead_sensors"])
    found = rows.groupby("id")["day"].agg(days="count", last_day="max")
    first = found.loc[[dead]].reset_index(names="customer_id").assign(quality=..., anomalies=...)
    rest = pd.DataFrame([[...] * 5] * min(len(found) - 1, 4), columns=first.columns)
    return pd.concat([first.assign(last_day=first["last_day"].dt.date), rest])


ANSWERS: tuple[Callable[[Files], pd.DataFrame], ...] = (
    collected,
    fuel,
    missed,
    means,
    revenue,
    leaving,
    silent,
    next_week,
    accuracy,
    then_and_now,
    by_file,
    seasons,
    decided,
    named_days,
    sensors,
)
"""Of the questions in the order of the page: the rows in theirs, numbers not rounded; `...` is what no file says."""
