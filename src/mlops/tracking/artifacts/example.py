"""A first request for a loaded model: the example that it was logged with, else a row made from its signature."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlflow.models import convert_input_example_to_serving_input
from mlflow.types import DataType

from mlops.tracking.scoring import columns_of

__all__ = ["Example", "example_of"]

MADE: dict[str, Any] = {
    DataType.boolean.name: False,
    DataType.datetime.name: "2020-01-01T00:00:00",
    DataType.double.name: 0.0,
    DataType.float.name: 0.0,
    DataType.integer.name: 0,
    DataType.long.name: 0,
    DataType.string.name: "",
}
"""A value of each type that JSON has; a column of another type makes no row."""


@dataclass(frozen=True, slots=True)
class Example:
    """The body of a request in JSON, and whether whoever logged the model gave it: a made row may be one it refuses."""

    body: bytes
    given: bool


def example_of(model: Any) -> Example | None:
    """A request that a loaded pyfunc with a signature should answer; None where none can be made."""
    if model.input_example is not None:
        return Example(str(convert_input_example_to_serving_input(model.input_example)).encode(), given=True)
    schema = model.metadata.get_input_schema()
    if schema.is_tensor_spec():
        if schema.has_input_names():
            return None
        shape = [1 if size < 0 else size for size in schema.inputs[0].shape]
        return Example(json.dumps({"inputs": np.zeros(shape, schema.inputs[0].type).tolist()}).encode(), given=False)
    columns = columns_of(schema)
    if columns is None:
        return None
    needed = {
        name: kind
        for name, kind, required in zip(columns.names, columns.types, columns.required, strict=True)
        if required
    }
    if not needed or not set(needed.values()) <= MADE.keys():
        return None
    row = [MADE[kind] for kind in needed.values()]
    return Example(json.dumps({"dataframe_split": {"columns": list(needed), "data": [row]}}).encode(), given=False)
