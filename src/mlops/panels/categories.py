"""Covariates of text as columns of 0 and 1, one for each text of the training; and which covariates never vary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.errors import BadInput

__all__ = ["MOST", "NUMBERS", "UNSEEN", "Coding", "as_text"]


MOST = 50
"""Categories that a covariate may have. Chosen, not measured."""
UNSEEN = "(not in the training)"
"""What a category that the training had not is called, when a panel becomes a frame again."""


class CodingDocument(TypedDict, total=False):
    """A coding as a saved model has it; of a model without categories, or of before there were any, it is empty."""

    levels: Mapping[str, Mapping[str, float]]
    static: list[str]


@dataclass(frozen=True, slots=True)
class Coding:
    """How covariates become numbers: learned from a training, remembered with the model.

    `levels` are the categories of each covariate of text, sorted, with their shares of the training; each is a column
    `covariate=category`, 1 where it holds. A category that is none of them is 0 in all columns, a missing one NaN in
    all. `static` are the covariates, of text or numbers, that never varied within a series.
    """

    levels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    static: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pd.DataFrame, names: Sequence[str]) -> Self:
        """Learned from a frame `series_id, y` and the covariates; BadInput for text that is no category."""
        learned = frame["y"].notna()
        text = ("string", "categorical")
        texts = [name for name in names if pd.api.types.infer_dtype(frame[name], skipna=True) in text]
        levels = {name: _levels(frame.loc[learned, name], name) for name in texts}
        static = []
        for name in names:  # those that have one value at most in every series, and one in any
            count = frame[name].groupby(frame["series_id"].to_numpy()).nunique()
            if len(count) and (count <= 1).all() and (count > 0).any():
                static.append(name)
        coding = cls(levels, tuple(static))
        columns = coding.names(names)
        twice = next((column for column in columns if columns.count(column) > 1), None)
        if twice:
            raise BadInput(f"two covariates have a column {twice!r}; rename one of them")
        return coding

    @classmethod
    def from_json(cls, given: CodingDocument) -> Self:
        """What `to_json` gave; nothing of a model that was saved before there were categories."""
        return cls(given.get("levels", {}), tuple(given.get("static", ())))

    def to_json(self) -> CodingDocument:
        """As JSON, without what is empty."""
        document: CodingDocument = {}
        if self.levels:
            document["levels"] = dict(self.levels)
        if self.static:
            document["static"] = list(self.static)
        return document

    def names(self, covariates: Sequence[str]) -> tuple[str, ...]:
        """The columns of covariates."""
        return tuple(column for name in covariates for column in self._columns(name))

    def coded(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with the columns of a covariate in place of its text."""
        for name, levels in self.levels.items():
            if name in frame.columns:
                texts = as_text(frame[name])
                code = pd.Index(list(levels)).get_indexer(pd.Index(texts))
                missing = texts.isna().to_numpy()
                columns = {
                    column: np.where(missing, np.nan, (code == number).astype(float))
                    for number, column in enumerate(self._columns(name))
                }
                frame = pd.concat([frame.drop(columns=name), pd.DataFrame(columns, frame.index)], axis=1)
        return frame

    def decoded(self, columns: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Columns as a user has them, with the text of a covariate in place of its columns."""
        whose = {column: name for name in self.levels for column in self._columns(name)}
        decoded: dict[str, npt.NDArray[Any]] = {}
        for column, values in columns.items():
            name = whose.get(column, column)
            if name == column:
                decoded[name] = values
            elif name not in decoded:
                decoded[name] = self._text(name, np.stack([columns[code] for code in self._columns(name)]))
        return decoded

    def averaged(self, covariates: Sequence[str], values: Sequence[Floats]) -> list[Floats]:
        """The values of the columns of covariates, with a category that was not in the training as the mean of those.

        For models that add up effects: in these "none of them" has no meaning, as one of them always held.
        """
        averaged, first = list(values), 0
        for name in covariates:
            columns = range(first, first + len(self._columns(name)))
            if name in self.levels:
                none = np.sum([values[column] for column in columns], axis=0) == 0
                for column, share in zip(columns, self.levels[name].values(), strict=True):
                    averaged[column] = np.where(none, share, values[column])
            first = columns.stop
        return averaged

    def _columns(self, name: str) -> tuple[str, ...]:
        return tuple(f"{name}={text}" for text in self.levels[name]) if name in self.levels else (name,)

    def _text(self, name: str, flags: Floats) -> npt.NDArray[np.object_]:
        """The category of the largest flag (categories × …); None where it is not known."""
        missing = np.isnan(flags[0])
        flags = np.where(missing, 0.0, flags)
        levels = np.array(list(self.levels[name]), dtype=object)
        texts: npt.NDArray[np.object_] = levels[flags.argmax(axis=0)]
        texts[flags.max(axis=0) <= 0] = UNSEEN
        texts[missing] = None
        return texts


NUMBERS = Coding()
"""Every covariate is a number, and may vary."""


def as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """The values of a column as text, None where they are missing; whole numbers without a point."""
    values = column.astype(object).where(column.notna(), None)
    texts = {
        value: str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        for value in values.dropna().unique()
    }
    return values.map(texts).where(column.notna(), None)


def _levels(column: "pd.Series[Any]", name: str) -> dict[str, float]:
    """The categories of a covariate and their shares."""
    shares = as_text(column).value_counts(normalize=True).sort_index()
    levels = {str(text): float(share) for text, share in shares.items()}
    if len(levels) > MOST:
        raise BadInput(
            f"covariate {name!r} has {len(levels):,} different texts, as an id has, and a category may have {MOST};"
            " leave it out, put its texts into groups, or turn them into numbers"
        )
    if not levels:
        raise BadInput(f"covariate {name!r} has no text in a row with a y, so it says nothing; leave it out")
    return levels
