"""The weekly review: what everything recorded by a time says about each champion, as data and as one page."""

from mlops.monitoring.review.document import ACTIONS, Model, Review
from mlops.monitoring.review.page import file_name, write_review
from mlops.monitoring.review.read import build_review

__all__ = ["ACTIONS", "Model", "Review", "build_review", "file_name", "write_review"]
