"""What names a model version: `models:/NAME@ALIAS` or `models:/NAME/VERSION`, as MLflow writes it."""

import re

__all__ = ["FORMS", "MODEL_URI"]

FORMS = "models:/NAME@ALIAS or models:/NAME/VERSION"
MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]{1,9}))")
