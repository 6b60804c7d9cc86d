"""The team's project: the folder of the policy, the parameters and the features that this team has decided on.

A project is what `mlops init` makes; this repository is one, too. It is named by `MLOPS_PROJECT` (`mlops --project DIR`
sets it) or is the working folder, if that holds a policy. What a project does not have is taken from the files that are
installed with the package, so a file may be deleted to have the package's own. Nothing needs to be edited there.
"""

from dataclasses import dataclass
from pathlib import Path

from mlops.config import Settings
from mlops.errors import Misused
from mlops.files import placed, write_whole

__all__ = [
    "POLICY",
    "Created",
    "bundled",
    "check_project",
    "create",
    "folder",
    "policy_file",
    "project_file",
    "project_files",
]

POLICY = "monitoring/policy.toml"
"""The file by which a folder is known to be a project."""
PARTS = ("training", "monitoring", "serving")
"""What a project consists of beside the files of `starter/`."""
STARTER = Path(__file__).parent / "starter"


@dataclass(frozen=True)
class Created:
    """What `create` did, by paths relative to the project: `changed` were there and are not as the package has them."""

    project: Path
    written: tuple[str, ...]
    same: tuple[str, ...]
    changed: tuple[str, ...]


def bundled(name: str) -> Path:
    """A file or folder that is installed with the package: beside the sources in a checkout, else inside the wheel."""
    packed = Path(__file__).parent / "bundled"
    return (packed if packed.is_dir() else Path(__file__).parents[2]) / name


def folder() -> Path | None:
    """The project in use; None means the package's own files. Misused if MLOPS_PROJECT names no project."""
    named = Settings().project
    if named is None:
        return Path.cwd() if Path(POLICY).is_file() else None
    return check_project(named)


def check_project(named: Path) -> Path:
    """The folder of a project, absolute; Misused if it is none."""
    place = named.expanduser().absolute()
    if not (place / POLICY).is_file():
        what = "has no monitoring/policy.toml" if place.is_dir() else "is not a folder"
        raise Misused(
            f"the project {place} {what}; name a folder that `mlops init` made, or make it one: mlops init {place}"
        )
    return place


def project_file(name: str) -> Path:
    """A file by its path in a project (`monitoring/policy.toml`): the project's own, else the package's."""
    own = folder()
    return own / name if own is not None and (own / name).is_file() else bundled(name)


def policy_file() -> Path:
    """The policy in use: what the team tolerates, what errors cost, who is told."""
    return project_file(POLICY)


def project_files(pattern: str) -> dict[str, Path]:
    """The files of a pattern (`training/*/params.toml`) by their paths in a project: its own, else the package's."""
    roots = [bundled("."), *([own] if (own := folder()) is not None else [])]
    files = {str(path.relative_to(root)): path for root in roots for path in root.glob(pattern)}
    return dict(sorted(files.items()))


def create(place: Path) -> Created:
    """Make a folder a project; what is there already is left as it is, so that a repeated call adds what is missing.

    Raises Misused if the place, or a folder that is needed in it, is a file.
    """
    project = place.expanduser().absolute()
    blocked = next((there for there in (project, *project.parents) if there.exists()), project)
    if blocked.exists() and not blocked.is_dir():
        raise Misused(f"{blocked} is a file; nothing was written; name a folder, or one that can be made")
    new: list[str] = []
    same: list[str] = []
    changed: list[str] = []
    with placed(project):
        for name, content in _files().items():
            path = project / name
            if not path.exists():
                write_whole(path, content)
                new.append(name)
            else:
                (same if path.is_file() and path.read_bytes() == content else changed).append(name)
    return Created(project, tuple(new), tuple(same), tuple(changed))


def _files() -> dict[str, bytes]:
    """A project's files by their paths in it; the policy comes last, so that no half of a project counts as one."""
    sources = {
        str(path.relative_to(root.parent)): path
        for root in map(bundled, PARTS)
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files = {name: path.read_bytes() for name, path in sources.items()}
    files |= {path.name.replace("dot.", "."): path.read_bytes() for path in STARTER.iterdir() if path.is_file()}
    environment = b"python_env: python_env.yaml\n\n"
    files["MLproject"] = bundled("MLproject").read_bytes().replace(environment, b"")
    return dict(sorted(files.items(), key=lambda file: (file[0] == POLICY, file[0])))
