"""What-ifs: the same fitted model under other events and other covariates."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mlops import KINDS, forecaster
from mlops.errors import BadInput
from mlops.forecasting.base import Forecaster
from mlops.forecasting.whatif import what_if
from mlops.panels.calendar import Event

FIRST = date(2022, 1, 3)
DAYS = 700
STRIKES = tuple(Event("strike", day, day) for day in (FIRST + timedelta(days=38 + 66 * number) for number in range(10)))
"""On ten different weekdays."""
PLANNED = Event("strike", FIRST + timedelta(days=708), FIRST + timedelta(days=708))
MOVED = Event("strike", FIRST + timedelta(days=716), FIRST + timedelta(days=716))
"""From a Tuesday to a Wednesday, which are like the mean of the week."""
USES_EVENTS = tuple(kind for kind in KINDS if kind not in ("naive", "average"))
IN_PROPORTION = {"holidays_mode": "multiplicative"}
PARAMS = {
    "lightgbm": {"trees": 60},
    "auto": {"settings": {"lightgbm": {"trees": 60}}},
    "prophet": IN_PROPORTION,
}


def series(days: int = DAYS, effect: float = -0.5) -> pd.DataFrame:
    random, ds = np.random.default_rng(5), pd.date_range(FIRST, periods=days)
    on = ds.isin([pd.Timestamp(one.first) for one in STRIKES])
    weekday = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.4])[ds.dayofweek]
    y = [100 * size * weekday * np.where(on, 1 + effect, 1) * random.normal(1, 0.04, days) for size in (1, 2, 3)]
    return pd.concat([pd.DataFrame({"series_id": f"s{n}", "ds": ds, "y": row}) for n, row in enumerate(y)])


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: pytest.FixtureRequest) -> Forecaster:
    """A model that expects a strike on the day of PLANNED."""
    params = PARAMS.get(request.param, {})
    return forecaster(request.param)(freq="D", events=[*STRIKES, PLANNED], **params).fit(series())


@pytest.fixture(scope="module")
def smoothing() -> Forecaster:
    return forecaster("smoothing")(freq="D", events=[*STRIKES, PLANNED]).fit(series())


def relative(found: pd.DataFrame, day: date) -> float:
    """The change of the sum on a day, as a part of the forecast."""
    on = found[found["ds"] == pd.Timestamp(day)]
    return float(on["difference"].sum() / on["y_hat"].sum())


def test_a_moved_event_takes_its_effect_along_where_the_kind_uses_events(fitted: Forecaster):
    found = what_if(fitted, 28, events=[*STRIKES, MOVED])
    assert list(found.columns) == ["series_id", "ds", "cutoff", "y_hat", "y_hat_what_if", "difference"]
    if fitted.kind in USES_EVENTS:
        assert relative(found, MOVED.first) == pytest.approx(-0.5, abs=0.1)
        assert relative(found, PLANNED.first) == pytest.approx(1.0, abs=0.35), "half becomes whole"
        assert found.attrs["notes"] == []
    else:
        assert (found["difference"] == 0).all()
        assert "has learned no effect" in found.attrs["notes"][0]


def test_nothing_differs_when_the_events_are_those_of_the_model(fitted: Forecaster):
    found = what_if(fitted, 28, events=[*STRIKES, PLANNED])
    assert (found["difference"] == 0).all()


def test_the_model_stays_as_it_is(fitted: Forecaster):
    before = fitted.predict(14)
    what_if(fitted, 14, events=[])
    assert_frame_equal(fitted.predict(14), before)


def test_an_event_that_the_model_never_saw_has_no_effect_and_it_is_said(fitted: Forecaster):
    festival = Event("festival", PLANNED.first, PLANNED.last)
    found = what_if(fitted, 28, events=[PLANNED, festival])
    assert (found["difference"] == 0).all()
    assert "never seen 'festival'" in found.attrs["notes"][0]


def test_a_cancelled_event_gives_its_days_back(smoothing: Forecaster):
    found = what_if(smoothing, 28, events=[])
    assert relative(found, PLANNED.first) == pytest.approx(1.0, abs=0.2)
    assert (found.loc[found["ds"] != pd.Timestamp(PLANNED.first), "difference"] == 0).all()


def test_an_event_that_goes_on_ends_where_the_what_if_says():
    last = FIRST + timedelta(days=DAYS - 1)
    going_on = Event("strike", last - timedelta(days=1), last + timedelta(days=5))
    model = forecaster("smoothing")(freq="D", events=[*STRIKES, going_on]).fit(series())
    found = what_if(model, 14, events=[Event("strike", going_on.first, last + timedelta(days=1))])
    changed = sorted(found.loc[found["difference"] > 0, "ds"].unique())
    assert changed == list(pd.date_range(last + timedelta(days=2), going_on.last))


def test_what_happened_is_not_changed(smoothing: Forecaster):
    """The past of the events in a what-if says nothing: the model's own past counts."""
    assert_frame_equal(what_if(smoothing, 28, events=[MOVED]), what_if(smoothing, 28, events=[*STRIKES[:2], MOVED]))


def test_public_holidays_stay():
    model = forecaster("smoothing")(freq="D", country="NZ", events=[*STRIKES, PLANNED]).fit(series())
    found = what_if(model, 28, events=[PLANNED])
    assert (found["difference"] == 0).all()
    assert found["ds"].min() < pd.Timestamp("2023-12-25") < found["ds"].max()


def test_an_announcement_that_is_still_to_come_counts_as_made(smoothing: Forecaster):
    late = Event("strike", MOVED.first, MOVED.last, announced=MOVED.first)
    assert relative(what_if(smoothing, 28, events=[PLANNED, late]), MOVED.first) == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize("freq", ["W-MON", "W-SUN", "W-WED"])
def test_weeks_are_changed_by_the_days_that_lie_in_them(freq: str):
    ds, random = pd.date_range("2021-01-01", periods=150, freq=freq), np.random.default_rng(1)
    strikes = [
        Event("strike", ds[week].date() + timedelta(days=5), ds[week].date() + timedelta(days=5))
        for week in range(10, 140, 13)
    ]
    y = 1000 * random.normal(1, 0.01, 150) * np.where(np.isin(np.arange(150), range(10, 140, 13)), 0.8, 1)
    frame = pd.DataFrame({"series_id": "a", "ds": ds, "y": y})
    model = forecaster("smoothing")(freq=freq, horizon=8, events=strikes).fit(frame)
    first = (ds[-1] + pd.Timedelta(days=7)).date()
    found = what_if(model, 8, events=[Event("strike", first, first)])
    assert found["difference"].iloc[0] / found["y_hat"].iloc[0] == pytest.approx(-0.2, abs=0.05)
    assert (found["difference"].iloc[1:] == 0).all()


@pytest.fixture(scope="module", params=["lightgbm", "prophet"])
def of_price(request: pytest.FixtureRequest) -> tuple[Forecaster, pd.DataFrame]:
    """A model of series that fall by 30 where the price is one higher, and the plan of the price."""
    frame, random = series(DAYS + 28, effect=0.0), np.random.default_rng(2)
    price = random.integers(0, 2, DAYS + 28).astype(float)
    frame = frame.assign(price=np.tile(price, 3))
    frame["y"] -= 30 * frame["price"]
    known = frame["ds"] < pd.Timestamp(FIRST) + pd.Timedelta(days=DAYS)
    model = forecaster(request.param)(freq="D", covariates=["price"]).fit(frame.assign(y=frame["y"].where(known)))
    return model, frame.loc[~known, ["series_id", "ds", "price"]]


def test_a_changed_covariate_changes_the_forecast(of_price: tuple[Forecaster, pd.DataFrame]):
    model, plan = of_price
    changed = plan[plan["ds"] == plan["ds"].min()].assign(price=lambda frame: 1 - frame["price"])
    found = what_if(model, 7, future=plan, changed=changed)
    first = found["ds"] == plan["ds"].min()
    expected = 30 if changed["price"].iloc[0] == 0 else -30
    assert found.loc[first, "difference"].mean() == pytest.approx(expected, abs=10)
    assert (found.loc[~first, "difference"] == 0).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "nothing is changed"),
        (
            {"changed": pd.DataFrame({"series_id": ["s0"], "ds": ["2024-01-01"], "rain": [1.0]})},
            "covariates of the model",
        ),
    ],
    ids=["nothing", "no covariate"],
)
def test_a_what_if_that_changes_nothing_it_could_is_refused(smoothing: Forecaster, changes: dict, words: str):
    with pytest.raises(BadInput, match=words):
        what_if(smoothing, 7, **changes)


def test_a_changed_row_that_was_never_planned_is_refused(of_price: tuple[Forecaster, pd.DataFrame]):
    model, plan = of_price
    other = pd.DataFrame({"series_id": ["nobody"], "ds": [plan["ds"].min()], "price": [1.0]})
    with pytest.raises(BadInput, match="'nobody'"):
        what_if(model, 7, future=plan, changed=other)
