"""What a notebook may get wrong is refused with a sentence that says what would do, by every kind."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mlops import KINDS, forecaster, load
from mlops.errors import BadInput, HistoryTooShort, Refused, UnknownName
from mlops.forecasting.base import Forecaster
from mlops.forecasting.whatif import what_if
from mlops.panels.calendar import Calendar, Event, read_events

DAYS = 90
PARAMS = {"lightgbm": {"trees": 5}, "auto": {"settings": {"lightgbm": {"trees": 5}}}}
ASKED: dict[str, Callable[[Forecaster], Any]] = {
    "predict": lambda one: one.predict(7),
    "explain": lambda one: one.explain(7),
    "decompose": lambda one: one.decompose(7),
    "what_if": lambda one: what_if(one, 7, events=[]),
    "save": lambda one: one.save("/nowhere"),
    "importance": lambda one: one.importance(),
    "known": lambda one: one.known,
    "remembered": lambda one: one.remembered,
    "local": lambda one: one.local,
    "out-of-sample forecasts": lambda one: one.out_of_sample_by_group,
}


def series(days: int = DAYS) -> pd.DataFrame:
    random, ds = np.random.default_rng(3), pd.date_range("2024-01-01", periods=days)
    y = 50 + 20 * (ds.dayofweek < 5) + random.normal(0, 3, (2, days))
    return pd.concat([pd.DataFrame({"series_id": name, "ds": ds, "y": row}) for name, row in zip("ab", y, strict=True)])


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: pytest.FixtureRequest) -> Forecaster:
    return forecaster(request.param)(freq="D", **PARAMS.get(request.param, {})).fit(series())


@pytest.fixture(scope="module")
def naive() -> Forecaster:
    return forecaster("naive")(freq="D").fit(series())


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_forecaster_that_is_not_fitted_says_so(kind: str, asked: str):
    with pytest.raises(Refused, match=rf"{kind}' forecaster is not fitted; call fit\(frame\) first, or load"):
        ASKED[asked](forecaster(kind)())


@pytest.mark.parametrize("asked", ["solver", "models", "model", "frame_ahead"])
def test_so_does_what_only_prophet_has(asked: str):
    empty: Any = forecaster("prophet")()
    with pytest.raises(Refused, match="not fitted"):
        {
            "solver": lambda: empty.solver,
            "models": lambda: list(empty.models),
            "model": lambda: empty.model("a"),
            "frame_ahead": lambda: empty.frame_ahead("a", 7),
        }[asked]()


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([0.8], "level 0.8 is refused; levels are whole per cents from 1 to 99: 80, not 0.8"),
        (0.95, "95, not 0.95"),
        ([150], "level 150 is refused"),
        ([80, 100], "level 100 is refused"),
        ([0], "level 0 is refused"),
        ([-80], "level -80 is refused"),
        (97.5, "level 97.5 is refused"),
        ("80", "level '80' is refused"),
        ([True], "level True is refused"),
        ([None], "level None is refused"),
        ([float("nan")], "level nan is refused"),
        (np.array([0.5]), "50, not 0.5"),
    ],
)
def test_a_level_that_is_no_whole_per_cent_is_refused(naive: Forecaster, levels: Any, words: str):
    with pytest.raises(BadInput, match=words):
        naive.predict(7, levels=levels)


@pytest.mark.parametrize("levels", [80, 80.0, np.int64(80), [80], (80, 80), np.array([80]), pd.Series([80])], ids=repr)
def test_a_single_number_is_one_level(naive: Forecaster, levels: Any):
    assert_frame_equal(naive.predict(7, levels=levels), naive.predict(7, levels=(80,)))


def test_newest_rows_alone_are_no_history_and_all_of_it_is(fitted: Forecaster):
    newest = series(DAYS + 7).groupby("series_id").tail(7)
    with pytest.raises(HistoryTooShort, match=r"has 7 observations; 21 are needed; history= is all that .* update"):
        fitted.predict(7, history=newest)
    with pytest.raises(HistoryTooShort, match="21 are needed"):
        fitted.explain(7, history=newest)
    together = fitted.predict(7, history=pd.concat([fitted.remembered, newest]))
    assert (together["cutoff"] == newest["ds"].max()).all()


def test_a_new_series_beside_others_may_still_be_short(naive: Forecaster):
    new = pd.DataFrame({"series_id": "c", "ds": pd.date_range("2024-03-25", periods=6), "y": 5.0})
    found = naive.predict(7, history=pd.concat([series(), new]))
    assert (found.loc[found["series_id"] == "c", "y_hat"] == 5.0).all()


@pytest.mark.parametrize(
    ("event", "error", "words"),
    [
        ({"name": "strike", "frist": "2024-01-03"}, UnknownName, "key of an event 'frist'; did you mean 'first'"),
        ({"name": "strike"}, BadInput, "has no first"),
        ({"first": "2024-01-03"}, BadInput, "has no name"),
        ({"name": None, "first": "2024-01-03"}, BadInput, "has no name"),
        ({"name": "strike", "first": "3.1.2024"}, BadInput, "first = '3.1.2024' is not a date"),
        ({"name": "strike", "first": "2024-01-03", "start": "2024-01-04"}, BadInput, "one thing under two keys"),
        ("strike", BadInput, "events holds 'strike'; expected mappings such as"),
    ],
)
def test_an_event_that_says_what_nobody_reads_is_refused(event: Any, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        forecaster("smoothing")(events=[event])


@pytest.mark.parametrize("events", [{"name": "strike", "first": "2024-01-03"}, "events.csv", 5], ids=repr)
def test_events_that_are_no_list_are_refused(events: Any):
    with pytest.raises(BadInput, match="is no list; expected a list of mappings"):
        Calendar.of(None, events)


STRIKE = Event("strike", date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 1))


@pytest.mark.parametrize(
    "times",
    [
        ("2024-01-03", "2024-01-04", "2024-01-01"),
        (date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 1)),
        (datetime(2024, 1, 3), datetime(2024, 1, 4, 23, 59), datetime(2024, 1, 1)),
        tuple(pd.to_datetime(["2024-01-03", "2024-01-04", "2024-01-01"])),
        tuple(np.array(["2024-01-03", "2024-01-04", "2024-01-01"], "datetime64[ns]")),
    ],
    ids=["text", "date", "datetime", "Timestamp", "datetime64"],
)
@pytest.mark.parametrize("keys", [("name", "first", "last"), ("event", "start", "end"), ("holiday", "ds", "last")])
def test_events_are_taken_with_the_times_and_keys_that_people_have(times: tuple[Any, ...], keys: tuple[str, ...]):
    first, last, announced = times
    given = dict(zip((*keys, "announced"), ("strike", first, last, announced), strict=True))
    assert Calendar.of(None, [given]).events == (STRIKE,)
    assert Calendar.of(None, pd.DataFrame([given])).events == (STRIKE,)
    assert Event("strike", first, last, announced) == STRIKE


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NaT, pd.NA, "", np.datetime64("NaT")], ids=repr)
def test_a_missing_end_is_a_single_day_that_was_planned(nothing: Any):
    frame = pd.DataFrame({"name": ["strike"], "start": ["2024-01-03"], "end": [nothing], "announced": [nothing]})
    assert Calendar.of(None, frame).events == (Event("strike", date(2024, 1, 3), date(2024, 1, 3)),)


def test_a_column_of_a_file_of_events_that_nobody_reads_is_refused(tmp_path: Path):
    path = tmp_path / "events.csv"
    path.write_text("event,first,lats\nstrike,2024-01-03,2024-01-04\n")
    with pytest.raises(UnknownName, match=r"column of .*events.csv 'lats'; did you mean 'last'"):
        read_events(path)
    path.write_text("event,first,last\nstrike,2024-01-03,2024-01-04\n")
    assert read_events(str(path)) == (Event("strike", date(2024, 1, 3), date(2024, 1, 4)),)


def test_a_model_is_saved_to_and_loaded_from_a_path_in_text(naive: Forecaster, tmp_path: Path):
    naive.save(str(tmp_path / "model"))
    assert_frame_equal(load(str(tmp_path / "model")).predict(7), naive.predict(7))
    with pytest.raises(BadInput, match="no forecaster was saved here"):
        load(str(tmp_path))


def test_a_kind_reads_no_other_kinds_folder(naive: Forecaster, tmp_path: Path):
    naive.save(tmp_path)
    with pytest.raises(BadInput, match="kind 'naive' was saved here, not 'average'"):
        forecaster("average").load(tmp_path)


def test_a_home_is_a_home_and_a_file_is_no_folder(naive: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    naive.save("~/model")
    assert (tmp_path / "model" / "forecaster.json").is_file()
    assert_frame_equal(load("~/model").predict(7), naive.predict(7))
    with pytest.raises(BadInput, match=r"no folder can be made here \(File exists\); nothing was saved"):
        naive.save(tmp_path / "model" / "forecaster.json")


@pytest.mark.parametrize("horizon", [0, -3, 7.5, "7", True, None], ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_a_horizon_that_is_none_is_refused_when_it_is_said(kind: str, horizon: Any):
    with pytest.raises(BadInput, match=r"horizon = .* is refused; expected a whole number from 1 up"):
        forecaster(kind)(horizon=horizon)


def test_one_covariate_is_a_name_and_not_its_letters():
    assert forecaster("naive")(covariates="price").covariates == ("price",)
    with pytest.raises(BadInput, match="the frame has no column price"):
        forecaster("hybrid")(covariates="price").fit(series())
