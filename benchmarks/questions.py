"""What the fifteen questions of docs/how-to/questions.md cost: `python -m benchmarks.questions`; about ten minutes.

The page's commands make its company of 300 customers in an MLOPS_HOME of its own, on the embedded server. Each
question is asked by `mlops_reader`, 20 times after one that does not count, all rows fetched. `--renew` writes the
answers into the page. `--home` keeps the place, and where it is already made, asks there.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import psycopg
from tests.pages import BIN, ROOT, blocks, questions

PAGE, TIMES = "docs/how-to/questions.md", 20


def main() -> None:
    """Print a table of milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--renew", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = (chosen.home or Path(temporary)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join([str(Path(sys.executable).parent), str(BIN), os.environ["PATH"]])
        place = os.environ | {"MLOPS_HOME": str(home / "home"), "PATH": path}
        try:
            if not (home / "home").exists():
                script = "".join(code for _, language, code in blocks(PAGE) if language == "sh")
                subprocess.run(["bash", "-euxc", script], env=place, cwd=home, check=True)
            url = subprocess.run(
                ["mlops", "db", "url"], env=place, cwd=home, check=True, capture_output=True, text=True
            ).stdout.strip()
            _ask(url)
            if chosen.renew:
                _renew(url, place)
        finally:
            subprocess.run(["mlops", "db", "stop"], env=place, cwd=home, check=False)


def _ask(url: str) -> None:
    print("| question | rows | p50 ms | slowest of 20 ms |\n| --- | --- | --- | --- |")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set role mlops_reader")
        for question in questions(PAGE):
            taken = []
            for _ in range(TIMES + 1):
                began = perf_counter()
                rows = connection.execute(question.sql).fetchall()
                taken.append(1000 * (perf_counter() - began))
            middle, slowest = statistics.median(taken[1:]), max(taken[1:])
            print(f"| {question.number}. {question.words} | {len(rows)} | {middle:.1f} | {slowest:.1f} |")


def _renew(url: str, place: dict[str, str]) -> None:
    """Put what psql prints below each statement of the page."""
    page = ROOT / PAGE
    text = page.read_text(encoding="utf-8")
    for question in questions(PAGE):
        asked = ["psql", url, "--no-psqlrc", "--pset", "pager=off", "--command", question.sql]
        printed = subprocess.run(asked, env=place, check=True, capture_output=True, text=True).stdout
        answer = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines()) + "\n"
        old = f"```sql\n{question.sql}```\n\n```\n{question.answer}```"
        text = text.replace(old, f"```sql\n{question.sql}```\n\n```\n{answer}```")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
