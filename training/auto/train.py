"""Members weighted by their past errors: `mlflow run . -e auto`, or copy this folder to start another experiment.

Every key of params.toml can be changed for one run:
`mlflow run . -e auto -P as_of=2020-01-01 -P members=smoothing,average`.
"""

import sys
from pathlib import Path

from mlops.training.project import run_project

if __name__ == "__main__":
    run_project(Path(__file__).with_name("params.toml"), sys.argv[1:])
