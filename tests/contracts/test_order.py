"""What is equal is equal on every machine: nothing rests on the order in which a processor leaves equal values."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("src", "training", "serving", "monitoring")


@pytest.mark.parametrize("room", ROOMS)
def test_rows_are_sorted_stably(room: str):
    """By one key, equal rows are left in another order by another processor; by several keys it is stable."""
    unstable = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and _sorts_by_one(call) and not _says(call, "kind", "stable")
    ]
    assert unstable == []


def _sorts_by_one(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    several = bool(call.args) and not isinstance(call.args[0], ast.Constant)  # a list of keys, or its name
    return name == "argsort" or (name == "sort_values" and not several)


def _says(call: ast.Call, name: str, value: str) -> bool:
    return any(
        one.arg == name and isinstance(one.value, ast.Constant) and one.value.value == value for one in call.keywords
    )
