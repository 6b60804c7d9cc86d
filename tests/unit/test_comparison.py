"""Models beside each other: on the same forecasts, whoever made them, with the uncertainty of their difference."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mlops import compare, cross_validation, forecaster, scores
from mlops.errors import BadInput, UnknownName
from mlops.evaluation.comparison import Comparison


@pytest.fixture(scope="module")
def frame(weekly_pattern: pd.DataFrame) -> pd.DataFrame:
    return weekly_pattern[weekly_pattern["ds"] < "2023-03-01"]


@pytest.fixture(scope="module")
def found(frame: pd.DataFrame) -> Comparison:
    return compare(["smoothing", "naive", "average"], frame, 7, 12, refit_every=4)


def nixtla(tested: pd.DataFrame) -> pd.DataFrame:
    """As StatsForecast's cross-validation gives them: a column per model, and its bounds."""
    names = {"series_id": "unique_id", "y_hat": "AutoETS", "lo_80": "AutoETS-lo-80", "hi_80": "AutoETS-hi-80"}
    rows = tested.rename(columns=names)[[*("unique_id", "ds", "cutoff", "y"), *list(names.values())[1:]]]
    return rows.assign(Theta=rows["AutoETS"] * 1.2)


def test_every_model_is_scored_on_the_forecasts_that_all_made(found: Comparison, frame: pd.DataFrame):
    assert set(found.scores["model"]) == {"smoothing", "naive", "average"}
    assert found.scores["wape"].is_monotonic_increasing
    alone = scores(cross_validation(frame, 7, 12, model="naive", refit_every=4))
    mine = found.scores[found.scores["model"] == "naive"].drop(columns="model").reset_index(drop=True)
    assert_frame_equal(mine, alone)


def test_a_difference_is_that_of_the_scores_inside_its_interval(found: Comparison):
    wapes = found.scores.set_index("model")["wape"]
    for row in found.pairs.itertuples():
        assert row.against == "smoothing"
        assert row.difference == pytest.approx(wapes[row.model] - wapes["smoothing"])
        assert row.low <= row.difference <= row.high
    verdict = found.pairs.set_index("model")["verdict"]
    assert verdict["naive"] == "errs more"


def test_another_model_to_hold_them_against_turns_the_differences(found: Comparison):
    turned = found.against("naive").pairs.set_index("model").loc["smoothing"]
    straight = found.pairs.set_index("model").loc["naive"]
    assert turned["difference"] == pytest.approx(-straight["difference"])
    assert turned["low"] == pytest.approx(-straight["high"])
    assert turned["verdict"] == "errs less"
    with pytest.raises(UnknownName, match="unknown model 'nave'; did you mean 'naive'"):
        found.against("nave")


def test_a_model_and_itself_are_never_told_apart(frame: pd.DataFrame):
    row = compare({"a": "naive", "b": forecaster("naive")(horizon=14)}, frame, 14).pairs.iloc[0]
    assert (row["difference"], row["verdict"]) == (0, "may be chance")


def test_forecasts_of_elsewhere_say_the_cutoffs_and_take_the_outcomes_of_the_frame(frame: pd.DataFrame):
    tested = cross_validation(frame, 7, 6, 10, model="hybrid", refit_every=6)
    theirs = nixtla(tested)
    found = compare(["naive", theirs, {"no": 1}][:2], frame)
    assert set(found.scores["model"]) == {"naive", "AutoETS", "Theta"}
    assert set(found.forecasts["cutoff"]) == set(tested["cutoff"])
    mine = found.scores.set_index("model").loc["AutoETS"]
    assert mine["coverage_80"] == pytest.approx(scores(tested)["coverage_80"].iloc[0])
    assert np.isnan(mine["coverage_95"])
    assert mine["mase"] == pytest.approx(scores(tested)["mase"].iloc[0])
    assert found.pairs.set_index("model")["verdict"]["Theta"] == "errs more"
    wrong = theirs.assign(y=0.0)
    assert_frame_equal(compare(["naive", wrong], frame).scores, found.scores)


def test_forecasts_of_elsewhere_can_be_compared_without_a_frame(frame: pd.DataFrame):
    theirs = nixtla(cross_validation(frame, 14, 3, model="hybrid"))
    found = compare(
        {
            "theirs": theirs,
            "prophet's": theirs.rename(columns={"AutoETS": "yhat"})[["unique_id", "ds", "cutoff", "y", "yhat"]],
        }
    )
    assert set(found.scores["model"]) == {"theirs AutoETS", "theirs Theta", "prophet's"}
    assert "prophet's" in set(found.pairs["model"])


def test_what_only_some_forecast_is_left_out_and_said(frame: pd.DataFrame):
    tested = cross_validation(frame, 14, 3, model="average")
    some = tested[(tested["series_id"] != "s2") & (tested["step"] <= 10)]
    found = compare({"naive": "naive", "some": some}, frame)
    assert set(found.forecasts["series_id"]) == {"s0", "s1", "s3"}
    assert found.forecasts["step"].max() == 10
    assert "of naive" in found.note
    assert found.forecasts.groupby("model").size().nunique() == 1


def test_one_window_is_too_little_to_tell_models_apart(frame: pd.DataFrame):
    row = compare(["smoothing", "naive"], frame, 14, 1).pairs.iloc[0]
    assert (row["high"], row["verdict"]) == (np.inf, "too few cutoffs")


@pytest.mark.parametrize("step", [7, 28], ids=["overlapping", "apart"])
def test_equal_models_are_seldom_told_apart_though_errors_of_a_cutoff_go_together(step: int):
    """Each forecast begins at a wrong level of its own, so that its days are no independent proofs."""
    random, wrong, tries = np.random.default_rng(2), 0, 40
    ahead = pd.Timedelta(days=1) * pd.Series(range(1, 29))
    cutoffs = pd.Timestamp("2024-01-01") + pd.Timedelta(days=step) * pd.Series(range(12))
    grid = pd.DataFrame(
        {"cutoff": cutoffs.repeat(28), "ds": np.add.outer(cutoffs.to_numpy(), ahead.to_numpy()).ravel()}
    )
    for _ in range(tries):
        level = random.normal(0, 3, (2, 12)).repeat(28, axis=1) + random.normal(0, 1, (2, len(grid)))
        made = {
            name: grid.assign(series_id="a", y=100.0, y_hat=100 + errors)
            for name, errors in zip("xy", level, strict=True)
        }
        wrong += compare(made).pairs["verdict"].iloc[0] in ("errs less", "errs more")
    assert wrong <= 0.1 * tries, "5 % are meant"


@pytest.mark.parametrize(
    ("models", "more", "words"),
    [
        (["naive"], {"h": 7}, "1 model is no comparison"),
        ([], {"h": 7}, "0 models are no comparison"),
        (["naive", "naive"], {"h": 7}, "two models are called 'naive'; pass a mapping"),
        (["naive", "average"], {}, "pass h="),
        (["naive", "average"], {"h": 7, "confidence": 95}, "confidence = 95 is refused"),
        (["naive", "average"], {"h": 7, "frame": None}, "no frame to fit 'naive' on"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_comparison_is_refused(models: list[str], more: dict[str, object], words: str, frame: pd.DataFrame):
    with pytest.raises(BadInput, match=words):
        compare(models, **{"frame": frame, **more})


def test_an_unknown_kind_is_refused_with_the_choices(frame: pd.DataFrame):
    with pytest.raises(UnknownName, match="did you mean 'naive'"):
        compare(["nave", "average"], frame, 7)


def test_forecasts_that_can_not_be_held_against_anything_are_refused(frame: pd.DataFrame):
    tested = cross_validation(frame, 7, 2, model="naive")
    cases = {
        "no column cutoff": tested.drop(columns="cutoff"),
        "no column y_hat, nor one per model": tested[["series_id", "ds", "cutoff", "y"]],
        "has two forecasts of series 's0'": pd.concat([tested, tested[:1]]),
        "no series, time and cutoff that all": tested.assign(series_id=tested["series_id"] + "!"),
        "no outcomes y": tested.drop(columns="y"),
    }
    for words, theirs in cases.items():
        given = None if words == "no outcomes y" else frame
        with pytest.raises(BadInput, match=words):
            compare({"theirs": theirs, "ours": tested}, given)
    with pytest.raises(BadInput, match="h, n_windows and step are those of the forecasts"):
        compare({"theirs": tested, "naive": "naive"}, frame, 7)
    with pytest.raises(BadInput, match="have no name"):
        compare([tested, "naive"], frame)
    with pytest.raises(BadInput, match="no cutoff in common"):
        compare({"a": tested, "b": tested.assign(cutoff=tested["cutoff"] + pd.Timedelta(days=1))}, frame)


def test_models_that_were_judged_by_different_outcomes_are_not_compared(frame: pd.DataFrame):
    tested = cross_validation(frame, 7, 2, model="naive")
    other = tested.assign(y=tested["y"] + 5)
    with pytest.raises(BadInput, match=r"different outcomes y of series 's0' at .* such rows\); pass frame="):
        compare({"a": tested, "b": other})
    assert compare({"a": tested, "b": other}, frame).scores["mae"].nunique() == 1
    assert len(compare({"a": tested, "b": tested.assign(y=tested["y"].astype("float32"))}).pairs) == 1


def test_a_class_is_no_model_and_the_sentence_says_what_to_call(frame: pd.DataFrame):
    with pytest.raises(BadInput, match="the class of kind 'naive'; make a forecaster of it"):
        compare(["average", forecaster("naive")], frame, 7)


def test_a_comparison_is_shown_with_nothing_of_the_data_as_markup(frame: pd.DataFrame):
    found = compare({"<b>x</b>": "naive", "average": "average"}, frame, 7)
    assert "<b>x" not in found._repr_html_()
    assert "&lt;b&gt;x" in found._repr_html_()
    assert "which all models made" in repr(found)
