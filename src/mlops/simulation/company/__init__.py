"""A waste company with known truth: customers, routes, vehicles, drivers and sites, in the long input format."""

from mlops.simulation.company.books import Books, simulate_company
from mlops.simulation.company.plan import Company
from mlops.simulation.company.write import write_books

__all__ = ["Books", "Company", "simulate_company", "write_books"]
