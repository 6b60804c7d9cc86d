"""What a scheduler runs every night: forecasts by the champions, stored. `python serving/predict_daily.py`

Which models are served, and how far ahead, is decided here.
"""

import argparse
import logging
import sys

from mlops.cli.context import moment
from mlops.cli.edge import edge
from mlops.config import Settings
from mlops.db import open_database
from mlops.db.failures import explained, one_sentence
from mlops.serving.predict import predict
from mlops.tracking.store import open_store

SERVED = {"models:/demand@champion": 28}
"""Model URIs and their horizon in steps."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as-of", default="now", help="know only what was recorded by this date or time (UTC)")
    as_of = moment(parser.parse_args().as_of)
    settings, refused = Settings(), 0
    database = open_database(settings)
    store = open_store(settings, database.url)
    for uri, horizon in SERVED.items():
        try:
            issued = predict(database, store, uri, horizon=horizon, as_of=as_of)
            print(f"{uri}: {issued.stored} new forecasts by version {issued.version.version}")
        except Exception as error:  # one model that can't be served stops no other
            refused += 1
            if explained(error) is None:
                logging.getLogger(__name__).exception("%s broke", uri)
            print(f"{uri}: {one_sentence(error)}", file=sys.stderr)
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    with edge("predict_daily"):
        main()
