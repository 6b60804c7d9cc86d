"""Serving: a registry URI becomes stored forecasts; outcomes are matched when they become known."""
