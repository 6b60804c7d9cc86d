"""Forecasts of totals: sums of series and weeks with intervals of their own, and reconciliation over groups."""
