"""The inputs of a direct global model: the columns of its features and covariates, for origins and steps ahead."""

from collections.abc import Sequence

import numpy as np

from mlops.arrays import Ints, Singles
from mlops.domain.features import FeatureDefinition
from mlops.features.panel import PanelInputs
from mlops.features.point import Source
from mlops.features.transformations import column_of, value
from mlops.panels.calendar import Calendar
from mlops.panels.panel import Panel

__all__ = ["Design"]


class Design(PanelInputs):
    """A panel, and the columns that the model has: its features, then its covariates by their value at the target."""

    def __init__(
        self,
        panel: Panel,
        known: Calendar,
        horizon: int,
        features: Sequence[FeatureDefinition],
        covariates: Sequence[str] = (),
        *,
        target: str,
    ) -> None:
        super().__init__(panel, known, horizon, target=target)
        self.columns = [column_of(one) for one in features] + [(value(), Source(name)) for name in covariates]

    def learned(self, origins: Ints, step: int) -> Singles:
        """The rows of one step ahead (series × origins, columns)."""
        return self.matrix(self.columns, origins, step)

    def asked(self, origins: Ints, steps: int) -> Singles:
        """The rows of all steps up to `steps` (series × origins × steps, columns)."""
        x = np.stack([self.learned(origins, step) for step in range(1, steps + 1)], axis=1)
        return x.reshape(-1, x.shape[2])
