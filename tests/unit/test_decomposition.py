"""Forecasts that carry their components, for every kind."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mlops import KINDS, forecaster
from mlops.forecasting.base import Forecaster
from mlops.forecasting.kind import COMPONENTS
from mlops.panels.calendar import Calendar

PARAMS = {"lightgbm": {"trees": 40}, "auto": {"settings": {"lightgbm": {"trees": 40}}}}


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: pytest.FixtureRequest, weekly_pattern: pd.DataFrame) -> Forecaster:
    known = weekly_pattern[weekly_pattern["ds"] < "2023-11-20"]
    return forecaster(request.param)(country="NZ", **PARAMS.get(request.param, {})).fit(known)


def test_components_change_no_forecast_and_no_interval(fitted: Forecaster, weekly_pattern: pd.DataFrame):
    newer = weekly_pattern[weekly_pattern["ds"] < "2023-12-04"]
    plain, whole = fitted.predict(28, history=newer), fitted.predict(28, history=newer, decompose=True)
    assert list(whole.columns) == [*plain.columns, *COMPONENTS]
    assert_frame_equal(whole[plain.columns], plain, rtol=1e-9)
    np.testing.assert_allclose(whole[list(COMPONENTS)].sum(axis=1), whole["y_hat"], rtol=1e-9)


def test_the_components_are_those_of_the_decomposition(fitted: Forecaster):
    whole, decomposed = fitted.predict(14, decompose=True), fitted.decompose(14)
    assert_frame_equal(whole[list(COMPONENTS)], decomposed[list(COMPONENTS)], rtol=1e-9)


def test_a_fitted_model_under_its_own_calendar_forecasts_the_same(fitted: Forecaster):
    same = fitted.with_calendar(Calendar.of("NZ"))
    assert_frame_equal(same.predict(14), fitted.predict(14))
