"""Lineage as OpenLineage events (the only door to openlineage)."""
