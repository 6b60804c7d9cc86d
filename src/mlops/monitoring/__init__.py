"""Has the world moved away from the model? Pure statistics; nothing here needs a database."""

from mlops.monitoring.detect.monitor import Monitor, MonitorSpec, fit_monitor

__all__ = ["Monitor", "MonitorSpec", "fit_monitor"]
