"""What names a model or a version of it: the one place that reads and writes such names."""

import re
from dataclasses import dataclass

__all__ = ["FORMS", "MODEL_FORMS", "ModelUri", "alias_uri", "model_of", "uri_of", "version_of"]

FORMS = "models:/NAME@ALIAS or models:/NAME/VERSION"
"""Of a version, as MLflow writes it."""
MODEL_FORMS = "models:/NAME, models:/NAME@ALIAS or models:/NAME/VERSION"
"""Of a model, or of one of its versions; `models:/` may be left out."""
WHOLE = re.compile(r"(?P<scheme>models:/)?(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]{1,9}))?")


@dataclass(frozen=True, slots=True)
class ModelUri:
    """A name with an alias, with the number of a version, or (of a whole model) with neither."""

    name: str
    alias: str | None = None
    version: int | None = None


def version_of(uri: str) -> ModelUri | None:
    """What `models:/NAME@ALIAS` or `models:/NAME/VERSION` names; None for another text.

    >>> version_of("models:/demand/3")
    ModelUri(name='demand', alias=None, version=3)
    """
    match = WHOLE.fullmatch(uri)
    if match is None or not match["scheme"] or not (match["alias"] or match["version"]):
        return None
    return _of(match)


def model_of(text: str) -> ModelUri | None:
    """What a text of MODEL_FORMS names, with or without `models:/`; None for another text.

    >>> model_of("demand@champion")
    ModelUri(name='demand', alias='champion', version=None)
    """
    match = WHOLE.fullmatch(text)
    return None if match is None else _of(match)


def uri_of(name: str, version: int | str) -> str:
    """The URI of a version by its number.

    >>> uri_of("demand", 3)
    'models:/demand/3'
    """
    return f"models:/{name}/{version}"


def alias_uri(name: str, alias: str) -> str:
    """The URI of the version that an alias means.

    >>> alias_uri("demand", "champion")
    'models:/demand@champion'
    """
    return f"models:/{name}@{alias}"


def _of(found: re.Match[str]) -> ModelUri:
    return ModelUri(found["name"], found["alias"], int(found["version"]) if found["version"] else None)
