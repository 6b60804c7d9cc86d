"""Measured effects of holidays and events, against simulations in which they are known."""

from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from mlops import KINDS, forecaster
from mlops.domain.granularity import GRANULARITIES
from mlops.panels.calendar import Calendar, Event
from mlops.panels.effects import Effects, measure
from mlops.panels.from_frame import Panels

FIRST = date(2022, 1, 3)
STRIKES = (40, 97, 171, 252, 333, 398, 470, 541, 602, 677)
"""Days from FIRST on which the strikes of the simulations began, on different weekdays."""
WEEKDAYS = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.4])
USES_EVENTS = tuple(kind for kind in KINDS if kind not in ("naive", "average"))
"""The baselines repeat what was; they know no calendar."""
IN_PROPORTION = {"holidays_mode": "multiplicative"}  # to the trend, not to the weekday: so Prophet is made
PARAMS = {
    "lightgbm": {"trees": 60},
    "auto": {"settings": {"lightgbm": {"trees": 60}}},
    "prophet": IN_PROPORTION,
}


def event(name: str, start: int, days: int = 1, announced: int | None = None) -> Event:
    first = FIRST + timedelta(days=start)
    told = None if announced is None else FIRST + timedelta(days=announced)
    return Event(name, first, first + timedelta(days=days - 1), told)


def simulated(
    events: Iterable[tuple[Event, float]], *, series: int = 4, days: int = 700, noise: float = 0.1, seed: int = 0
) -> pd.DataFrame:
    """Daily series with weekdays and growth; each event changes its days by a part of what they would have been."""
    random, ds = np.random.default_rng(seed), pd.date_range(FIRST, periods=days)
    factor = np.ones(days)
    for one, effect in events:
        factor[(ds >= pd.Timestamp(one.first)) & (ds <= pd.Timestamp(one.last))] *= 1 + effect
    usual = WEEKDAYS[ds.dayofweek] * np.linspace(1, 1.3, days)
    y = [100.0 * (number + 1) * usual * factor * random.normal(1, noise, days) for number in range(series)]
    frames = [pd.DataFrame({"series_id": f"s{number}", "ds": ds, "y": values}) for number, values in enumerate(y)]
    return pd.concat(frames, ignore_index=True)


def effects_of(frame: pd.DataFrame, events: Iterable[Event], freq: str = "D") -> Effects:
    return measure(Panels.of(frame, freq).one, Calendar.of(None, events))


def row_of(found: Effects, name: str) -> pd.Series:
    table = found.table()
    return table[table["event"] == name].iloc[0]


def test_the_interval_holds_a_known_effect_in_95_of_100_simulations():
    strikes = [event("strike", start) for start in STRIKES[:5]]
    inside = []
    for seed in range(300):
        row = row_of(effects_of(simulated([(one, -0.4) for one in strikes], seed=seed), strikes), "strike")
        inside.append(row["lo_95"] <= -0.4 <= row["hi_95"])
    assert 0.92 <= np.mean(inside) <= 0.98


def test_a_known_effect_is_found_on_the_mean_of_simulations():
    strikes = [event("strike", start) for start in STRIKES]
    found = [
        row_of(effects_of(simulated([(one, -0.4) for one in strikes], seed=seed), strikes), "strike")["effect"]
        for seed in range(50)
    ]
    assert np.mean(found) == pytest.approx(-0.4, abs=0.005)


def test_days_without_an_effect_have_an_interval_around_zero():
    fairs = [event("fair", start) for start in STRIKES]
    inside = []
    for seed in range(200):
        row = row_of(effects_of(simulated([], seed=seed), fairs), "fair")
        inside.append(row["lo_95"] <= 0 <= row["hi_95"])
    assert np.mean(inside) > 0.91


def test_one_occurrence_has_an_effect_and_no_interval():
    storm = event("storm", 300, days=3)
    row = row_of(effects_of(simulated([(storm, -0.6)]), [storm]), "storm")
    assert (row["occurrences"], row["days"], row["years"]) == (1, 3, [2022])
    assert row["effect"] == pytest.approx(-0.6, abs=0.05)
    assert row[["lo_95", "hi_95"]].isna().all()


def test_consecutive_days_are_one_occurrence():
    festivals = [event("festival", 100, days=4), event("festival", 465, days=4)]
    row = row_of(effects_of(simulated([(one, 0.5) for one in festivals]), festivals), "festival")
    assert (row["occurrences"], row["days"], row["years"]) == (2, 8, [2022, 2023])


def test_an_event_that_nobody_had_announced_by_the_end_of_the_data_is_not_measured():
    known, later = event("strike", 200), event("strike", 400, announced=800)
    frame = simulated([(known, -0.4), (later, -0.4)])
    assert row_of(effects_of(frame, [known, later]), "strike")["occurrences"] == 1
    assert effects_of(frame, [later]).table().empty


def test_named_days_are_no_neighbours_of_other_named_days():
    strikes = [event("strike", 300 + 7 * week) for week in range(4)]
    row = row_of(effects_of(simulated([(one, -0.5) for one in strikes], noise=0.01), strikes), "strike")
    assert row["effect"] == pytest.approx(-0.5, abs=0.01)


def test_two_names_on_the_same_days_share_their_effect():
    """Where they always fall together the data can't tell them apart: their product is right."""
    pairs = [(event("strike", start), event("storm", start)) for start in STRIKES]
    frame = simulated([(strike, -0.4) for strike, _ in pairs], noise=0.02)
    found = effects_of(frame, [one for pair in pairs for one in pair])
    assert found.common.prod() == pytest.approx(0.6, abs=0.03)
    assert found.common[0] == pytest.approx(found.common[1])
    ahead = Calendar.of(None, [event("strike", 710), event("storm", 710)])
    index = pd.date_range(FIRST + timedelta(days=700), periods=28)
    assert found.multiplier(ahead, index, GRANULARITIES["daily"])[:, 10] == pytest.approx(0.6, abs=0.04)


def test_a_name_that_also_falls_alone_keeps_its_own_effect():
    strikes, storms = [event("strike", start) for start in STRIKES], [event("storm", start) for start in STRIKES[::2]]
    frame = simulated([(one, -0.4) for one in strikes], noise=0.02)
    found = effects_of(frame, [*strikes, *storms])
    assert row_of(found, "strike")["effect"] == pytest.approx(-0.4, abs=0.04)
    assert row_of(found, "storm")["effect"] == pytest.approx(0.0, abs=0.04)


def test_a_holiday_in_a_lockdown_keeps_its_own_factor():
    """Half of little: the effects of days multiply."""
    lockdown, holidays = event("lockdown", 300, days=30), [event("holiday", start) for start in (100, 310, 500)]
    events = [(lockdown, -0.8), *((one, -0.5) for one in holidays)]
    found = effects_of(simulated(events, noise=0.02), [lockdown, *holidays])
    assert row_of(found, "lockdown")["effect"] == pytest.approx(-0.8, abs=0.01)
    assert row_of(found, "holiday")["effect"] == pytest.approx(-0.5, abs=0.03)
    assert row_of(found, "holiday")["hi_95"] < -0.3


def test_weeks_are_changed_by_the_number_of_their_days():
    """Each day of a strike takes 8 % of its week."""
    ds, random = pd.date_range("2021-01-04", periods=150, freq="W-MON"), np.random.default_rng(1)
    lengths = dict(zip(range(10, 140, 13), (1, 2, 3, 1, 2, 3, 1, 2, 3, 1), strict=True))
    lost = np.array([1 - 0.08 * lengths.get(week, 0) for week in range(150)])
    frame = pd.DataFrame({"series_id": "a", "ds": ds, "y": 1000 * lost * random.normal(1, 0.01, 150)})
    strikes = [
        Event("strike", ds[week].date(), ds[week].date() + timedelta(days=days - 1)) for week, days in lengths.items()
    ]
    row = row_of(effects_of(frame, strikes, "W-MON"), "strike")
    assert (row["occurrences"], row["days"]) == (10, 19)
    assert row["lo_95"] <= -0.08 <= row["hi_95"]
    assert row["effect"] == pytest.approx(-0.08, abs=0.005)


def test_two_holidays_in_one_week_are_not_counted_twice():
    ds, random = pd.date_range("2018-01-01", periods=260, freq="W-MON"), np.random.default_rng(2)
    christmas = [week for week, day in enumerate(ds) if day.month == 12 and 19 <= day.day <= 25]
    y = 1000 * random.normal(1, 0.005, 260)
    y[christmas] *= 0.7
    frame = pd.DataFrame({"series_id": "a", "ds": ds, "y": y})
    both = [
        Event(name, ds[week].date() + timedelta(days=day), ds[week].date() + timedelta(days=day))
        for week in christmas
        for day, name in enumerate(("Christmas Day", "Boxing Day"))
    ]
    found = measure(Panels.of(frame, "W-MON").one, Calendar.of(None, both))
    again = found.multiplier(Calendar.of(None, both), ds, GRANULARITIES["weekly"])
    assert again[0, christmas] == pytest.approx(0.7, abs=0.05), "together they take 30 %, not twice that"


def test_hours_are_held_against_the_same_hour_of_the_same_weekday():
    ds, random = pd.date_range("2024-01-01", periods=24 * 7 * 12, freq="h"), np.random.default_rng(3)
    usual = WEEKDAYS[ds.dayofweek] * (1.5 + np.sin(2 * np.pi * ds.hour / 24))
    monday = Event("strike", date(2024, 2, 12), date(2024, 2, 12))
    on = ds.normalize() == pd.Timestamp(monday.first)
    frame = pd.DataFrame(
        {"series_id": "a", "ds": ds, "y": usual * np.where(on, 0.6, 1) * random.normal(1, 0.02, len(ds))}
    )
    row = row_of(effects_of(frame, [monday], "h"), "strike")
    assert row["effect"] == pytest.approx(-0.4, abs=0.02)
    assert (row["occurrences"], row["days"]) == (1, 1)


def test_the_table_names_the_series_with_the_lowest_and_the_highest_effect():
    strikes = [event("strike", start) for start in STRIKES]
    frame = simulated([(one, -0.4) for one in strikes], noise=0.02)
    days = {pd.Timestamp(one.first) for one in strikes}
    spared = (frame["series_id"] == "s2") & frame["ds"].isin(days)
    frame.loc[spared, "y"] /= 0.6
    row = row_of(effects_of(frame, strikes), "strike")
    assert row["highest_series"] == "s2"
    assert row["highest"] == pytest.approx(0.0, abs=0.1)
    assert row["lowest"] == pytest.approx(-0.4, abs=0.05)


def test_a_series_that_was_never_observed_on_a_named_day_has_the_common_effect():
    strikes = [event("strike", start) for start in STRIKES]
    frame = simulated([(one, -0.4) for one in strikes])
    days = {pd.Timestamp(one.first) for one in strikes}
    found = effects_of(frame[~((frame["series_id"] == "s3") & frame["ds"].isin(days))], strikes)
    assert found.factor[3, 0] == found.common[0]
    assert row_of(found, "strike")["lowest_series"] != "s3"


def test_without_named_days_nothing_is_changed():
    found = effects_of(simulated([]), [])
    assert found.table().empty
    assert (found.multiplier(Calendar(), pd.date_range(FIRST, periods=5), GRANULARITIES["daily"]) == 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_announced_event_moves_the_forecast_of_its_days_where_the_kind_uses_events(kind: str):
    """Asked on a Tuesday and Wednesday, which are like the mean of the week."""
    strikes = [event("strike", start, days=2) for start in STRIKES]
    ahead = event("strike", 708, days=2, announced=690)
    frame = simulated([(one, -0.5) for one in strikes], noise=0.05)
    params = PARAMS.get(kind, {})
    without = forecaster(kind)(freq="D", events=strikes, **params).fit(frame).predict(28)
    with_it = forecaster(kind)(freq="D", events=[*strikes, ahead], **params).fit(frame).predict(28)
    on = without["ds"].between(pd.Timestamp(ahead.first), pd.Timestamp(ahead.last))
    effect = with_it["y_hat"][on].sum() / without["y_hat"][on].sum() - 1
    elsewhere = with_it["y_hat"][~on].sum() / without["y_hat"][~on].sum() - 1
    assert effect == pytest.approx(-0.5 if kind in USES_EVENTS else 0.0, abs=0.1)
    assert elsewhere == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_that_is_not_announced_yet_changes_no_forecast(kind: str):
    strikes = [event("strike", start) for start in STRIKES]
    later, frame = event("strike", 705, announced=701), simulated([(one, -0.5) for one in strikes])
    params = PARAMS.get(kind, {})
    without = forecaster(kind)(freq="D", events=strikes, **params).fit(frame).predict(14)
    with_it = forecaster(kind)(freq="D", events=[*strikes, later], **params).fit(frame).predict(14)
    pd.testing.assert_frame_equal(with_it, without)
