"""What a scheduler runs once a week: mirror the registry, match outcomes, check every champion, write the review.

It acts on recommendations only where policy.toml says `auto_retrain = true`.
"""

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path

from mlops.config import Settings
from mlops.db import open_database
from mlops.monitoring import job, review
from mlops.monitoring.policy import read_policy
from mlops.monitoring.realise import realise
from mlops.serving import outcomes
from mlops.tracking.bridge import sync
from mlops.tracking.store import open_store
from mlops.training.retrain import Rule, follow

POLICY = Path(__file__).with_name("policy.toml")


def main() -> None:
    """Do the week's work as of one time; repeating it changes nothing but the page's own file."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--as-of", type=datetime.fromisoformat, help="know only what was recorded by this time; UTC if it names no zone"
    )
    as_of = parser.parse_args().as_of or datetime.now(UTC)
    as_of = as_of.replace(tzinfo=as_of.tzinfo or UTC)
    settings = Settings()
    database = open_database(settings)
    store = open_store(settings, database.url)
    sync(store, database)
    outcomes.match(database, as_of)
    policy = read_policy(POLICY)
    checked = job.run(database, store, policy, as_of)
    realise(database, store, policy, as_of)
    asked = [one.recommendation_id for one in checked if one.recommendation.action in ("retrain", "rollback")]
    if policy.auto_retrain:
        for sentence in follow(database, store, asked, Rule.from_toml(POLICY), as_of=as_of, by=POLICY.name):
            print(sentence)
    page = settings.reports / review.file_name(as_of)
    review.write(review.build(database, policy, as_of), page)
    print(page)


if __name__ == "__main__":
    main()
