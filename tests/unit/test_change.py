"""What changed, in the unit of what changed: the mean now and usually, since when, and nothing where no mean moved."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from mlops.domain.findings import Change, Finding, FindingKind, Measure, Movement, plain, todo
from mlops.monitoring.detect.slices import Slice
from mlops.monitoring.weekly.change import in_units

DAYS = pd.date_range("2024-01-01", "2024-06-02")
SERVED, FALL = pd.Timestamp("2024-03-01"), pd.Timestamp("2024-05-13")


def life() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A backtest and what was served since: outcomes of series 1 are 20 lower from the fall on, forecasts stay."""
    parts = []
    for series, size in ((1, 100.0), (2, 1000.0)):
        weekday = 1 + 0.1 * DAYS.dayofweek.to_numpy()
        fall = np.where((DAYS >= FALL) & (series == 1), 20.0, 0.0)
        parts.append(
            pd.DataFrame(
                {"series_id": series, "ds": DAYS, "outcome": size * weekday - fall, "y_hat": size * weekday + 2}
            )
        )
    rows = pd.concat(parts, ignore_index=True).assign(log_level=np.log1p(100.0), holiday=False)
    return rows[rows["ds"] < SERVED], rows[rows["ds"] >= SERVED]


def told(
    kind: FindingKind, subject: str, detail: str, slice_: str = "", movement: Movement | None = None, **more: bool
) -> Finding:
    found = Finding(kind, subject, 6.0, 4.0, more.get("drifted", True), detail, slice_, movement=movement)
    return in_units([found], *life(), "kg", [Slice("depot=north", frozenset({1}))])[0]


def test_larger_errors_are_told_in_the_unit_with_what_is_usual_and_since_when():
    detail = "the absolute error is 5.1 sigma above the backtest's over the last 14 days"
    found = told("performance", "", detail, movement=Movement("loss", rose=True, days=14))
    change = found.change
    assert change is not None
    assert (change.now, change.usual) == pytest.approx((12.0, 2.0)), "of one series 22, of the other 2"
    assert change.since == datetime(2024, 5, 13, tzinfo=UTC)
    assert found.words == (
        "the mean absolute error is 12 kg over the last 14 days, where 2 kg is usual (+500%), since about 2024-05-13"
    )
    assert change.weeks[-4:] == pytest.approx((2.0, 12.0, 12.0, 12.0))
    assert Change.from_json(change.to_json()) == change


@pytest.mark.parametrize(
    ("measure", "detail", "says"),
    [
        (
            "spread",
            "log_level varies 5.6 sigma more within a day than the calendar predicts over the last 7 days",
            "the mean of its day",
        ),
        (
            "swing",
            "log_level strays 5.6 sigma further from its calendar than usual over the last 7 days",
            "its usual weekday",
        ),
    ],
    ids=["spread", "swing"],
)
def test_a_column_that_varies_more_is_told_by_how_far_its_values_lie_from_what_is_usual(
    measure: Measure, detail: str, says: str
):
    baseline, live = life()
    side = live["series_id"].map({1: 1.0, 2: -1.0})
    live = live.assign(log_level=live["log_level"] + side * np.where(live["ds"] >= FALL, 0.6, 0.2))
    baseline = baseline.assign(log_level=baseline["log_level"] + baseline["series_id"].map({1: 0.2, 2: -0.2}))
    more, less = (
        Finding("feature", "log_level", 5.6, 4.0, True, detail, movement=Movement(measure, rose, 7))
        for rose in (True, False)
    )
    (found,) = in_units([more], baseline, live, "kg")
    assert found.change is not None
    usual = 0.2 if "day" in says.split() else 0.0
    assert (found.change.now, found.change.usual) == pytest.approx((usual + 0.4, usual))
    assert f"distance of log_level from {says} is" in found.words
    (other,) = in_units([less], baseline, live, "kg")
    assert other.change is None, "it did not vary less"


def test_a_feature_of_ones_own_is_told_in_the_words_of_its_definition():
    baseline, live = (rows.assign(weight_mean_7=np.where(rows["ds"] >= FALL, 60.0, 100.0)) for rows in life())
    detail = "weight_mean_7 is 5.6 sigma below what the calendar predicts over the last 7 days"
    movement = Movement("level", rose=False, days=7)
    asked = Finding("feature", "weight_mean_7", 5.6, 4.0, True, detail, movement=movement)
    (found,) = in_units([asked], baseline, live, "kg", features={"weight_mean_7": "mean kg of a week"})
    assert found.change is not None
    assert found.change.what == "weight_mean_7 (mean kg of a week)"
    assert in_units([asked], baseline, live, "kg")[0].change is None, "nobody said that it is watched"


@pytest.mark.parametrize(
    ("kind", "movement", "detail", "slice_", "says"),
    [
        (
            "concept",
            Movement("bias", rose=False, days=7),
            "predictions are 4.9 sigma too high over the last 7 days",
            "",
            "the mean of forecast minus outcome is 12 kg",
        ),
        (
            "concept",
            Movement("level", rose=False, days=7),
            "the error in depot=north is 6.1 sigma below what the calendar predicts over the last 7 days",
            "depot=north",
            "the mean of outcome minus forecast is -22 kg",
        ),
        (
            "performance",
            Movement("level", rose=True, days=7),
            "the loss in depot=north is 6.1 sigma above what is usual",
            "depot=north",
            "the mean absolute error is 22 kg",
        ),
    ],
    ids=["one-sided", "one-sided in a slice", "a slice"],
)
def test_errors_are_told_of_the_slice_and_to_the_side_that_they_lean(
    kind: FindingKind, movement: Movement, detail: str, slice_: str, says: str
):
    words = told(kind, "", detail, slice_, movement).words
    assert words.startswith(says)
    assert words.endswith(f"({slice_})") == bool(slice_)


@pytest.mark.parametrize(
    ("kind", "subject", "movement", "detail"),
    [
        (
            "concept",
            "",
            Movement("bias", rose=True, days=7),
            "predictions are 4.9 sigma too low over the last 7 days",
        ),
        (
            "feature",
            "log_level",
            Movement("spread", rose=True, days=28),
            "log_level varies 5.0 sigma more within a day than the calendar predicts over the last 28 days",
        ),
        (
            "feature",
            "log_level",
            Movement("season", rose=True, days=56),
            "the season of log_level is 5.0 sigma stronger than in the history over the last 56 days",
        ),
        (
            "concept",
            "log_level",
            Movement("product", rose=True, days=28),
            "the error rises with log_level 4.4 sigma more than in the backtest",
        ),
        ("data", "log_level", None, "3 of 40 values of log_level are missing in the last 7 days, where 0.2% is usual"),
    ],
    ids=["the other way", "a spread", "a season", "a relation", "a fault"],
)
def test_where_no_mean_moved_the_way_that_is_told_the_words_are_the_detail_without_statistics(
    kind: FindingKind, subject: str, movement: Movement | None, detail: str
):
    found = told(kind, subject, detail, movement=movement)
    assert found.change is None
    assert found.words == plain(detail)
    assert "sigma" not in found.words


def test_what_is_not_beyond_its_limit_and_what_has_no_outcomes_stays_as_it_is():
    assert told("performance", "", "the absolute error is 1.0 sigma above", drifted=False).change is None
    baseline, live = life()
    live = live.assign(outcome=None)
    detail, movement = "the absolute error is 5 sigma above the backtest's", Movement("loss", rose=True, days=7)
    found = Finding("performance", "", 6.0, 4.0, True, detail, movement=movement)
    assert in_units([found], baseline, live, "kg")[0].change is None


@pytest.mark.parametrize("kind", ["feature", "concept", "performance", "prediction", "data", "serving"])
def test_every_finding_says_what_to_do_or_why_nothing(kind: FindingKind):
    assert len(todo(kind, "anything")) > 20
