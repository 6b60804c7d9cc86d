"""Forecasts of totals: sums that agree, weeks of whole days, bounds that hold where errors go together or cancel."""

import numpy as np
import pandas as pd
import pytest

from mlops import forecaster
from mlops.domain.forecasts import bias, coverage
from mlops.errors import BadInput
from mlops.forecasting.totals.sums import Summed, with_totals

DAYS = pd.date_range("2022-01-03", periods=7 * 60, freq="D")
MEMBERS = pd.DataFrame(
    {"series_id": [*range(12), *range(12)], "total": [*(f"route {one % 3}" for one in range(12)), *["company"] * 12]}
)


def history(*, common: float = 0.0, own: float = 10.0, visited: float = 1.0) -> pd.DataFrame:
    """Twelve series around 100 with errors of their own and errors that all share; a day has a value by chance."""
    random = np.random.default_rng(7)
    shared = random.normal(0, common, len(DAYS)) if common else np.zeros(len(DAYS))
    weekly = np.where(DAYS.dayofweek >= 5, 0.6, 1.0)
    frames = []
    for one in range(12):
        y = (100 + one) * weekly + shared + random.normal(0, own, len(DAYS))
        there = random.random(len(DAYS)) < visited
        frames.append(pd.DataFrame({"series_id": one, "ds": DAYS[there], "y": y[there]}))
    return pd.concat(frames, ignore_index=True)


def summed(frame: pd.DataFrame, cutoff: pd.Timestamp, *, absence: str = "nothing", weeks: bool = True) -> Summed:
    model = forecaster("average")(freq="daily", horizon=28, absence=absence)
    return with_totals(model.fit(frame[frame["ds"] <= cutoff]), 28, MEMBERS, weeks=weeks)


def test_totals_are_the_sums_of_their_series_and_weeks_those_of_their_days():
    found = summed(history(), DAYS[-30])
    series = found.series.merge(MEMBERS, on="series_id").groupby(["total", "ds"])["y_hat"].sum()
    totals = found.totals.set_index(["total", "ds"])["y_hat"]
    pd.testing.assert_series_equal(totals.sort_index(), series.sort_index(), rtol=1e-6)
    routes = totals[totals.index.get_level_values("total") != "company"].groupby("ds").sum()
    np.testing.assert_allclose(routes, totals["company"])
    assert set(found.totals["parts"]) == {4, 12}
    weeks = found.weeks.set_index(["total", "ds"])
    assert set(found.weeks["ds"].dt.dayofweek) == {0}, "weeks begin on Mondays"
    for (total, monday), row in weeks.iterrows():
        days = series if isinstance(total, str) else found.series.set_index(["series_id", "ds"])["y_hat"]
        within = [days[(total, monday + pd.Timedelta(days=day))] for day in range(7)]
        assert row["y_hat"] == pytest.approx(sum(within), rel=1e-6)
    ordered = found.totals[["lo_95", "lo_80", "y_hat", "hi_80", "hi_95"]].to_numpy()
    assert (np.diff(ordered, axis=1) >= 0).all()


@pytest.mark.parametrize("weekday", range(7))
def test_only_weeks_wholly_within_the_horizon_are_there(weekday: int):
    cutoff = DAYS[-40 + weekday]
    found = summed(history(), cutoff)
    days = found.weeks.loc[found.weeks["total"] == "company", "ds"]
    assert days.min() > cutoff
    assert days.max() + pd.Timedelta(days=6) <= cutoff + pd.Timedelta(days=28)
    assert len(days) == (4 if cutoff.dayofweek == 6 else 3)


@pytest.mark.parametrize(("common", "own"), [(0.0, 15.0), (15.0, 5.0)], ids=["errors cancel", "errors go together"])
def test_bounds_of_days_and_weeks_hold_whether_errors_cancel_or_go_together(common: float, own: float):
    frame = history(common=common, own=own)
    truth = frame.merge(MEMBERS, on="series_id").groupby(["total", "ds"])["y"].sum().rename("y").reset_index()
    week = truth.assign(ds=truth["ds"] - pd.to_timedelta(truth["ds"].dt.dayofweek, unit="D"))
    week = week.groupby(["total", "ds"])["y"].sum().reset_index()
    found = [summed(frame, DAYS[-29 - 7 * back]) for back in range(8)]
    for made, outcomes in (("totals", truth), ("weeks", week)):
        rows = pd.concat([getattr(one, made) for one in found]).merge(outcomes, on=["total", "ds"])
        assert 0.65 <= coverage(rows["y"], rows["lo_80"], rows["hi_80"]) <= 0.97, "eleven weeks, if they go together"
        assert coverage(rows["y"], rows["lo_95"], rows["hi_95"]) >= 0.8


def test_days_on_which_nobody_comes_are_not_summed_where_absence_means_zero():
    frame = history(visited=0.6)
    found = pd.concat([summed(frame, DAYS[-29 - 7 * back], absence="zero").totals for back in range(6)])
    truth = frame.merge(MEMBERS, on="series_id").groupby(["total", "ds"])["y"].sum().rename("y").reset_index()
    rows = found.merge(truth, on=["total", "ds"])
    assert abs(bias(rows["y"], rows["y_hat"])) < 0.06
    rate = summed(frame, DAYS[-29]).totals
    once = found.merge(rate, on=["total", "ds", "cutoff"])
    assert (once["y_hat_x"] < 0.8 * once["y_hat_y"]).all(), "of a rate a day without a value is not zero"


def test_weeks_of_other_series_than_daily_ones_are_refused():
    weekly = history()[lambda rows: rows["ds"].dt.dayofweek == 0]
    model = forecaster("average")(freq="W-MON", horizon=8).fit(weekly)
    assert len(with_totals(model, 8, MEMBERS).totals) == 4 * 8
    with pytest.raises(BadInput, match="weeks are summed of daily series"):
        with_totals(model, 8, MEMBERS, weeks=True)
