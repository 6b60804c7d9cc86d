"""How MLflow shows an experiment: as training of models, with a description and a saved view of its runs.

MLflow has no default columns that a server could set; it keeps saved views as tags of the experiment, in the state of
its own page, and offers them under *Views*.
"""

import json

from mlflow.utils.mlflow_tags import MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME, MLFLOW_RUN_NOTE

__all__ = ["VIEW", "page_tags"]

VIEW = "accuracy"
"""The name of the saved view, and its key in an address: `?viewStateShareKey=accuracy`."""
COLUMNS = {
    "attributes.`Run Name`": 310,
    "params.`kind`": 100,
    "metrics.`wape`": 100,
    "metrics.`wape_naive`": 100,
    "metrics.`coverage_80`": 100,
    "params.`as_of`": 120,
    "params.`metric_type`": 150,
    "attributes.`Models`": 130,
}
"""The columns of the view in their order, as MLflow's page names them, and their widths in pixels."""
MADE_AT = 1_767_225_600_000  # 2026-01-01, ms: MLflow sorts views by it, and the same experiment gets the same tags
NOTE = """Runs of `{name}` by mlops. **Views → accuracy** shows each run's kind, its WAPE beside that of the seasonal
naive (`wape_naive`) and how many outcomes lay inside the 80 % interval (`coverage_80`). Filter by tags such as
`tags.mlops.kind = "auto"`, `tags.mlops.metric_type`, `tags.mlops.trigger = "recommendation"`."""


def page_tags(name: str) -> dict[str, str]:
    """The tags of a new experiment."""
    state = {"selectedColumns": list(COLUMNS), "columnOrder": list(COLUMNS), "columnWidths": COLUMNS}
    view = {"name": VIEW, "createdAt": MADE_AT, "updatedAt": MADE_AT, "state": json.dumps(state)}
    return {
        MLFLOW_RUN_NOTE: NOTE.format(name=name),
        MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME: "wape",
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(view),
    }
