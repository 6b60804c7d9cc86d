"""Many series on one regular calendar: frames as people have them become the arrays that features and models read.

Pure: no database, no MLflow.
"""
