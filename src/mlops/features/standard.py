"""The features that models are trained on when nobody declares others, relative to the level of each series."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from mlops.domain.features import FeatureDefinition, FeatureSet, Selection
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import UnknownName
from mlops.features import transformations as t
from mlops.features.transformations import Transformation

__all__ = ["STANDARD", "VALUE", "WORDS", "as_recorded", "formerly", "in_words", "standard", "standard_set"]

VALUE = "value"
"""The feature of models that have no other: the observed value itself."""
WORDS = {
    "value": "the observed value itself",
    "last_value": "value at the origin / level",
    "lag_1": "value 1 step before the origin / level",
    "lag_2": "value 2 steps before the origin / level",
    "same_season_1": "newest value of the target's weekday / level",
    "same_season_2": "2nd newest value of the target's weekday / level",
    "same_season_3": "3rd newest value of the target's weekday / level",
    "same_season_4": "4th newest value of the target's weekday / level",
    "same_season_mean_4": "mean of the newest 4 of the target's weekday / level",
    "same_season_mean_8": "mean of the newest 8 of the target's weekday / level",
    "same_season_std_8": "deviation of the newest 8 of the target's weekday / level",
    "smoothed": "forecast of the target by exponential smoothing / level",
    "mean_1_cycle": "mean of the newest cycle / level",
    "mean_2_cycles": "mean of the newest 2 cycles / level",
    "mean_8_cycles": "mean of the newest 8 cycles / level",
    "mean_13_cycles": "mean of the newest 13 cycles / level",
    "year_ago": "value a year before the target / level",
    "year_ago_index": "value a year before the target / level a year before the origin",
    "year_ago_growth": "mean around the target a year ago / mean of the 4 cycles before",
    "day_of_week": "weekday of the target, Monday 0",
    "day_of_month": "day of the month of the target",
    "month": "month of the target",
    "day_of_year": "day of the year of the target",
    "is_holiday": "how many days of the target are public holidays or events",
    "days_to_holiday": "days to the next public holiday, at most 14",
    "days_since_holiday": "days since the last public holiday, at most 14",
    "step": "how many steps ahead",
    "log_level": "logarithm of the level",
}
"""What each is, for people. Versions before the language of transformations were recorded by these words."""
STANDARD = tuple(name for name in WORDS if name != VALUE)
"""The names, in the order of the columns."""


def standard(
    selection: Selection, owner: str, names: Sequence[str] = STANDARD, country: str | None = None
) -> tuple[FeatureDefinition, ...]:
    """The definitions of the standard features for series of a selection; UnknownName for a name that is none.

    `country` (ISO code) is whose public holidays they count.
    """
    computed = _transformations(GRANULARITIES[selection.granularity], country)
    for name in names:
        if name not in computed:
            raise UnknownName("feature", name, computed)
    return tuple(
        FeatureDefinition(
            name=name,
            dtype="float32" if name != VALUE else "float64",
            entity="series",
            granularity=selection.granularity,
            source_metric_types=(selection.metric_type,) if t.sources(computed[name]) else (),
            transformation=str(computed[name]),
            owner=owner,
            description=WORDS[name],
        )
        for name in names
    )


def standard_set(selection: Selection, owner: str, country: str | None = None) -> FeatureSet:
    """All of them as a set."""
    return FeatureSet("standard", selection, standard(selection, owner, country=country), description="the standard")


def formerly(definition: FeatureDefinition, country: str | None) -> FeatureDefinition:
    """A definition whose transformation is written in words, as before the language, in the language.

    Any other is as it is. `country` is that of the model that was trained on it.
    """
    if WORDS.get(definition.name) != definition.transformation:
        return definition
    metric_type = next(iter(definition.source_metric_types), "")
    selection = Selection(metric_type, definition.granularity)
    return standard(selection, definition.owner, [definition.name], country)[0]


def in_words(definition: FeatureDefinition) -> FeatureDefinition:
    """A standard definition as it was recorded before the language of transformations."""
    words = WORDS[definition.name]
    return FeatureDefinition(
        definition.name,
        definition.dtype,
        definition.entity,
        definition.granularity,
        definition.source_metric_types,
        words,
        definition.owner,
        f"{words}, per series, origin and step",
    )


def as_recorded(definitions: Iterable[FeatureDefinition], digests: Mapping[str, str]) -> list[FeatureDefinition]:
    """Definitions, those in words whose recorded digest (by name) is that of the words."""
    both = ((definition, in_words(definition)) for definition in definitions)
    return [written if digests.get(definition.name) == written.sha256 else definition for definition, written in both]


@lru_cache(maxsize=256)
def _transformations(granularity: Granularity, country: str | None) -> dict[str, Transformation]:
    """What is computed, by name: windows are cycles of the granularity, a year is its year."""
    cycle, year = granularity.block, granularity.year
    ratios = {
        "last_value": t.lag(1),
        "lag_1": t.lag(2),
        "lag_2": t.lag(3),
        **{f"same_season_{n}": t.seasonal_lag(cycle, n) for n in (1, 2, 3, 4)},
        "same_season_mean_4": t.seasonal_mean(cycle, 4),
        "same_season_mean_8": t.seasonal_mean(cycle, 8),
        "same_season_std_8": t.seasonal_std(cycle, 8),
        "smoothed": t.smoothed(country),
        "mean_1_cycle": t.running_mean(cycle),
        "mean_2_cycles": t.running_mean(2 * cycle),
        "mean_8_cycles": t.running_mean(8 * cycle),
        "mean_13_cycles": t.running_mean(13 * cycle),
        "year_ago": t.lag_of_target(year),
    }
    return {
        VALUE: t.value(),
        **{name: t.relative(transformation) for name, transformation in ratios.items()},
        "year_ago_index": t.year_index(year),
        "year_ago_growth": t.year_growth(year, cycle),
        "day_of_week": t.day_of_week(),
        "day_of_month": t.day_of_month(),
        "month": t.month(),
        "day_of_year": t.day_of_year(),
        "is_holiday": t.holiday(country),
        "days_to_holiday": t.steps_to_holiday(country),
        "days_since_holiday": t.steps_since_holiday(country),
        "step": t.step_ahead(),
        "log_level": t.log1p(t.level()),
    }
