"""Evidently's classic presets: two windows in, a snapshot out, whatever is in the windows."""

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import NothingToDo
from mlops.monitoring.evidently.champion import same_season

AS_OF = datetime(2024, 6, 3, tzinfo=UTC)


def window(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    target = random.normal(50, 5, rows)
    return pd.DataFrame(
        {"level": random.normal(10, 2, rows), "target": target, "prediction": target + random.normal(0, 1, rows)}
    )


def run(reference: pd.DataFrame, current: pd.DataFrame):
    from mlops.monitoring.evidently.presets import classic

    return classic(reference, current, name="demand v1", as_of=AS_OF)


def presets_of(text: str) -> set[str]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    metrics = json.loads(text, parse_constant=refuse)["metric_results"].values()
    kinds = {metric["metric_value_location"]["metric"]["params"]["type"].rpartition(":")[2] for metric in metrics}
    marks = {"ValueDrift": "DataDriftPreset", "RowCount": "DataSummaryPreset", "MAE": "RegressionPreset"}
    return {preset for mark, preset in marks.items() if mark in kinds}


ALL = {"DataDriftPreset", "DataSummaryPreset", "RegressionPreset"}


def test_a_column_that_moved_is_called_drifted_and_the_others_are_not():
    found = run(window(300, 1), window(60, 2).assign(level=lambda rows: rows["level"] + 6))
    assert (found.drifted, found.left_out) == (("level",), {})
    assert presets_of(found.snapshot) == ALL


def test_empty_odd_and_lacking_columns_are_left_out_or_taken_and_kill_nothing():
    odd = {
        "empty_now": (1.0, np.nan),
        "empty_before": (np.nan, 1.0),
        "empty": (np.nan, np.nan),
        "infinite": (np.inf, -np.inf),
        "constant": (1.0, 1.0),
    }
    reference = window(300, 1).assign(**{name: pair[0] for name, pair in odd.items()}, gone=1.0)
    current = window(60, 2).assign(**{name: pair[1] for name, pair in odd.items()}, new="text")
    current.loc[3, ["level", "constant"]] = np.inf
    found = run(reference, current)
    assert set(found.columns) == {"level", "target", "prediction", "constant"}
    assert found.left_out == {
        "empty_now": "no value in the current window",
        "empty_before": "no value in the reference window",
        "empty": "no value in the reference and the current window",
        "infinite": "no value in the reference and the current window",
        "gone": "no value in the current window",
        "new": "no value in the reference and the current window",
    }
    assert presets_of(found.snapshot) == ALL


@pytest.mark.parametrize(
    ("target", "why"),
    [(np.nan, "no outcomes or no forecasts"), (0.0, "no outcome other than 0 belongs to a forecast")],
    ids=["unknown", "zero"],
)
def test_without_outcomes_there_is_no_regression_and_the_rest_stands(target: float, why: str):
    found = run(window(100, 1), window(30, 2).assign(target=target))
    assert found.left_out["RegressionPreset"] == why
    assert presets_of(found.snapshot) == ALL - {"RegressionPreset"}


def test_one_row_is_a_window():
    assert presets_of(run(window(1, 1), window(1, 2)).snapshot) == ALL


@pytest.mark.parametrize(("before", "now", "which"), [(0, 5, "reference"), (5, 0, "current")])
def test_a_window_without_rows_is_refused_by_its_name(before: int, now: int, which: str):
    with pytest.raises(NothingToDo, match=f"the {which} window of demand v1 has no rows"):
        run(window(before, 1), window(now, 2))


def test_windows_without_any_value_are_refused_with_their_columns():
    with pytest.raises(NothingToDo, match="no column of demand v1 has values in both windows: level, target, predict"):
        run(window(5, 1) * np.nan, window(5, 2))


def test_a_preset_that_evidently_breaks_on_is_named_and_breaks_no_other(monkeypatch: pytest.MonkeyPatch):
    from mlops.monitoring.evidently import presets

    def broken() -> object:
        raise IndexError("index 0 is out of bounds")

    monkeypatch.setattr(presets, "PRESETS", dict(presets.PRESETS) | {"RegressionPreset": broken})
    found = run(window(50, 1), window(20, 2))
    assert found.left_out == {"RegressionPreset": "Evidently could not: index 0 is out of bounds"}
    assert presets_of(found.snapshot) == ALL - {"RegressionPreset"}


def days(first: str, last: str) -> pd.DataFrame:
    return pd.DataFrame({"ds": pd.date_range(first, last)})


def test_the_reference_is_the_same_season_a_year_earlier_on_the_same_weekdays():
    found = same_season(days("2022-01-01", "2024-06-30"), AS_OF)
    assert (found.current["ds"].min(), found.current["ds"].max()) == (
        pd.Timestamp("2024-05-06"),
        pd.Timestamp("2024-06-02"),
    )
    assert (found.reference["ds"].min(), found.reference["ds"].max()) == (
        pd.Timestamp("2023-04-24"),
        pd.Timestamp("2023-06-18"),
    )
    assert found.reference["ds"].min().dayofweek == found.current["ds"].min().dayofweek


def test_without_a_year_the_weeks_before_are_the_reference_and_that_is_said():
    found = same_season(days("2024-01-01", "2024-06-30"), AS_OF)
    assert found.reference["ds"].max() == pd.Timestamp("2024-05-05")
    assert len(found.reference) == 84
    assert "twelve weeks before" in found.words


@pytest.mark.parametrize("one", GRANULARITIES.values(), ids=str)
def test_both_windows_hold_enough_steps_of_every_granularity(one: Granularity):
    end = int(one.number(np.array([AS_OF.replace(tzinfo=None)], dtype="datetime64[us]"))[0])
    count = int(6 * one.recent_days / one.days) + 1
    rows = pd.DataFrame({"ds": pd.DatetimeIndex(one.start(np.arange(end - count, end)))})
    found = same_season(rows, AS_OF, one)
    assert len(found.current) >= 7
    assert len(found.reference) >= 2 * len(found.current) - 1
    assert found.reference["ds"].max() < found.current["ds"].min()
    assert found.words
