"""Which rows of the long format are taken, and what the others are told."""

import json
from zoneinfo import available_timezones

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaign import examples

from mlops.domain.series import LONG_COLUMNS, REQUIRED
from mlops.errors import BadInput
from mlops.series.parsing.validate import Rules, check_columns, validate
from mlops.times import zone_named

BOUNDS = {"collection_weight": (0.0, np.inf), "contamination_rate": (0.0, 100.0), "revenue": (-np.inf, np.inf)}
RULES = Rules(BOUNDS, np.datetime64("2028-11-22", "us"))
GOOD = {"metric_type": "collection_weight", "observed_at": "2024-01-31T00:00:00Z", "value": "12.5"}


def row(**changes: object) -> pd.DataFrame:
    return pd.DataFrame([GOOD | {"line": 2} | changes])


@pytest.mark.parametrize(
    ("column", "found", "reason"),
    [
        ("metric_type", "colection_weight", "did you mean 'collection_weight'?"),
        ("metric_type", "tonnes", "mlops series metric add tonnes --unit UNIT"),
        ("metric_type", None, "nothing is there"),
        ("observed_at", "2024-01-31T06:00:00", "no zone; write it like 2024-01-31T00:00:00Z"),
        ("observed_at", "9999-12-31T00:00:00Z", "outside 1970-01-01 to 2028-11-22"),
        ("observed_at", "1969-12-31T00:00:00Z", "outside 1970-01-01"),
        ("observed_at", "2028-11-23T00:00:00Z", "outside 1970-01-01 to 2028-11-22"),
        ("observed_at", "2024-02-30T00:00:00Z", "no such date"),
        ("observed_at", "31.01.2024", "not a time"),
        ("observed_at", "2024-01-31T06:00:00Z", "00:00 UTC of its local date"),
        ("observed_at", "2024-01-31T00:00:00+13:00", "00:00 UTC of its local date"),
        ("observed_at", None, "nothing is there"),
        ("value", "twelve", "not a number"),
        ("value", "12,5", "not a number"),
        ("value", "inf", "finite"),
        ("value", "1e999", "number"),
        ("value", "nan", "not a number"),
        ("value", None, "nothing is there"),
        ("value", "-5", "outside the bounds of collection_weight (0 to no limit)"),
        ("value_lower", "13", "value_lower is above value"),
        ("value_upper", "12", "value_upper is below value"),
        ("quality_score", "1.01", "from 0 to 1"),
        ("granularity", "6h", "expected one of 15min (15min), 30min (30min), hourly (h), daily (D)"),
        ("time_zone", "Mars/North", "not a time zone"),
        ("time_zone", "CET", "not a time zone"),
        ("tenant_id", "1.5", "whole number"),
        ("tenant_id", "acme", "whole number"),
        ("tenant_id", "0", "whole number"),
        ("labels", "[1]", "JSON object"),
        ("labels", "{'a': 1}", "JSON object"),
        ("labels", '{"a": NaN}', "JSON object"),
        ("labels", '{"a": 1e999}', "JSON object"),
        ("labels", '{"a": "\\u0000"}', "JSON object"),
        ("labels", '{"a": "\\ud800"}', "JSON object"),
        ("labels", json.dumps({"a": "x" * 500}), "at most 500 bytes"),
        ("site_id", "x" * 201, "at most 200 bytes"),
        ("site_id", "a\0b", "NUL"),
    ],
)
def test_a_bad_value_is_refused_with_its_column_and_reason(column: str, found: str | None, reason: str):
    checked = validate(row(**{column: found}), RULES)
    assert checked.count == 1
    assert checked.good.empty
    assert checked.refused[["line", "column_name"]].to_numpy().tolist() == [[2, column]]
    assert reason in checked.refused["reason"].item()
    told = checked.refused["found"].item()
    assert told is None if found is None else told == found


@pytest.mark.parametrize(
    ("granularity", "stamp", "taken"),
    [
        ("hourly", "2024-01-31T06:00:00Z", True),
        ("hourly", "2024-01-31T06:30:00Z", False),
        ("hourly", "2024-01-31 06:00+05:30", True),
        ("hourly", "2024-01-31 06:30+05:30", False),
        ("hourly", "2024-01-31 06:00+05:45", True),
        ("15min", "2024-01-31T06:45:00Z", True),
        ("15min", "2024-01-31T06:50:00Z", False),
        ("30min", "2024-01-31T06:30:00+01:00", True),
        ("30min", "2024-01-31T06:30:01+01:00", False),
        ("business_daily", "2024-02-02T00:00:00Z", True),
        ("business_daily", "2024-02-03T00:00:00Z", False),
        ("quarterly", "2024-02-01T00:00:00Z", True),
        ("quarterly", "2024-01-02T00:00:00Z", False),
        ("yearly", "2024-01-01T00:00:00Z", True),
        ("yearly", "2024-01-01T01:00:00Z", False),
        ("daily", "2024-01-31 00:00:00+00:00", True),
        ("daily", "2024-01-31T02:00:00+02", True),
        ("weekly", "2024-01-31T00:00:00.000Z", True),
        ("monthly", "2024-01-01T00:00:00+0000", True),
        ("monthly", "2024-01-31T00:00:00Z", False),
    ],
)
def test_a_stamp_is_the_beginning_of_its_period(granularity: str, stamp: str, taken: bool):
    checked = validate(row(granularity=granularity, observed_at=stamp), RULES)
    assert checked.count == (0 if taken else 1)


@pytest.mark.parametrize(
    ("granularity", "stamp", "utc"),
    [
        ("hourly", "2024-01-31T13:00:00", "2024-01-31T00:00:00"),
        ("hourly", "2024-01-31T13:00:00Z", "2024-01-31T13:00:00"),
        ("daily", "2024-01-31", "2024-01-31T00:00:00"),
        ("daily", "2024-01-31 00:00", "2024-01-31T00:00:00"),
    ],
)
def test_with_a_zone_an_hour_is_local_and_a_date_stays_the_date(granularity: str, stamp: str, utc: str):
    rules = Rules(BOUNDS, RULES.latest, "Pacific/Auckland")
    checked = validate(row(granularity=granularity, observed_at=stamp), rules)
    assert checked.good["observed_at"].item() == pd.Timestamp(utc)


@pytest.mark.parametrize(
    ("zone", "stamp", "utc"),
    [
        ("Asia/Kolkata", "2024-01-31T06:00:00", "2024-01-31T00:30:00"),
        ("Asia/Kolkata", "2024-01-31T00:30:00Z", "2024-01-31T00:30:00"),
        ("Asia/Kathmandu", "2024-01-31T06:00:00", "2024-01-31T00:15:00"),
        ("Asia/Kathmandu", "2024-01-31T06:00:00Z", None),
        ("Asia/Kolkata", "2024-01-31T06:00:00+00:00", None),
    ],
)
def test_an_hour_is_full_by_the_clock_of_its_zone(zone: str, stamp: str, utc: str | None):
    checked = validate(row(granularity="hourly", observed_at=stamp, time_zone=zone), RULES)
    assert checked.good["observed_at"].tolist() == ([] if utc is None else [pd.Timestamp(utc)])
    assert checked.refused["reason"].str.contains(f"here that of {zone}").all()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("h", "hourly"),
        ("D", "daily"),
        ("B", "business_daily"),
        ("W-SUN", "weekly"),
        ("MS", "monthly"),
        ("QS", "quarterly"),
    ],
)
def test_aliases_of_pandas_are_taken_and_called_by_name(text: str, name: str):
    checked = validate(row(granularity=text, observed_at="2024-01-01T00:00:00Z"), RULES)
    assert checked.good["granularity"].tolist() == [name]


@pytest.mark.parametrize("alias", ["W-SUN", "W-WED", "ME", "QE", "YE"])
def test_what_pandas_labels_at_the_end_is_turned_into_beginnings(alias: str):
    days = pd.Series(1.0, index=pd.date_range("2020-01-01", "2023-12-31"))
    sums = days.resample(alias).sum()
    rows = pd.concat(
        [row(granularity=alias, observed_at=f"{at:%Y-%m-%dT00:00:00Z}", value=y) for at, y in sums.items()]
    )
    checked = validate(rows, Rules(BOUNDS, RULES.latest, stamp="end"))
    begins = checked.good.set_index("observed_at")["value"].iloc[1:-1]
    assert len(begins) == len(sums) - 2
    ends = sums.index[1:-1] + pd.Timedelta(days=1)
    assert [
        days[a : b - pd.Timedelta(days=1)].sum() for a, b in zip(begins.index, ends, strict=True)
    ] == begins.tolist()


@pytest.mark.parametrize(
    ("granularity", "stamp", "begins"),
    [
        ("15min", "2024-01-31T06:15:00Z", "2024-01-31T06:00:00"),
        ("hourly", "2024-01-31T00:00:00+05:30", "2024-01-30T17:30:00"),
        ("daily", "2024-03-01T00:00:00Z", "2024-02-29T00:00:00"),
        ("business_daily", "2024-03-04T00:00:00Z", "2024-03-01T00:00:00"),
        ("monthly", "2024-02-28T00:00:00Z", None),
    ],
)
def test_days_and_shorter_steps_end_when_they_are_over(granularity: str, stamp: str, begins: str | None):
    checked = validate(row(granularity=granularity, observed_at=stamp), Rules(BOUNDS, RULES.latest, stamp="end"))
    assert checked.good["observed_at"].tolist() == ([] if begins is None else [pd.Timestamp(begins)])


@pytest.mark.parametrize("many", [126, 127, 128, 129, 255, 256])
def test_any_number_of_times_and_zones_is_read(many: int):
    days = pd.date_range("2023-01-01", periods=many).strftime("%Y-%m-%dT00:00:00Z")
    zones = sorted(name for name in available_timezones() if zone_named(name) == name)[:many]
    frame = pd.DataFrame({**GOOD, "observed_at": days, "time_zone": zones, "line": range(many)})
    frame = frame.astype({"observed_at": "category", "time_zone": "category"})
    good = validate(frame, RULES).good
    assert good["time_zone"].tolist() == zones
    assert good["observed_at"].tolist() == pd.date_range("2023-01-01", periods=many).tolist()


def test_an_hour_that_the_clock_skips_or_repeats_is_refused():
    rules = Rules(BOUNDS, RULES.latest, "Europe/Berlin")
    frame = pd.concat([row(observed_at=f"{stamp}:00:00") for stamp in ("2024-03-31T02", "2024-10-27T02")])
    checked = validate(frame.assign(granularity="hourly", line=[2, 3]).reset_index(drop=True), rules)
    never, twice = checked.refused["reason"]
    assert never.startswith("that time never comes in Europe/Berlin")
    assert twice.startswith("that time comes twice in Europe/Berlin")


def test_what_is_left_out_has_its_default():
    good = validate(row(), RULES).good.iloc[0]
    assert good[["tenant_id", "granularity", "labels"]].tolist() == [1, "daily", "{}"]
    assert good[["customer_id", "site_id"]].isna().all()
    assert good["value"] == 12.5
    assert np.isnan(good["value_lower"])


def test_equal_labels_become_equal_texts():
    frame = pd.concat([row(labels='{"b": 1.0, "a": "ö"}'), row(labels='{"a":"ö","b":1}')], ignore_index=True)
    assert validate(frame, RULES).good["labels"].tolist() == ['{"a": "ö", "b": 1}'] * 2


def test_a_row_is_told_everything_that_is_wrong_with_it():
    checked = validate(row(value="x", granularity="6h"), RULES)
    assert checked.count == 1
    assert sorted(checked.refused["column_name"]) == ["granularity", "value"]
    assert json.loads(checked.refused["raw"][0]) == GOOD | {"value": "x", "granularity": "6h"}


def test_the_bounds_are_those_of_each_rows_metric_type():
    frame = pd.concat([row(value="-5", metric_type=name) for name in BOUNDS], ignore_index=True)
    assert validate(frame, RULES).good["metric_type"].tolist() == ["revenue"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["metric_type", "observed_at", "valeu"], "unknown column 'valeu'; did you mean 'value'?"),
        (["metric_type", "value"], "column 'observed_at' is missing"),
        ([*REQUIRED, "value"], "is there twice"),
    ],
)
def test_columns_that_are_not_the_long_format_refuse_the_file(columns: list[str], message: str):
    with pytest.raises(BadInput, match=r"^f\.csv, line 1: ") as refused:
        check_columns(columns, "f.csv")
    assert message in str(refused.value)


def test_all_columns_of_the_long_format_are_known():
    check_columns(LONG_COLUMNS, "f.csv")


TEXT = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["", "1", "-1", "nan", "{}", "daily", *GOOD.values()]))


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(LONG_COLUMNS, TEXT)), min_size=1, max_size=5))
def test_every_row_is_either_good_or_refused_with_a_reason(rows: list[dict[str, str | None]]):
    frame = pd.DataFrame(rows, dtype=object).assign(line=range(2, 2 + len(rows)))
    checked = validate(frame, RULES)
    assert sorted([*checked.good["line"], *checked.refused["line"].unique()]) == frame["line"].tolist()
    assert checked.count == checked.refused["line"].nunique()
    assert checked.refused["reason"].str.len().gt(10).all()
    assert np.isfinite(checked.good["value"].astype(float)).all()
