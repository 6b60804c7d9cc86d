"""The loss to be expected is told before outcomes come: by what was known, never by the outcome itself."""

import numpy as np
import pandas as pd
import pytest
from tests.unit.test_slices import MONDAY, judged, quiet

from mlops.errors import HistoryTooShort
from mlops.monitoring.detect.loss_estimate import fit_loss_estimate

WEEKS = 20


def uneven(seed: int, weeks: int = WEEKS, start: pd.Timestamp = MONDAY) -> pd.DataFrame:
    """A model whose errors are three times as large at weekends and grow with the width of its intervals."""
    frame, random = quiet(seed, weeks, start), np.random.default_rng(seed)
    width = random.choice([0.5, 1.0, 2.0], len(frame))
    size = width * np.where(frame["ds"].dt.dayofweek >= 5, 3.0, 1.0)
    frame = judged(frame.assign(y=frame["y_hat"] + (frame["y"] - frame["y_hat"]) * size))
    return frame.assign(lo_80=frame["y_hat"] - 14 * width, hi_80=frame["y_hat"] + 14 * width)


def loss(rows: pd.DataFrame) -> float:
    return float((rows["y"] - rows["y_hat"]).abs().sum() / rows["y"].abs().sum())


def test_it_tells_hard_days_from_easy_ones_and_its_total_is_right():
    estimate, _ = fit_loss_estimate(uneven(0))
    later = uneven(1, 12, MONDAY + pd.Timedelta(weeks=WEEKS))
    weekend = later["ds"].dt.dayofweek >= 5
    for rows in (later[weekend], later[~weekend], later[later["hi_80"] - later["y_hat"] > 20], later):
        assert estimate.wape(rows, 0.9).value == pytest.approx(loss(rows), rel=0.15)
    constant = loss(uneven(0))
    assert abs(constant - loss(later[weekend])) > 2 * abs(
        estimate.wape(later[weekend], 0.9).value - loss(later[weekend])
    )


def test_the_outcome_of_a_row_changes_nothing_about_what_is_said_of_it():
    backtest = uneven(2)
    estimate, said = fit_loss_estimate(backtest)
    later = uneven(3, 4, MONDAY + pd.Timedelta(weeks=WEEKS))
    blind = later.assign(y=np.nan, target=np.nan, outcome=np.nan)
    np.testing.assert_array_equal(estimate.rows(later), estimate.rows(blind))
    changed = backtest.copy()
    last = changed["ds"] >= changed["ds"].max() - pd.Timedelta(days=6)
    changed.loc[last, "target"] += 10
    _, other = fit_loss_estimate(changed)
    fold = changed["ds"] >= changed["ds"].max() - pd.Timedelta(days=27)
    np.testing.assert_array_equal(said[fold], other[fold]), "a block of time is judged by the others"
    assert (said[~fold] != other[~fold]).any()


def test_the_interval_holds_for_most_weeks():
    estimate, _ = fit_loss_estimate(uneven(4))
    later = uneven(5, 40, MONDAY + pd.Timedelta(weeks=WEEKS))
    inside = [
        estimate.wape(rows, 0.9).low <= loss(rows) <= estimate.wape(rows, 0.9).high
        for _, rows in later.groupby((later["ds"] - later["ds"].min()).dt.days // 7)
    ]
    assert np.mean(inside) >= 0.75


def test_a_new_series_has_the_usual_error_of_the_others():
    estimate, _ = fit_loss_estimate(uneven(6))
    later = uneven(7, 2, MONDAY + pd.Timedelta(weeks=WEEKS))
    strange = later.assign(series_id=99)
    assert np.isfinite(estimate.rows(strange)).all()
    assert estimate.rows(strange).mean() == pytest.approx(estimate.rows(later).mean(), rel=0.3)


def test_less_than_eight_weeks_are_refused():
    with pytest.raises(HistoryTooShort, match="49 observations; 56 are needed"):
        fit_loss_estimate(uneven(8, 7))


def test_rows_without_an_outcome_are_learned_from_by_nobody():
    backtest = uneven(9)
    gaps = backtest["series_id"] == 3
    holes = backtest.assign(**{name: backtest[name].where(~gaps) for name in ("y", "target", "outcome")})
    estimate, said = fit_loss_estimate(holes)
    assert np.isnan(said[gaps]).all()
    assert np.isfinite(estimate.rows(holes)).all()
