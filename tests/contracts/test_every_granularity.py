"""Every kind forecasts every granularity in every time zone, on each series' own steps."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops import KINDS, forecaster, load
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import BadInput, HistoryTooShort
from mlops.panels.from_frame import Panels
from mlops.panels.timestamps import infer, restamped
from mlops.times import instants, local_times

ZONES = ("UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
ALL = pytest.mark.parametrize("step", GRANULARITIES.values(), ids=str)
WITHIN_A_DAY = [one for one in GRANULARITIES.values() if not one.dated]
CHANGES = {"Europe/Berlin": "2024-03-31", "America/New_York": "2024-11-03"}


def frame_of(
    step: Granularity, steps: int, last: str = "2024-06-30", zone: str = "UTC", series: str = "a"
) -> pd.DataFrame:
    """A series with a rhythm of its cycle, by the clock of a zone; it ends with the step that holds noon of `last`."""
    end = step.floor(instants(np.array([f"{last}T12:00"], dtype="datetime64[ns]"), zone))[0]
    at = step.start(step.number(end) - np.arange(steps)[::-1]).astype("datetime64[ns]")
    shown = local_times(at, zone) if not step.dated else at
    place = step.number(shown) % max(step.cycle, 1)
    y = 100 + 40 * np.sin(2 * np.pi * place / max(step.cycle, 2)) + np.random.default_rng(0).normal(0, 1, steps)
    return pd.DataFrame({"series_id": series, "ds": at, "y": y}).assign(time_zone=zone)


def cheap(kind: str) -> dict[str, object]:
    return {"trees": 40} if kind == "lightgbm" else {"settings": {"lightgbm": {"trees": 10}}} if kind == "auto" else {}


@pytest.mark.parametrize("kind", KINDS)
@ALL
def test_a_kind_forecasts_the_steps_that_follow(kind: str, step: Granularity):
    frame = frame_of(step, 3 * step.need)
    found = forecaster(kind)(horizon=min(step.block, 6), **cheap(kind)).fit(frame).predict(min(step.block, 6))
    assert (found["ds"] == step.after(frame["ds"].max().to_datetime64(), len(found))).all()
    assert found.drop(columns="series_id").notna().all(axis=None)
    assert (found["lo_95"] <= found["y_hat"]).all()
    assert (found["y_hat"] <= found["hi_95"]).all()
    assert found["y_hat"].between(20, 180).all()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("kind", KINDS)
def test_hours_are_forecast_by_the_clock_of_their_zone(kind: str, zone: str):
    frame = frame_of(GRANULARITIES["hourly"], 24 * 40, zone=zone)
    found = forecaster(kind)(horizon=30, **cheap(kind)).fit(frame).predict(24)
    assert found["ds"].tolist() == pd.date_range(frame["ds"].max(), periods=25, freq="h")[1:].tolist()
    expected = 100 + 40 * np.sin(2 * np.pi * pd.DatetimeIndex(local_times(found["ds"].to_numpy(), zone)).hour / 24)
    assert np.abs(found["y_hat"] - expected).mean() < 8


@pytest.mark.parametrize("kind", ["naive", "smoothing", "hybrid", "auto"])
@pytest.mark.parametrize("step", WITHIN_A_DAY, ids=str)
@pytest.mark.parametrize(("zone", "day"), CHANGES.items())
def test_a_rhythm_of_the_day_keeps_its_hours_when_the_clock_changes(kind: str, step: Granularity, zone: str, day: str):
    before = (pd.Timestamp(day) - pd.Timedelta(days=1)).strftime("%Y-%m-%d")
    horizon = 2 * step.cycle
    frame = frame_of(step, 24 * step.cycle, last=before, zone=zone)
    model = forecaster(kind)(horizon=horizon, **cheap(kind)).fit(frame)
    found = model.predict(horizon)
    assert (found["ds"] == step.after(frame["ds"].max().to_datetime64(), horizon)).all()
    place = step.number(local_times(found["ds"].to_numpy(), zone)) % step.cycle
    assert np.abs(found["y_hat"] - (100 + 40 * np.sin(2 * np.pi * place / step.cycle))).mean() < 3
    late = frame_of(
        step, 24 * step.cycle, last=(pd.Timestamp(day) + pd.Timedelta(days=2)).strftime("%Y-%m-%d"), zone=zone
    )
    again = model.predict(step.cycle, history=late)
    place = step.number(local_times(again["ds"].to_numpy(), zone)) % step.cycle
    assert again["ds"].min() > late["ds"].max()
    assert np.abs(again["y_hat"] - (100 + 40 * np.sin(2 * np.pi * place / step.cycle))).mean() < 3


@pytest.mark.parametrize("kind", KINDS)
def test_series_keep_their_weekdays_beside_each_other(kind: str, tmp_path: Path):
    step = GRANULARITIES["weekly"]
    frames = [
        frame_of(step, 120, series=name).assign(ds=lambda part, days=days: part["ds"] - pd.Timedelta(days=days))
        for name, days in {"mon": 0, "sun": 1, "tue": 6}.items()
    ]
    frame = pd.concat(frames)
    model = forecaster(kind)(horizon=5, country="US", **cheap(kind)).fit(frame)
    found = model.predict(5)
    for name, part in frame.groupby("series_id"):
        ahead = found[found["series_id"] == name]
        assert ahead["ds"].tolist() == [part["ds"].max() + pd.Timedelta(days=7 * n) for n in range(1, 6)]
        assert (ahead["cutoff"] == part["ds"].max()).all()
    assert set(model.known) == {"mon", "sun", "tue"}
    model.save(tmp_path)
    assert load(tmp_path).predict(5).equals(found)
    assert model.predict(5, history=frame).groupby("series_id").size().eq(5).all()


@ALL
def test_a_granularity_is_seen_in_the_times(step: Granularity):
    assert infer(frame_of(step, 40)) == step
    gaps = frame_of(step, 40).drop(index=[3, 17, 18])
    assert infer(pd.concat([gaps, frame_of(step, 1, series="new")])) == step


@pytest.mark.parametrize(("one", "other"), [("daily", "weekly"), ("hourly", "daily"), ("monthly", "quarterly")])
def test_steps_that_differ_are_refused_with_both_named(one: str, other: str):
    frame = pd.concat([frame_of(GRANULARITIES[one], 60), frame_of(GRANULARITIES[other], 60, series="b")])
    with pytest.raises(BadInput, match=f"'b' {other}, 'a' {one}"):
        infer(frame)
    assert Panels.of(frame, one).granularity.name == one


@pytest.mark.parametrize("apart", ["6h", "2D", "14D", "10min"])
def test_steps_that_are_no_granularity_are_refused_with_the_table(apart: str):
    frame = pd.DataFrame({"series_id": "a", "ds": pd.date_range("2024-01-01", periods=60, freq=apart), "y": 1.0})
    with pytest.raises(BadInput, match=r"expected one of 15min .* yearly"):
        infer(frame)


def test_visits_on_two_weekdays_are_days_with_gaps():
    days = pd.date_range("2022-01-03", "2023-12-31")
    twice = days[days.dayofweek.isin([0, 3])]
    assert infer(pd.DataFrame({"series_id": "a", "ds": twice})).name == "daily"


@pytest.mark.parametrize("alias", ["ME", "QE", "YE", "M", "Q"])
def test_labels_of_the_end_are_turned_into_beginnings(alias: str):
    modern = {"M": "ME", "Q": "QE"}.get(alias, alias)
    ends = pd.date_range("2008-01-31", periods=60, freq=modern)
    frame = pd.DataFrame({"series_id": "a", "ds": ends, "y": np.arange(60.0)})
    panel = Panels.of(frame, alias).one
    assert (panel.index == panel.granularity.floor(ends.to_numpy())).all()
    assert restamped(frame, alias)["ds"].tolist() == panel.index.tolist()
    with pytest.raises(BadInput, match="last days"):
        Panels.of(frame, panel.granularity.name)


def test_weeks_that_pandas_labels_at_their_end_are_turned():
    daily = pd.Series(1.0, index=pd.date_range("2024-01-01", periods=70))
    weeks = daily.resample("W").sum().rename_axis("ds").rename("y").reset_index().assign(series_id="a")
    assert weeks["ds"].iloc[0] == pd.Timestamp("2024-01-07")
    assert restamped(weeks, "weekly")["ds"].iloc[0] == pd.Timestamp("2024-01-01")


@pytest.mark.parametrize("kind", KINDS)
@ALL
def test_least_history_is_the_granularitys(kind: str, step: Granularity):
    enough = frame_of(step, step.need)
    assert len(forecaster(kind)(horizon=1, freq=step.name, **cheap(kind)).fit(enough).predict(1)) == 1
    with pytest.raises(HistoryTooShort, match=f"{step.need}"):
        forecaster(kind)(horizon=1, freq=step.name, **cheap(kind)).fit(enough.iloc[step.block :])


@pytest.mark.parametrize("freq", ["ME", "QE"])
def test_labels_of_the_end_are_not_taken_for_days(freq: str):
    frame = pd.DataFrame({"series_id": "a", "ds": pd.date_range("2015-01-31", periods=40, freq=freq), "y": 1.0})
    with pytest.raises(BadInput, match=r"are last days of months.*--granularity ME"):
        infer(frame)


def test_times_that_begin_hardly_any_step_of_what_they_fit_are_not_guessed():
    frame = pd.DataFrame(
        {"series_id": "a", "ds": pd.date_range("2015-01-15", periods=40, freq="MS") + pd.Timedelta("14D")}
    )
    with pytest.raises(BadInput, match="begin steps of daily, but hardly any"):
        infer(frame)
