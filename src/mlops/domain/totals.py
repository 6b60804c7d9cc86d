"""The levels at which forecasts of series are added up, and whose they are."""

__all__ = ["LEVELS", "OF", "TOTALS", "WEEK"]

LEVELS = ("customer", "driver", "vehicle", "route", "site", "company")
"""Whose a series is, the finest first."""
OF = {"driver": "driver_id", "vehicle": "vehicle_id", "route": "route_id", "site": "site_id"}
"""The place of a series that says in which total of a level it belongs; all belong to that of the company."""
WEEK = "week"
TOTALS = (*OF, "company", WEEK)
"""What may be asked for: totals at a level, and of all that is forecast the sums of whole weeks."""
