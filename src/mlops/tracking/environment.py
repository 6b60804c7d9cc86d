"""Which code, libraries and machine make a model: what may change its numbers besides the data."""

import hashlib
import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from mlops.domain.canonical import sha256
from mlops.domain.lineage import CodeState, Environment

__all__ = ["DECIDING", "environment", "installed", "source_code"]

DECIDING = (
    "cmdstanpy",
    "holidays",
    "joblib",
    "lightgbm",
    "mlflow",
    "mlops",
    "numpy",
    "optuna",
    "pandas",
    "prophet",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "threadpoolctl",
)
"""Distributions whose version can decide a number; those that are installed stand in the lineage by name."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SOURCES = {".py", ".sql", ".toml"}
GIT_SECONDS = 5  # chosen, not measured: a training does not wait for a repository on a slow disk


@cache
def installed() -> dict[str, str]:
    """Every installed distribution and its version, by normalised name."""
    named = {there.metadata["Name"]: there.version for there in distributions() if there.metadata["Name"]}
    return dict(sorted((re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in named.items()))


@cache
def environment() -> Environment:
    """Python, machine and libraries; `distributions_sha256` is that of the lines name==version of all installed."""
    everything = installed()
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
        "distributions": {name: everything[name] for name in DECIDING if name in everything},
        "distributions_sha256": sha256("\n".join(f"{name}=={version}" for name, version in everything.items())),
    }


@cache
def source_code(folder: Path = Path(__file__).parents[1]) -> CodeState:
    """The digest of the source files in a folder (this package), and their git `commit` when they are a checkout.

    `dirty` says that they differ from the commit. A folder that git does not track has no commit: a package installed
    somewhere inside of somebody's repository is not that repository's code.
    """
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in SOURCES and path.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    if _git(folder, "ls-files", "--", ".") and (commit := _git(folder, "rev-parse", "HEAD")):
        dirty = _git(folder, "status", "--porcelain", "--", ".") != ""
        return {"sha256": whole.hexdigest(), "commit": commit, "dirty": dirty}
    return {"sha256": whole.hexdigest()}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None when it is not installed, takes too long, or knows no repository there."""
    try:
        done = subprocess.run(  # noqa: S603  fixed words, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607  git is where PATH says
            capture_output=True,
            text=True,
            check=False,
            timeout=GIT_SECONDS,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    """The processor's name: numerical libraries choose their instructions by it."""
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        named = None
    return named[1] if named else platform.processor() or platform.machine()
