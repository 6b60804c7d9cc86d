"""A waste company with known truth: customers, routes, vehicles, drivers and sites, in the long input format."""

from mlops.simulation.company.books import Books, simulate_company, write_books
from mlops.simulation.company.plan import Company

__all__ = ["Books", "Company", "simulate_company", "write_books"]
