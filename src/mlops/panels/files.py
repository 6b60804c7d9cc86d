"""Series of a file as a training, a comparison and a prediction take them: what of it was known at a time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mlops.domain.granularity import labels_ends
from mlops.errors import BadInput, NothingToDo
from mlops.panels.frames import read_frame
from mlops.panels.from_frame import Panels
from mlops.panels.timestamps import restamped
from mlops.times import naive_utc

__all__ = ["FileSeries", "read_file"]


@dataclass(frozen=True)
class FileSeries:
    """The series of a file: `frame` has `series_id` (text), `ds` (naive UTC), `y`, covariates and segments.

    `sha256` is the digest of the file as it was read. `left_out` counts the values of steps that were not over at the
    time that was asked for.
    """

    path: Path
    freq: str
    frame: pd.DataFrame
    panels: Panels
    left_out: int
    sha256: str

    @property
    def facts(self) -> dict[str, Any]:
        """Name and SHA-256 of the file, its granularity (an alias that labels ends stays one), how many series."""
        granularity = self.freq if self.freq and labels_ends(self.freq) else self.panels.granularity.name
        count = len(self.panels.ids)
        return {"file": self.path.name, "sha256": self.sha256, "granularity": granularity, "series": count}


def read_file(
    path: Path, as_of: datetime, *, freq: str = "", covariates: Sequence[str] = (), segments: Sequence[str] = ()
) -> FileSeries:
    """The series of a file of whose steps all were over at `as_of`; their granularity is inferred when `freq` is empty.

    Of later steps only the covariates are kept, which are known ahead. Raises BadInput for what can't be read or is
    written to meanwhile, and NothingToDo when nothing is left.
    """
    digest = _sha256(path)
    frame = read_frame(path, covariates, segments)
    if _sha256(path) != digest:
        raise BadInput("was written to while it was read; nothing was done, try again", where=str(path))
    frame = restamped(frame, freq) if freq and labels_ends(freq) else frame
    panels = Panels.of(frame, freq or None, covariates)
    ends = panels.granularity.over(frame["ds"].to_numpy("datetime64[ns]"))
    open_then = ends > naive_utc(as_of).to_datetime64()
    left_out = int((frame["y"].notna() & open_then).sum())
    if left_out:
        frame = frame.assign(y=frame["y"].mask(open_then)) if covariates else frame[~open_then].reset_index(drop=True)
        if not frame["y"].notna().any():
            raise NothingToDo(
                f"{path}: none of its {left_out:,} values was known by {as_of:%Y-%m-%d %H:%M} UTC; ask for a later time"
                " with --as-of"
            )
        panels = Panels.of(frame, freq or None, covariates)
    return FileSeries(path, freq, frame, panels, left_out, digest)


def _sha256(path: Path) -> str:
    """The digest of what is there; empty where nothing can be read, which reading it tells."""
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return ""
