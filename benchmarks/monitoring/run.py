"""False alarms, power and delay of drift detectors on simulated lives whose truth is known: one table.

    python -m benchmarks.monitoring.run --detectors ours --quiet 100 --runs 40
    python -m benchmarks.monitoring.run --detectors ours,evidently_season,adwin --evaluate --output /tmp/monitoring

Run it at the root of the repository in the project's environment. What a detector said is appended to
<cache>/<detector>@<hash of the sources>.jsonl, one line per life, so that an interrupted run goes on where it was.
Development uses seeds from 0 on; --evaluate uses seeds from 100,000 on, which no constant may ever be tuned on.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.monitoring.detectors import KINDS
from benchmarks.monitoring.play import play
from benchmarks.monitoring.scenarios import QUIET, SCENARIOS, WORLDS
from benchmarks.monitoring.tables import tables

import mlops

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
DEVELOPMENT, EVALUATION = 0, 100_000
Task = tuple[str, int, tuple[str, ...]]
"""Scenario, seed, detectors."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--detectors", default="ours", help=f"with commas, of: {', '.join(KINDS)}")
    options.add_argument("--quiet", type=int, default=100, help="quiet model-years")
    options.add_argument("--runs", type=int, default=40, help="lives per kind of change")
    options.add_argument("--only", default="", help="changes whose name contains this")
    options.add_argument("--world", choices=WORLDS, default="usual")
    options.add_argument("--evaluate", action="store_true", help="seeds that no constant was tuned on")
    options.add_argument("--alarms-per-year", type=float, default=1.0, help="the budget of detectors that have one")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--cache", type=Path, default=Path("/tmp/monitoring-cache"))
    options.add_argument("--output", type=Path, help="write <output>.txt and <output>.json")
    chosen = options.parse_args()
    if not THREADS.items() <= os.environ.items():
        command = [sys.executable, "-m", "benchmarks.monitoring.run", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | THREADS)
    kinds = tuple(chosen.detectors.split(","))
    chosen.cache.mkdir(parents=True, exist_ok=True)
    first = EVALUATION if chosen.evaluate else DEVELOPMENT
    wanted = [(QUIET, first + n) for n in range(chosen.quiet)]
    wanted += [(name, first + n) for name in SCENARIOS if chosen.only in name for n in range(chosen.runs)]
    about = {"world": chosen.world, "alarms_per_year": chosen.alarms_per_year}
    files = {kind: _file(chosen.cache, kind, about) for kind in kinds}
    _play_missing(wanted, files, about, chosen.workers)
    records = {kind: [one for one in _read(file) if _key(one) in {*wanted}] for kind, file in files.items()}
    text, document = tables(records)
    print(text)
    if chosen.output:
        chosen.output.with_suffix(".txt").write_text(text)
        chosen.output.with_suffix(".json").write_text(json.dumps(document, indent=1))


def _play_missing(wanted: list[tuple[str, int]], files: dict[str, Path], about: dict[str, Any], workers: int) -> None:
    tasks = list(_missing(wanted, files))
    with ProcessPoolExecutor(workers) as pool:
        running = [pool.submit(play, *task, **about) for task in tasks]
        for number, done in enumerate(as_completed(running), start=1):
            for record in done.result():
                with files[record["detector"]].open("a") as file:
                    file.write(json.dumps(record) + "\n")
            if number % 50 == 0:
                print(f"{number} of {len(tasks)} lives", file=sys.stderr, flush=True)


def _missing(wanted: list[tuple[str, int]], files: dict[str, Path]) -> Iterator[Task]:
    done = {kind: set(map(_key, _read(file))) for kind, file in files.items()}
    for scenario, seed in wanted:
        kinds = tuple(kind for kind in files if (scenario, seed) not in done[kind])
        if kinds:
            yield scenario, seed, kinds


def _read(file: Path) -> list[dict[str, Any]]:
    """The records of a file; a line that an interruption cut off is removed, so that its life is played again."""
    text = file.read_text() if file.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole)
    return list({_key(record): record for record in map(json.loads, whole.splitlines())}.values())


def _key(record: dict[str, Any]) -> tuple[str, int]:
    return record["scenario"], record["seed"]


def _file(cache: Path, kind: str, about: dict[str, Any]) -> Path:
    """Named for what its content depends on: the simulator, the detector, the scenarios, the world and the budget."""
    home, here = Path(mlops.__file__).parent, Path(__file__).parent
    sources = [home / "simulation" / "processes.py", *sorted((home / "simulation" / "drift").glob("*.py"))]
    sources += [here / "scenarios.py", here / "play.py"]
    sources.append(here / f"{KINDS[kind].split(':')[0].rsplit('.', 1)[-1]}.py")
    if kind == "ours":
        sources += sorted((home / "monitoring").glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources) + json.dumps(about).encode())
    return cache / f"{kind}@{digest.hexdigest()[:10]}.jsonl"


if __name__ == "__main__":
    main()
