"""The lifecycle of forecasting models for operational time series."""

__version__ = "0.1.0"
