"""What a notebook shows of a forecaster: pictures, tables, weights, importance; by enumeration of the kinds."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure
from pandas.testing import assert_frame_equal

from mlops import KINDS, compare, cross_validation, forecaster, plot, scores, what_if
from mlops.domain.findings import Finding, Findings
from mlops.errors import BadInput, NothingToDo, Refused, UnknownName
from mlops.forecasting.base import Forecaster
from mlops.forecasting.ensemble.model import Auto

FAST: dict[str, dict[str, Any]] = {"lightgbm": {"trees": 10}, "auto": {"settings": {"lightgbm": {"trees": 10}}}}
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def frame(weekly_pattern: pd.DataFrame) -> pd.DataFrame:
    return weekly_pattern[weekly_pattern["ds"] < "2022-12-01"]


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: pytest.FixtureRequest, frame: pd.DataFrame) -> Forecaster:
    return forecaster(request.param)(horizon=14, country="US", **FAST.get(request.param, {})).fit(frame)


@pytest.fixture(scope="module")
def auto(frame: pd.DataFrame) -> Auto:
    model = forecaster("auto")(horizon=14, **FAST["auto"]).fit(frame)
    assert isinstance(model, Auto)
    return model


# Arguments of two names


def test_h_and_level_are_horizon_and_levels(fitted: Forecaster):
    assert_frame_equal(fitted.predict(h=7, level=[50]), fitted.predict(7, [50]))
    assert_frame_equal(fitted.explain(h=7), fitted.explain(7))
    assert_frame_equal(fitted.decompose(h=7), fitted.decompose(7))


@pytest.mark.parametrize(
    "given", [{"horizon": 7, "h": 7}, {"horizon": 7, "levels": [80], "level": [80]}], ids=["horizon", "levels"]
)
def test_an_argument_that_is_given_by_both_names_is_refused(given: dict[str, Any], auto: Auto):
    with pytest.raises(BadInput, match="are the same; pass one of them"):
        auto.predict(**given)


# Weights and importance


def test_weights_of_members_sum_to_one_and_make_the_forecast(auto: Auto):
    weights, explained = auto.weights(h=14), auto.explain(14)
    members = ["smoothing", "lightgbm", "hybrid", "fallback"]
    assert list(weights.columns) == ["series_id", "ds", "cutoff", *members]
    np.testing.assert_allclose(weights[members].sum(axis=1), 1)
    assert (weights[members] >= 0).all(axis=None)
    alone = {name: auto.members[name].predict(14, ())["y_hat"] for name in members[:-1]}
    blended = sum(weights[name] * alone[name] for name in members[:-1])
    np.testing.assert_allclose(
        blended[weights["fallback"] == 0], explained["y_hat"][weights["fallback"] == 0], rtol=1e-6
    )


def test_weights_follow_newer_history(auto: Auto, weekly_pattern: pd.DataFrame):
    newer = weekly_pattern[weekly_pattern["ds"] < "2023-03-01"]
    assert not np.allclose(auto.weights(7)["hybrid"], auto.weights(7, history=newer)["hybrid"])


def test_every_member_has_an_importance_of_its_own(auto: Auto):
    found = auto.member_importance()
    assert list(found.columns) == ["member", "feature", "share", "measured_by"]
    assert list(found["member"].unique()) == ["smoothing", "lightgbm", "hybrid"]
    np.testing.assert_allclose(found.groupby("member")["share"].sum(), 1)
    gain = found[found["member"] == "lightgbm"].set_index("feature")["share"].to_dict()
    assert gain == pytest.approx(auto.importance())


def test_importance_of_series_that_are_apart_is_their_mean():
    weeks = pd.date_range("2019-01-07", periods=150, freq="W-MON")
    parts = [
        pd.DataFrame({"series_id": name, "ds": weeks + pd.Timedelta(days=late), "y": 10.0 + np.arange(150) % 5})
        for name, late in (("a", 0), ("b", 3), ("c", 3))
    ]
    model = forecaster("auto")(horizon=4, **FAST["auto"]).fit(pd.concat(parts))
    assert isinstance(model, Auto)
    np.testing.assert_allclose(model.member_importance().groupby("member")["share"].sum(), 1)
    assert set(model.weights(2)["series_id"]) == {"a", "b", "c"}


# Pictures


@pytest.mark.parametrize("what", ["forecast", "components", "fitted", "importance", "weights"])
def test_a_kind_draws_what_it_has(what: str, fitted: Forecaster):
    has = (
        what not in ("importance", "weights")
        or fitted.kind in (("lightgbm",) if what == "importance" else ())
        or isinstance(fitted, Auto)
    )
    if not has:
        with pytest.raises(NothingToDo, match="auto and lean have"):
            fitted.plot(what, h=7)
        return
    picture = fitted.plot(what, h=7)
    assert isinstance(picture, Figure)
    assert picture._repr_png_().startswith(PNG)
    assert picture.get_suptitle()


def test_a_picture_shows_the_series_and_levels_that_are_asked_for(auto: Auto):
    (axes,) = auto.plot(h=7, series="s2", level=[50, 90]).axes
    assert axes.get_title(loc="left") == "s2"
    assert list(axes.get_legend_handles_labels()[1]) == ["observed", "90 %", "50 %", "forecast"]
    assert len(auto.plot(h=7, series=["s0", "s1"]).axes) == 2
    with pytest.raises(UnknownName, match="unknown series 's9'"):
        auto.plot(series="s9")
    with pytest.raises(UnknownName, match="unknown picture 'wieghts'; did you mean 'weights'"):
        auto.plot("wieghts")


def test_tables_are_drawn_by_what_they_hold(auto: Auto, frame: pd.DataFrame):
    tested = cross_validation(frame, 7, 2, model="naive")
    for shown in (
        auto.predict(7),
        auto.explain(7),
        auto.decompose(7),
        auto.weights(7),
        tested,
        tested.drop(columns=["lo_80", "hi_80"]),
    ):
        assert plot(shown)._repr_png_().startswith(PNG)
    assert compare(["naive", "average"], frame, 7).plot()._repr_png_().startswith(PNG)
    assert plot(compare(["naive", "average"], frame, 7, 1))._repr_png_().startswith(PNG)
    assert "WAPE" in plot(tested).get_suptitle()
    explained = plot(auto.explain(7))
    assert explained.get_suptitle() == "What the forecast is made of"
    assert 1 < len(explained.axes) <= 8
    for nothing in (frame, tested[:0]):
        with pytest.raises(BadInput, match="can't be drawn; expected what"):
            plot(nothing)


def test_a_what_if_is_drawn_beside_the_forecast(frame: pd.DataFrame):
    priced = frame.assign(price=(frame["ds"].dt.day < 6).astype(float))
    ahead = priced[priced["ds"] >= "2022-11-24"][["series_id", "ds", "price"]]
    fitted = forecaster("hybrid")(covariates="price").fit(priced[priced["ds"] < "2022-11-24"])
    found = what_if(fitted, 7, future=ahead, changed=ahead.assign(price=1.0))
    axes = plot(found, series=found["series_id"].iloc[0]).axes[0]
    assert [line.get_label() for line in axes.lines] == ["forecast", "what if"]


def test_names_of_series_are_text_in_a_picture(frame: pd.DataFrame):
    odd = frame.assign(series_id=frame["series_id"].map({"s0": "$x^2", "s1": "<b>", "s2": "a_b", "s3": "\\frac{"}))
    assert forecaster("naive")(horizon=7).fit(odd).plot()._repr_png_().startswith(PNG)


# Tables


def test_a_forecaster_is_a_table_of_what_it_is_and_knows(fitted: Forecaster):
    shown = fitted._repr_html_()
    for words in (fitted.kind, "trained until", "2022-11-30", "daily", "US"):
        assert words in shown


def test_a_prompt_shows_kind_parameters_and_until_when_it_knows(fitted: Forecaster):
    assert repr(fitted).startswith(f"<forecaster {fitted.kind!r} (freq=None, country='US', horizon=14")
    assert repr(fitted).endswith(" series until 2022-11-30>")
    assert repr(forecaster("naive")()).endswith("horizon=28): not fitted>")


def test_steps_ahead_that_are_not_said_are_those_of_the_forecaster(auto: Auto):
    assert_frame_equal(auto.predict(), auto.predict(14))
    assert_frame_equal(auto.explain(), auto.explain(14))
    assert_frame_equal(auto.decompose(), auto.decompose(14))
    assert_frame_equal(auto.weights(), auto.weights(14))


def test_a_forecaster_that_is_not_fitted_says_so():
    assert "not fitted" in forecaster("naive")()._repr_html_()
    for ask in (lambda one: one.plot(), lambda one: one.fitted_values(), lambda one: one.update(pd.DataFrame())):
        with pytest.raises(Refused, match="is not fitted"):
            ask(forecaster("naive")())
    assert not forecaster("naive")().is_fitted


def test_nothing_of_the_data_is_markup():
    event = {"name": "<script>alert(1)</script>", "first": "2024-01-01"}
    assert "<script" not in forecaster("naive")(events=[event])._repr_html_()
    drifted = Finding("feature", "<i>x</i>", 3.0, 1.0, drifted=True, detail="<b>moved</b>")
    shown = Findings((drifted, Finding("concept", "", 0.1, 1.0, drifted=False)))._repr_html_()
    assert "<i>" not in shown
    assert "<b>moved" not in shown
    assert "&lt;i&gt;x" in shown
    assert "1 finding<" in shown
    assert "Within their limits: 1 more." in shown


def test_findings_show_the_clearest_first():
    one, two = (Finding("feature", name, size, 1.0, drifted=True) for name, size in (("small", 1.5), ("large", 9.0)))
    shown = Findings((one, two))._repr_html_()
    assert shown.index("large") < shown.index("small")
    assert "0 findings" in Findings()._repr_html_()


# Frames of their users


@pytest.mark.parametrize("kind", ["pandas", "polars", "single"])
def test_the_users_own_frames_and_names_go_through_all_of_it(kind: str, frame: pd.DataFrame):
    names = {"series_id": "shop", "ds": "day", "y": "units"}
    single = frame[frame["series_id"] == "s0"].drop(columns="series_id")
    mine = (single if kind == "single" else frame).rename(columns=names)
    called = {"id_col": None if kind == "single" else "shop", "time_col": "day", "target_col": "units"}
    old, new = (mine[choice] for choice in (mine["day"] < "2022-11-01", mine["day"] >= "2022-11-01"))
    shown = pl.from_pandas if kind == "polars" else pd.DataFrame
    model = forecaster("naive")(horizon=14).fit(shown(old), **called)
    tested = cross_validation(shown(old), 7, 2, model=model, **called)
    columns = [*([] if kind == "single" else ["shop"]), "day", "cutoff", "step", "units", "y_hat"]
    assert list(tested.columns)[: len(columns)] == columns
    assert type(tested) is type(shown(old))
    assert list(model.fitted_values().columns) == columns
    assert scores(tested, "step", target_col="units")["n"].sum() == len(tested)
    assert "WAPE" in plot(tested, **called).get_suptitle()
    assert isinstance(model.plot(h=7), Figure)
    compared = compare({"naive": "naive", "elsewhere": tested}, shown(old), **called)
    assert compared.pairs["difference"].abs().max() < 1e-9
    newest = model.update(shown(new)).predict(h=1)
    assert max(newest["day"]) == pd.Timestamp("2022-12-01")
