"""What is other than when a model was trained: data, definitions, libraries, code, holidays. Pure but for `lost`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pandas as pd

from mlops.db import Database
from mlops.db.archive.read import read_archived
from mlops.domain.features import RecordedFeature
from mlops.domain.lineage import CodeState, Environment
from mlops.feature_store.digest import Fingerprint

__all__ = [
    "Deletion",
    "Difference",
    "LostObservations",
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
"""How many of a kind are reported one by one."""
KEYS = ["series_id", "month"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is other than it was, in one sentence."""

    what: What
    message: str


@dataclass(frozen=True, slots=True)
class LostObservations:
    """Observations of a series and month that can't be read as they were known then, and why; the first three times.

    `path` is the archive of their month, where it has one; `decided_at`, `decided_by` and `reason` are of the decision
    to delete or redate them.
    """

    series_id: int
    month: str
    observations: int
    cause: str
    first_times: list[datetime]
    corrected_at: datetime | None
    path: str | None
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """The newest decision to delete observations of a series and month."""

    series_id: int
    month: str
    decided_at: datetime
    decided_by: str
    reason: str


def lost(database: Database, missing: pd.DataFrame, as_of: datetime) -> Iterator[Difference]:
    """What became of observations (`series_id, ds`) that were learned from and can't be read as of then any more."""
    if missing.empty:
        return
    times = pd.DatetimeIndex(missing["ds"]).tz_localize("UTC").to_pydatetime()
    with database.transaction() as transaction:
        read_archived(transaction, missing["series_id"].tolist(), start=times.min(), end=times.max())
        rows = transaction.rows(
            "lost_observations",
            of=LostObservations,
            series_ids=missing["series_id"].tolist(),
            times=times.tolist(),
            first=times.min(),
            last=times.max(),
            as_of=as_of,
        )
    yield from _gone_months([row for row in rows if row.cause in ("archived", "dropped")])
    yield from _few([(row.series_id, _lost(row)) for row in rows if row.cause not in ("archived", "dropped")])


def deleted(database: Database, series: Sequence[int], since: datetime) -> dict[tuple[int, str], Deletion]:
    """The newest decision since then to delete observations, by series and month of these."""
    with database.transaction() as transaction:
        deletions = transaction.rows("deletions_since", of=Deletion, series_ids=list(series), since=since)
    return {(deletion.series_id, deletion.month): deletion for deletion in deletions}


def value_differences(
    then: Fingerprint,
    now: Fingerprint,
    changed: pd.DataFrame,
    decided: Mapping[tuple[int, str], Deletion] | None = None,
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
    sentences = []
    for series, month in other[KEYS].itertuples(index=False):
        sentence = f"series {series}: values of {month} are other ones"
        deletion = (decided or {}).get((int(series), month))
        if deletion is None:
            sentence += ", and no correction is recorded"
        else:
            sentence += f", sent anew after some were deleted on {_decision(deletion)}"
        if (series, month) in seen.groups:
            values = seen.get_group((series, month))
            pairs = zip(values["ds"], values["was"], values["now"], strict=True)
            examples = [f"{_moment(ds)} was {was:g} and is {now:g}" for ds, was, now in pairs]
            sentence += f" ({_shortened(examples)})"
        sentences.append((int(series), sentence))
    yield from _few(sentences)


def definitions(then: Mapping[str, RecordedFeature], now: Mapping[str, str]) -> Iterator[Difference]:
    """Features whose definition is another one; `now` are the digests of the definitions as they are."""
    for name, feature in sorted(then.items()):
        was = f"version {feature['version']} of feature {name} was defined as {feature['definition_sha256']}"
        if name not in now:
            yield Difference("feature", f"{was}, and is not there any more")
        elif now[name] != feature["definition_sha256"]:
            yield Difference("feature", f"{was} and is {now[name]}")


def environment_differences(
    then: Environment, now: Environment, everything: tuple[Mapping[str, str], Mapping[str, str]]
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
    if others:
        changes = [f"{name} {before.get(name, 'none')} → {after.get(name, 'none')}" for name in others]
        yield Difference("library", f"of the other distributions {_shortened(changes)}")


def code_differences(then: CodeState, now: CodeState, versions: tuple[str, str]) -> Iterator[Difference]:
    """The code of this package, by the digest of its sources."""
    if then.get("sha256") == now.get("sha256"):
        return
    states = []
    for version, state in zip(versions, (then, now), strict=True):
        changed = " and changes" if state.get("dirty") else ""
        commit = f", commit {state['commit'][:12]}{changed}" if "commit" in state else ""
        states.append(f"{version}{commit} (sources {str(state.get('sha256'))[:12]}…)")
    yield Difference("code", f"mlops was {states[0]} and is {states[1]}")


def holiday_differences(country: str | None, then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    """Public holidays that are other ones."""
    days = sorted(day for day in {*then, *now} if then.get(day) != now.get(day))
    if days:
        changes = [f"{day} was {then.get(day, 'none')} and is {now.get(day, 'none')}" for day in days]
        yield Difference("holidays", f"of {country}: {_shortened(changes)}")


def _gone_months(rows: Sequence[LostObservations]) -> Iterator[Difference]:
    """Months that are not in the database, each once for all series."""
    months: dict[str, list[LostObservations]] = {}
    for row in rows:
        months.setdefault(row.month, []).append(row)
    for month, of_month in sorted(months.items()):
        count, series = sum(row.observations for row in of_month), len({row.series_id for row in of_month})
        where = f"archived; bring it back with `mlops db restore-archive {of_month[0].path}`"
        yield Difference(
            "data",
            f"{month}: {count:,} observations of {series} series are not in the database any more:"
            f" the month was {where if of_month[0].cause == 'archived' else 'dropped'}",
        )


def _few(sentences: Sequence[tuple[int, str]]) -> Iterator[Difference]:
    """The first sentences, each with its series, and how many more there are."""
    yield from (Difference("data", sentence) for _, sentence in sentences[:FIRST])
    more = sentences[FIRST:]
    if more:
        series = len({series for series, _ in more})
        yield Difference("data", f"and so in {len(more)} more months of {series} series")


def _lost(row: LostObservations) -> str:
    dots = ", …" if row.observations > len(row.first_times) else ""
    times = ", ".join(_moment(time) for time in row.first_times) + dots
    plural, were = ("", "was") if row.observations == 1 else ("s", "were")
    what = f"series {row.series_id}: {row.observations} observation{plural}"
    if row.cause == "removed":
        return f"{what} of {row.month} {were} removed ({times})"
    if row.cause in ("deleted", "redated"):
        how = "deleted" if row.cause == "deleted" else "dated later than then"
        return f"{what} of {row.month} {were} {how} on {_decision(row)} ({times})"
    if row.cause == "unreadable":
        return f"{what} of {row.month} can't be read, for the series is not in the database any more ({times})"
    assert row.corrected_at is not None
    return f"{what} corrected on {_moment(row.corrected_at)}, and the old value is gone ({times})"


def _decision(row: LostObservations | Deletion) -> str:
    assert row.decided_at is not None
    return f"{_moment(row.decided_at)} by {row.decided_by}: {row.reason}"


def _shortened(sentences: Sequence[str]) -> str:
    more = len(sentences) - FIRST
    return ", ".join(sentences[:FIRST]) + (f" and {more} more" if more > 0 else "")


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute) == (0, 0) else f"{time:%Y-%m-%d %H:%M}"
