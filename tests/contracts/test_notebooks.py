"""Every notebook of the documentation runs from its first cell to its last, and is kept without what it printed."""

import ast
import json
import warnings
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


def run(code: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; what its last expression gives."""
    parsed = ast.parse(code)
    last = parsed.body.pop() if parsed.body and isinstance(parsed.body[-1], ast.Expr) else None
    exec(compile(parsed, "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def shown(value: Any) -> list[object]:
    """What a notebook would show of a value."""
    ways = (getattr(value, name, None) for name in ("_repr_html_", "_repr_png_"))
    return [given for given in (way() for way in ways if way is not None) if given is not None]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_of_the_format_and_kept_without_outputs(notebook: Path):
    document = json.loads(notebook.read_text(encoding="utf-8"))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert document["metadata"]["kernelspec"]["language"] == "python"
    ids = [cell["id"] for cell in document["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in document["cells"]:
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | (
            {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        )
        assert all(line.endswith("\n") for line in cell["source"][:-1])
        assert (cell.get("outputs"), cell.get("execution_count")) in ((None, None), ([], None))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_ends_with(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells(notebook):
        if cell["cell_type"] == "code":
            code = "".join(cell["source"])
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    value = run(code, names)
                    assert value is None or shown(value) or isinstance(value, bool), repr(value)
            except Exception as error:
                raise AssertionError(f"{notebook.name}:\n{code}") from error
    assert names["again"].kind == "auto"
