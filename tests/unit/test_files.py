"""What is read of a file is what its digest is of, and what was over at the time that was asked for."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from mlops.errors import BadInput
from mlops.panels import files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Four weeks of working days until Friday, 26 January 2024."""
    path = tmp_path / "f.csv"
    days = pd.bdate_range("2024-01-01", "2024-01-26")
    pd.DataFrame({"series_id": "a", "ds": days, "y": range(len(days))}).to_csv(path, index=False)
    return path


def test_a_file_that_changes_later_keeps_the_digest_of_what_was_read(file: Path):
    was = hashlib.sha256(file.read_bytes()).hexdigest()
    series = files.read_file(file, datetime.now(UTC))
    file.write_text("other", encoding="utf-8")
    assert series.facts["sha256"] == was


def test_a_file_that_is_written_to_while_it_is_read_is_refused(file: Path, monkeypatch):
    really = files.read_frame

    def read_frame(path: Path, *columns: object) -> pd.DataFrame:
        found = really(path, *columns)
        path.write_text(path.read_text(encoding="utf-8").replace("19", "20"), encoding="utf-8")
        return found

    monkeypatch.setattr(files, "read_frame", read_frame)
    with pytest.raises(BadInput, match="was written to while it was read"):
        files.read_file(file, datetime.now(UTC))


def test_a_working_day_is_over_at_its_end_and_not_only_when_the_next_one_begins(file: Path):
    ends = [files.read_file(file, datetime(2024, 1, 26, hour, tzinfo=UTC)).left_out for hour in (0, 23)]
    assert (ends, files.read_file(file, datetime(2024, 1, 27, tzinfo=UTC)).left_out) == ([1, 1], 0)
