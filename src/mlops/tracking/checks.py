"""What monitoring leaves on the run of the model that it checked."""

from datetime import UTC, datetime

from mlflow.exceptions import MlflowException

from mlops.tracking.store import Store

__all__ = ["CHECKS", "attach"]

CHECKS = "monitoring/evidently"
"""The folder of a run's artifacts with a snapshot per day on which its model was checked."""


def attach(store: Store, run_id: str | None, as_of: datetime, snapshot: str) -> str | None:
    """Keep a check's Evidently snapshot with the model's run, as monitoring/evidently/DATE.json (UTC).

    Why it couldn't be kept, or None: a run may be deleted, or its artifacts out of reach, and the check stands without
    it. The same check again, or a later one of the same day, takes the file's place.
    """
    try:
        if run_id is None:
            return "the version names no run"
        store.client.log_text(run_id, snapshot, f"{CHECKS}/{as_of.astimezone(UTC):%Y-%m-%d}.json")
    except (MlflowException, OSError) as error:
        return f"run {run_id}: {str(error).splitlines()[0]}"
    return None
