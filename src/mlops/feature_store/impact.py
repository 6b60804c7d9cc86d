"""Where a feature is used, and what breaks when it is retired."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlops.db import Database, Transaction
from mlops.errors import Misused, UnknownName, quoted
from mlops.feature_store.store import FeatureVersion
from mlops.features.definitions import Declared

__all__ = [
    "Impact",
    "Importance",
    "OpenRecommendation",
    "RelatedFeature",
    "Use",
    "UsingSet",
    "feature_importance",
    "impact",
    "versioned",
]

DAYS = 28


@dataclass(frozen=True, slots=True)
class Use:
    """A live model version that uses the feature, and what was forecast with it."""

    name: str
    version: int
    aliases: tuple[str, ...]
    feature_version: int
    share: float | None
    """Of the importance of all of the model's features, from 0 to 1; None when the model states none."""
    rank: int | None
    """1 is the most important of `features`."""
    features: int
    forecasts: int
    series: int
    last_issued_at: datetime | None

    @property
    def label(self) -> str:
        """What people call it: its alias, else its number; a champion is a champion first."""
        alias = "champion" if "champion" in self.aliases else next(iter(self.aliases), None)
        return f"{self.name}@{alias}" if alias else f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class UsingSet:
    """A feature set of which a build has the feature, with its builds, and whether its newest values are served."""

    feature_set: str
    builds: int
    rows: int
    newest_as_of: datetime
    online: bool


@dataclass(frozen=True, slots=True)
class OpenRecommendation:
    """A recommendation about a model version that nobody has answered yet."""

    recommendation_id: int
    name: str
    version: int
    as_of: datetime
    action: str
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class RelatedFeature:
    """Another feature that is computed from some of the same metric types (`shared`), in its newest version."""

    name: str
    version: int
    transformation: str
    shared: list[str]


@dataclass(frozen=True, slots=True)
class Importance:
    """How much a feature matters to a live model version: `share` of the whole of its `features`, `rank` 1 the most."""

    feature: str
    feature_version: int
    model: str
    model_version: int
    champion: bool
    share: float
    rank: int
    features: int
    kind: str
    """What it was measured by, such as gain."""


@dataclass(frozen=True, slots=True)
class _UsingVersion:
    """A live model version that uses the feature."""

    version_id: int
    name: str
    version: int
    feature_version: int
    aliases: list[str]
    share: float | None
    rank: int | None
    features: int


@dataclass(frozen=True, slots=True)
class _Forecasts:
    """What a version forecast, and (without an id) all of them together."""

    version_id: int | None
    forecasts: int
    series: int
    last_issued_at: datetime | None


@dataclass(frozen=True, slots=True)
class Impact:
    """What rests on a feature (`version` None: on any of it); forecasts are those of the `days` before `as_of`."""

    name: str
    version: int | None
    as_of: datetime
    days: int
    uses: tuple[Use, ...]
    """Champions first."""
    forecasts: int
    series: int
    """Different ones, over all uses."""
    declared_sets: tuple[str, ...]
    """Feature sets of the definition file that have it."""
    built_sets: Sequence[UsingSet]
    """Feature sets of which a build has it."""
    recommendations: Sequence[OpenRecommendation]
    """Open ones about the versions that use it."""
    related: Sequence[RelatedFeature]
    """Other features of the same metric types."""

    @property
    def sentence(self) -> str:
        """The whole of it in one sentence."""
        subject = self.name if self.version is None else f"{self.name}@{self.version}"
        if not self.uses:
            return f"no live model version uses {subject}{self._sets}"
        others = len(self.uses) - 1
        versions = self.uses[0].label + (f" and {others} other {_plural('version', others)}" if others else "")
        if not self.forecasts:
            came = f"no forecast of the last {self.days} days came from {'it' if len(self.uses) == 1 else 'them'}"
        else:
            came = (
                f"{self.forecasts:,} {_plural('forecast', self.forecasts)} for {self.series:,} series in the last"
                f" {self.days} days came from {'it' if len(self.uses) == 1 else 'them'}"
            )
        verb, those = ("uses", "that version") if len(self.uses) == 1 else ("use", "those")
        return f"{versions} {verb} {subject}; {came}; retiring it means retraining {those}"

    @property
    def _sets(self) -> str:
        """What retiring it means when no model uses it."""
        online = [built.feature_set for built in self.built_sets if built.online]
        named = sorted({*self.declared_sets, *(built.feature_set for built in self.built_sets)})
        if online:
            return f", but its newest values are served as a part of {', '.join(online)}"
        return f"; retiring it changes {', '.join(named)}" if named else ": retiring it breaks nothing"


def versioned(text: str) -> tuple[str, int | None]:
    """The name and the version of NAME or NAME@VERSION."""
    name, mark, version = text.partition("@")
    if mark and not (version.isdecimal() and int(version) > 0):
        raise Misused(f"{quoted(text)} has no version number; expected {name} or {name}@2")
    return name, int(version) if mark else None


def impact(
    database: Database, known: Declared, name: str, version: int | None, as_of: datetime, *, days: int = DAYS
) -> Impact:
    """Everything that rests on a feature now; UnknownName for one that is not recorded, or not in this version.

    `known` is what the definition file declares.
    """
    with database.transaction() as transaction:
        digests = _digests(transaction, name, version)
        using = transaction.rows("impact_versions", of=_UsingVersion, name=name, version=version)
        ids = [row.version_id for row in using]
        since = as_of - timedelta(days=days)
        counted = transaction.rows("impact_forecasts", of=_Forecasts, version_ids=ids, since=since, as_of=as_of)
        recommendations = transaction.rows("impact_recommendations", of=OpenRecommendation, version_ids=ids)
        built = transaction.rows("impact_sets", of=UsingSet, name=name, version=version)
        related = transaction.rows("impact_related", of=RelatedFeature, name=name, version=version)
    forecasts = {row.version_id: row for row in counted}
    return Impact(
        name=name,
        version=version,
        as_of=as_of,
        days=days,
        uses=tuple(_use(row, forecasts.get(row.version_id) or _Forecasts(None, 0, 0, None)) for row in using),
        forecasts=forecasts[None].forecasts,
        series=forecasts[None].series,
        declared_sets=tuple(
            feature_set.name
            for feature_set in known.sets.values()
            if digests & {each.sha256 for each in feature_set.features}
        ),
        built_sets=built,
        recommendations=recommendations,
        related=related,
    )


def feature_importance(database: Database, name: str | None = None) -> list[Importance]:
    """How much a feature (every one without a name) matters to each live model version that states it.

    UnknownName for a feature that was never recorded.
    """
    with database.transaction() as transaction:
        rows = transaction.rows("feature_importance", of=Importance, name=name)
        if name and not rows:
            _digests(transaction, name, None)
    return rows


def _use(using: _UsingVersion, counted: _Forecasts) -> Use:
    return Use(
        name=using.name,
        version=using.version,
        aliases=tuple(using.aliases),
        feature_version=using.feature_version,
        share=using.share,
        rank=using.rank,
        features=using.features,
        forecasts=counted.forecasts,
        series=counted.series,
        last_issued_at=counted.last_issued_at,
    )


def _digests(transaction: Transaction, name: str, version: int | None) -> set[str]:
    """The digests of the definitions that are asked about; UnknownName for what is not recorded."""
    recorded = transaction.rows("feature_versions", of=FeatureVersion, name=name)
    if not recorded:
        raise UnknownName("feature", name, transaction.values("list_features"))
    versions = {row.version: row.definition_sha256 for row in recorded}
    if version is not None and version not in versions:
        raise UnknownName(f"version of feature {name!r}", version, map(str, versions), stored=True)
    return set(versions.values()) if version is None else {versions[version]}


def _plural(word: str, many: int) -> str:
    return word if many == 1 else f"{word}s"
