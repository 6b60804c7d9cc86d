"""Covariates known ahead move the forecasts of the kinds that use them, and are asked for when they are missing."""

import numpy as np
import pandas as pd
import pytest

from mlops import forecaster, load
from mlops.errors import BadInput

KINDS = ("prophet", "hybrid", "lightgbm", "auto", "lean")
DAYS, AHEAD = 500, 14
DS = pd.date_range("2022-01-03", periods=DAYS + AHEAD)


def frame() -> pd.DataFrame:
    """Three series that sell half as much again on days of promotion."""
    random = np.random.default_rng(4)
    parts = []
    for number in range(3):
        promotion = (random.uniform(size=len(DS)) < 0.2).astype(float)
        weekday = np.array([1.2, 1, 1, 1.1, 1.4, 0.7, 0.6])[DS.dayofweek]
        y = 100 * (number + 1) * weekday * (1 + 0.5 * promotion) * random.normal(1, 0.04, len(DS))
        parts.append(pd.DataFrame({"series_id": f"s{number}", "ds": DS, "y": y, "promotion": promotion}))
    return pd.concat(parts, ignore_index=True)


WHOLE = frame()
PAST = WHOLE[WHOLE["ds"] < DS[DAYS]]
FUTURE = WHOLE.loc[WHOLE["ds"] >= DS[DAYS], ["series_id", "ds", "promotion"]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_covariate_ahead_moves_the_forecast_and_a_missing_one_is_asked_for(kind: str, tmp_path):
    made = forecaster(kind)(horizon=AHEAD, covariates=["promotion"]).fit(PAST)
    on, off = (made.predict(AHEAD, future=FUTURE.assign(promotion=value))["y_hat"] for value in (1.0, 0.0))
    assert (on / off).median() == pytest.approx(1.5, abs=0.2)
    with pytest.raises(BadInput, match="covariate 'promotion' is not known"):
        made.predict(AHEAD)
    made.save(tmp_path)
    np.testing.assert_allclose(
        load(tmp_path).predict(AHEAD, future=FUTURE)["y_hat"], made.predict(AHEAD, future=FUTURE)["y_hat"]
    )


def test_a_frame_without_the_covariate_is_refused():
    with pytest.raises(BadInput, match="has no column promotion"):
        forecaster("lightgbm")(covariates=["promotion"]).fit(PAST.drop(columns="promotion"))


def test_two_values_of_a_covariate_for_one_step_are_refused_and_the_same_one_twice_is_not():
    made = forecaster("hybrid")(horizon=AHEAD, covariates="promotion").fit(PAST)
    with pytest.raises(BadInput, match="series 's0' has two rows for 2023-05-18 00:00:00 that differ in promotion"):
        made.predict(AHEAD, future=pd.concat([FUTURE, FUTURE.assign(promotion=0.5)]))
    np.testing.assert_array_equal(
        made.predict(AHEAD, future=pd.concat([FUTURE, FUTURE]))["y_hat"], made.predict(AHEAD, future=FUTURE)["y_hat"]
    )
