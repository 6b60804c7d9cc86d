"""A file becomes typed rows, sorted by series and time, or reasons why not."""
