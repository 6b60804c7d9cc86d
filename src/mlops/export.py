"""Frames as files for other tools: CSV or Parquet, as the name of the file says."""

from pathlib import Path
from typing import Literal

import pandas as pd

from mlops.errors import BadInput
from mlops.files import whole

__all__ = ["write_frame"]

ENDINGS = (".csv", ".csv.gz", ".parquet")


def write_frame(path: Path, frame: pd.DataFrame) -> int:
    """Write a frame as .csv, .csv.gz or .parquet; it appears when it is complete. How many rows.

    Naive times are UTC and are written so. BadInput for another ending.
    """
    ending = next((one for one in ENDINGS if path.name.lower().endswith(one)), None)
    if ending is None:
        raise BadInput(f"the name must end in {', '.join(ENDINGS)}", where=str(path))
    times = {name: frame[name].dt.tz_localize("UTC") for name in frame.select_dtypes("datetime").columns}
    written = frame.assign(**times)
    with whole(path) as unfinished:
        if ending == ".parquet":
            written.to_parquet(unfinished, index=False)
        else:
            texts = {name: times[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in times}
            gzipped: Literal["gzip"] | None = "gzip" if ending == ".csv.gz" else None
            written.assign(**texts).to_csv(unfinished, index=False, compression=gzipped, lineterminator="\n")
    return len(frame)
