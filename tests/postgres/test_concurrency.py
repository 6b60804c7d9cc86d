"""The experiment of benchmarks/store/concurrency.py, short: eight writers, readers, maintenance; two are killed."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "store" / "concurrency.py"


def test_writers_that_collide_and_die_lose_double_and_misplace_nothing():
    command = [sys.executable, str(SCRIPT), "--seconds", "8", "--writers", "8", "--readers", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert (found["lost"], found["doubled"], found["misplaced"]) == (0, 0, 0)
    assert found["values_written"] > 1000
    assert found["revisions"] > 0, "their keys overlap"
    assert found["months_dropped"] > 0, "values are looked for in archives, too"
