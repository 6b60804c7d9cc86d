"""The policy is read in one place: what is wrong with it is refused in a sentence that names file and section."""

from pathlib import Path

import pytest

from mlops.errors import BadInput, Misused
from mlops.policy import read_policy
from mlops.project import POLICY, bundled

PACKED = bundled(POLICY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[drfit]\nalarms_per_year = 1.0", "unknown section 'drfit'; did you mean 'drift'"),
        ("drift = 1", r"policy.toml, \[drift\]: 1 is not a table"),
        ("[drift]\nalarms_per_year = 1.0", r"\[drift\]: has no 'features'"),
        ("[drift]\nalarms_per_year = true\nfeatures = []", "alarms_per_year is True; expected a number"),
        ("[drift]\nalarms_per_year = 1.0\nfeatures = 'log_level'", "features is 'log_level'; expected a list of texts"),
        ("[slices]\nfewest = 1", r"\[slices\]: unknown option 'fewest'; did you mean 'fewest_rows'"),
        ("[retrain]\nholdout_days = 0\nmargin = 0.02", "holdout_days is 0; expected a whole number above 0"),
        ("[promotion]\nmargin = 1.5", r"\[promotion\]: margin is 1.5; expected a part"),
        ("[promotion]\nmargin = '2 %'", "margin is '2 %'; expected a number"),
        ("[health]\nspeed = 1", r"unknown part in \[health\] 'speed'"),
        ("[costs]\nunder = 1.0", r"\[costs\]: has no 'currency'"),
        ("[costs]\nplaceholders = 'yes'", "placeholders is 'yes'; expected true or false"),
        ("[costs.metric_types.revenue]\nunder = 1.0", r"\[costs"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, text: str, says: str):
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(BadInput, match=says) as refused:
        read_policy(tmp_path / "policy.toml")
    assert str(tmp_path / "policy.toml") in str(refused.value)


@pytest.mark.parametrize(
    ("option", "wrong", "says"),
    [
        ('challengers = ["same", "lean"]', 'challengers = ["same", "lene"]', "unknown challenger 'lene'; did you mean"),
        ("confidence = 0.9 ", "confidence = 1.0 ", "confidence is 1.0; expected a share between 0 and 1"),
        ("auto_retrain = false", "auto_retrain = 0", "auto_retrain is 0; expected true or false"),
        ("worse = 1.5 ", "wrose = 1.5 ", "unknown option 'wrose'; did you mean 'worse'"),
        ("under = 0.10 ", "under = -0.10 ", "neither may be below 0"),
    ],
)
def test_a_wrong_option_of_the_installed_policy_is_refused(tmp_path: Path, option: str, wrong: str, says: str):
    text = PACKED.read_text()
    assert option in text
    (tmp_path / "policy.toml").write_text(text.replace(option, wrong))
    with pytest.raises(BadInput, match=says):
        read_policy(tmp_path / "policy.toml")


def test_a_section_that_is_left_out_is_the_package_s_own(tmp_path: Path):
    (tmp_path / "policy.toml").write_text("[promotion]\nmargin = 0.5\n")
    own, packed = read_policy(tmp_path / "policy.toml"), read_policy(PACKED)
    assert own.promotion.margin == 0.5
    assert (own.drift, own.recommend, own.costs) == (packed.drift, packed.recommend, packed.costs)
    assert (own.slices, own.alerts.limits) == (packed.slices, packed.alerts.limits), (
        "the defaults are those of the file"
    )
    assert (own.alerts.channels, own.health) == ((), {}), "nobody is alerted, and the database keeps its weights"


def test_a_file_that_is_not_there_is_a_mistake_of_who_named_it(tmp_path: Path):
    with pytest.raises(Misused, match="no such file"):
        read_policy(tmp_path / "policy.toml")
