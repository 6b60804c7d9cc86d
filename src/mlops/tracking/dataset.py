"""The training data as MLflow shows it on a run's page: its facts and our digest of it, never the data."""

import json
from typing import Any

from mlflow.data.dataset import Dataset
from mlflow.data.dataset_source import DatasetSource
from mlflow.data.dataset_source_registry import register_dataset_source
from mlflow.entities import Dataset as Entity
from mlflow.entities import DatasetInput, InputTag, Run
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

import mlflow
from mlops.domain.canonical import JsonObject
from mlops.domain.lineage import Lineage
from mlops.errors import Refused

__all__ = ["SOURCE_TYPE", "LoggedDataset", "TrainingSource", "dataset_input", "log_dataset", "logged_digests"]

SOURCE_TYPE = "mlops_training_data"
CONTEXT = "training"
DIGEST_DIGITS = 36
"""As many as MLflow's table keeps."""


class TrainingSource(DatasetSource):
    """Facts that the content alone decides: MLflow keeps one source for each name and digest, the first one.

    They are plain JSON, which a process without this class reads as `json.loads(dataset.source)`.
    """

    def __init__(self, facts: JsonObject) -> None:
        self.facts = facts

    @classmethod
    def of(cls, lineage: Lineage) -> "TrainingSource":
        """The source of the data that a lineage describes."""
        names = {"content_sha256", "rows", "columns", "trained_from", "trained_to"}
        return cls({name: value for name, value in lineage.document.items() if name in names})

    @staticmethod
    def _get_source_type() -> str:
        return SOURCE_TYPE

    def load(self) -> Any:
        """Always Refused: the data are in the database."""
        raise Refused("the training data are not in MLflow; `mlops registry reproduce` reads them as they were known")

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return isinstance(raw_source, TrainingSource)

    @classmethod
    def _resolve(cls, raw_source: Any) -> "TrainingSource":
        return cls(raw_source.facts)

    def to_dict(self) -> JsonObject:
        """The facts."""
        return self.facts

    @classmethod
    def from_dict(cls, source_dict: JsonObject) -> "TrainingSource":
        """The source with these facts."""
        return cls(source_dict)


class LoggedDataset(Dataset):
    """A dataset whose digest is ours; MLflow's own covers 10,000 rows, and of them only numbers and texts."""

    def __init__(self, name: str, lineage: Lineage) -> None:
        self._lineage = lineage
        super().__init__(TrainingSource.of(lineage), name)

    def _compute_digest(self) -> str:
        return self._lineage.content_sha256[:DIGEST_DIGITS]

    def to_dict(self) -> dict[str, str]:
        """What MLflow stores: `schema` is the columns with their types, `profile` the number of rows."""
        columns = [{"name": name, "type": kind} for name, kind in self._lineage.columns.items()]
        facts = {"schema": json.dumps(columns), "profile": json.dumps({"num_rows": self._lineage.rows})}
        return super().to_dict() | facts

    @property
    def schema(self) -> None:
        """None: MLflow would want its own types here."""

    @property
    def profile(self) -> dict[str, int]:
        """How much there is."""
        return {"num_rows": self._lineage.rows}


def log_dataset(name: str, lineage: Lineage) -> None:
    """Tell the active run what it trains on."""
    mlflow.log_input(LoggedDataset(name, lineage), context=CONTEXT)


def dataset_input(name: str, lineage: Lineage) -> DatasetInput:
    """The same for MLflow's client."""
    data = LoggedDataset(name, lineage).to_dict()
    kind, source = data.pop("source_type"), data.pop("source")
    dataset = Entity(data["name"], data["digest"], kind, source, data["schema"], data["profile"])
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, CONTEXT)])


def logged_digests(run: Run) -> set[str]:
    """The digests of what `log_dataset` logged to a run."""
    inputs = run.inputs.dataset_inputs if run.inputs else ()
    return {used.dataset.digest for used in inputs if used.dataset.source_type == SOURCE_TYPE}


register_dataset_source(TrainingSource)  # type: ignore[arg-type]  # MLflow means the class, and says an instance
