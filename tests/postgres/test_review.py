"""The weekly review: facts of the document against SQL and pandas, and what the page promises a reader."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from tests.postgres.served import priced

from mlops.cli import context
from mlops.db import Database
from mlops.errors import NothingToDo
from mlops.monitoring.review import Model, Review, build_review, file_name, write_review
from mlops.monitoring.review.history import Detail
from mlops.policy import read_policy
from mlops.project import policy_file

POLICY = priced(read_policy(policy_file()))
AS_OF = datetime(2020, 3, 30, tzinfo=UTC)
ODD = 'demand <b>&"'
SERIES = {ODD: 5, "paper": 2}
FIRST_CUTOFF = datetime(2020, 1, 19, tzinfo=UTC)
VERSIONS = {  # model, version: trained on what was known then, backtest WAPE
    (ODD, 1): (datetime(2020, 1, 5, tzinfo=UTC), 0.20),
    (ODD, 2): (datetime(2020, 1, 6, tzinfo=UTC), 0.10),
    ("paper", 1): (datetime(2020, 1, 6, tzinfo=UTC), 0.12),
    ("paper", 2): (datetime(2020, 3, 23, tzinfo=UTC), 0.11),
}
ALIASES = [  # model, alias, version, from, until
    (ODD, "champion", 1, datetime(2020, 1, 7, tzinfo=UTC), datetime(2020, 2, 10, tzinfo=UTC)),
    (ODD, "champion", 2, datetime(2020, 2, 10, tzinfo=UTC), None),
    ("paper", "champion", 1, datetime(2020, 1, 7, tzinfo=UTC), datetime(2020, 3, 25, tzinfo=UTC)),
    ("paper", "champion", 2, datetime(2020, 3, 25, tzinfo=UTC), None),
    ("paper", "challenger", 2, datetime(2020, 3, 23, 12, tzinfo=UTC), datetime(2020, 3, 25, tzinfo=UTC)),
]
VERDICT = "version 2 promoted: WAPE 0.110 against 0.190 of version 1 on the newest 14 days"
CHECKS = [  # model, version, day, action, findings that drifted
    (ODD, 2, "2020-02-24", "retrain", 2),
    (ODD, 2, "2020-03-02", "none", 0),
    (ODD, 2, "2020-03-09", "watch", 1),
    (ODD, 2, "2020-03-16", "retrain", 2),
    (ODD, 2, "2020-03-23", "retrain", 2),
    (ODD, 2, "2020-03-30", "retrain", 2),
    (ODD, 2, "2020-04-06", "none", 0),  # not known yet
    ("paper", 1, "2020-03-23", "retrain", 1),
    ("paper", 2, "2020-03-30", "none", 0),
]


@dataclass(frozen=True)
class World:
    """A filled database, what was put into it, and the version that is champion of each model."""

    database: Database
    observed: pd.DataFrame
    predictions: pd.DataFrame
    champions: dict[str, int]

    def review(self, as_of: datetime = AS_OF) -> Review:
        return build_review(self.database, POLICY, as_of)

    def model(self, name: str, as_of: datetime = AS_OF) -> Model:
        return next(model for model in self.review(as_of).models if model.name == name)

    def detail(self, name: str, as_of: datetime = AS_OF) -> Detail:
        return detail(self.model(name, as_of))


def detail(model: Model) -> Detail:
    assert model.detail is not None
    return model.detail


@pytest.fixture(scope="module")
def filled(new_database: Any, migrated: str) -> Iterator[tuple[str, World]]:
    """The name of a database, and what is in it; most tests only read it."""
    with new_database("review", template=migrated) as (name, url):
        database = Database(url)
        yield name, fill(database)
        database.close()


@pytest.fixture
def world(filled: tuple[str, World]) -> World:
    """For tests that only read."""
    return filled[1]


@pytest.fixture
def own_world(filled: tuple[str, World], new_database: Any) -> Iterator[World]:
    """A copy, for tests that write."""
    name, world = filled
    with new_database("review_own", template=name) as (_, url):
        database = Database(url)
        yield replace(world, database=database)
        database.close()


def fill(database: Database) -> World:
    """Two models: one drifts away from its promise, the other was retrained this week."""
    with psycopg.connect(database.url) as connection:
        versions = {key: add_version(connection, *key) for key in VERSIONS}
        series = {
            name: [add_series(connection, name, number) for number in range(count)] for name, count in SERIES.items()
        }
        for name, alias, version, start, end in ALIASES:
            row = [versions[name, version][0], alias, versions[name, version][1], start, end]
            connection.execute("insert into analytics.model_aliases values (%s, %s, %s, %s, %s)", row)
        for name, version, day, action, drifted in CHECKS:
            when = datetime.fromisoformat(day).replace(tzinfo=UTC)
            add_check(connection, versions[name, version][1], when, action, drifted, str(series[name][0]))
        connection.execute(
            "update analytics.retraining_recommendations set status = 'done', decided_at = %s, verdict = %s,"
            " retrained_version_id = %s where version_id = %s",
            [datetime(2020, 3, 25, tzinfo=UTC), VERDICT, versions["paper", 2][1], versions["paper", 1][1]],
        )
    observed = observations([one for ids in series.values() for one in ids])
    champion = {ODD: versions[ODD, 2][1], "paper": versions["paper", 2][1]}
    predictions = pd.concat([forecasts(observed, series[name], champion[name], drifts=name == ODD) for name in series])
    store(database, observed, predictions)
    return World(database, observed, predictions, champion)


def add_version(connection: psycopg.Connection[Any], name: str, version: int) -> tuple[int, int]:
    connection.execute(
        "insert into analytics.registered_models (name, created_at) select %(name)s, '2020-01-05 00:00+00'"
        " where not exists (select from analytics.registered_models where name = %(name)s)",
        {"name": name},
    )
    (model_id,) = connection.execute(
        "select model_id from analytics.registered_models where name = %s", [name]
    ).fetchone()
    as_of, wape = VERSIONS[name, version]
    selection = {"metric_type": "collection_weight", "granularity": "daily", "labels": {}}
    lineage = json.dumps({"selection": selection, "series": list(range(SERIES[name]))})
    (version_id,) = connection.execute(
        "insert into analytics.model_versions (model_id, name, version, created_at, kind, status, metrics, lineage,"
        " lineage_state, as_of, trained_from, trained_to)"
        " values (%s, %s, %s, %s, 'lightgbm', 'READY', %s, %s, 'complete', %s, %s, %s) returning version_id",
        [
            model_id,
            name,
            version,
            as_of,
            json.dumps({"wape": wape}),
            lineage,
            as_of,
            as_of - timedelta(days=400),
            as_of,
        ],
    ).fetchone()
    return model_id, version_id


def add_series(connection: psycopg.Connection[Any], name: str, number: int) -> int:
    (series_id,) = connection.execute(
        "insert into analytics.series (metric_type, site_id) values ('collection_weight', %s) returning series_id",
        [f"{name} {number} $x$"],
    ).fetchone()
    return series_id


def add_check(
    connection: psycopg.Connection[Any], version_id: int, when: datetime, action: str, drifted: int, subject: str
) -> None:
    """A recommendation resting on four findings, of which `drifted` are beyond their limit."""
    reasons = [] if action == "none" else ["the model drifted in 2 of the last 3 weeks"]
    connection.execute(
        "insert into analytics.retraining_recommendations (version_id, as_of, action, reasons, evidence, rule_version)"
        " values (%s, %s, %s, %s, '{}', '1')",
        [version_id, when, action, reasons],
    )
    for number, (kind, what) in enumerate(
        (("data", subject), ("concept", ""), ("performance", ""), ("feature", "log_level"))
    ):
        connection.execute(
            "insert into analytics.model_performance_tracking (version_id, as_of, window_start, window_end, kind,"
            " subject, statistic, threshold, drifted, detail) values (%s, %s, %s, %s, %s, %s, %s, 4, %s, %s)",
            [
                version_id,
                when,
                when - timedelta(days=7),
                when,
                kind,
                what,
                8 - number,
                number < drifted,
                f"{kind} moved",
            ],
        )


def observations(series: list[int]) -> pd.DataFrame:
    """Daily values with a weekday and a trend, each recorded when its day had ended."""
    days = pd.date_range("2020-01-01", "2020-03-29", freq="D")
    grid = pd.MultiIndex.from_product([series, days], names=["series_id", "observed_at"]).to_frame(index=False)
    age = (grid["observed_at"] - days[0]).dt.days
    value = 100.0 * (1 + grid["series_id"] % 7) + 20 * grid["observed_at"].dt.dayofweek + age
    return grid.assign(value=value, recorded_at=grid["observed_at"] + pd.Timedelta(days=1))


def forecasts(observed: pd.DataFrame, series: list[int], version_id: int, *, drifts: bool) -> pd.DataFrame:
    """Every Sunday 14 days ahead, 10 % too high, or 15 % in the second week.

    A model that drifts is 30 % too high from 16 March on; three of its outcomes are missing and one comes late.
    """
    found = []
    for cutoff in pd.date_range(FIRST_CUTOFF.replace(tzinfo=None), AS_OF.replace(tzinfo=None), freq="W-SUN"):
        ahead = observed[observed["series_id"].isin(series) & (observed["observed_at"] > cutoff)]
        ahead = ahead[ahead["observed_at"] <= cutoff + pd.Timedelta(days=14)]
        found.append(ahead.assign(cutoff=cutoff, horizon=(ahead["observed_at"] - cutoff).dt.days))
    rows = pd.concat(found).rename(
        columns={"observed_at": "target_at", "value": "outcome", "recorded_at": "outcome_recorded_at"}
    )
    stale = (rows["horizon"] > 7) & (not drifts)
    y_hat = rows["outcome"] * np.where(drifts & (rows["target_at"] >= "2020-03-16"), 1.3, np.where(stale, 1.15, 1.1))
    if drifts:
        gone = (rows["series_id"] == series[1]) & (rows["target_at"] >= "2020-03-27")
        late = (rows["series_id"] == series[2]) & (rows["target_at"] == "2020-03-26")
        rows.loc[gone, ["outcome", "outcome_recorded_at"]] = np.nan, pd.NaT
        rows.loc[late, "outcome_recorded_at"] = pd.Timestamp("2020-04-02")
    bounds = {
        f"{side}_{level}": y_hat * (1 + sign * reach)
        for level, reach in ((80, 0.2), (95, 0.25))
        for side, sign in (("lo", -1), ("hi", 1))
    }
    return rows.assign(
        version_id=version_id,
        issued_at=rows["cutoff"] + pd.Timedelta(days=1),
        y_hat=y_hat,
        matched_at=rows["outcome_recorded_at"],
        **bounds,
    )


def store(database: Database, observed: pd.DataFrame, predictions: pd.DataFrame) -> None:
    with database.transaction() as transaction:
        for table in ("analytics.time_series_metrics", "analytics.model_prediction_results"):
            transaction.value(
                "ensure_partitions",
                table=table,
                first=datetime(2020, 1, 1, tzinfo=UTC),
                last=datetime(2020, 4, 30, tzinfo=UTC),
            )
        transaction.copy("analytics.time_series_metrics", observed)
        transaction.copy("analytics.model_prediction_results", predictions)


def expected(world: World, name: str, start: datetime, end: datetime = AS_OF) -> dict[str, float]:
    """WAPE of the freshest forecasts and of the naive by pandas: the newest same weekday that the cutoff knew."""
    rows = world.predictions[world.predictions["version_id"] == world.champions[name]]
    inside = rows["target_at"].between(start.replace(tzinfo=None), end.replace(tzinfo=None), inclusive="left")
    rows = rows[inside & (rows["outcome_recorded_at"] <= AS_OF.replace(tzinfo=None))]
    rows = rows.sort_values("cutoff").drop_duplicates(["series_id", "target_at"], keep="last")
    known = world.observed.set_index(["series_id", "observed_at"])["value"]
    same_weekday = rows["target_at"] - pd.to_timedelta(7 * np.ceil(rows["horizon"] / 7), unit="D")
    naive = known.loc[pd.MultiIndex.from_arrays([rows["series_id"], same_weekday])].to_numpy()
    total = rows["outcome"].abs().sum()
    return {
        "forecasts": len(rows),
        "wape": (rows["y_hat"] - rows["outcome"]).abs().sum() / total,
        "wape_naive": np.abs(naive - rows["outcome"]).sum() / total,
        "coverage_80": rows["outcome"].between(rows["lo_80"], rows["hi_80"]).mean(),
        "coverage_95": rows["outcome"].between(rows["lo_95"], rows["hi_95"]).mean(),
    }


# The document


def test_the_model_that_must_be_retrained_comes_first_with_its_command(world: World) -> None:
    review = world.review()
    first, second = review.models
    assert {action: count for action, count in review.counts.items() if count} == {"retrain": 1, "none": 1}
    assert (first.name, first.version, first.kind) == (ODD, 2, "lightgbm")
    assert (first.advice.action, first.advice.needs_person) == ("retrain", True)
    assert first.advice.reasons[0] == "the model drifted in 2 of the last 3 weeks"
    assert first.advice.reasons[1].startswith("version 2: health is 40 of 100"), "an alert that is open"
    number = first.advice.recommendation_id
    dismiss = f'mlops recommendations dismiss {number} --reason "WHY"'
    assert first.advice.commands == (f"mlops retrain {number}", dismiss, "mlops monitor health")
    assert (second.name, second.version, second.advice.action, second.advice.needs_person) == (
        "paper",
        2,
        "none",
        False,
    )
    assert second.advice.commands == ()


def test_a_retraining_in_vain_still_needs_a_person(own_world: World) -> None:
    advised = own_world.model(ODD).advice
    with psycopg.connect(own_world.database.url) as connection:
        connection.execute(
            "update analytics.retraining_recommendations set status = 'done', verdict = 'version 3 not promoted',"
            " decided_at = as_of where recommendation_id = %s",
            [advised.recommendation_id],
        )
    advice = own_world.model(ODD).advice
    assert advice.needs_person
    assert advice.reasons[0] == "retraining did not help: version 3 not promoted"
    assert f"mlops retrain {advice.recommendation_id}" not in advice.commands


def test_an_action_stands_since_the_first_week_of_its_unbroken_run(world: World) -> None:
    assert world.model(ODD).advice.since == datetime(2020, 3, 16, tzinfo=UTC)
    assert world.model(ODD, datetime(2020, 3, 1, tzinfo=UTC)).advice.since == datetime(2020, 2, 24, tzinfo=UTC)
    assert world.model("paper").advice.since is None


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("days", [7, 28])
def test_accuracy_is_what_pandas_computes(world: World, name: str, days: int) -> None:
    model = world.model(name)
    found = {7: model.last_7_days, 28: model.last_28_days}[days]
    want = expected(world, name, AS_OF - timedelta(days=days))
    assert {key: getattr(found, key) for key in want} == pytest.approx(want)


def test_a_drifted_week_misses_by_as_much_as_was_put_in(world: World) -> None:
    model = world.model(ODD)
    assert model.last_7_days.wape == pytest.approx(0.3)
    assert model.last_7_days.coverage_80 == 0
    assert model.promised.wape == 0.10


def test_weeks_join_accuracy_with_the_check_of_their_end(world: World) -> None:
    weeks = {week.week: week for week in world.detail(ODD).weeks}
    for monday in (datetime(2020, 3, 9, tzinfo=UTC), datetime(2020, 3, 23, tzinfo=UTC)):
        want = expected(world, ODD, monday, monday + timedelta(days=7))
        assert {key: getattr(weeks[monday], key) for key in want} == pytest.approx(want)
    newest = weeks[datetime(2020, 3, 23, tzinfo=UTC)]
    assert (newest.checked_at, newest.action, newest.drifted, newest.checked) == (AS_OF, "retrain", 2, 4)
    assert [week.week.day for week in weeks.values() if week.onset] == [17, 2]


def test_forecasts_without_a_known_outcome_are_counted(world: World) -> None:
    waiting = world.model(ODD).waiting
    rows = world.predictions[world.predictions["version_id"] == world.champions[ODD]]
    rows = rows[rows["target_at"] < AS_OF.replace(tzinfo=None)]
    assert waiting.due == len(rows)
    assert waiting.forecasts == int((~(rows["outcome_recorded_at"] <= AS_OF.replace(tzinfo=None))).sum()) == 8
    assert (waiting.series, waiting.oldest) == (2, datetime(2020, 3, 26, tzinfo=UTC))


def test_drifted_findings_name_their_series_the_worst_first(world: World) -> None:
    model = world.model(ODD)
    assert [(one.kind, one.statistic, one.threshold) for one in model.drifted] == [("data", 8, 4), ("concept", 7, 4)]
    assert (model.drifted[0].place, model.drifted[1].place) == (f"{ODD} 0 $x$", None)
    assert model.checked == 4


def test_changes_are_those_of_the_last_week(world: World) -> None:
    changes = [(change.model, change.kind, change.before, change.after) for change in world.review().changes]
    assert changes == [
        ("paper", "recommendation", "retrain", "none"),
        ("paper", "retraining", None, VERDICT),
        ("paper", "alias", "version 1", "version 2"),
    ]


def test_totals_are_sums_of_the_freshest_forecasts(world: World) -> None:
    totals = world.detail("paper").totals
    assert len(totals) == 70 - (datetime(2020, 1, 20, tzinfo=UTC) - (AS_OF - timedelta(weeks=10))).days
    day = world.observed[world.observed["observed_at"] == "2020-03-24"]
    ids = world.predictions.loc[world.predictions["version_id"] == world.champions["paper"], "series_id"].unique()
    outcome = day.loc[day["series_id"].isin(ids), "value"].sum()
    step = next(step for step in totals if step.ds == datetime(2020, 3, 24, tzinfo=UTC))
    assert (step.outcome, step.y_hat) == (pytest.approx(outcome), pytest.approx(1.1 * outcome))


def test_the_largest_series_come_with_ordered_intervals(world: World) -> None:
    places = world.detail(ODD).largest
    assert len(places) == 4
    steps = [step for place in places for step in place.steps]
    assert all(step.lo_95 <= step.lo_80 <= step.y_hat <= step.hi_80 <= step.hi_95 for step in steps)


# What was known


def test_a_review_of_an_earlier_time_does_not_know_what_came_later(world: World) -> None:
    model = world.model("paper", datetime(2020, 3, 24, tzinfo=UTC))
    assert (model.version, model.advice.action, model.advice.verdict) == (1, "retrain", None)
    assert model.advice.needs_person
    assert [version.version for version in detail(model).versions] == [2, 1]  # trained on Monday, promoted on Wednesday
    assert [(move.alias, move.version, move.until) for move in detail(model).aliases] == [
        ("challenger", 2, None),
        ("champion", 1, None),
    ]


def test_in_a_replay_of_the_past_a_version_counts_from_its_own_time(own_world: World) -> None:
    columns = {
        "model_aliases": ("valid_from", "valid_to"),
        "model_versions": ("created_at",),
        "retraining_recommendations": ("decided_at",),
    }
    with psycopg.connect(own_world.database.url) as connection:
        connection.execute("set local session_replication_role = replica")  # as if it had been recorded so
        for table, names in columns.items():
            later = ", ".join(f"{name} = {name} + interval '6 years'" for name in names)
            connection.execute(f"update analytics.{table} set {later}")
    assert own_world.model("paper", datetime(2020, 3, 22, tzinfo=UTC)).version == 1
    assert own_world.model("paper").version == 2
    open_aliases = [move.alias for move in own_world.detail("paper").aliases if move.until is None]
    assert open_aliases == ["champion"]
    changes = own_world.review(datetime(2020, 3, 23, tzinfo=UTC)).changes
    assert ("paper", "retraining", VERDICT) in [(change.model, change.kind, change.after) for change in changes]


def test_a_check_that_did_not_run_needs_a_person(world: World) -> None:
    model = world.model("paper", AS_OF + timedelta(days=20))
    assert model.advice.needs_person
    assert model.advice.reasons[0] == "its last check was on 2020-03-30, 20 days before this review"
    assert model.advice.commands[:2] == ("mlops outcomes match", "mlops monitor run")
    assert model.advice.commands[2:] == ("mlops predict models:/paper@champion",), "its forecasts have ended, too"


def test_without_a_champion_there_is_nothing_to_review(database: Database) -> None:
    with pytest.raises(NothingToDo, match="mlops registry promote"):
        build_review(database, POLICY, AS_OF)


# The page


class Page(HTMLParser):
    """What a page consists of; every element but void ones must be closed in order."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def written(filled: tuple[str, World], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("review") / "reports" / file_name(AS_OF)
    write_review(filled[1].review(), path)
    return path


def test_the_page_refers_to_nothing_outside_itself(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("img")
    for _, attributes in page.found:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"https?://|@import|url\((?!#)", text)


def test_names_are_escaped_wherever_they_stand(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    assert "<b>&" not in text
    assert ODD in Page(text).words
    assert Page(text).words.count(f"{ODD} 4 $x$") == 2  # in the table and in the plot, where $ must not start a formula


def test_every_plot_says_what_it_shows_and_has_its_numbers_in_a_table(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    page = Page(text)
    plots = page.all("svg")
    assert len(plots) == 4 * len(SERIES)
    for plot in plots:
        assert plot["role"] == "img"
        assert "numbers below" in plot["aria-label"] or "table of weeks" in plot["aria-label"]
    assert max(map(len, re.findall(r"<svg.*?</svg>", text, re.DOTALL))) < 150_000
    assert all("scope" in header for header in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_headings_are_in_order_and_the_first_says_who_is_needed(written: Path) -> None:
    page = Page(written.read_text(encoding="utf-8"))
    levels = [int(tag[1]) for tag, _ in page.found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert "One of two models needs you" in page.words
    assert page.all("html") == [{"lang": "en"}]


def test_the_json_beside_the_page_is_the_document(written: Path, world: World) -> None:
    document = json.loads(written.with_suffix(".json").read_text(encoding="utf-8"))
    assert document["as_of"] == "2020-03-30T00:00:00+00:00"
    assert document["models"][0]["last_7_days"]["wape"] == pytest.approx(0.3)
    assert document["models"][0]["advice"]["action"] == "retrain"


# The command


def test_mlops_review_prints_the_document_and_writes_the_page(
    world: World, mlops: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(world.database, tmp_path, monkeypatch)
    code, out, _ = mlops("review", "--as-of", "2020-03-30", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["counts"]["retrain"] == 1
    assert Path(document["page"]) == tmp_path / "reports" / "review-2020-03-30.html"
    assert Path(document["page"]).is_file()


def test_mlops_review_says_in_words_what_to_run(
    world: World, mlops: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(world.database, tmp_path, monkeypatch)
    code, out, _ = mlops("review", "--as-of", "2020-03-30", "--output", tmp_path / "page.html")
    assert code == 0
    assert f"mlops retrain {world.model(ODD).advice.recommendation_id}" in out
    assert ODD in out
    assert (tmp_path / "page.html").is_file()


def test_mlops_review_without_a_champion_says_what_to_run(
    database: Database, mlops: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(database, tmp_path, monkeypatch)
    code, _, err = mlops("review")
    assert code == 1
    assert "mlops registry promote" in err


def use(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make commands use this database."""
    monkeypatch.setenv("MLOPS_HOME", str(home))
    monkeypatch.setenv("MLOPS_DATABASE_URL", database.url)
    for name in ("settings", "database"):
        getattr(context, name).cache_clear()
