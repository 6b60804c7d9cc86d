"""What a scheduler runs after every delivery of data: outcomes are written onto predictions."""

import argparse

from mlops.cli.context import moment
from mlops.cli.edge import edge
from mlops.config import Settings
from mlops.db import open_database
from mlops.serving.outcomes import match


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as-of", default="now", help="know only what was recorded by this date or time (UTC)")
    as_of = moment(parser.parse_args().as_of)
    matched = match(open_database(Settings()), as_of)
    print(f"{matched.matched} predictions got their outcome, {matched.waiting} still wait")


if __name__ == "__main__":
    with edge("record_outcomes"):
        main()
