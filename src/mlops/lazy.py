"""Public names of a package whose modules are imported when the names are asked for: pandas takes half a second."""

from collections.abc import Callable, Mapping
from importlib import import_module

__all__ = ["attach"]


def attach(package: str, names: Mapping[str, str]) -> Callable[[str], object]:
    """The function `__getattr__` of a package that hands out `names`, each from the module that the mapping gives.

    >>> attach("json", {"JSONDecoder": "json.decoder"})("JSONDecoder").__name__
    'JSONDecoder'
    """

    def attribute(name: str) -> object:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(names[name]), name)

    return attribute
