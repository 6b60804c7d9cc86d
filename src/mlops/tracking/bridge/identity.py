"""Which row of the mirror a registered model is, when its name alone does not tell."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Known", "Seen", "recognise"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A model as the registry has it: when it was made, and when each of its versions was, by number."""

    name: str
    created_at: object
    versions: Mapping[int, object]


@dataclass(frozen=True, slots=True)
class Known:
    """A row of the mirror: also which versions it ever had, and whether it was there at the last sync."""

    model_id: int
    name: str
    created_at: object
    versions: Mapping[int, object]
    live: bool


def recognise(seen: Iterable[Seen], known: Iterable[Known]) -> dict[str, int]:
    """The rows of models by name; a model that is none of the known rows is left out.

    MLflow gives models no number. What a rename never changes is the time in ms at which a model was made, and the
    numbers and times of its versions. Among models of the same ms the most shared versions decide, then the name, then
    whether the row is live, then the newer row; a number that both have from different times excludes.
    """
    rows = defaultdict(list)
    for row in known:
        rows[row.created_at].append(row)
    pairs = [(model, row) for model in seen for row in rows[model.created_at] if not _differ(model, row)]
    pairs.sort(key=lambda pair: _likeness(*pair), reverse=True)
    found: dict[str, int] = {}
    taken: set[int] = set()
    for model, row in pairs:
        if model.name not in found and row.model_id not in taken:
            found[model.name] = row.model_id
            taken.add(row.model_id)
    return found


def _differ(model: Seen, row: Known) -> bool:
    return any(model.versions[number] != row.versions[number] for number in model.versions.keys() & row.versions.keys())


def _likeness(model: Seen, row: Known) -> tuple[int, bool, bool, int, str]:
    shared = len(model.versions.keys() & row.versions.keys())
    return shared, model.name == row.name, row.live, row.model_id, model.name
