"""Frames as files for other tools: CSV or Parquet, as the name of the file says."""

from pathlib import Path

import pandas as pd

from mlops.errors import BadInput
from mlops.files import whole

__all__ = ["check_ending", "write_frame"]

ENDINGS = (".csv", ".csv.gz", ".parquet")


def check_ending(path: Path) -> str:
    """The ending that says how a frame is written; BadInput for another, and for a folder that is not there."""
    found = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)
    if found is None:
        raise BadInput(f"the name must end in {', '.join(ENDINGS)}", where=str(path))
    if not path.parent.is_dir():
        raise BadInput(f"there is no folder {path.parent.absolute()}; make it, or name another", where=str(path))
    if path.is_dir():
        raise BadInput("is a folder; name a file", where=str(path))
    return found


def write_frame(path: Path, frame: pd.DataFrame) -> int:
    """Write a frame, which appears when it is complete; how many rows. Naive times are UTC and are written so."""
    ending = check_ending(path)
    times = {name: frame[name].dt.tz_localize("UTC") for name in frame.select_dtypes("datetime").columns}
    written = frame.assign(**times)
    with whole(path) as unfinished:
        if ending == ".parquet":
            written.to_parquet(unfinished, index=False)
        else:
            texts = {name: times[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in times}
            gzipped = "gzip" if ending == ".csv.gz" else None
            written.assign(**texts).to_csv(unfinished, index=False, compression=gzipped, lineterminator="\n")
    return len(frame)
