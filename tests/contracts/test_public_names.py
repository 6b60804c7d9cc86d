"""Every public name of `mlops` says what it takes, and shows it in an example that runs."""

import doctest
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import mlops
from mlops import KINDS, evaluation, forecaster, forecasting, monitoring


def parameters_told(docstring: str) -> set[str]:
    """The names in the section Parameters of a docstring."""
    section = inspect.cleandoc(docstring).partition("Parameters\n----------")[2].partition("\n\n")[0]
    return {name.strip() for line in section.splitlines() if line and line[0] != " " for name in line.split(",")}


def documented() -> Iterator[Any]:
    """The public functions and classes, and the methods that a forecaster of each kind and a comparison show."""
    for name in mlops.__all__:
        public = getattr(mlops, name)
        if callable(public):
            yield pytest.param(public, id=name)
    seen = set()
    for cls in (*map(forecaster, KINDS), mlops.Comparison, mlops.Monitor):
        shown = dir(cls()) if hasattr(cls, "kind") else dir(cls)
        for name in shown:
            method = getattr(cls, name, None)
            if name.startswith("_") or not callable(method) or isinstance(method, type) or method.__qualname__ in seen:
                continue
            seen.add(method.__qualname__)
            yield pytest.param(method, id=method.__qualname__)


@pytest.mark.parametrize("thing", documented())
def test_a_public_name_says_what_it_takes(thing: Any):
    if isinstance(thing, type):
        return
    text = inspect.getdoc(thing) or ""
    takes = [name for name in inspect.signature(thing).parameters if name not in ("self", "cls")]
    assert not takes or "Parameters\n----------" in text, "the docstring has no section Parameters"
    told = parameters_told(text)
    assert set(takes) <= told, f"the section Parameters lacks {set(takes) - told}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_what_its_constructor_takes(kind: str):
    cls = forecaster(kind)
    told = {name for one in cls.__mro__ for name in parameters_told(one.__doc__ or "")}
    assert set(inspect.signature(cls).parameters) <= told


@pytest.mark.parametrize("thing", documented())
def test_the_example_of_a_public_name_runs(thing: Any):
    if isinstance(thing, type):
        return
    text = inspect.getdoc(thing) or ""
    test = doctest.DocTestParser().get_doctest(text, {}, thing.__qualname__, None, None)  # it imports what it needs
    assert test.examples, "there is no example"
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    assert not told, "".join(told)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_of_no_use_to_people_is_left_out_of_completion(kind: str):
    shown = {name for name in dir(forecaster(kind)()) if not name.startswith("__")}
    assert {"fit", "predict", "update", "explain", "plot", "fitted_values", "save", "params"} <= shown
    assert not shown & {
        "fit_panel",
        "out_of_sample",
        "out_of_sample_by_group",
        "parts",
        "point",
        "composed",
        "_history",
        "search",
    }


@pytest.mark.parametrize("package", [mlops, evaluation, forecasting, monitoring], ids=lambda package: package.__name__)
def test_a_package_shows_its_public_names_and_hands_them_out(package: ModuleType):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is getattr(mlops, name, getattr(package, name)), name
    if package is not monitoring:
        assert dir(package) == sorted(package.__all__)


def test_type_checkers_read_the_types_of_the_package():
    assert (Path(mlops.__file__).parent / "py.typed").is_file()


def test_the_functions_are_there_without_pandas_until_one_is_asked_for():
    script = (
        "import sys; import mlops; dir(mlops); print('pandas' in sys.modules)\n"
        "mlops.forecaster; print('pandas' in sys.modules)\n"
        "mlops.scores; print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]


def test_a_name_that_is_not_there_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'crossvalidation'"):
        _ = mlops.crossvalidation
