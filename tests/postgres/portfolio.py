"""A portfolio of models with ten weeks behind them, put into a database in set statements: for looking at reviews."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

NOW = datetime(2024, 6, 3, tzinfo=UTC)
"""The Monday of the review."""
HOSTILE = '<script>alert("name")</script>'
LONG = "collection-weight-of-the-northern-depots-without-the-islands"
SERIES = 3
STATEMENTS = Path(__file__).with_name("portfolio.sql").read_text(encoding="utf-8")
ACTIONS = {  # of every hundred models
    "retrain": 8,
    "rollback": 2,
    "investigate_data": 5,
    "watch": 4,
    "unchecked": 1,
}


def benefit(money: float) -> str:
    """What acting saves, as the database keeps it."""
    bounds = {"money": money, "money_low": 0.7 * money, "money_high": 1.3 * money}
    return json.dumps({"wape": 0.2, "wape_low": 0.1, "wape_high": 0.3, **bounds, "currency": "EUR", "days": 14})


def actions(count: int) -> dict[str, str]:
    """Names of so many models and what each is to be told, most of a large portfolio nothing."""
    asked = [action for action, n in ACTIONS.items() for _ in range(max(1, n * count // 100))]
    asked = [*asked, *["none"] * count][:count] if count > 1 else ["retrain"]
    names = [HOSTILE, LONG, *(f"depot-{number:02}" for number in range(3, count + 1))][:count]
    return dict(zip(names, asked, strict=True))


def crowd() -> dict[str, str]:
    """A hundred models with long names, of which sixty need somebody."""
    asked = ["retrain", "rollback", "investigate_data"] * 20 + ["watch"] * 20 + ["none"] * 20
    return {f"{LONG}-{number:03}": action for number, action in enumerate(asked)}


def fill(connection: psycopg.Connection[Any], told: dict[str, str]) -> None:
    """Put models, each with what it is to be told, into an empty database."""
    values = {
        "now": NOW,
        "series": SERIES,
        "names": list(told),
        "silent": list(told)[1:3],
        "drifting": [name for name, action in told.items() if action in ("retrain", "rollback")],
        "actions": json.dumps([{"name": name, "action": action} for name, action in told.items()]),
        "benefit": benefit(120.0),
        "realised": benefit(90.0),
        "reason": "the depot moves in <b>May</b>",
    }
    connection.execute(
        "select analytics.ensure_partitions('2024-02-01', '2024-07-31', parent::regclass)"
        " from unnest('{analytics.time_series_metrics,analytics.model_prediction_results}'::text[]) parent"
    )
    with psycopg.ClientCursor(connection) as cursor:  # several statements at once
        cursor.execute(STATEMENTS, values)
