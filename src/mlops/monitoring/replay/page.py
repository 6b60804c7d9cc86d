"""A monitor's backtest as one self-contained page."""

import json
import math
from datetime import date, datetime
from pathlib import Path

from mlops.files import write_whole
from mlops.monitoring.replay import plots as backtest_plots
from mlops.monitoring.replay.backtest import ACTIONS, Backtest
from mlops.monitoring.replay.tradeoff import WATCHED_WEEKS

__all__ = ["write"]


def write(found: Backtest, path: Path) -> None:
    """Write the page to `path`, and the same facts as JSON beside it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mlops.monitoring"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("backtest.html.j2")
    page = template.render(
        found=found,
        case=found.case,
        now=found.now,
        plots=backtest_plots,
        actions=ACTIONS,
        infinite=math.inf,
        watched=WATCHED_WEEKS,
    )
    write_whole(path, page)
    document = json.dumps(found.document(), indent=2, ensure_ascii=False, default=_plain)
    write_whole(path.with_suffix(".json"), document + "\n")


def _plain(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")
