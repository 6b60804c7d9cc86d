"""What a scheduler runs after every delivery of data: outcomes are written onto predictions."""

import argparse
from datetime import UTC, datetime

from mlops.cli.edge import edge
from mlops.config import Settings
from mlops.db import open_database
from mlops.serving.outcomes import match


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as-of", type=_time, default=datetime.now(UTC), help="UTC if it names no zone")
    matched = match(open_database(Settings()), parser.parse_args().as_of)
    print(f"{matched.matched} predictions got their outcome, {matched.waiting} still wait")


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=found.tzinfo or UTC)


if __name__ == "__main__":
    with edge("record_outcomes"):
        main()
