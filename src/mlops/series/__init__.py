"""What comes in: observations of series, checked, stored and read as they were known at a time."""
