"""Has the world moved away from the model? A monitor works on any frame; the weekly job keeps what it finds."""

from typing import TYPE_CHECKING

from mlops.lazy import attach

if TYPE_CHECKING:
    from mlops.domain.findings import Finding, Findings
    from mlops.monitoring.detect.monitor import Monitor, fit_monitor
    from mlops.monitoring.detect.spec import MonitorSpec

__all__ = ["Finding", "Findings", "Monitor", "MonitorSpec", "fit_monitor"]

__getattr__ = attach(
    __name__,
    {
        "Finding": "mlops.domain.findings",
        "Findings": "mlops.domain.findings",
        "Monitor": "mlops.monitoring.detect.monitor",
        "MonitorSpec": "mlops.monitoring.detect.spec",
        "fit_monitor": "mlops.monitoring.detect.monitor",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
