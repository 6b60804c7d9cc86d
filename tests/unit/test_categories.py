"""Covariates of text are categories, and those that never vary need no future, in every kind that takes covariates."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops import cross_validation, forecaster, load, what_if
from mlops.errors import BadInput
from mlops.forecasting.base import Forecaster
from mlops.forecasting.totals.reconcile import group_totals
from mlops.panels.categories import MOST, UNSEEN, Coding
from mlops.panels.files import read_frame
from mlops.panels.from_frame import Panels

KINDS = ("prophet", "hybrid", "lightgbm", "auto", "lean")
DAYS, AHEAD = 250, 7
DS = pd.date_range("2023-01-02", periods=DAYS + AHEAD)
FACTORS = {"dry": 1.0, "rain": 0.6, "snow, ice": 1.5}
COLUMNS = [f"weather={one}" for one in FACTORS]
KEYS = ["series_id", "ds"]


def shops() -> pd.DataFrame:
    """Two shops, whose sales the weather moves, in a town and in a village."""
    random = np.random.default_rng(5)
    parts = []
    for number, place in enumerate(("town", "village"), start=1):
        weather = random.choice(list(FACTORS), size=len(DS), p=[0.5, 0.3, 0.2])
        week = np.array([1.2, 1, 1, 1.1, 1.4, 0.7, 0.6])[DS.dayofweek]
        y = 100 * number * week * pd.Series(weather).map(FACTORS) * random.normal(1, 0.04, len(DS))
        columns = {"series_id": place, "ds": DS, "y": y, "weather": weather, "place": place, "area": 50.0 * number}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


WHOLE = shops()
PAST = WHOLE[WHOLE["ds"] < DS[DAYS]]
FUTURE = WHOLE.loc[WHOLE["ds"] >= DS[DAYS], [*KEYS, "weather"]]


def by_hand(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column of 0 and 1 for each weather."""
    columns = {column: (frame["weather"] == one).astype(float) for column, one in zip(COLUMNS, FACTORS, strict=True)}
    return frame.drop(columns="weather").assign(**columns)


@cache
def fitted(kind: str) -> Forecaster:
    return forecaster(kind)(horizon=AHEAD, covariates=["weather"]).fit(PAST)


@cache
def with_place(kind: str) -> Forecaster:
    return forecaster(kind)(horizon=AHEAD, covariates=["place", "area"]).fit(PAST)


def under(model: Forecaster, weather: str) -> "pd.Series[float]":
    return model.predict(AHEAD, (), future=FUTURE.assign(weather=weather))["y_hat"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_category_moves_the_forecast_as_it_moved_the_past(kind: str):
    dry = under(fitted(kind), "dry")
    assert (under(fitted(kind), "rain") / dry).median() == pytest.approx(0.6, abs=0.1)
    assert (under(fitted(kind), "snow, ice") / dry).median() == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_category_is_a_column_of_0_and_1_to_the_bit(kind: str):
    other = forecaster(kind)(horizon=AHEAD, covariates=COLUMNS).fit(by_hand(PAST))
    pd.testing.assert_frame_equal(
        fitted(kind).predict(AHEAD, future=FUTURE), other.predict(AHEAD, future=by_hand(FUTURE)), check_exact=True
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_category_that_was_not_in_the_training_stays_between_those_that_were(kind: str):
    fog, each = under(fitted(kind), "fog"), [under(fitted(kind), one) for one in FACTORS]
    assert (fog >= np.min(each, axis=0) * 0.99).all()
    assert (fog <= np.max(each, axis=0) * 1.01).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_remembers_its_categories(kind: str, tmp_path: Path):
    fitted(kind).save(tmp_path)
    again = load(tmp_path)
    pd.testing.assert_frame_equal(
        again.predict(AHEAD, future=FUTURE), fitted(kind).predict(AHEAD, future=FUTURE), check_exact=True
    )
    assert again.params["covariates"] == ["weather"]
    pd.testing.assert_frame_equal(again.remembered, fitted(kind).remembered)
    newest = PAST.loc[PAST["ds"] == DS[DAYS - 1], "weather"].tolist()
    assert again.remembered.groupby("series_id")["weather"].last().tolist() == newest


@pytest.mark.parametrize("kind", KINDS)
def test_parts_and_importance_say_covariate_and_category(kind: str):
    parts = {name.rpartition(": ")[2] for name in fitted(kind).explain(2, future=FUTURE).columns}
    assert set(COLUMNS) <= parts
    assert set(COLUMNS) <= set(fitted(kind).importance()) or not fitted(kind).importance()


@pytest.mark.parametrize("kind", KINDS)
def test_what_if_takes_a_text(kind: str):
    rain = FUTURE[FUTURE["ds"] < DS[DAYS + 3]].assign(weather="rain")
    found = what_if(fitted(kind), AHEAD, future=FUTURE.assign(weather="dry"), changed=rain)
    changed = found["ds"] < DS[DAYS + 3]
    assert found["y_hat_what_if"].equals(under(fitted(kind), "rain").where(changed, under(fitted(kind), "dry")))
    assert (found.loc[changed, "difference"] < 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_static_feature_the_future_says_nothing(kind: str, tmp_path: Path):
    model = with_place(kind)
    bare = model.predict(AHEAD)
    assert bare["y_hat"].notna().all()
    said = WHOLE.loc[WHOLE["ds"] >= DS[DAYS], [*KEYS, "place", "area"]]
    pd.testing.assert_frame_equal(model.predict(AHEAD, future=said), bare, check_exact=True)
    pd.testing.assert_frame_equal(model.predict(AHEAD, future=said[KEYS]), bare, check_exact=True)
    model.save(tmp_path)
    pd.testing.assert_frame_equal(load(tmp_path).predict(AHEAD, future=said[KEYS]), bare, check_exact=True)
    pd.testing.assert_frame_equal(load(tmp_path).remembered, model.remembered)


def test_a_static_feature_beside_one_that_varies_is_filled_and_the_other_asked_for():
    model = forecaster("hybrid")(horizon=AHEAD, covariates=["place", "weather"]).fit(PAST)
    assert model.predict(AHEAD, future=FUTURE)["y_hat"].notna().all()
    with pytest.raises(BadInput, match="covariate 'weather=dry' is not known"):
        model.predict(AHEAD)
    with pytest.raises(BadInput, match="the frame has no column weather"):
        model.predict(AHEAD, future=FUTURE[KEYS])


def test_a_covariate_that_varies_in_one_series_is_not_static():
    frame = PAST.assign(area=PAST["area"].where((PAST["series_id"] == "town") | (PAST["ds"] > DS[9]), 1.0))
    model = forecaster("hybrid")(horizon=AHEAD, covariates=["area"]).fit(frame)
    with pytest.raises(BadInput, match="covariate 'area' is not known"):
        model.predict(AHEAD)


def test_what_if_a_static_feature_were_another_needs_no_plan():
    changed = WHOLE.loc[WHOLE["ds"] >= DS[DAYS], KEYS].assign(place="village")
    found = what_if(with_place("lightgbm"), AHEAD, changed=changed)
    assert not found.loc[found["series_id"] == "village", "difference"].any()


def test_newer_rows_bring_their_categories_and_what_never_varies():
    model = forecaster("hybrid")(horizon=AHEAD, covariates=["weather", "place"]).fit(PAST[PAST["ds"] < DS[DAYS - 7]])
    model.update(PAST.assign(weather=PAST["weather"].mask(PAST["ds"] == DS[DAYS - 1], "fog")))
    assert model.remembered.groupby("series_id")["weather"].last().tolist() == [UNSEEN] * 2
    assert model.predict(AHEAD, future=FUTURE)["cutoff"].unique().tolist() == [DS[DAYS - 1]]
    planned = model.predict(AHEAD, future=FUTURE)
    model.update(WHOLE.assign(y=WHOLE["y"].where(WHOLE["ds"] < DS[DAYS]))[WHOLE["ds"] >= DS[DAYS - 2]])
    assert model.predict(AHEAD)["ds"].tolist() == planned["ds"].tolist()


def test_each_cutoff_of_a_backtest_has_the_categories_that_it_knew():
    found = cross_validation(WHOLE, AHEAD, 2, model=forecaster("hybrid")(covariates=["weather", "place"]))
    assert found["y_hat"].notna().all()
    assert (found["y"] - found["y_hat"]).abs().mean() < 0.15 * found["y"].mean()
    late = WHOLE.assign(weather=WHOLE["weather"].mask(WHOLE["ds"] > DS[-AHEAD], "fog"))
    seen = Panels.of(late, None, ["weather"]).until(DS[DAYS - 20])
    again = pd.concat([part.with_ahead(AHEAD) for part in seen.parts])
    assert list(Coding.of(again, ["weather"]).levels["weather"]) == list(FACTORS)


@pytest.mark.parametrize("dtype", ["category", "string", object])
def test_text_of_every_dtype_is_a_category(dtype: object):
    panel = Panels.of(PAST.astype({"weather": dtype}), None, ["weather"]).one
    assert list(panel.extra) == COLUMNS
    assert panel.frame()["weather"].tolist() == PAST.sort_values(KEYS)["weather"].tolist()


def test_a_category_dtype_of_numbers_is_one_and_truth_is_a_number():
    codes = PAST["weather"].map({"dry": 1, "rain": 2, "snow, ice": 3})
    model = forecaster("hybrid")(horizon=AHEAD, covariates=["weather", "wet"])
    model.fit(PAST.assign(weather=codes.astype("category"), wet=PAST["weather"] == "rain"))
    assert list(model.coding.levels["weather"]) == ["1", "2", "3"]
    assert "wet" not in model.coding.levels
    ahead = FUTURE.assign(weather=FUTURE["weather"].map({"dry": 1.0, "rain": 2.0, "snow, ice": 3.0}), wet=False)
    assert model.predict(AHEAD, future=ahead)["y_hat"].notna().all()


def test_a_missing_text_is_not_known():
    with pytest.raises(BadInput, match="covariate 'weather=dry' is not known"):
        fitted("hybrid").predict(AHEAD, future=FUTURE.assign(weather=FUTURE["weather"].mask(FUTURE["ds"] == DS[-1])))
    gone = PAST.assign(weather=PAST["weather"].mask(PAST["ds"] == DS[5]))
    panel = Panels.of(gone, None, ["weather"]).one
    assert np.isnan(panel.extra["weather=dry"][:, 5]).all()
    assert panel.frame().loc[lambda one: one["ds"] == DS[5], "weather"].isna().all()


def test_series_of_several_clocks_have_the_same_categories(tmp_path: Path):
    at = pd.date_range("2024-03-01", periods=24 * 32, freq="h")  # Berlin's clock skips an hour
    frame = pd.DataFrame(
        {
            "series_id": "here",
            "ds": at,
            "y": 50 + 5 * np.sin(at.hour / 24 * 2 * np.pi),
            "state": "open",
            "time_zone": "Europe/Berlin",
        }
    )
    frame = frame.assign(state=frame["state"].mask(at.hour % 5 == 0, "shut"))
    frame["y"] *= np.where(frame["state"] == "open", 1.0, 0.5)
    there = frame.assign(
        series_id="there", time_zone="America/New_York", state=frame["state"].replace("shut", "strike")
    )
    both = pd.concat([frame, there])
    ahead = both[both["ds"] >= at[-12]]
    model = forecaster("hybrid")(horizon=12, covariates=["state"]).fit(both[both["ds"] < at[-12]])
    assert [list(one.coding.levels["state"]) for one in model._apart] == [["open", "shut", "strike"]] * 2
    found = model.predict(12, (), future=ahead[[*KEYS, "state"]])
    assert (found["y_hat"] / found.merge(ahead, on=KEYS)["y"]).between(0.8, 1.25).all()
    model.save(tmp_path)
    assert load(tmp_path).predict(12, (), future=ahead[[*KEYS, "state"]]).equals(found)
    pd.testing.assert_frame_equal(load(tmp_path).remembered, model.remembered)


def test_text_that_is_an_id_is_refused():
    frame = PAST.assign(order=[f"n{number}" for number in range(len(PAST))])
    with pytest.raises(BadInput, match=rf"covariate 'order' has 500 different texts.*may have {MOST}"):
        forecaster("lightgbm")(covariates=["order"]).fit(frame)


def test_a_category_called_as_another_covariate_is_refused():
    with pytest.raises(BadInput, match="two covariates have a column 'weather=dry'"):
        Panels.of(PAST.assign(**{"weather=dry": 1.0}), None, ["weather", "weather=dry"])


def test_a_text_among_totals_is_refused():
    groups = pd.DataFrame({"series_id": ["town", "village"], "region": "north"})
    with pytest.raises(BadInput, match="agg of 'weather': it is text"):
        group_totals(PAST, groups, agg={"weather": "mean"})


def test_a_model_of_numbers_is_saved_as_before_and_one_without_categories_loads(tmp_path: Path):
    frame = PAST.assign(price=np.arange(len(PAST)) % 7.0)
    model = forecaster("hybrid")(horizon=AHEAD, covariates=["price"]).fit(frame)
    model.save(tmp_path)
    assert "coding" not in json.loads((tmp_path / "forecaster.json").read_text())
    assert load(tmp_path).coding == Coding()


def test_a_file_has_text_for_a_covariate_or_numbers_but_not_both(tmp_path: Path):
    path = tmp_path / "sales.csv"
    path.write_text('series_id,ds,y,sky,price\na,2024-01-01,1,clear,"1,5"\na,2024-01-02,2,,2\na,2024-01-03,2,None,3\n')
    frame = read_frame(path, ["sky", "price"])
    assert frame["sky"].tolist()[::2] == ["clear", "None"]
    assert frame["sky"].isna().tolist() == [False, True, False]
    assert frame["price"].tolist() == [1.5, 2.0, 3.0]
    path.write_text("series_id,ds,y,price\na,2024-01-01,1,1.5\na,2024-01-02,2,two\n")
    with pytest.raises(BadInput, match="is not a number"):
        read_frame(path, ["price"])
