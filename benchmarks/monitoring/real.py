"""Whether real breaks are flagged in time, and real quiet years are quiet: champions of ours, weekly, on real feeds.

    python -m benchmarks.monitoring.real --data ../shared/data

A champion is trained and backtested on the past alone, forecasts every Monday, and is retrained when that is
recommended. A week is an alarm when anything drifted; alarms with at most two calm weeks between them are one episode.
Rules were developed on Auckland; Austin and NN5 only check them.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.monitoring.champions import Recipe, Shelf, Week, mondays, play
from benchmarks.monitoring.feeds import feed
from benchmarks.monitoring.policy_replay import ours
from benchmarks.monitoring.scoring import episodes, poisson

from mlops.policy import Policy, read_policy

ASKS = ("retrain", "investigate_data")
LASTS = pd.Timedelta(weeks=8)
"""For so long after an event an alarm is its echo, not false."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that really happened, from its first day (of which it may have had a part) on."""

    name: str
    first: pd.Timestamp
    source: str


NZ = "https://covid19.govt.nz/about-our-covid-19-response/history-of-the-covid-19-alert-system/"
NZ_WEEKS = "https://en.wikipedia.org/wiki/COVID-19_alert_levels_in_New_Zealand"
SUNDAY = "https://thespinoff.co.nz/society/27-02-2021/auckland-back-in-lockdown-what-we-know-so-far"
ONION = "https://www.firehouse.com/rescue/news/11218908/deadly-flooding-hits-austin-rescuers-busy-helping-folks"
MEMORIAL = "http://www.srh.noaa.gov/ewx/?n=memorial_weekend_floods_2015"
ONION_AGAIN = "https://communityimpact.com/austin/news/2015/11/24/flood-mitigation-a-focus-for-city/"
EVENTS = {
    "auckland": (
        Event("level 4, from 25 March 2020, 11:59 pm", pd.Timestamp("2020-03-26"), NZ),
        Event("level 3, from 12 August 2020, noon", pd.Timestamp("2020-08-12"), NZ_WEEKS),
        Event("level 3, from 14 February 2021, 11:59 pm", pd.Timestamp("2021-02-15"), NZ_WEEKS),
        Event("level 3, from 28 February 2021, 6 am", pd.Timestamp("2021-02-28"), SUNDAY),
        Event("level 4, from 17 August 2021, 11:59 pm", pd.Timestamp("2021-08-18"), NZ_WEEKS),
    ),
    "austin": (
        Event("Halloween flood", pd.Timestamp("2013-10-31"), ONION),
        Event("Memorial Day flood", pd.Timestamp("2015-05-25"), MEMORIAL),
        Event("All Saints flood", pd.Timestamp("2015-10-30"), ONION_AGAIN),
    ),
    "nn5": (),
}
LIVES = {
    "auckland, lockdowns": ("auckland", "2020-01-01", "2022-12-31"),
    "auckland, quiet years": ("auckland", "2023-01-01", "2025-12-31"),
    "austin": ("austin", "2012-01-01", "2016-12-31"),
    "nn5": ("nn5", "1997-06-01", "1998-05-17"),
}
"""Feed, the first Monday after which the first champion is trained, and the last Monday."""


def flagged(weeks: Sequence[Week], event: Event) -> dict[str, object]:
    """The first Monday after an event on which somebody was asked to act, and what was said."""
    for week in weeks:
        if week.monday > event.first and week.advice is not None and week.advice.action in ASKS:
            days = (week.monday - event.first).days
            return {"event": event.name, "days": days, "action": week.advice.action, "why": week.advice.reasons[:2]}
    return {"event": event.name, "days": None, "action": None, "why": ()}


def alarmed(week: Week) -> bool:
    """Whether anything drifted."""
    return week.findings is not None and any(one.drifted for one in week.findings.details)


def alarms(weeks: Sequence[Week], events: Sequence[Event]) -> dict[str, object]:
    """Alarm episodes a year, all of them and those that no known event explains."""
    told = [alarmed(week) for week in weeks]
    echo = [any(one.first < week.monday <= one.first + LASTS for one in events) for week in weeks]
    years, calm = len(weeks) / 52, [now for now, known in zip(told, echo, strict=True) if not known]
    subjects = pd.Series([name for week in weeks for name in _subjects(week)], dtype=object).value_counts()
    rate = poisson(episodes(told), years)
    return {
        "years": round(years, 2),
        "episodes": episodes(told),
        "a year": [round(x, 2) for x in (rate.value, rate.low, rate.high)],
        "beside events": episodes(calm),
        "alarmed weeks": sum(told),
        "asked to act": sum(week.advice is not None and week.advice.action in ASKS for week in weeks),
        "findings": subjects.to_dict(),
    }


def _subjects(week: Week) -> Iterator[str]:
    if week.findings is not None:
        yield from (f"{one.kind}.{one.subject}" for one in week.findings.details if one.drifted)


def lives(name: str, kind: str, policy: Policy, data: Path, folder: Path, each: bool) -> Iterator[dict[str, object]]:
    """One model of all series, or one of each."""
    source, first, last = LIVES[name]
    everything, days = feed(source, data), mondays(first, last)
    events = [event for event in EVENTS[source] if days[0] < event.first < days[-1]]
    feeds = [everything]
    if each:
        known = everything.known(days[0])["series_id"].unique()
        feeds = [everything.of(pd.Index([series])) for series in known]
    for one in feeds:
        weeks = list(play(Shelf(one, Recipe(kind), folder), policy, days, ours))
        retrained = [str(week.monday.date()) for week in weeks if week.retrained]
        yield {
            "life": name,
            "feed": one.name,
            "kind": kind,
            "retrained": retrained,
            "alarms": alarms(weeks, events),
            "events": [flagged(weeks, event) for event in events],
        }


def main() -> None:
    """Print a JSON document per life."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", default="", help="lives whose name contains this")
    parser.add_argument("--kind", default="lightgbm", help="of the first champion")
    parser.add_argument("--each", action="store_true", help="a model for each series, in place of one for all")
    parser.add_argument("--shelf", type=Path, default=Path("/tmp/mlops-shelf"), help="keeps fits and forecasts")
    chosen = parser.parse_args()
    policy = read_policy(Path("monitoring/policy.toml"))
    for name in (one for one in LIVES if chosen.only in one):
        for life in lives(name, chosen.kind, policy, chosen.data, chosen.shelf, chosen.each):
            print(json.dumps(life, indent=1), flush=True)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
