"""How many functions of ours, in how many files, a number passes on its way.

    python benchmarks/structure.py [--only ingest] [--list]

Functions of `src/mlops` that are called are counted once each, by `sys.setprofile` in all threads; comprehensions and
generated methods of dataclasses are not. Each job is run a second time and counted then, when what is kept after its
first use (compiled patterns, parsed queries) is there.
"""

import argparse
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import mlops
from mlops.db import Database
from mlops.db.embedded import Server
from mlops.series.ingest import ingest

PACKAGE = str(Path(mlops.__file__).parent)
LONG = "metric_type,observed_at,value,route_id\n"


def main() -> None:
    """Run the jobs and print a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="", help="Only the jobs whose names contain this.")
    options.add_argument("--list", action="store_true", help="Print every function, too.")
    chosen = options.parse_args()
    print("| job | functions | files |\n| --- | --- | --- |")
    for name, job in JOBS.items():
        if chosen.only in name:
            with tempfile.TemporaryDirectory(prefix="mlops-bench-", ignore_cleanup_errors=True) as folder:
                report(name, passed(job, Path(folder)), names=chosen.list)


def report(name: str, codes: set[CodeType], *, names: bool) -> None:
    """One line of the table, and with `names` the functions by file."""
    files = Counter(Path(code.co_filename).relative_to(PACKAGE).as_posix() for code in codes)
    print(f"| {name} | {len(codes)} | {len(files)} |")
    for file, count in sorted(files.items()) if names else ():
        print(f"    {file}: {count}")
        own = (code for code in codes if code.co_filename == f"{PACKAGE}/{file}")
        for code in sorted(own, key=lambda code: code.co_firstlineno):
            print(f"        {code.co_firstlineno} {code.co_qualname}")


def passed(job: Callable[[Path, Callable[[], object]], None], folder: Path) -> set[CodeType]:
    """The functions that the second run of a job calls."""
    codes: set[CodeType] = set()

    @contextmanager
    def counted() -> Iterator[None]:
        def note(frame: FrameType, event: str, _: object) -> None:
            code = frame.f_code
            if event == "call" and code.co_filename.startswith(PACKAGE) and not code.co_name.startswith("<"):
                codes.add(code)

        threading.setprofile(note)
        sys.setprofile(note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    job(folder, counted)
    return codes


def two_rows(folder: Path, counted: Callable[[], object]) -> None:
    """Ingest a file of two rows, after one of two other rows of the same series."""
    folder.chmod(0o755)
    server = Server(folder / "postgres").start()
    try:
        database = Database(server.url())
        database.upgrade()
        for number, month in enumerate(("01", "02")):
            file = folder / f"{number}.csv"
            rows = (f"collection_weight,2024-{month}-0{day}T00:00:00Z,{day},R1\n" for day in (1, 2))
            file.write_text(LONG + "".join(rows))
            if number == 0:
                ingest(database, file)
            else:
                with counted():
                    ingest(database, file)
        database.close()
    finally:
        server.stop()


JOBS = {"ingest two rows": two_rows}

if __name__ == "__main__":
    main()
