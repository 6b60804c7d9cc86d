"""What a granularity is stands in one table: no other file has a second one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.db.statements import named_blocks
from mlops.domain.granularity import ALIASES, GRANULARITIES

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "src" / "mlops" / "domain" / "granularity.py"
ROOMS = ("src", "training", "serving", "monitoring")
NAMES = set(GRANULARITIES) | {one.alias for one in GRANULARITIES.values()} | {"W-MON", "W-SUN"}
UNMISTAKABLE = NAMES - set("hDBW")
"""A letter alone may mean something else; two of them with nothing else don't."""
PROSE = {
    "src/mlops/forecasting/prophet/model.py": "Prophet's names of its seasonalities",
    "src/mlops/forecasting/prophet/design.py": "Prophet's names of its seasonalities",
    "src/mlops/forecasting/kind.py": "names of the components of a forecast",
}


def tables(source: str) -> Iterator[int]:
    """The lines of literals and of chains of conditions that say something of two granularities or more."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            texts = [key.value for key in node.keys if isinstance(key, ast.Constant)]
        elif isinstance(node, ast.Set | ast.Tuple | ast.List):
            texts = [one.value for one in node.elts if isinstance(one, ast.Constant)]
        elif isinstance(node, ast.If | ast.IfExp):
            texts = [one for test in _chain(node) for one in _compared(test)]
        elif isinstance(node, ast.Match):
            patterns = [case.pattern for case in node.cases]
            texts = [one.value.value for one in patterns if isinstance(one, ast.MatchValue)]  # type: ignore[attr-defined]
        else:
            continue
        found = NAMES.intersection(one for one in texts if isinstance(one, str))
        if len(found) > 1 and (found & UNMISTAKABLE or found == set(texts)):
            yield node.lineno


def _chain(node: ast.If | ast.IfExp) -> Iterator[ast.expr]:
    """The conditions of if, elif …"""
    yield node.test
    other = node.orelse if isinstance(node, ast.IfExp) else node.orelse[0] if len(node.orelse) == 1 else None
    if isinstance(other, ast.If | ast.IfExp):
        yield from _chain(other)


def _compared(test: ast.expr) -> Iterator[object]:
    """What is compared for equality inside a condition."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare):
            yield from (one.value for one in (node.left, *node.comparators) if isinstance(one, ast.Constant))


def test_no_other_file_says_what_a_granularity_is():
    files = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py") if path != TABLE)
    asked = {path: str(path.relative_to(ROOT)) for path in files}
    found = {name: list(tables(path.read_text(encoding="utf-8"))) for path, name in asked.items() if name not in PROSE}
    told = [f"{name}, line {line}" for name, lines in found.items() for line in lines]
    assert not told, f"{told}: read mlops.domain.granularity.GRANULARITIES, or add a field to it"


def test_no_query_says_what_a_granularity_is():
    found = {
        query: {name for name in GRANULARITIES if f"'{name}'" in block.text} for query, block in named_blocks().items()
    }
    told = [name for name, names in found.items() if len(names) > 1]
    assert not told, f"{told}: join analytics.granularities"


def test_what_is_exempt_is_there():
    assert all((ROOT / path).exists() for path in PROSE)


@pytest.mark.parametrize(
    "source",
    [
        'CYCLE = {"hourly": 24, "daily": 7}',
        'FREQ = {"h": 1, "D": 2, "MS": 3}',
        'x = freq in ("W", "MS")',
        'if one == "hourly":\n    x = 1\nelif one == "daily":\n    x = 2',
        'x = 1 if one == "monthly" else 2 if one == "weekly" else 3',
        'match one:\n    case "weekly":\n        x = 1\n    case "yearly":\n        x = 2',
        'KNOWN = {"D", "B"}',
    ],
)
def test_a_second_table_is_found(source: str):
    assert list(tables(source)) == [1]


@pytest.mark.parametrize("source", ['FREQ = "W"', 'x = {"weekly": 1, "yearly_sum": 2}', 'COLUMNS = ("h", "value")'])
def test_a_name_alone_is_no_table(source: str):
    assert not list(tables(source))


def test_every_alias_leads_to_the_table():
    assert set(ALIASES.values()) <= set(GRANULARITIES)
