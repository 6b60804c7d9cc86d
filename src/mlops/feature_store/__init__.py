"""Feature sets in Postgres: built as they were known at a time, kept by version, profiled, exported."""
