"""A fitted forecaster as files: JSON, text, Parquet and plain arrays; nothing is unpickled."""

import json
from pathlib import Path
from typing import NotRequired, TypedDict, TypeVar

import pandas as pd

from mlops.domain.canonical import JsonObject
from mlops.errors import BadInput
from mlops.forecasting.groups import Grouped
from mlops.forecasting.out_of_sample import OutOfSample
from mlops.panels.categories import Coding, CodingDocument
from mlops.panels.inputs import Form
from mlops.panels.panel import Panel
from mlops.panels.timestamps import granularity_of
from mlops.times import UTC

__all__ = ["read_card", "read_model", "write_model"]

CARD = "forecaster.json"


class Card(TypedDict):
    """What a saved forecaster is; one of series that are `apart` has its groups in folders, and no history itself."""

    kind: str
    params: JsonObject
    columns: NotRequired[JsonObject]
    coding: NotRequired[CodingDocument]
    apart: NotRequired[int]
    fitted_freq: NotRequired[str]
    zone: NotRequired[str]
    last: NotRequired[str]
    newest: NotRequired[str]
    trained: NotRequired[str]


def write_model(model: Grouped, folder: Path | str) -> None:
    """Everything of a fitted model that `read_model` needs; a group of series that is apart has a folder of its own."""
    model._check_fitted()
    folder = Path(folder).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"no folder can be made here ({error.strerror}); nothing was saved, name another", where=str(folder)
        ) from error
    card: Card = {"kind": model.kind, "params": model.params}
    if model._form.names:
        card["columns"] = model._form.names
    if coding := model.coding.to_json():
        card["coding"] = coding
    if model._apart:
        for number, group in enumerate(model._apart):
            write_model(group, folder / f"part-{number}")
        card["apart"] = len(model._apart)
        (folder / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
        return
    history = model._history
    card["fitted_freq"], card["zone"] = str(history.granularity), history.zone
    card["last"], card["newest"] = history.cutoff.isoformat(), history.newest.isoformat()
    if model._trained != history.cutoff:
        card["trained"] = model._trained.isoformat()
    (folder / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")
    history.long().to_parquet(folder / "history.parquet", index=False)
    model._out_of_sample.save(folder)
    model._save(folder)


Model = TypeVar("Model", bound=Grouped)


def read_model(kind: type[Model], folder: Path | str) -> Model:
    """The fitted model of a class out of a folder; BadInput for a folder in which none, or one of another kind, is."""
    folder = Path(folder).expanduser()
    card = read_card(folder)
    if card["kind"] != kind.kind:
        raise BadInput(
            f"a forecaster of kind {card['kind']!r} was saved here, not {kind.kind!r}; mlops.forecasting.load reads"
            " any kind",
            where=str(folder),
        )
    model = kind(**card["params"])
    model._form = Form(**card.get("columns", {}))
    model.coding = Coding.from_json(card.get("coding", {}))
    model._apart = tuple(read_model(kind, folder / f"part-{number}") for number in range(card.get("apart", 0)))
    if model._apart:
        return model
    model._history = Panel.of_long(
        pd.read_parquet(folder / "history.parquet"),
        granularity_of(card["fitted_freq"]),
        zone=card.get("zone", UTC),
        last=card.get("last"),
        newest=card.get("newest"),
        coding=model.coding,
    )
    trained = card.get("trained")
    model._trained = pd.Timestamp(trained).as_unit("ns") if trained else model._history.cutoff
    model._out_of_sample = OutOfSample.load(folder)
    model._load(folder)
    return model


def read_card(folder: Path | str) -> Card:
    """Kind, parameters and granularity of a saved forecaster; BadInput for a folder in which none was saved."""
    path = Path(folder).expanduser() / CARD
    if not path.is_file():
        raise BadInput(
            f"no forecaster was saved here: there is no {CARD}; name the folder that save() wrote", where=str(folder)
        )
    card: Card = json.loads(path.read_text(encoding="utf-8"))
    return card
