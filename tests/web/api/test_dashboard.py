"""Every query of the Grafana dashboard runs, and its panels and variables hang together."""

import json
import re
from typing import Any

import psycopg
import pytest
import yaml

from mlops.config import Settings
from mlops.project import bundled

FOLDER = bundled("serving") / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "mlops.json").read_text(encoding="utf-8"))
VARIABLES = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
PANELS = {panel["title"]: panel["targets"][0]["rawSql"] for panel in DASHBOARD["panels"]}
QUERIES = PANELS | {name: one["query"] for name, one in VARIABLES.items() if one["type"] == "query"}
OF_THE_LOG = {"Predictions asked of the server", "How long predictions took"}
"""Nothing is logged in these tests' place."""
FIRST, LAST = "timestamptz '2018-01-01'", "timestamptz '2100-01-01'"


def expanded(sql: str) -> str:
    """The query as Grafana sends it."""
    column = r"((?:[^()]|\([^()]*\))*)"
    sql = re.sub(rf"\$__timeFilter\({column}\)", rf"\1 between {FIRST} and {LAST}", sql)
    sql = sql.replace("${model:sqlstring}", "'demand','other'").replace("$series", "1")
    assert "$" not in sql, sql
    return sql


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_of_the_dashboard_runs_and_shows_something(home: Settings, name: str):
    assert home.database_url
    with psycopg.connect(home.database_url) as connection:
        connection.read_only = True
        rows = connection.execute(expanded(QUERIES[name])).fetchall()
    assert rows or name in OF_THE_LOG, "it shows nothing where there is something to show"


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_asks_the_chosen_database_and_says_what_it_shows(panel: dict[str, Any]):
    assert {panel["datasource"]["uid"], panel["targets"][0]["datasource"]["uid"]} == {"${datasource}"}
    assert panel["description"]
    used = set(re.findall(r"\$\{?([a-z]+)", panel["targets"][0]["rawSql"]))
    assert used <= set(VARIABLES)


def test_the_dashboard_keeps_its_address():
    assert DASHBOARD["uid"] == "mlops-forecasts"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_what_grafana_provisions_is_what_is_here():
    sources = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "mlops.yaml").read_text(encoding="utf-8"))
    providers = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "mlops.yaml").read_text(encoding="utf-8"))
    assert sources["datasources"][0]["type"] == VARIABLES["datasource"]["query"]
    assert providers["providers"][0]["type"] == "file"
