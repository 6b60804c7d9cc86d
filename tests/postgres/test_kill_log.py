"""The short form of the campaign in `kill_log`: a server process or Postgres is killed eight times."""

import os
import subprocess
import sys
from pathlib import Path


def test_whatever_is_killed_durable_requests_are_stored_once_and_the_lost_ones_counted():
    command = [sys.executable, "-m", "tests.postgres.kill_log", "--kills", "8"]
    if os.environ.get("MLOPS_TEST_DATABASE_URL"):
        command.append("--debian")
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
