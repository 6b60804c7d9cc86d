"""Features: built from what was known at a time, and recorded by definition and version."""
