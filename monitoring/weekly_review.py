"""What a scheduler runs once a week, from mirroring the registry to the review.

It mirrors, matches, compares challengers, checks, measures what acting has saved, and tells who should know.

It acts on recommendations only where policy.toml says `auto_retrain = true`. Repeating it, or running it twice at once,
changes nothing but the page's own file. It exits with 1 when a check or a step failed; the others are done.
"""

import logging
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from mlops.cli.context import moment
from mlops.cli.edge import edge
from mlops.cli.output import progress
from mlops.config import Settings
from mlops.db import Database, open_database
from mlops.db.failures import explained, one_sentence
from mlops.domain.findings import CARRIED_OUT
from mlops.monitoring import review
from mlops.monitoring.alerting.alerts import deliver_alerts, review_alerts
from mlops.monitoring.decide.realise import realise
from mlops.monitoring.weekly import job
from mlops.policy import AlertPolicy, Policy, read_policy, read_serving_policy
from mlops.serving import outcomes
from mlops.serving.shadow.verdict import compare_live
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store, open_store
from mlops.training.retrain import follow

POLICY = Path(__file__).with_name("policy.toml")


class Failures(list[str]):
    """What did not work, in sentences."""

    @contextmanager
    def kept(self, step: str) -> Iterator[None]:
        """A step whose failure is told at the end and stops no other."""
        try:
            yield
        except Exception as error:
            if explained(error) is None:
                logging.getLogger(__name__).exception("%s broke", step)
            self.append(f"{step}: {one_sentence(error)}")


def main() -> None:
    """Do the week's work as of one time."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--as-of", default="now", help="know only what was recorded by this date or time (UTC)")
    parser.add_argument("--policy", type=Path, default=POLICY, help="what the team tolerates (policy.toml beside this)")
    arguments = parser.parse_args()
    failures = week(arguments.policy, moment(arguments.as_of))
    for sentence in failures:
        print(f"weekly review: {sentence}", file=sys.stderr)
    sys.exit(1 if failures else 0)


def week(path: Path, as_of: datetime) -> Failures:
    """Every step in its order; what failed."""
    policy, settings, failures = read_policy(path), Settings(), Failures()
    database = open_database(settings)
    store = open_store(settings, database.url)
    with failures.kept("the registry is not mirrored"):
        sync(store, database)
    with failures.kept("outcomes are not matched"):
        outcomes.match(database, as_of)
    with failures.kept("challengers are not compared"):
        compare_live(database, as_of, read_serving_policy().shadow)
    checked = check(database, store, policy, as_of)
    broken = [one for one in checked if one.state == "failed"]
    failures += [f"{one.name} version {one.version} is not checked: {one.problem}" for one in broken]
    with failures.kept("what acting has saved is not measured"):
        for came_true in realise(database, store, policy, as_of):
            print(came_true)
    asked = [one.recommendation_id for one in checked if one.recommendation_id is not None and one.asks in CARRIED_OUT]
    if policy.recommend.auto_retrain:
        with failures.kept("recommendations are not acted on"):
            for sentence in follow(database, store, asked, policy.retrain, as_of=as_of, by=path.name):
                print(sentence)
    with failures.kept("alerts are not delivered"):
        failures += alert(database, settings, policy.alerts, as_of)
    page = settings.reports / review.file_name(as_of)
    with failures.kept("the review is not written"):
        review.write_review(review.build_review(database, policy, as_of), page)
        print(page)
    return failures


def check(database: Database, store: Store, policy: Policy, as_of: datetime) -> list[job.CheckResult]:
    """The checks, with a bar on a terminal."""
    with progress() as bar:
        task = bar.add_task("checking", total=None, note="")

        def say(one: job.CheckResult) -> None:
            bar.update(task, advance=1, note=f"{one.name} {one.version}")

        return job.run_checks(database, store, policy, as_of, done=say)


def alert(database: Database, settings: Settings, rules: AlertPolicy, as_of: datetime) -> list[str]:
    """Open and resolve alerts, and send them on every channel; what was not taken."""
    review_alerts(database, as_of, rules)
    delivered = deliver_alerts(database, settings, rules)
    return [f"alerts wait for channel {one.channel}: {one.problem}" for one in delivered if one.waiting and one.problem]


if __name__ == "__main__":
    with edge("weekly review"):
        main()
