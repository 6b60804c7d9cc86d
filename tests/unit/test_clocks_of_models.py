"""A model that was saved, asked anew or given a new series is on the clock and weekday of each series."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops import forecaster, load
from mlops.errors import BadHorizon, BadInput, HistoryTooShort, MlopsError, NotMigrated, UnknownName
from mlops.evaluation.backtest import backtest, origins
from mlops.forecasting.condition import conditions
from mlops.forecasting.whatif import what_if
from mlops.panels.files import read_frame
from mlops.panels.from_frame import Panels
from mlops.panels.timestamps import infer
from mlops.times import local_times, longest_shift
from mlops.tracking.runs import _signature

LORD_HOWE = "Australia/Lord_Howe"


def hours(series: str, zone: str, end: str, days: int = 40, freq: str = "h") -> pd.DataFrame:
    """Hours with a rhythm of the day by the clock of a zone, the newest one at `end` (UTC)."""
    at = pd.date_range(pd.Timestamp(end) - pd.Timedelta(days=days), end, freq=freq)
    return pd.DataFrame({"series_id": series, "ds": at, "y": rhythm(at, zone), "time_zone": zone})


def rhythm(at: pd.DatetimeIndex, zone: str) -> np.ndarray:
    shown = pd.DatetimeIndex(local_times(at.to_numpy(), zone))
    return np.asarray(100 + 50 * np.sin(2 * np.pi * (shown.hour + shown.minute / 60) / 24))


def weeks(series: str, first: str, count: int) -> pd.DataFrame:
    at = pd.date_range(first, periods=count, freq="7D")
    return pd.DataFrame({"series_id": series, "ds": at, "y": 100.0 + np.arange(count) % 4})


ENDS = [
    ("America/New_York", "2024-11-03 05:00"),  # the first time that its clock shows 01:00
    ("America/New_York", "2024-11-03 06:00"),  # and the second
    ("America/New_York", "2024-03-10 06:00"),
    (LORD_HOWE, "2024-04-06 14:00"),
    (LORD_HOWE, "2024-10-05 10:00"),
    ("Asia/Kolkata", "2024-11-01 18:00"),
    ("Asia/Kathmandu", "2024-11-01 18:15"),
    ("Antarctica/Troll", "2024-03-30 12:00"),  # two hours forward
    ("Pacific/Apia", "2011-12-29 12:00"),  # a day forward
]


@pytest.mark.parametrize(("zone", "end"), ENDS)
def test_a_saved_model_goes_on_where_its_clock_stood(zone: str, end: str, tmp_path: Path):
    model = forecaster("naive")(horizon=48).fit(hours("a", zone, end))
    found = model.predict(48)
    assert found["ds"].tolist() == pd.date_range(end, periods=49, freq="h")[1:].tolist()
    assert np.abs(found["y_hat"] - rhythm(pd.DatetimeIndex(found["ds"]), zone)).mean() < 5
    model.save(tmp_path)
    pd.testing.assert_frame_equal(load(tmp_path).predict(48), found)
    pd.testing.assert_frame_equal(load(tmp_path).remembered, model.remembered)


@pytest.mark.parametrize(("zone", "end"), ENDS)
def test_a_panel_gives_back_the_instants_it_was_made_of(zone: str, end: str):
    frame = hours("a", zone, end, days=200)
    again = Panels.of(frame).one.frame()
    assert again["ds"].tolist() == frame["ds"].tolist()
    assert Panels.of(frame).steps.tolist() == frame["ds"].tolist()


def test_every_series_is_forecast_from_its_own_full_hours(tmp_path: Path):
    zones = {"Asia/Kolkata": "18:30", "Asia/Kathmandu": "18:15", "America/New_York": "19:00", LORD_HOWE: "18:30"}
    frame = pd.concat([hours(zone, zone, f"2024-11-20 {at}") for zone, at in zones.items()])
    found = forecaster("naive")(horizon=24).fit(frame).predict(24)
    for zone, part in found.groupby("series_id"):
        assert (part["ds"].dt.minute == int(zones[zone][-2:])).all()
        assert part["ds"].min() > pd.Timestamp("2024-11-20 19:00")
        assert np.abs(part["y_hat"] - rhythm(pd.DatetimeIndex(part["ds"]), zone)).max() < 5
    cutoffs = origins(frame, 2, every=24, horizon=24)
    assert backtest("naive", {"horizon": 24}, frame, cutoffs, 24).groupby("series_id")["y"].count().eq(48).all()
    shown = conditions(frame).set_index("series_id")["last"]
    assert (shown == frame.groupby("series_id")["ds"].max()).all()


def test_the_model_of_a_clock_is_found_whenever_the_history_begins():
    frame = pd.concat([hours("a", LORD_HOWE, "2024-11-20 18:30", 100), hours("b", "UTC", "2024-11-20 19:00", 100)])
    model = forecaster("lightgbm")(horizon=24, trees=40).fit(frame)
    summer = frame[(frame["series_id"] == "a") & (frame["ds"] >= "2024-10-10")]
    for part in (frame[frame["series_id"] == "a"], summer):
        [(found, panel)] = model._asked(24, part, None)
        assert (found._history.zone, found._history.granularity) == (panel.zone, panel.granularity)


@pytest.mark.parametrize("trained", [["UTC"], ["UTC", "Asia/Kolkata"]])
@pytest.mark.parametrize(
    ("zone", "end"), [("America/New_York", "2024-03-09 20:00"), ("Antarctica/Troll", "2024-03-30 20:00")]
)
def test_a_new_series_in_another_zone_is_forecast_over_the_change_of_its_clock(trained: list[str], zone: str, end: str):
    frame = pd.concat([hours(name, name, end) for name in trained])
    frame = frame if len(trained) > 1 else frame.drop(columns="time_zone")
    found = forecaster("naive")(horizon=24).fit(frame).predict(24, history=hours("new", zone, end))
    assert found["ds"].tolist() == pd.date_range(end, periods=25, freq="h")[1:].tolist()
    assert found.notna().all(axis=None)


def test_how_far_clocks_are_put_forward_is_known_of_each():
    known = {"UTC": 0, "Asia/Kolkata": 0, LORD_HOWE: 1, "Europe/Berlin": 1, "Antarctica/Troll": 2, "Pacific/Apia": 24}
    for zone, longest in known.items():
        assert longest_shift(zone) == pd.Timedelta(hours=longest), zone


@pytest.mark.parametrize("kind", ["naive", "smoothing", "auto"])
def test_a_saved_model_keeps_the_end_of_series_that_ended_before_others(kind: str, tmp_path: Path):
    frame = pd.concat([weeks("a", "2018-01-01", 150), weeks("b", "2018-01-03", 152)])
    settings = {"settings": {"lightgbm": {"trees": 10}}} if kind == "auto" else {}
    model = forecaster(kind)(horizon=8, **settings).fit(frame)
    model.save(tmp_path)
    pd.testing.assert_frame_equal(load(tmp_path).predict(8), model.predict(8))


def test_a_saved_model_keeps_what_it_was_told_of_the_days_ahead(tmp_path: Path):
    at = pd.date_range("2024-01-01", periods=207)
    frame = pd.DataFrame({"series_id": "a", "ds": at, "y": np.where(np.arange(207) < 200, 5.0, np.nan), "price": 1.0})
    model = forecaster("lightgbm")(horizon=7, covariates=["price"], trees=5).fit(frame)
    model.save(tmp_path)
    pd.testing.assert_frame_equal(load(tmp_path).predict(7), model.predict(7))


def test_an_hour_that_the_clock_skips_needs_no_covariate():
    end = "2024-03-10 04:00"
    frame = hours("a", "America/New_York", end).assign(price=1.0)
    ahead = hours("a", "America/New_York", "2024-03-11 04:00", days=1).assign(price=2.0).iloc[1:]
    model = forecaster("lightgbm")(horizon=24, covariates=["price"], trees=5).fit(frame)
    assert len(model.predict(24, future=ahead)) == 24


@pytest.mark.parametrize("kind", ["auto", "lean"])
def test_new_series_are_forecast_without_any_known_one(kind: str):
    days = pd.DataFrame({"series_id": "a", "ds": pd.date_range("2024-01-01", periods=200), "y": np.arange(200.0) % 7})
    model = forecaster(kind)(horizon=7, settings={"lightgbm": {"trees": 10}}).fit(days)
    found = model.predict(7, history=days.assign(series_id="new"), decompose=True)
    assert found.drop(columns="series_id").notna().all(axis=None)


def test_newer_history_may_be_labelled_by_the_end_as_the_first_was():
    at = pd.date_range("2015-01-31", periods=60, freq="ME")
    frame = pd.DataFrame({"series_id": "a", "ds": at, "y": np.arange(60.0) % 12})
    model = forecaster("naive")(freq="ME", horizon=3).fit(frame)
    pd.testing.assert_frame_equal(model.predict(3, history=frame), model.predict(3))


def test_labels_of_the_end_keep_the_anchor_of_their_quarters():
    at = pd.date_range("2005-01-31", periods=30, freq="QE-JAN")
    frame = pd.DataFrame({"series_id": "a", "ds": at, "y": np.arange(30.0)})
    assert Panels.of(frame, "QE").one.index[0] == pd.Timestamp("2004-11-01")


def test_a_label_of_the_end_is_a_last_day_and_comes_once():
    at = pd.date_range("2015-01-31", periods=60, freq="ME")
    frame = pd.DataFrame({"series_id": "a", "ds": at, "y": 1.0})
    with pytest.raises(BadInput, match="neither the first nor the last day of a monthly step"):
        Panels.of(frame.assign(ds=at - pd.Timedelta(days=9)), "ME")
    with pytest.raises(BadInput, match="two rows for 2015-01-01"):
        Panels.of(pd.concat([frame, frame.iloc[:1].assign(ds=pd.Timestamp("2015-01-01"))]), "ME")


@pytest.mark.parametrize("alias", ["ME", "QE", "YE"])
def test_last_days_of_months_are_not_taken_for_days(alias: str):
    at = pd.date_range("2000-01-31", periods=30, freq=alias)
    with pytest.raises(BadInput, match="last days"):
        infer(pd.DataFrame({"series_id": "a", "ds": at, "y": 1.0}))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize(("freq", "name"), [("D", "daily"), ("W-MON", "weekly"), ("MS", "monthly")])
def test_midnights_of_a_time_zone_are_its_days(zone: str, freq: str, name: str):
    at = pd.date_range("2018-01-01", periods=60, freq=freq)
    frame = pd.DataFrame({"series_id": "a", "ds": at, "y": np.arange(60.0)})
    local = frame.assign(ds=at.tz_localize(zone))
    panel = Panels.of(local).one
    assert (panel.granularity.name, panel.index.tolist()) == (name, at.tolist())
    cutoffs = origins(local, 2, every=1, horizon=3)
    found = backtest("naive", {"horizon": 3}, local, cutoffs, 3)
    pd.testing.assert_frame_equal(found, backtest("naive", {"horizon": 3}, frame, cutoffs, 3))
    with pytest.raises(BadInput, match="does not begin"):
        Panels.of(local.assign(ds=local["ds"] + pd.Timedelta(hours=7) * (local.index == 3)), name)


def test_midnights_of_hours_are_instants():
    frame = hours("a", "Europe/Berlin", "2024-11-20 23:00")
    frame = frame.assign(price=frame["ds"].dt.hour / 24)
    model = forecaster("lightgbm")(horizon=1, covariates=["price"], trees=5).fit(frame)
    ahead = pd.DataFrame({"series_id": "a", "ds": [pd.Timestamp("2024-11-21 01:00", tz="Europe/Berlin")], "price": 1.0})
    assert model.predict(1, future=ahead)["ds"].tolist() == [pd.Timestamp("2024-11-21")]
    with pytest.raises(BadInput, match="not known"):
        model.predict(1, future=ahead.assign(ds=[pd.Timestamp("2024-11-21", tz="Europe/Berlin")]))


def test_the_clock_of_a_file_is_read_without_being_asked_for(tmp_path: Path):
    frame = hours("a", "America/New_York", "2024-11-20 23:00")
    for name, write in {"a.csv": frame.to_csv, "a.parquet": frame.to_parquet}.items():
        write(tmp_path / name, index=False)
        assert Panels.of(read_frame(tmp_path / name)).one.zone == "America/New_York"


@pytest.mark.parametrize(
    "error",
    [
        UnknownName("country", "ZZ", ["US"]),
        BadInput("is odd", where="a.csv", line=3),
        BadHorizon(9, 7),
        HistoryTooShort("a", 3, 21),
        NotMigrated("0001_baseline", "0002_later"),
    ],
)
def test_what_a_worker_refuses_reaches_the_caller_as_it_is(error: MlopsError):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_mlflow_hands_on_the_clock_of_newer_history():
    local = forecaster("naive")(horizon=7).fit(hours("a", "Asia/Kolkata", "2024-01-01 00:30"))
    assert "time_zone" in _signature(local).inputs.input_names()
    plain = forecaster("naive")(horizon=7).fit(weeks("a", "2018-01-01", 60))
    assert "time_zone" not in _signature(plain).inputs.input_names()


@pytest.mark.parametrize("freq", ["D", "B", "W-MON"])
def test_months_without_service_are_closed_also_from_the_end_of_the_training(freq: str):
    at = pd.date_range("2019-01-01", "2023-06-20", freq=freq)
    at = at[~at.month.isin([7, 8])]
    frame = pd.DataFrame({"series_id": "a", "ds": at, "y": 100.0 + np.arange(len(at)) % 5})
    model = forecaster("naive")(horizon=20, freq=freq).fit(frame)
    found = model.predict(20)
    assert (found["closed"] == found["ds"].dt.month.isin([7, 8])).all()
    assert found["closed"].any()
    assert (found["closed"] == model.predict(20, history=frame)["closed"]).all()


def test_a_what_if_of_closed_days_only_is_empty():
    at = pd.date_range("2019-01-01", "2023-05-31")
    at = at[~at.month.isin([6, 7, 8])]
    model = forecaster("naive")(horizon=7).fit(pd.DataFrame({"series_id": "a", "ds": at, "y": 1.0 + at.dayofweek}))
    assert model.predict(7)["closed"].all()
    assert what_if(model, 7, events=[]).empty


def test_a_cutoff_between_two_equal_hours_of_the_clock_knows_the_first_only():
    first, second = pd.Timestamp("2023-10-29 00:00"), pd.Timestamp("2023-10-29 01:00")
    frame = hours("a", "Europe/Berlin", "2023-11-05")
    frame.loc[frame["ds"] == first, "y"], frame.loc[frame["ds"] == second, "y"] = 11.0, 99.0
    past = Panels.of(frame, "hourly").until(first).frame()
    assert past["ds"].max() == first
    assert past["y"].iloc[-1] == 11.0
    assert Panels.of(frame.sample(frac=1, random_state=1), "hourly").until(first).frame().equals(past)


@pytest.mark.parametrize("offset", ["+01:00", "-05:00", "+0530"])
def test_text_midnights_of_one_offset_are_its_days(offset: str):
    days = pd.date_range("2022-01-03", periods=60)
    frame = pd.DataFrame({"series_id": "a", "ds": days.strftime("%Y-%m-%dT00:00:00") + offset, "y": 1.0})
    panel = Panels.of(frame).one
    assert panel.granularity.name == "daily"
    assert panel.index.equals(days)
