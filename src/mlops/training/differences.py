"""What is other than when a model was trained: data, definitions, libraries, code, holidays. Pure but for `lost`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pandas as pd

from mlops.db import Database
from mlops.db.archive.read import read_archived
from mlops.feature_store.digest import Fingerprint

__all__ = [
    "Difference",
    "code_differences",
    "definitions",
    "deleted",
    "environment_differences",
    "holiday_differences",
    "lost",
    "value_differences",
]

What = Literal[
    "lineage",
    "file",
    "metric",
    "table",
    "data",
    "feature",
    "retraining",
    "forecast",
    "library",
    "machine",
    "code",
    "holidays",
]
FIRST = 5
"""How many of a kind are told one by one."""
KEYS = ["series_id", "month"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is other than it was, in one sentence."""

    what: What
    message: str


def lost(database: Database, missing: pd.DataFrame, as_of: datetime) -> Iterator[Difference]:
    """What became of observations (`series_id, ds`) that were learned from and can't be read as of then any more."""
    if missing.empty:
        return
    times = pd.DatetimeIndex(missing["ds"]).tz_localize("UTC").to_pydatetime()
    with database.transaction() as transaction:
        read_archived(transaction, missing["series_id"].tolist(), start=times.min(), end=times.max())
        rows = transaction.rows(
            "lost_observations",
            series_ids=missing["series_id"].tolist(),
            times=times.tolist(),
            first=times.min(),
            last=times.max(),
            as_of=as_of,
        )
    yield from _gone_months([row for row in rows if row["cause"] in ("archived", "dropped")])
    yield from _few([row for row in rows if row["cause"] not in ("archived", "dropped")], _lost)


def deleted(database: Database, series: Sequence[int], since: datetime) -> dict[tuple[int, str], dict[str, Any]]:
    """The newest decision since then to delete observations, by series and month of these."""
    with database.transaction() as transaction:
        rows = transaction.rows("deletions_since", series_ids=list(series), since=since)
    return {(row["series_id"], row["month"]): row for row in rows}


def value_differences(
    then: Fingerprint,
    now: Fingerprint,
    changed: pd.DataFrame,
    decided: Mapping[tuple[int, str], Mapping[str, Any]] | None = None,
) -> Iterator[Difference]:
    """Parts of the data with as many observations as then, and other ones; columns of another type.

    `changed` (`series_id, ds, was, now`) are those that the model itself remembers; `decided` is who deleted what was
    learned from, by series and month.
    """
    for name in sorted({*then.columns, *now.columns}):
        kinds = [columns.get(name, "not there") for columns in (then.columns, now.columns)]
        if kinds[0] != kinds[1]:
            yield Difference("data", f"column {name} was {kinds[0]} and is {kinds[1]}")
    both = then.parts.merge(now.parts, on=KEYS, suffixes=("_then", "_now"))
    other = both[(both["rows_then"] == both["rows_now"]) & (both["sha256_then"] != both["sha256_now"])]
    seen = changed.assign(month=changed["ds"].dt.strftime("%Y-%m")).groupby(KEYS)
    rows = [
        {
            "series_id": series,
            "month": month,
            "seen": seen.get_group((series, month)) if (series, month) in seen.groups else None,
            "decided": (decided or {}).get((int(series), month)),
        }
        for series, month in other[KEYS].itertuples(index=False)
    ]
    yield from _few(rows, _changed)


def definitions(then: Mapping[str, Mapping[str, Any]], now: Mapping[str, str]) -> Iterator[Difference]:
    """Features whose definition is another one; `now` are the digests of the definitions as they are."""
    for name, feature in sorted(then.items()):
        was = f"version {feature['version']} of feature {name} was defined as {feature['definition_sha256']}"
        if name not in now:
            yield Difference("feature", f"{was}, and is not there any more")
        elif now[name] != feature["definition_sha256"]:
            yield Difference("feature", f"{was} and is {now[name]}")


def environment_differences(
    then: Mapping[str, Any], now: Mapping[str, Any], everything: tuple[Mapping[str, str], Mapping[str, str]]
) -> Iterator[Difference]:
    """Libraries, the ones that decide numbers first, and machine; `everything` is installed then and now, by name."""
    for name in ("python", "platform", "processor", "threads"):
        if then.get(name) != now.get(name):
            yield Difference("machine", f"{name} was {then.get(name)} and is {now.get(name)}")
    was, are = then["distributions"], now["distributions"]
    deciding = sorted(name for name in {*was, *are} if was.get(name) != are.get(name))
    for name in deciding:
        yield Difference("library", f"{name} was {was.get(name, 'not there')} and is {are.get(name, 'not there')}")
    before, after = everything
    others = sorted(name for name in {*before, *after} - set(deciding) if before.get(name) != after.get(name))
    told = [f"{name} {before.get(name, 'none')} → {after.get(name, 'none')}" for name in others]
    if told:
        yield Difference("library", f"of the other distributions {_shortened(told)}")


def code_differences(
    then: Mapping[str, Any], now: Mapping[str, Any], versions: tuple[str, str]
) -> Iterator[Difference]:
    """The code of this package, by the digest of its sources."""
    if then.get("sha256") != now.get("sha256"):
        was, has = (_code(version, facts) for version, facts in zip(versions, (then, now), strict=True))
        yield Difference("code", f"mlops was {was} and is {has}")


def holiday_differences(country: str | None, then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    """Public holidays that are other ones."""
    days = sorted(day for day in {*then, *now} if then.get(day) != now.get(day))
    told = [f"{day} was {then.get(day, 'none')} and is {now.get(day, 'none')}" for day in days]
    if told:
        yield Difference("holidays", f"of {country}: {_shortened(told)}")


def _gone_months(rows: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    """Months that are not in the database, each once for all series."""
    if not rows:
        return
    for month, group in pd.DataFrame(rows).groupby("month"):
        count, series, cause = group["observations"].sum(), group["series_id"].nunique(), group["cause"].iloc[0]
        where = f"archived; bring it back with `mlops db restore-archive {group['path'].iloc[0]}`"
        yield Difference(
            "data",
            f"{month}: {count:,} observations of {series} series are not in the database any more:"
            f" the month was {where if cause == 'archived' else 'dropped'}",
        )


def _few(rows: Sequence[Mapping[str, Any]], tell: Any) -> Iterator[Difference]:
    yield from (Difference("data", tell(row)) for row in rows[:FIRST])
    more = rows[FIRST:]
    if more:
        series = len({row["series_id"] for row in more})
        yield Difference("data", f"and so in {len(more)} more months of {series} series")


def _lost(row: Mapping[str, Any]) -> str:
    first = ", ".join(_moment(time) for time in row["first_times"])
    dots = ", …" if row["observations"] > len(row["first_times"]) else ""
    one = row["observations"] == 1
    what = f"series {row['series_id']}: {row['observations']} observation{'' if one else 's'}"
    if row["cause"] == "removed":
        return f"{what} of {row['month']} {'was' if one else 'were'} removed ({first}{dots})"
    if row["cause"] in ("deleted", "redated"):
        how = "deleted" if row["cause"] == "deleted" else "dated later than then"
        return f"{what} of {row['month']} {'was' if one else 'were'} {how} on {_decision(row)} ({first}{dots})"
    if row["cause"] == "unreadable":
        return f"{what} of {row['month']} can't be read, for the series is not in the database any more ({first}{dots})"
    when = _moment(row["corrected_at"])
    return f"{what} corrected on {when}, and the old value is gone ({first}{dots})"


def _decision(row: Mapping[str, Any]) -> str:
    return f"{_moment(row['decided_at'])} by {row['decided_by']}: {row['reason']}"


def _changed(row: Mapping[str, Any]) -> str:
    where, seen, by = f"series {row['series_id']}: values of {row['month']} are other ones", row["seen"], row["decided"]
    if by is None:
        where += ", and no correction is recorded"
    else:
        where += f", sent anew after some were deleted on {_decision(by)}"
    if seen is None:
        return where
    told = [f"{_moment(one.ds)} was {one.was:g} and is {one.now:g}" for one in seen.itertuples()]
    return f"{where} ({_shortened(told)})"


def _shortened(told: Sequence[str]) -> str:
    more = len(told) - FIRST
    return ", ".join(told[:FIRST]) + (f" and {more} more" if more > 0 else "")


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute) == (0, 0) else f"{time:%Y-%m-%d %H:%M}"


def _code(version: str, facts: Mapping[str, Any]) -> str:
    commit = (
        f", commit {facts['commit'][:12]}{' and changes' if facts.get('dirty') else ''}" if "commit" in facts else ""
    )
    return f"{version}{commit} (sources {str(facts.get('sha256'))[:12]}…)"
