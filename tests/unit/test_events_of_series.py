"""An event that names series changes the forecasts of these and of no others, in every kind that uses events."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mlops import KINDS, forecaster, load
from mlops.errors import BadInput, UnknownName
from mlops.evaluation.backtest import backtest
from mlops.forecasting.whatif import what_if
from mlops.panels.calendar import Calendar, Event, read_events
from mlops.panels.effects import measure
from mlops.panels.from_frame import Panels

FIRST, DAYS = date(2022, 1, 3), 500
IDS = ("a", "b", "c", "d")
STRUCK = ("a", "b")
ON = [FIRST + timedelta(days=38 + 45 * number) for number in range(10)]
"""On ten days, of different weekdays."""
AHEAD = FIRST + timedelta(days=DAYS + 5)
"""A Tuesday, which is like the mean of the week."""
STRIKES = [{"name": "strike", "first": day, "series": STRUCK} for day in ON]
PLANNED = {"name": "strike", "first": AHEAD, "series": ["a"]}
USES_EVENTS = tuple(kind for kind in KINDS if kind not in ("naive", "average"))
IN_PROPORTION = {"holidays_mode": "multiplicative"}
PARAMS: dict[str, Any] = {
    "lightgbm": {"trees": 60},
    "auto": {"settings": {"lightgbm": {"trees": 60}}},
    "prophet": IN_PROPORTION,
}


def series() -> pd.DataFrame:
    random, ds = np.random.default_rng(5), pd.date_range(FIRST, periods=DAYS)
    on = ds.isin(pd.to_datetime(ON))
    weekday = np.array([1.2, 1.0, 1.0, 1.1, 1.4, 0.7, 0.4])[ds.dayofweek]
    parts = []
    for number, name in enumerate(IDS, start=1):
        y = 100 * number * weekday * np.where(on & (name in STRUCK), 0.5, 1) * random.normal(1, 0.04, DAYS)
        parts.append(pd.DataFrame({"series_id": name, "ds": ds, "y": y}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("kind", USES_EVENTS)
def test_a_strike_ahead_of_one_shop_halves_that_shop_alone(kind: str, tmp_path: Path):
    params = PARAMS.get(kind, {})
    fitted = forecaster(kind)(freq="D", horizon=14, events=[*STRIKES, PLANNED], **params).fit(series())
    found = what_if(fitted, 14, events=[])
    changed = (found["difference"] / found["y_hat"]).where(found["ds"] == pd.Timestamp(AHEAD))
    by_series = changed.groupby(found["series_id"]).first()
    assert by_series["a"] == pytest.approx(1.0, abs=0.4), "what was halved is whole again"
    others = found[found["series_id"] != "a"]
    assert (others["difference"].abs() < 0.02 * others["y_hat"]).all()
    fitted.save(tmp_path)
    assert_frame_equal(load(tmp_path).predict(14), fitted.predict(14))
    parts = fitted.explain(14)
    np.testing.assert_allclose(parts.iloc[:, 4:].sum(axis=1), parts["y_hat"], rtol=1e-5)
    holidays = fitted.decompose(14).set_index(["series_id", "ds"])["holidays"]
    if kind in ("prophet", "hybrid", "smoothing"):
        assert holidays["a"][pd.Timestamp(AHEAD)] < -15
        assert holidays["c"].abs().max() < 5


@pytest.mark.parametrize("kind", [kind for kind in USES_EVENTS if kind not in ("auto", "lean")])
def test_an_event_that_names_all_series_is_one_that_names_none(kind: str):
    everywhere = [{**one, "series": IDS} for one in STRIKES]
    nowhere = [{key: value for key, value in one.items() if key != "series"} for one in STRIKES]
    models = [
        forecaster(kind)(freq="D", horizon=7, events=events, **PARAMS.get(kind, {})) for events in (everywhere, nowhere)
    ]
    named, plain = (model.fit(series()).predict(7)["y_hat"] for model in models)
    np.testing.assert_allclose(named, plain, rtol=0.02 if kind in ("prophet", "hybrid") else 0)


def test_its_effect_is_measured_on_the_series_that_it_was_about():
    found = measure(Panels.of(series(), "D").one, Calendar.of(None, STRIKES))
    assert found.common[0] == pytest.approx(0.5, abs=0.05)
    effects = dict(zip(found.ids, found.factor[:, 0], strict=True))
    assert effects["a"] == pytest.approx(0.5, abs=0.05)
    assert dict(zip(found.ids, found.observed[:, 0].tolist(), strict=True)) == {
        "a": True,
        "b": True,
        "c": False,
        "d": False,
    }
    row = found.table().iloc[0]
    assert (row["occurrences"], row["days"]) == (10, 10)
    assert row["effect"] == pytest.approx(-0.5, abs=0.03)
    assert {row["lowest_series"], row["highest_series"]} == set(STRUCK)


def test_public_holidays_of_all_and_events_of_some_are_measured_side_by_side():
    panel = Panels.of(series(), "D").one
    alone, beside = (measure(panel, Calendar.of("NZ", events)) for events in ((), STRIKES))
    for name in set(alone.names) & set(beside.names):
        assert beside.common[beside.names.index(name)] == pytest.approx(alone.common[alone.names.index(name)], abs=0.02)


def test_a_backtest_leaves_out_the_events_of_series_that_begin_later():
    frame = series()
    late = frame[(frame["series_id"] != "a") | (frame["ds"] > "2023-04-01")]
    cutoffs = [pd.Timestamp("2023-03-01"), pd.Timestamp("2023-05-01")]
    found = backtest("smoothing", {"freq": "D", "events": [*STRIKES, {**PLANNED, "first": ON[0]}]}, late, cutoffs, 7)
    assert found.groupby("cutoff")["series_id"].nunique().tolist() == [3, 4]


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ("shop_a", UnknownName, "series of the event 'strike' 'shop_a'"),
        (["a", "e"], UnknownName, "series of the event 'strike' 'e'; known: a, b, c, d"),
        ([], BadInput, "event 'strike' is about no series; name some"),
    ],
)
def test_a_series_that_nobody_knows_is_refused(said: Any, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        forecaster("naive")(events=[{**PLANNED, "series": said}]).fit(series())


def test_a_what_if_about_a_series_that_nobody_knows_is_refused():
    fitted = forecaster("smoothing")(events=STRIKES).fit(series())
    with pytest.raises(UnknownName, match="series of the event 'strike' 'e'"):
        what_if(fitted, 7, events=[{**PLANNED, "series": "e"}])


def test_a_file_and_a_frame_name_series_row_by_row(tmp_path: Path):
    path = tmp_path / "events.csv"
    path.write_text("event,first,series\nstrike,2024-01-03,7\nstrike,2024-01-03,8\nfair,2024-02-01,\n")
    expected = (
        Event("strike", date(2024, 1, 3), date(2024, 1, 3), series=("7",)),
        Event("strike", date(2024, 1, 3), date(2024, 1, 3), series=("8",)),
        Event("fair", date(2024, 2, 1), date(2024, 2, 1)),
    )
    assert read_events(path) == expected
    frame = pd.DataFrame({"name": ["strike", "strike", "fair"], "start": ["2024-01-03", "2024-01-03", "2024-02-01"]})
    assert Calendar.of(None, frame.assign(series_id=["7", "8", None])).events == expected
    assert Calendar.of(None, [one.to_json() for one in expected]).events == expected


def test_a_genuine_prophet_knows_the_events_of_its_series():
    fitted: Any = forecaster("prophet")(freq="D", horizon=14, events=[*STRIKES, PLANNED], **IN_PROPORTION).fit(series())
    ours = fitted.predict(14).set_index(["series_id", "ds"])["y_hat"]
    for one in ("a", "c"):
        theirs = fitted.model(one).predict(fitted.frame_ahead(one, 14))
        np.testing.assert_allclose(theirs["yhat"], ours[one], rtol=1e-3)
