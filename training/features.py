"""The features that our own models are trained on: what each means, and which belong together.

`mlops features build demand_daily` computes a set; `feature_set` in a params.toml trains lightgbm, auto and lean on it.
docs/how-to/features.md says what each transformation does. A changed line is a new version of its feature; an unchanged
one never is.
"""

from functools import partial

from mlops.features import (
    FeatureSet,
    Selection,
    day_of_week,
    day_of_year,
    difference,
    ewm_mean,
    feature,
    lag,
    ratio,
    rolling_max,
    rolling_mean,
    rolling_std,
    seasonal_lag,
    seasonal_rolling_mean,
    share_missing,
    steps_since_nonzero,
)

OWNER = "forecasting"
DEMAND = Selection("collection_weight", "daily")

weight = partial(feature, source="collection_weight", owner=OWNER)
fill = partial(feature, source="container_fill_level", owner=OWNER, min_value=0, max_value=100)
calendar = partial(feature, owner=OWNER)

FEATURES = [
    weight("weight_yesterday", transformation=lag(1), description="kg collected the day before", min_value=0),
    weight(
        "weight_a_week_ago", transformation=seasonal_lag(7), description="kg of the same weekday last week", min_value=0
    ),
    weight("weight_mean_7", transformation=rolling_mean(7), description="mean kg of the last week", min_value=0),
    weight(
        "weight_mean_28", transformation=rolling_mean(28), description="mean kg of the last four weeks", min_value=0
    ),
    weight(
        "weight_std_28", transformation=rolling_std(28), description="spread of the last four weeks in kg", min_value=0
    ),
    weight(
        "weight_max_28",
        transformation=rolling_max(28),
        description="largest day of the last four weeks in kg",
        min_value=0,
    ),
    weight(
        "weight_weekday_mean_4",
        transformation=seasonal_rolling_mean(7, window=4, lag=7),
        description="mean kg of the last four of the same weekday",
        min_value=0,
    ),
    weight(
        "weight_smooth",
        transformation=ewm_mean(halflife=7),
        description="mean kg, half as heavy every week back",
        min_value=0,
    ),
    weight("weight_change", transformation=difference(7), description="kg of yesterday minus kg of a week before"),
    weight(
        "weight_week_to_month",
        transformation=ratio(rolling_mean(7), rolling_mean(28)),
        description="last week over the last four: above 1 it rises",
    ),
    weight(
        "weight_missing_28",
        transformation=share_missing(28),
        description="share of days without a value",
        min_value=0,
        max_value=1,
    ),
    weight(
        "days_since_collection",
        transformation=steps_since_nonzero(most=60),
        description="days from the last collection to yesterday, at most 60",
        min_value=0,
        max_value=60,
    ),
    fill("fill_level_yesterday", transformation=lag(1), description="percent full the day before"),
    fill("fill_level_mean_7", transformation=rolling_mean(7), description="mean percent full of the last week"),
    calendar("weekday", transformation=day_of_week(), description="weekday, Monday 0", min_value=0, max_value=6),
    calendar("season_day", transformation=day_of_year(), description="day of the year", min_value=1, max_value=366),
]

BY_NAME = {one.name: one for one in FEATURES}

FEATURE_SETS = [
    FeatureSet(
        "demand_daily",
        DEMAND,
        tuple(FEATURES),
        description="collected weight of a day from what was known the day before",
    ),
    FeatureSet(
        "demand_daily_short",
        DEMAND,
        tuple(BY_NAME[name] for name in ("weight_yesterday", "weight_a_week_ago", "weight_mean_7", "weekday")),
        description="what a series of two weeks can be judged by",
    ),
]
