"""A project of one's own: made by `mlops init`, found by its name or from within, and the same from a wheel."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from mlops import project
from mlops.config import Settings
from mlops.errors import BadInput
from mlops.features.definitions import declared
from mlops.project import POLICY, bundled, create, folder, policy_file, project_file, project_files
from mlops.training.spec import experiments, params_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new project, and a working folder beside it that is none."""
    monkeypatch.delenv("MLOPS_PROJECT", raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return create(tmp_path / "ours").project


def test_a_project_has_every_file_that_the_team_decides_in(made: Path):
    found = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    decided = {
        str(path.relative_to(ROOT))
        for part in ("training", "monitoring", "serving")
        for path in (ROOT / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found == decided | {"MLproject", "README.md", "crontab.example", ".env.example", ".gitignore"}


def test_the_working_folder_is_the_project_when_it_holds_a_policy(made: Path, monkeypatch: pytest.MonkeyPatch):
    assert folder() is None
    assert policy_file() == bundled(POLICY)
    monkeypatch.chdir(made)
    assert policy_file() == made / POLICY


def test_a_named_project_goes_before_the_working_folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    other = create(tmp_path / "other").project
    monkeypatch.chdir(made)
    monkeypatch.setenv("MLOPS_PROJECT", "../other")
    assert policy_file() == made / ".." / "other" / POLICY
    assert policy_file().samefile(other / POLICY)


def test_an_experiment_and_a_feature_of_ones_own_are_used(made: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_PROJECT", str(made))
    (made / "training" / "ours").mkdir()
    (made / "training" / "ours" / "params.toml").write_text((made / "training/lightgbm/params.toml").read_text())
    (made / "training" / "features.py").write_text("FEATURES = []\n")
    assert "ours" in experiments()
    assert params_file("ours").parent.parent == made / "training"
    assert declared().features == {}


def test_a_file_that_the_project_does_not_have_is_the_packages(made: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(made)
    (made / "training/auto/params.toml").unlink()
    assert project_file("training/auto/params.toml") == bundled("training/auto/params.toml")
    found = project_files("training/*/params.toml")
    assert found["training/auto/params.toml"] == bundled("training/auto/params.toml")
    assert found["training/lean/params.toml"] == made / "training/lean/params.toml"


def test_making_it_again_adds_what_is_missing_and_leaves_what_is_ours(made: Path):
    (made / POLICY).write_text("# ours\n")
    (made / "training/features.py").unlink()
    again = create(made)
    assert (again.written, again.changed) == (("training/features.py",), (POLICY,))
    assert (made / POLICY).read_text() == "# ours\n"


def test_half_of_a_project_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, content: bytes) -> None:
        if "serving" in path.parts:
            raise OSError(28, "No space left on device", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    monkeypatch.setattr(project, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        create(tmp_path / "ours")
    monkeypatch.chdir(tmp_path / "ours")
    assert folder() is None
    monkeypatch.undo()
    assert POLICY in create(tmp_path / "ours").written


@pytest.mark.parametrize("inside", ["", "ours", "ours/deeper"])
def test_a_file_in_the_way_is_refused_and_nothing_is_written(inside: str, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="file is a file; nothing was written"):
        create(tmp_path / "file" / inside)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("name", "words"), [("nowhere", "is not a folder"), ("elsewhere", "has no monitoring/policy")])
def test_a_project_that_is_none_is_refused_with_what_makes_it_one(
    name: str, words: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_PROJECT", str(tmp_path / name))
    with pytest.raises(BadInput, match=rf"{words}.*mlops init {re.escape(str(tmp_path / name))}"):
        policy_file()


def test_the_example_of_settings_names_every_setting(made: Path):
    named = set(re.findall(r"\b(?:MLOPS|MLFLOW)_[A-Z_]+(?==)", (made / ".env.example").read_text()))
    aliases = {"mlflow_tracking_uri": "MLFLOW_TRACKING_URI"}
    assert named == {aliases.get(name, f"MLOPS_{name.upper()}") for name in Settings.model_fields}


def test_the_entry_points_of_a_project_are_files_that_it_has(made: Path):
    scripts = re.findall(r'"python (\S+\.py)', (made / "MLproject").read_text())
    assert scripts
    assert [name for name in scripts if not (made / name).is_file()] == []
    assert "python_env" not in (made / "MLproject").read_text(), "the package is installed, not built from this folder"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as its wheel has it, outside the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(place), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


def test_a_wheel_outside_the_checkout_makes_a_project_and_uses_it(installed: Path, tmp_path: Path):
    def mlops(*arguments: str, folder: Path = tmp_path) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLOPS_")}
        environment |= {"PYTHONPATH": str(installed), "MLOPS_HOME": str(tmp_path / "home"), "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "-m", "mlops", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    assert "files written" in mlops("init", "ours")
    ours = tmp_path / "ours"
    assert (ours / "training/features.py").read_bytes() == (ROOT / "training/features.py").read_bytes()
    policy = tomllib.loads((ours / POLICY).read_text())["alerts"]["channels"]
    assert "log" in policy
    (ours / POLICY).write_text("[alerts.channels.\n")
    said = mlops("alerts", "test", "log", folder=ours)
    assert str(ours / POLICY) in said, said
    assert str(ours / POLICY) in mlops("alerts", "test", "log", "--project", str(ours))
    (ours / POLICY).write_text("[alerts.channels.ours]\nkind = 'log'\n")
    assert "known: ours" in mlops("--project", "ours", "alerts", "test", "log")
