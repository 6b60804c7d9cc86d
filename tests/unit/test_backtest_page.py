"""The page of a training's backtest: whatever the forecasts are, it is whole, and nothing in it is code."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from mlops.evaluation.accuracy import accuracy_table
from mlops.training.report.page import BacktestPage


def _forecasts(series: int = 3, steps: int = 4, value: float = 10.0) -> pd.DataFrame:
    ds = pd.date_range("2020-01-02", periods=steps)
    parts = [
        pd.DataFrame(
            {"series_id": number, "ds": ds, "cutoff": ds[0] - pd.Timedelta(days=1), "step": range(1, steps + 1)}
        )
        for number in range(series)
    ]
    frame = pd.concat(parts, ignore_index=True)
    y_hat = {"y_hat": value, "lo_80": value - 1, "hi_80": value + 1, "lo_95": value - 2, "hi_95": value + 2}
    return frame.assign(scale=1.0, y=value + frame["series_id"], **y_hat)


def _page(forecasts: pd.DataFrame, **more: object) -> str:
    by_series = accuracy_table(forecasts, ["series_id"])
    by_series["name"] = [f"R{number} <b>" for number in by_series["series_id"]]
    facts = {
        "by_series": by_series,
        "importance": {},
        "excluded": pd.DataFrame(columns=["series_id", "name", "reason"]),
    }
    page = BacktestPage(
        "a & b", {"auto": forecasts, "seasonal naive": forecasts}, **facts | more, words=("day", "week")
    )
    return page.html().decode()


def test_a_page_shows_candidates_series_importance_and_what_was_left_out():
    excluded = pd.DataFrame([{"series_id": 9, "name": "R9", "reason": "stale: it ended in 2018"}])
    text = _page(_forecasts(), importance={"lag_1": 0.75, "step": 0.25}, excluded=excluded)
    assert "<title>a &amp; b</title>" in text
    assert "R0 &lt;b&gt;" in text, "a name is text"
    assert text.count("<svg") == 2 + 3
    assert "WAPE by day ahead" in text
    assert "75.0 %" in text
    assert "stale: it ended in 2018" in text


@pytest.mark.parametrize(
    "forecasts",
    [
        _forecasts(series=1, steps=1),
        _forecasts(value=0.0).assign(y=0.0),
        _forecasts().assign(y=np.nan),
        _forecasts().assign(y=lambda rows: rows["y"].where(rows["step"] == 1)),
        _forecasts(value=1e9),
        _forecasts().assign(y=-5.0),
    ],
    ids=["one forecast", "only zeros", "no outcome", "few outcomes", "large", "below zero"],
)
def test_odd_forecasts_make_a_whole_page_whose_pictures_are_drawn_inside_it(forecasts):
    text = _page(forecasts)
    for picture in text.split("<svg")[1:]:
        drawn = ElementTree.fromstring("<svg" + picture[: picture.index("</svg>")] + "</svg>")
        for shape in drawn.iter():
            points = [float(one) for pair in shape.get("points", "").split() for one in pair.split(",")]
            assert all(0 <= one <= 560 for one in points)
    assert "nan" not in text.lower()
