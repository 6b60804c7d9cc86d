"""Which row of the mirror a registered model is, when its name alone does not decide."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["MirroredModel", "RegistryModel", "recognise"]


@dataclass(frozen=True, slots=True)
class RegistryModel:
    """A model as the registry has it: when it was made, and when each of its versions was, by number."""

    name: str
    created_at: object
    versions: Mapping[int, object]


@dataclass(frozen=True, slots=True)
class MirroredModel:
    """A row of the mirror: also which versions it ever had, and whether it was there at the last sync."""

    model_id: int
    name: str
    created_at: object
    versions: Mapping[int, object]
    live: bool


def recognise(models: Iterable[RegistryModel], mirrored: Iterable[MirroredModel]) -> dict[str, int]:
    """The rows of models by name; a model that is none of the mirrored rows is left out.

    MLflow gives models no number. What a rename never changes is the time in ms at which a model was made, and the
    numbers and times of its versions. Among models of the same ms the most shared versions decide, then the name, then
    whether the row is live, then the newer row; a number that both have from different times excludes.
    """
    rows = defaultdict(list)
    for row in mirrored:
        rows[row.created_at].append(row)
    pairs = [(model, row) for model in models for row in rows[model.created_at] if not _differ(model, row)]
    pairs.sort(key=lambda pair: _likeness(*pair), reverse=True)
    recognised: dict[str, int] = {}
    taken: set[int] = set()
    for model, row in pairs:
        if model.name not in recognised and row.model_id not in taken:
            recognised[model.name] = row.model_id
            taken.add(row.model_id)
    return recognised


def _differ(model: RegistryModel, row: MirroredModel) -> bool:
    return any(model.versions[number] != row.versions[number] for number in model.versions.keys() & row.versions.keys())


def _likeness(model: RegistryModel, row: MirroredModel) -> tuple[int, bool, bool, int, str]:
    shared = len(model.versions.keys() & row.versions.keys())
    return shared, model.name == row.name, row.live, row.model_id, model.name
