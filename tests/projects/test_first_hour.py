"""The README's block for one's own data, line by line as it is printed, and on other data with three words replaced."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from mlops.config import Settings

README = Path(__file__).parents[2] / "README.md"
PRINTED = ("auckland", "customer_activity", "NZ")
"""What stands in the block for a file, its metric type and its country."""


def block() -> list[list[str]]:
    """The words of each line of the block under "Your own data", comments left out."""
    text = README.read_text(encoding="utf-8").split("\n## Your own data\n")[1]
    found = re.search(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return [shlex.split(line, comments=True) for line in found[1].splitlines()]


def follow(mlops: Callable[..., tuple[int, str, str]], *words: object) -> dict[str, str]:
    """What each command printed; all of them must be done."""
    replaced, said = dict(zip(PRINTED, map(str, words), strict=True)), dict[str, str]()
    for program, *arguments in block():
        assert program == "mlops"
        code, out, err = mlops(*(replaced.get(word, word) for word in arguments))
        assert code == 0, f"mlops {shlex.join(arguments)}: {out}{err}"
        said[" ".join(word for word in arguments[:2] if word.islower())] = out
    return said


def test_the_block_runs_as_it_is_printed_from_ingest_to_health(mlops, home: Settings):
    said = follow(mlops, *PRINTED)
    assert "count as known since their period ended" in said["series ingest"]
    matched = re.match(r"([\d,]+) predictions got their outcome, 0 still wait", said["outcomes match"])
    assert matched is not None
    assert int(matched[1].replace(",", "")) > 400
    code, out, _ = mlops("registry", "list", "--json")
    assert (code, [row["aliases"] for row in json.loads(out)]) == (0, [["champion"]])


def test_the_block_runs_on_a_plain_file_of_cash_machines(mlops, home: Settings, shared_data: Path, tmp_path: Path):
    wide = pd.read_csv(shared_data / "nn5_atm" / "nn5_daily.csv.gz").iloc[:, :9]
    rows = wide.melt("date", var_name="series_id", value_name="y").dropna().rename(columns={"date": "ds"})
    rows.to_csv(tmp_path / "nn5.csv", index=False)
    assert mlops("series", "metric", "add", "cash_withdrawn", "--unit", "percent")[0] == 0
    said = follow(mlops, tmp_path / "nn5.csv", "cash_withdrawn", "GB")
    assert "224 predictions got their outcome" in said["outcomes match"]


def test_the_block_runs_on_a_citys_waste(mlops, home: Settings, shared_data: Path, tmp_path: Path):
    whole = pd.read_csv(shared_data / "austin_waste_2005_2016" / "austin_waste_2005_2016.csv.gz", dtype=str)
    day = next(name for name in whole.columns if "date" in name)
    whole[whole[day] >= "2015"].to_csv(tmp_path / "waste.csv", index=False)
    said = follow(mlops, tmp_path / "waste.csv", "collection_weight", "US")
    matched = re.match(r"([\d,]+) predictions got their outcome", said["outcomes match"])
    assert matched is not None
    assert int(matched[1].replace(",", "")) > 50
