"""The weekly review: what everything recorded by a time says about each champion, as data and as one page."""

from mlops.monitoring.review.document import ACTIONS, Model, Review
from mlops.monitoring.review.page import file_name, write
from mlops.monitoring.review.read import build

__all__ = ["ACTIONS", "Model", "Review", "build", "file_name", "write"]
