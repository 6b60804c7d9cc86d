"""What there is, enumerated: a new query, command, metric type or migration is checked the day it is added."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from mlops.cli.output import ACTION_COLOURS
from mlops.db import Database
from mlops.db.statements import named_blocks
from mlops.domain import findings
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.domain.metric_types import METRIC_TYPES, MetricType
from mlops.monitoring import review
from mlops.monitoring.replay import backtest
from mlops.project import bundled

ROOT = Path(__file__).parents[2]
SOURCE = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))


@pytest.mark.parametrize("query", named_blocks())
def test_a_query_is_used(query: str):
    assert f'"{query}"' in SOURCE, f"{named_blocks()[query].file}: a block that nothing calls is deleted"


def test_queries_stand_by_subject():
    """Loading them has checked that each has a name of its own and a first line that says what it answers."""
    assert len({block.file for block in named_blocks().values()}) <= 40


def test_every_query_that_is_called_is_there():
    asked = set(re.findall(r"\btransaction\.(?:rows|one|values?|frame|run)\(\s*\"(\w+)\"", SOURCE))
    assert len(asked) > 150
    assert asked <= named_blocks().keys()


def test_metric_types_in_the_database_are_those_of_the_domain(database: Database):
    import psycopg

    with psycopg.connect(database.url) as connection:
        stored = connection.execute(
            "select name, unit, aggregate, min_value, max_value, seasons, flat_after, jump_limit, late_after,"
            " anomaly_limit, absence from analytics.metric_types"
        ).fetchall()
    assert len(stored) == 16
    assert {MetricType(*row[:5], tuple(row[5]), *row[6:]) for row in stored} == set(METRIC_TYPES.values())


def test_granularities_in_the_database_are_those_of_the_domain(database: Database):
    import psycopg

    with psycopg.connect(database.url) as connection:
        stored = connection.execute(
            "select name, seconds, months, dated, mean_days, cycle, recent_days, ended_days, begins"
            " from analytics.granularities order by position"
        ).fetchall()
        steps = [(one.name, one.interval) for one in GRANULARITIES.values()]
        equal = [
            connection.execute("select step = %s::interval from analytics.granularities where name = %s", (step, name))
            for name, step in steps
        ]
        assert [row.fetchone() for row in equal] == [(True,)] * len(steps)
    assert stored == [
        (one.name, one.seconds, one.months, one.dated, one.days, one.block, one.recent_days, one.ended_days, one.begins)
        for one in GRANULARITIES.values()
    ]


@pytest.mark.parametrize("one", GRANULARITIES.values(), ids=str)
def test_the_data_format_says_what_a_value_of_each_granularity_carries(one: Granularity):
    rows = [line for line in (ROOT / "docs/data-format.md").read_text().splitlines() if line.startswith(f"| `{one}` |")]
    assert [row.split(" | ")[2].removesuffix(" |") for row in rows] == [one.begins]


def test_each_migration_owns_its_sql():
    versions = {path.name[:4] for path in (bundled("migrations") / "versions").glob("*.py")}
    assert versions == {path.name for path in (bundled("migrations") / "sql").iterdir()}


def test_help_is_fast_to_import():
    """`mlops --help` imports none of the heavy libraries."""
    heavy = {"pandas", "mlflow", "prophet", "lightgbm", "evidently", "sklearn", "sqlalchemy", "matplotlib"}
    script = (
        "import sys; sys.argv = ['mlops', '--help']\n"
        "from mlops.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', sorted(set(sys.modules) & {heavy!r}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("HEAVY []")


def test_no_command_opens_a_transaction():
    """A command parses, calls one function, prints: what is asked of the database belongs to the room that it calls."""
    commands = (ROOT / "src" / "mlops" / "cli").rglob("*.py")
    assert [path.name for path in commands if "transaction(" in path.read_text()] == []


def test_every_action_has_a_colour():
    actions = {*get_args(findings.Action), *backtest.ACTIONS, *review.ACTIONS}
    assert set(ACTION_COLOURS) == actions
    assert set(findings.CARRIED_OUT) < set(get_args(findings.Action))
