"""Days and months without service are learnt from the past, and what is closed is marked."""

import numpy as np
import pandas as pd
import pytest

from mlops import KINDS, forecaster
from mlops.panels.from_frame import Panels
from mlops.panels.service_calendar import closed

DAYS = pd.date_range("2021-01-01", "2023-12-31")
AHEAD = pd.date_range("2024-01-01", periods=366)


def series(on: np.ndarray, name: str = "a") -> pd.DataFrame:
    y = 100 + np.random.default_rng(1).normal(0, 5, len(DAYS))
    return pd.DataFrame({"series_id": name, "ds": DAYS, "y": y})[on].reset_index(drop=True)


def shut(frame: pd.DataFrame) -> pd.DatetimeIndex:
    return AHEAD[closed(Panels.of(frame, "daily").one, AHEAD)[0]]


def weekdays(*served: int) -> np.ndarray:
    return np.asarray(DAYS.dayofweek.isin(served))


def test_a_sunday_without_a_single_collection_is_closed():
    assert shut(series(weekdays(0, 1, 2, 3, 4, 5))).equals(AHEAD[AHEAD.dayofweek == 6])


def test_a_route_of_two_weekdays_is_open_on_these():
    assert shut(series(weekdays(0, 3))).equals(AHEAD[~AHEAD.dayofweek.isin([0, 3])])


def test_a_route_of_every_second_monday_is_open_on_mondays():
    every_second = weekdays(0) & (np.arange(len(DAYS)) // 7 % 2 == 0)
    assert shut(series(every_second)).equals(AHEAD[AHEAD.dayofweek != 0])


def test_one_special_collection_opens_no_weekday_but_a_change_of_plan_does():
    on = weekdays(0, 1, 2, 3, 4)
    on[np.flatnonzero(pd.Timestamp("2023-12-23") == DAYS)] = True
    assert shut(series(on)).equals(AHEAD[AHEAD.dayofweek > 4])
    on[(DAYS >= "2023-11-01") & (DAYS.dayofweek == 5)] = True
    assert shut(series(on)).equals(AHEAD[AHEAD.dayofweek == 6])


def test_visits_at_random_leave_every_day_open():
    for seed in range(60):
        on = np.random.default_rng(seed).random(len(DAYS)) < [0.1, 0.3, 0.6][seed % 3]
        assert not len(shut(series(on))), seed


@pytest.mark.parametrize("weeks", [3, 7])
def test_a_few_weeks_say_nothing(weeks: int):
    frame = series(weekdays(0, 1, 2, 3, 4))
    assert not len(shut(frame[frame["ds"] >= DAYS[-7 * weeks]]))


def test_a_winter_without_collections_is_closed():
    on = ~DAYS.month.isin([12, 1, 2])
    found = shut(series(np.asarray(on)))
    assert found.equals(AHEAD[AHEAD.month.isin([1, 2, 12])])


def test_a_series_that_has_ended_is_not_called_closed():
    both = pd.concat([series(np.asarray(DAYS < "2023-01-01")), series(weekdays(0, 1), "b")])
    assert not closed(Panels.of(both, "daily").one, AHEAD)[0].any()


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_is_forecast_and_the_closed_ones_are_marked(kind: str):
    frame, given = series(weekdays(0, 1, 2, 3, 4)), {"trees": 10} if kind == "lightgbm" else {}
    plain = forecaster(kind)(horizon=14, freq="daily", **given).fit(frame).predict(14)
    zero = forecaster(kind)(horizon=14, freq="daily", absence="zero", **given).fit(frame).predict(14)
    for found in (plain, zero):
        assert found["ds"].tolist() == pd.date_range("2023-12-30", periods=14).tolist()
        assert found["closed"].equals(found["ds"].dt.dayofweek > 4)
    numbers = ["y_hat", "lo_80", "hi_80", "lo_95", "hi_95"]
    assert (zero.loc[zero["closed"], numbers] == 0).all(axis=None)
    assert zero.loc[~zero["closed"], numbers].equals(plain.loc[~plain["closed"], numbers])


def test_what_is_closed_is_told_by_weekday_and_month():
    frame = pd.concat([series(weekdays(0, 1, 2, 3, 4), "w"), series(DAYS.month != 12, "m")])
    found = forecaster("naive")(freq="daily").fit(frame).service().set_index("series_id")
    assert found["closed_weekdays"].to_dict() == {"w": [6, 7], "m": []}
    assert found["closed_months"].to_dict() == {"w": [], "m": [12]}
