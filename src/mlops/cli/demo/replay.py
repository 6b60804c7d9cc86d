"""The demo's story: 2020 in Auckland, week by week, each week seeing only what was known on its Monday."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mlops.db import Database
from mlops.domain.findings import CARRIED_OUT
from mlops.monitoring.decide.decisions import to_act_on
from mlops.monitoring.decide.realise import Realised, realise
from mlops.monitoring.weekly import job
from mlops.policy import Policy, read_policy
from mlops.series.adapters.auckland import auckland_path
from mlops.series.ingest import IngestReport, ingest
from mlops.serving.forecasts import newest_issue, weekly_accuracy
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.registry import resolve
from mlops.tracking.store import Store
from mlops.training import Trained, TrainingSpec, train
from mlops.training.promote import promote
from mlops.training.retrain import Retrained, retrain
from mlops.training.spec import params_file

__all__ = ["MODEL", "MONDAYS", "PHASES", "Phase", "Week", "first_champion", "phases", "replay", "store_series"]

MODEL = "demand"
METRIC = "customer_activity"
KIND = "prophet"
"""What many teams have: one Prophet model per series, fitted once."""
TRAINED_AT = datetime(2020, 1, 1, tzinfo=UTC)
MONDAYS = [datetime(2020, 1, 6, tzinfo=UTC) + timedelta(weeks=week) for week in range(30)]
PHASES = {
    "before the lockdown": (datetime(2020, 1, 6, tzinfo=UTC), datetime(2020, 3, 23, tzinfo=UTC)),
    "in the lockdown": (datetime(2020, 3, 23, tzinfo=UTC), datetime(2020, 5, 18, tzinfo=UTC)),
    "after the lockdown": (datetime(2020, 5, 18, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)),
}
"""Alert levels 4 and 3, by the weeks that they touched."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Week:
    """What one Monday found and did: `champion` is who forecast from then on, `realised` what earlier acts brought."""

    monday: datetime
    champion: int
    kind: str
    checked: job.CheckResult | None = None
    retrained: Retrained | None = None
    realised: tuple[Realised, ...] = field(default=())
    forecasts: int = 0
    matched: int = 0


def store_series(database: Database) -> IngestReport:
    """Ingest the wheel's counts; each day counts as known when it ended, so that 2020 can be replayed."""
    return ingest(database, auckland_path(), adapter="auckland", known_at="observed")


def first_champion(database: Database, store: Store, say: Say) -> Trained:
    """Prophet on 2019, by the parameters of training/, as the champion that a team already has."""
    changes = {"name": MODEL, "metric_type": METRIC, "country": "NZ"}
    spec = TrainingSpec.from_toml(params_file(KIND), changes, as_of=TRAINED_AT, request=f"demo {KIND}")
    trained = train(spec, database, store, say)
    if "mlops.promoted_because" not in trained.version.tags:
        promote(database, store, trained.version.uri, "what the team has", margin=0.0)
    return trained


def replay(database: Database, store: Store, mondays: Sequence[datetime], say: Say) -> Iterator[Week]:
    """Every one of the Mondays that has not been replayed: match, check, act on what is asked, measure, forecast."""
    policy = read_policy()
    done = newest_issue(database, MODEL)  # forecasts are the last act of a week
    for asked in [asked for asked in to_act_on(database) if asked.action in CARRIED_OUT]:  # that an interruption left
        retrain(database, store, asked.recommendation_id, policy.retrain, as_of=asked.as_of, say=say)
    histories: job.Histories = {}
    for monday in mondays:
        if done is not None and monday <= done:
            continue
        say(f"{monday:%d %b %Y}")
        yield _week(database, store, policy, monday, say, histories)


@dataclass(frozen=True, slots=True)
class Phase:
    """How good the freshest forecasts of some weeks were, beside the seasonal naive."""

    phase: str
    weeks: int
    wape: float
    wape_naive: float
    coverage_80: float


def phases(database: Database) -> list[Phase]:
    """WAPE of the freshest forecasts and of the naive, before, in and after the lockdown, as far as replayed."""
    weeks, averages = weekly_accuracy(database, MODEL, MONDAYS[-1]), []
    for name, (start, end) in PHASES.items():
        inside = [week for week in weeks if start <= week.week < end]
        size = sum(week.size for week in inside)
        if not size:
            continue
        figures = (
            sum(getattr(week, key) * week.size for week in inside) / size
            for key in ("wape", "wape_naive", "coverage_80")
        )
        averages.append(Phase(name, len(inside), *figures))
    return averages


def _week(
    database: Database, store: Store, policy: Policy, monday: datetime, say: Say, histories: job.Histories
) -> Week:
    matched = match(database, monday)
    checks = job.run_checks(database, store, policy, monday, histories=histories)
    checked = next((check for check in checks if check.name == MODEL and check.champion), None)
    retrained = None
    if checked is not None and checked.recommendation_id is not None and checked.asks in CARRIED_OUT:
        say(f"{monday:%d %b %Y}: {checked.asks}")
        number = checked.recommendation_id
        retrained = retrain(database, store, number, policy.retrain, as_of=monday, say=lambda _: None)
    realised = tuple(realise(database, store, policy, monday))
    issued = predict(database, store, f"models:/{MODEL}@champion", as_of=monday)
    champion = resolve(store, f"models:/{MODEL}@champion")
    kind = champion.tags.get("mlops.kind", "")
    return Week(monday, champion.version, kind, checked, retrained, realised, issued.stored, matched.matched)
