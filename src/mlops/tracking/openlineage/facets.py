"""Facets of OpenLineage that several datasets and jobs share."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

from openlineage.client import facet_v2 as facets

from mlops.version import __version__

__all__ = ["columns", "engine", "purpose", "subset"]

Subset = facets.base_subset_dataset


def purpose(about: str, kind: str) -> dict[str, Any]:
    """The facets of a job: what it does."""
    return {
        "documentation": facets.documentation_job.DocumentationJobFacet(about, "text/plain"),
        "jobType": facets.job_type_job.JobTypeJobFacet("BATCH", "MLOPS", kind),
    }


def engine(version: str) -> Any:
    """What ran it."""
    return facets.processing_engine_run.ProcessingEngineRunFacet(version, "mlops", __version__)


def columns(named: Iterable[tuple[str, str, str | None]]) -> Any:
    """The columns of a dataset: name, type and what it is."""
    field = facets.schema_dataset.SchemaDatasetFacetFields
    return facets.schema_dataset.SchemaDatasetFacet(
        [field(name, kind, about, place) for place, (name, kind, about) in enumerate(named, start=1)]
    )


def subset(conditions: Iterable[tuple[str, str, Sequence[str]]]) -> Any:
    """The part of a dataset for which all conditions hold: a column compares so with one of the values."""
    asked = [[_compare(name, how, value) for value in values] for name, how, values in conditions if values]
    return Subset.InputSubsetInputDatasetFacet(reduce(_and, [reduce(_or, each) for each in asked]))


def _compare(field: str, comparison: str, value: str) -> Any:
    return Subset.CompareSubsetCondition(
        Subset.FieldBaseCompareExpression(field), Subset.LiteralCompareExpression(value), comparison
    )


def _and(left: Any, right: Any) -> Any:
    return Subset.BinarySubsetCondition(left, right, "AND")


def _or(left: Any, right: Any) -> Any:
    return Subset.BinarySubsetCondition(left, right, "OR")
