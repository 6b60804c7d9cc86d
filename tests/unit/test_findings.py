"""A check has one finding of each kind, subject and slice: the clearest, a drifted one before others."""

import math

from mlops.domain.findings import Finding, Findings


def finding(statistic: float, *, drifted: bool = False, subject: str = "7", slice: str = "") -> Finding:
    return Finding("data", subject, statistic, 2.0, drifted, f"{statistic}", slice)


def test_of_two_findings_about_the_same_the_clearest_stays_and_a_drifted_one_before_it():
    found = Findings.of([finding(3), finding(5), finding(math.nan), finding(9, subject="8")])
    assert [one.statistic for one in found.details] == [5, 9]
    assert Findings.of([finding(9), finding(3, drifted=True)]).details == (finding(3, drifted=True),)
    assert len(Findings.of([finding(math.nan), finding(math.nan)]).details) == 1


def test_findings_of_slices_are_told_apart_and_named():
    found = Findings.of([finding(3), finding(3, slice="type=urban"), Finding("concept", "", 1.0, 2.0, False)])
    assert [one.name for one in found.details] == ["data.7", "data.7[type=urban]", "concept"]


def test_a_prediction_that_drifts_is_no_drift_of_the_model():
    found = Findings((Finding("prediction", "forecast", 3.0, 2.0, True),))
    assert (found.prediction, found.concept, found.performance, found.data_faults) == (True, False, False, frozenset())
