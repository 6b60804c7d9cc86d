"""The version of the package, which every lineage names."""

__all__ = ["__version__"]

__version__ = "0.1.0"
