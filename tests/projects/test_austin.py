"""Twelve years of a city's waste collection through every command of the lifecycle."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from mlops.config import Settings

WAIT = date(2015, 1, 5)


def test_a_citys_collection_streams_go_through_the_whole_lifecycle(mlops, home: Settings, shared_data: Path):
    def run(*arguments: object) -> dict:
        code, out, err = mlops(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    file = shared_data / "austin_waste_2005_2016" / "austin_waste_2005_2016.csv.gz"
    stored = run("series", "ingest", file, "--adapter", "austin", "--known-at", "observed")
    assert stored["inserted"] == stored["read"] > 40_000
    assert run("series", "ingest", file, "--adapter", "austin", "--known-at", "observed")["unchanged"] == stored["read"]
    streams = [row for row in run("series", "list") if row["metric_type"] == "collection_weight"]
    assert len(streams) == 10

    train = ("--metric-type", "collection_weight", "--country", "US", "--as-of", WAIT, "--set", "refit_every=20")
    lightgbm = run("train", "lightgbm", *train)
    assert lightgbm["metrics"]["wape"] < lightgbm["metrics"]["wape_naive"]
    assert [row["name"] for row in lightgbm["excluded"]] == ["RECYCLED METAL"]
    prophet = run("train", "prophet", *train, "--set", "weeks=1")
    assert prophet["version"]["version"] == 2
    assert run("registry", "promote", "models:/demand/1")["version"]["version"] == 1
    assert [row["aliases"] for row in run("registry", "list")] == [["champion"], ["challenger"]]
    assert run("registry", "sync")["versions"] == 2
    lineage = run("registry", "lineage", "models:/demand@champion")
    assert lineage["lineage_state"] == "complete"
    assert lineage["lineage"]["selection"]["metric_type"] == "collection_weight"

    for week in range(4):
        day = WAIT + timedelta(weeks=week)
        issued = run("predict", "models:/demand@champion", "--horizon", 28, "--as-of", day)
        assert issued["stored"] + issued["closed"] == 9 * 28
        assert issued["closed"] >= 9 * 4, "most streams are not collected on Sundays"
        run("outcomes", "match", "--as-of", day + timedelta(weeks=1))
        checked = run("monitor", "run", "--as-of", day + timedelta(weeks=1))
    checked = checked[0] if isinstance(checked, list) else checked["checked"][0]
    assert checked["values"]["wape"] < 0.5
    done = run("retrain", checked["recommendation_id"], "--as-of", day + timedelta(weeks=1))
    assert done["version"]["version"] == 3
    assert done["promoted"] == (done["wape_challenger"] < done["wape_champion"] * 0.98)
    review = run("review", "--as-of", day + timedelta(weeks=1))
    assert "WAPE" in Path(review["page"]).read_text()
    assert {row["status"] for row in run("health")} <= {"ok", "watch"}


@pytest.mark.parametrize(
    "name", ["austin_load_sample/austin_load_sample.csv.gz", "auckland_ped/hourly_counts.csv.gz"], ids=lambda name: name
)
def test_other_layouts_are_stored_by_their_adapter(mlops, home: Settings, shared_data: Path, name: str):
    code, out, err = mlops("series", "ingest", shared_data / name, "--adapter", name.split("_")[0], "--json")
    assert code == 0, err
    assert json.loads(out)["inserted"] > 50
