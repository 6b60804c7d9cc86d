"""Data whose truth is known, for trying, testing and benchmarks: the life of a model, and a waste company."""
