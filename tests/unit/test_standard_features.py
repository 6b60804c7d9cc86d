"""A feature has one way to be computed: for a training, for a forecast, and for a row of the feature store."""

import numpy as np
import pandas as pd
import pytest

from mlops.arrays import Floats
from mlops.domain.features import FeatureSet, Selection
from mlops.errors import BadInput, UnknownName
from mlops.features import feature
from mlops.features import transformations as t
from mlops.features.definitions import checked_set
from mlops.features.grid import from_frame
from mlops.features.panel import PanelInputs
from mlops.features.standard import STANDARD, WORDS, formerly, in_words, standard, standard_set
from mlops.features.transformations import TRANSFORMATIONS, column_of, component, parse_transformation, years
from mlops.panels.calendar import Calendar
from mlops.panels.from_frame import Panels

DAILY = Selection("tonnage", "daily")


def history(days: int = 500) -> pd.DataFrame:
    """Three series with weeks, gaps, zeros and a late beginning."""
    random, parts = np.random.default_rng(4), []
    for series, begin in ((1, 0), (2, 0), (3, 60)):
        day = np.arange(begin, days)
        y = 10.0**series * (1 + 0.3 * np.sin(day * 2 * np.pi / 7)) * (1 + 0.1 * random.normal(size=len(day)))
        y[random.random(len(day)) < 0.05] = 0.0
        ds = pd.Timestamp("2023-01-02") + pd.to_timedelta(day, unit="D")
        parts.append(pd.DataFrame({"series_id": series, "ds": ds, "y": y})[random.random(len(day)) > 0.03])
    return pd.concat(parts, ignore_index=True)


def column(inputs: PanelInputs, text: str, origins: np.ndarray, step: int) -> Floats:
    return inputs.matrix([(parse_transformation(text), inputs.own)], origins, step)[:, 0]


@pytest.mark.parametrize("country", [None, "US"])
def test_a_row_of_the_store_is_what_a_model_is_trained_on(country: str | None):
    frame, features = history(), standard(DAILY, "us", country=country)
    stored = from_frame(frame, features)
    panel = Panels.of(frame, "daily").one
    inputs, origins = PanelInputs(panel, Calendar.of(country), 1, target="tonnage"), np.arange(len(panel.index) - 1)
    columns = [column_of(one) for one in features]
    inputs.smooth(columns, origins)
    learned = pd.DataFrame(inputs.matrix(columns, origins, 1), columns=list(STANDARD))
    learned.insert(0, "series_id", np.repeat(panel.ids.to_numpy(), len(origins)))
    learned.insert(1, "ds", np.tile(panel.index[1:].to_numpy(), len(panel.ids)))
    both = stored.merge(learned, on=["series_id", "ds"], suffixes=("", "_learned"))
    assert len(both) == len(frame) - 2  # the first step has no origin before it
    since = both["ds"] >= frame["ds"].min() + pd.Timedelta(days=14)  # holidays before the panel are not seen in it
    for name in STANDARD:
        pair = both.loc[since, [name, f"{name}_learned"]]
        np.testing.assert_array_equal(pair[name], pair[f"{name}_learned"], err_msg=name)


@pytest.mark.parametrize("name", sorted({*TRANSFORMATIONS} - {"value"}))
def test_nothing_after_the_origin_is_seen_at_any_step(name: str):
    arguments = {
        "n": 2, "season": 7, "window": 4, "year": 30, "around": 7, "q": 0.5, "halflife": 3.0, "key": "k",
        "categories": ["a"], "x": t.lag(1), "top": t.lag(1), "bottom": t.level(), "country": "US",
    }  # fmt: skip
    kind = TRANSFORMATIONS[name]
    whole = kind(**{key: value for key, value in arguments.items() if key in kind.parameters})
    panel = Panels.of(history(), "daily").one
    origins = np.array([200, 300, 331])
    later = panel.y.copy()
    for origin in origins[-1:]:
        later[:, origin + 1 :] = 1e6 * np.arange(1, later.shape[1] - origin)
    for step in (1, 5, 30):
        known = PanelInputs(panel.until(332), Calendar.of("US"), 30)
        of_later = PanelInputs(type(panel)(panel.ids, panel.index, later, panel.granularity), Calendar.of("US"), 30)
        expected, found = (column(one, str(whole), origins, step) for one in (known, of_later))
        if t.uses(whole, t.level) or t.uses(whole, t.smoothed) or name in ("relative", "year_index"):
            continue  # a level has a floor, and smoothing effects, of all that is known: see the test below
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("text", ["level", "relative(lag(1))", "smoothed", "year_index(30)"])
def test_levels_and_smoothing_see_what_their_panel_knows_and_no_more(text: str):
    panel, origin = Panels.of(history(), "daily").one, np.array([331])
    until, shuffled = panel.until(332), panel.y.copy()
    shuffled[:, 332:] = 7.0
    known = PanelInputs(until, Calendar.of(None), 30)
    later = PanelInputs(
        type(panel)(panel.ids, panel.index, shuffled, panel.granularity).until(332), Calendar.of(None), 30
    )
    for step in (1, 30):
        np.testing.assert_array_equal(column(known, text, origin, step), column(later, text, origin, step))


def test_a_season_follows_the_target_and_a_window_the_origin():
    panel = Panels.of(history(), "daily").one
    inputs, origin = PanelInputs(panel, Calendar.of(None), 30), np.array([400])
    for step in (1, 6, 7, 8, 20):
        newest = 400 + step - 7 * -(-step // 7)
        assert column(inputs, "seasonal_lag(7)", origin, step)[0] == pytest.approx(panel.y[0, newest], nan_ok=True)
        assert column(inputs, "seasonal_lag(7, 2)", origin, step)[0] == pytest.approx(
            panel.y[0, newest - 7], nan_ok=True
        )
        assert column(inputs, "lag(1)", origin, step)[0] == pytest.approx(panel.y[0, 400], nan_ok=True)
        assert column(inputs, "lag_of_target(3)", origin, step)[0] == pytest.approx(
            panel.y[0, min(400 + step - 3, 400)], nan_ok=True
        )
        same = column(inputs, "seasonal_rolling_mean(7, 4, lag=7)", origin, step)
        assert same == pytest.approx(column(inputs, "seasonal_mean(7, 4)", origin, step), nan_ok=True)


def test_every_standard_feature_is_of_the_language_and_can_stand_in_a_set():
    whole = standard_set(DAILY, "us", "US")
    assert checked_set(whole).names == STANDARD
    assert FeatureSet.of(whole.document) == whole
    assert all(str(parse_transformation(one.transformation)) == one.transformation for one in whole.features)
    assert {one.name: one.description for one in whole.features} == {
        name: words for name, words in WORDS.items() if name != "value"
    }


def test_a_definition_in_words_is_computed_as_what_it_stood_for():
    for one in standard(DAILY, "us", country="US"):
        assert formerly(in_words(one), "US") == one
        assert formerly(one, "DE") == one, "one of the language says itself whose holidays it counts"


def test_a_feature_says_how_much_history_it_needs_and_what_it_explains():
    computed = {one.name: parse_transformation(one.transformation) for one in standard(DAILY, "us")}
    assert {name for name in computed if years(computed[name])} == {
        "year_ago", "year_ago_index", "year_ago_growth", "month", "day_of_year",
    }  # fmt: skip
    assert {
        name: component(computed[name]) for name in ("last_value", "smoothed", "year_ago", "is_holiday", "step")
    } == {
        "last_value": "trend",
        "smoothed": "weekly",
        "year_ago": "yearly",
        "is_holiday": "holidays",
        "step": "trend",
    }


def test_what_is_no_standard_feature_or_not_relative_is_refused():
    with pytest.raises(UnknownName, match="lag_11"):
        standard(DAILY, "us", ["lag_11"])
    with pytest.raises(BadInput, match="in the unit of its values"):
        t.relative(t.share_missing(7))
    leaky = t.relative(t.running_mean(7, lag=0))
    own = feature("own", source="tonnage", transformation=leaky, owner="us", description="")
    with pytest.raises(BadInput, match="contains the tonnage of its own time"):
        checked_set(FeatureSet("leaky", DAILY, (own,)))
