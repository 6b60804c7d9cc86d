"""The only door to Evidently: numbers computed elsewhere become its snapshot, with tests, and its page."""

import json
import math
import os
import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd

from mlops.domain.findings import Finding, Findings

os.environ["DO_NOT_TRACK"] = "1"  # read by Evidently when it is imported
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its imports use what numpy and litestar have deprecated
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.datasets import Dataset as CoreDataset
    from evidently.core.metric_types import MetricTest, SingleValue, SingleValueCalculation, SingleValueMetric
    from evidently.core.report import Context, Snapshot
    from evidently.tests import lte
