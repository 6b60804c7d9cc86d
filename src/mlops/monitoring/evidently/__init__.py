"""The only door to Evidently: numbers computed elsewhere become its snapshots, with tests, its pages and its workspace.

Importing this package takes seconds, so import it where it is used. Nothing is ever sent: DO_NOT_TRACK is set.
"""

import os

os.environ["DO_NOT_TRACK"] = "1"  # read by Evidently when it is imported

from mlops.monitoring.evidently.precomputed import save_html, to_snapshot

__all__ = ["save_html", "to_snapshot"]
