"""What `mlops predict` shows and writes, and `mlops forecasts list|export|plot` of what is stored."""

import json
from pathlib import Path

import pandas as pd
import pytest

from mlops.db import Database

CHAMPION = "models:/demand@champion"
COLUMNS = ["model", "version", "series_id", "name", "ds", "cutoff", "y_hat", "lo_80", "hi_80", "lo_95", "hi_95"]


@pytest.fixture
def stored(mlops, routes: Database, champion) -> None:
    """Forecasts of two Mondays, with the outcomes that were known on 15 January."""
    for day in ("2020-01-06", "2020-01-13"):
        assert mlops("predict", CHAMPION, "--as-of", day)[0] == 0
    assert mlops("outcomes", "match", "--as-of", "2020-01-15")[0] == 0


def test_predict_shows_the_first_days_of_series_by_name_and_writes_all(mlops, routes, champion, tmp_path: Path):
    code, out, _ = mlops("predict", CHAMPION, "--as-of", "2020-01-06")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "112 forecasts of 4 series from 2020-01-05 by models:/demand/1; 112 are new"
    assert lines[2].split() == ["series", "for", "forecast", "80", "%", "interval", "95", "%", "interval"]
    assert [line.split()[:2] for line in lines[3:5]] == [["R1", "2020-01-06"], ["2020-01-07", lines[4].split()[1]]]
    assert "… and 100 more forecasts; to see them: --output FILE.csv, mlops forecasts export FILE" in out
    for ending in ("csv", "csv.gz", "parquet"):
        target = tmp_path / f"ahead.{ending}"
        code, out, _ = mlops("predict", CHAMPION, "--as-of", "2020-01-06", "--output", target)
        assert f"all 112 rows are in {target}" in out
        written = pd.read_parquet(target) if ending == "parquet" else pd.read_csv(target, parse_dates=["ds", "cutoff"])
        assert list(written["name"].unique()) == ["R1", "R2", "R3", "R4"]
        assert written["ds"].min() == pd.Timestamp("2020-01-06", tz="UTC")
        assert (written["lo_95"] <= written["lo_80"]).all()


@pytest.mark.parametrize(
    ("file", "words"),
    [("ahead.xlsx", "must end in .csv, .csv.gz, .parquet"), ("nowhere/ahead.csv", "there is no folder")],
)
def test_a_file_that_can_not_be_written_is_refused_before_anything_is_forecast(
    mlops, routes: Database, champion, tmp_path: Path, file: str, words: str
):
    code, _, err = mlops("predict", CHAMPION, "--as-of", "2020-01-06", "--output", tmp_path / file)
    assert code in (1, 2)
    assert words in err
    assert "no forecast was stored" in mlops("forecasts", "list")[2]


def test_stored_forecasts_are_a_line_per_version_and_cutoff_with_what_was_known_then(mlops, stored):
    found = json.loads(mlops("forecasts", "list", "--json")[1])
    assert [(row["cutoff"][:10], row["series"], row["steps"], row["outcomes"]) for row in found] == [
        ("2020-01-12", 4, 28, 8),
        ("2020-01-05", 4, 28, 36),
    ]
    assert all(0 < row["wape"] < 1 for row in found)
    then = json.loads(mlops("forecasts", "list", "--as-of", "2020-01-08", "--json")[1])
    assert [(row["cutoff"][:10], row["outcomes"]) for row in then] == [("2020-01-05", 8)], "later issues and outcomes"
    one = json.loads(mlops("forecasts", "list", "--series", "R2", "--cutoff", "2020-01-05", "--json")[1])
    assert [(row["series"], row["forecasts"], row["outcomes"]) for row in one] == [(1, 28, 9)]
    code, out, _ = mlops("forecasts", "list")
    assert code == 0
    assert [line.split()[:3] for line in out.splitlines()[1:3]] == [
        ["demand", "1", "2020-01-12"],
        ["demand", "1", "2020-01-05"],
    ]
    assert "--since DAY looks farther back" in out


def test_an_export_holds_forecasts_intervals_and_outcomes(mlops, stored, tmp_path: Path):
    target = tmp_path / "stored.parquet"
    arguments = ("--model", CHAMPION, "--series", "2", "--cutoff", "2020-01-12")
    code, out, err = mlops("forecasts", "export", target, *arguments)
    assert code == 0, err
    assert "28 forecasts for 2020-01-13 to 2020-02-09" in out
    rows = pd.read_parquet(target)
    assert list(rows.columns) == [*COLUMNS, "outcome"]
    assert rows["outcome"].notna().sum() == 2
    assert set(rows["name"]) == {"R2"}


def test_a_picture_shows_a_series_by_name_or_id(mlops, stored, tmp_path: Path):
    for ending, begins in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        pictures = []
        for series in ("R2", "2"):
            target = tmp_path / f"{series}.{ending}"
            code, out, err = mlops("forecasts", "plot", target, "--series", series, "--as-of", "2020-01-20")
            assert code == 0, err
            assert "R2: 28 steps from 2020-01-12 by models:/demand/1, 7 of them observed since" in out
            pictures.append(target.read_bytes())
        assert pictures[0].startswith(begins)
        assert pictures[0] == pictures[1], "the same forecast is the same picture"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "--model", "demnad"), "did you mean 'demand'"),
        (("list", "--model", "models:/demand/9"), "leads nowhere"),
        (("list", "--model", "models:/a/b/c"), "is not a model URI"),
        (("list", "--series", "R22"), "did you mean 'R2'"),
        (("list", "--cutoff", "2019-06-01"), "no such forecast from 2019-06-01"),
        (("list", "--cutoff", "June"), "is not a time"),
        (("export", "all.txt"), "must end in .csv, .csv.gz, .parquet"),
        (("plot", "one.pdf", "--series", "R2"), "must end in .png, .svg"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_there_is_told_with_the_nearest(mlops, stored, arguments: tuple[str, ...], words: str):
    code, out, err = mlops("forecasts", *arguments)
    assert code in (1, 2)
    assert words in err
    assert "Traceback" not in out + err


def test_series_go_by_the_name_that_the_list_prints(mlops, routes, champion):
    rows = json.loads(mlops("series", "list", "--json")[1])
    assert [(row["series_id"], row["name"]) for row in rows] == [(one, f"R{one}") for one in range(1, 5)]
    assert mlops("series", "show", "R3", "--json") == mlops("series", "show", "3", "--json")
    code, _, err = mlops("series", "show", "R33")
    assert code in (1, 2)
    assert "did you mean 'R3'" in err
