"""Files and frames of anybody's: what is no table is one sentence at every door, and what is odd in one is named."""

import gzip
import json
import re
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mlops import KINDS, forecaster
from mlops.errors import BadInput
from mlops.monitoring import MonitorSpec, fit_monitor
from mlops.monitoring.replay.file import of_file
from mlops.panels.calendar import read_events
from mlops.panels.files import read_frame
from mlops.panels.from_frame import Panels
from mlops.series.adapters import ADAPTERS, adapter
from mlops.series.parsing.validate import Rules, validate

DAYS = pd.date_range("2022-01-03", periods=400)
COLUMNS = {
    "metric_type": "revenue",
    "observed_at": "2024-01-01T00:00:00Z",
    "value": "1",
    "site_id": "x",
    "series_id": "x",
    "ds": "2024-01-01",
    "y": "1",
    "y_hat": "1",
    "event": "x",
    "first": "2024-01-01",
    "date": "2024-01-01",
    "hour": "1",
    "year": "2024",
}
TEXT = "\n".join([",".join(COLUMNS), ",".join(COLUMNS.values()), ""])
SPEC = MonitorSpec("ds", "series_id", (), (), "y", "y_hat")
DOORS: dict[str, Callable[[Path], object]] = {
    **{f"adapter {name}": lambda path, name=name: list(adapter(name)(path)) for name in ADAPTERS},
    "backtest --file": read_frame,
    "monitor backtest --file": lambda path: of_file(path, SPEC, 20),
    "--events": read_events,
}


def zipped(text: str) -> bytes:
    with BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("rows.csv", text)
        return file.getvalue()


def stream(text: str) -> bytes:
    table = pa.Table.from_pandas(pd.read_csv(BytesIO(text.encode())))
    with BytesIO() as file:
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
        return file.getvalue()


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "UTF-32": (TEXT.encode("utf-32"), "is text in UTF-32"),
    "UTF-32, gzipped": (gzip.compress(TEXT.encode("utf-32")), "is text in UTF-32"),
    "an Arrow stream": (stream(TEXT), "is an Arrow stream"),
    "zip": (zipped(TEXT), "is a zip archive"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text"),
    "UTF-8 with a broken byte": (
        TEXT.replace(",x,", ",Zürich,").encode() + b"\xfc\n",
        r"line 3: found the byte 0xfc, which is not UTF-8",
    ),
    "no letters at all": (TEXT.encode() + b"\x81\n", r"found the byte 0x81, which is no character of UTF-8 or"),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_table_is_refused_in_one_sentence_at_every_door(case: str, door: str, tmp_path: Path):
    data, words = UNREADABLE[case]
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=rf"^{path}(, line \d+)?: ") as refused:
        DOORS[door](path)
    if not (case == "UTF-32, gzipped" and door == "--events"):
        assert refused.match(words)
    assert len(str(refused.value).splitlines()) == 1


DIALECTS: dict[str, Callable[[str], bytes]] = {
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "pipes": lambda text: text.replace(",", "|").encode(),
    "a mark of UTF-8": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "Windows-1252, gzipped": lambda text: gzip.compress(text.encode("cp1252")),
    "Latin-1 with semicolons": lambda text: text.replace(",", ";").encode("latin-1"),
}


@pytest.mark.parametrize("case", DIALECTS)
def test_delimiter_and_encoding_are_recognised_at_both_doors_of_series(case: str, tmp_path: Path):
    rows = "".join(f"Zürich,2024-01-{day:02},{day}.5\n" for day in range(1, 20))
    (tmp_path / "rows.csv").write_bytes(DIALECTS[case](f"series_id,ds,y\n{rows}"))
    [chunk, *_] = adapter("long")(tmp_path / "rows.csv")
    for frame in (read_frame(tmp_path / "rows.csv"), chunk.rows):
        assert set(frame["series_id"]) == {"Zürich"}
        assert frame["y"].astype(float).tolist() == [day + 0.5 for day in range(1, 20)]


@pytest.mark.parametrize(
    ("delimiter", "texts", "found"),
    [
        (";", ["1,5", "12", "1.234,5"], [1.5, 12, 1234.5]),
        (";", ["0,125", "1.234"], [0.125, 1234]),
        (";", ["1.5", "12"], [1.5, 12]),
        (",", ["1.234", "12"], [1.234, 12]),
        (",", ['"1,234.5"', '"1,234"'], [1234.5, 1234]),
        (",", ['"1,5"', '"1,25"'], [1.5, 1.25]),
        ("\t", ["1,234,567", "1,234"], [1234567, 1234]),
        (";", ["1,234", "12"], "has 1,234, which may be 1234 or 1.234"),
        (";", ["1.234", "12"], "has 1.234, which may be 1234 or 1.234"),
        (";", ["1,5", "1.5"], "with a comma (1,5) and with a point (1.5)"),
    ],
)
def test_a_decimal_comma_is_recognised_or_refused_where_it_may_be_a_thousand(
    delimiter: str, texts: list[str], found: object, tmp_path: Path
):
    lines = [delimiter.join(("series_id", "ds", "y"))]
    lines += [delimiter.join(("a", f"2024-01-{day:02}", text)) for day, text in enumerate(texts, start=1)]
    (tmp_path / "rows.csv").write_text("\n".join([*lines, ""]))
    doors: dict[str, Callable[[], pd.DataFrame]] = {
        "--file": lambda: read_frame(tmp_path / "rows.csv"),
        "ingest": lambda: next(iter(adapter("long")(tmp_path / "rows.csv"))).rows,
    }
    for door in doors.values():
        if isinstance(found, str):
            with pytest.raises(BadInput, match=re.escape(found)):
                door()
        else:
            assert door()["y"].astype(float).tolist() == found


def test_a_decimal_point_among_decimal_commas_is_no_number(tmp_path: Path):
    many = "".join(f"a;2024-01-01;{number},5\n" for number in range(200_000))
    (tmp_path / "rows.csv").write_text(f"series_id;ds;y\n{many}a;2024-01-01;12.5\n")
    *_, last = (chunk.rows for chunk in adapter("long")(tmp_path / "rows.csv") if len(chunk.rows))
    assert last["y"].iloc[-1] == "12.5 among decimal commas"


def test_columns_that_may_be_parted_in_two_ways_are_refused(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("series_id;x,ds;z,y\na;1,b;2,3\n")
    with pytest.raises(BadInput, match="may be parted by comma and semicolon"):
        read_frame(tmp_path / "rows.csv")


def test_a_file_in_the_long_format_is_read_as_series_by_their_places_and_labels(tmp_path: Path):
    (tmp_path / "rows.csv").write_text(
        'metric_type,observed_at,value,site_id,labels\nrevenue,2024-01-01T00:00:00Z,5,a,"{""stream"": ""paper""}"\n'
    )
    frame = read_frame(tmp_path / "rows.csv")
    assert frame.to_dict("records") == [{"series_id": "a · paper", "ds": pd.Timestamp("2024-01-01"), "y": 5}]
    (tmp_path / "rows.csv").write_text("observed_at,amount\n2024-01-01,5\n")
    with pytest.raises(BadInput, match=r"'value' is missing; found observed_at, amount; expected series_id, ds, y, or"):
        read_frame(tmp_path / "rows.csv")


def test_several_metric_types_in_one_file_are_no_series_of_one_kind(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("metric_type,observed_at,value\nrevenue,2024-01-01,5\nweight,2024-01-01,5\n")
    with pytest.raises(BadInput, match=r"holds 2 metric types \(revenue, weight\)"):
        read_frame(tmp_path / "rows.csv")


@pytest.mark.parametrize("door", ["backtest --file", "monitor backtest --file", "--events", "adapter austin"])
def test_the_character_nul_is_refused_by_its_line(door: str, tmp_path: Path):
    (tmp_path / "rows.csv").write_text(TEXT + "a\n" * 9000 + "a\0\n")
    with pytest.raises(BadInput, match=r"rows.csv, line 9003: found the character NUL"):
        DOORS[door](tmp_path / "rows.csv")


def test_a_character_that_is_cut_by_the_end_of_a_block_is_no_fault(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("mlops.series.adapters.long.BLOCK_BYTES", 101)
    names = [f"{'é' * count}ü" for count in range(1, 40)]
    rows = "".join(f"revenue,2024-01-01T00:00:00Z,1,{name}\n" for name in names)
    (tmp_path / "rows.csv").write_text(f"metric_type,observed_at,value,site_id\n{rows}", encoding="utf-8")
    chunks = adapter("long")(tmp_path / "rows.csv")
    assert [name for chunk in chunks for name in chunk.rows["site_id"].tolist()] == names


@pytest.mark.parametrize("name", ["site_id", "labels", "value"])
def test_a_column_of_lists_is_refused_by_its_name(name: str, tmp_path: Path):
    rows = {"metric_type": ["revenue"], "observed_at": ["2024-01-01T00:00:00Z"], "value": [1.0], "labels": ["{}"]}
    parquet.write_table(pa.table(rows | {name: [["a", "b"]]}), tmp_path / "rows.parquet")
    with pytest.raises(BadInput, match=rf"column '{name}' holds list<.*>; expected"):
        list(adapter("long")(tmp_path / "rows.parquet"))


@pytest.mark.parametrize("name", ["series_id", "ds", "y"])
def test_a_column_of_lists_is_refused_by_its_name_in_frames_too(name: str, tmp_path: Path):
    rows = {"series_id": ["a"], "ds": ["2024-01-01"], "y": [1.0], "y_hat": [1.0]}
    parquet.write_table(pa.table(rows | {name: [["a", "b"]]}), tmp_path / "rows.parquet")
    for door in (read_frame, DOORS["monitor backtest --file"]):
        if door is read_frame or name != "series_id":
            with pytest.raises(BadInput, match=rf"column '{name}' holds lists; expected one value a row"):
                door(tmp_path / "rows.parquet")


def frame(**odd: object) -> pd.DataFrame:
    rows = [pd.DataFrame({"series_id": name, "ds": DAYS, "y": 100.0 + DAYS.dayofweek, "x": 1.0}) for name in "ab"]
    found = pd.concat(rows, ignore_index=True)
    for name, value in odd.items():
        found.loc[410, name] = value
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", [1, -1])
def test_an_infinite_value_is_refused_with_series_and_time_by_every_kind(kind: str, sign: int):
    with pytest.raises(BadInput, match=r"^series 'b' has an infinite y at 2022-01-13 00:00:00; correct it"):
        forecaster(kind)(horizon=7).fit(frame(y=sign * np.inf))


def test_an_infinite_value_is_refused_in_newer_history_and_in_what_is_known_ahead():
    fitted = forecaster("naive")(horizon=7).fit(frame())
    with pytest.raises(BadInput, match=r"series 'b' has an infinite y at 2022-01-13"):
        fitted.predict(7, history=frame(y=np.inf))
    with pytest.raises(BadInput, match=r"series 'b' has an infinite x at 2022-01-13"):
        Panels.of(frame(x=np.inf), "D", ["x"])
    ahead = pd.DataFrame({"series_id": ["a", "b"], "ds": DAYS[-1] + pd.Timedelta(days=1), "x": [1.0, -np.inf]})
    with pytest.raises(BadInput, match=r"series 'b' has an infinite x at 2023-02-07"):
        Panels.of(frame(), "D", ["x"], ahead)


@pytest.mark.parametrize("text", ["inf", "-Infinity"])
@pytest.mark.parametrize("name", ["y", "y_hat", "x"])
def test_an_infinite_value_in_a_file_is_refused_with_its_line(text: str, name: str, tmp_path: Path):
    rows = frame().assign(y_hat=1.0).astype({"y": object, "y_hat": object, "x": object})
    rows.loc[410, name] = text
    rows.to_csv(tmp_path / "rows.csv", index=False)
    why = rf"rows.csv, line 412: {name} = '{text}' is infinite"
    with pytest.raises(BadInput, match=why):
        of_file(tmp_path / "rows.csv", MonitorSpec("ds", "series_id", ("x",), (), "y", "y_hat"), 20)
    if name != "y_hat":
        with pytest.raises(BadInput, match=why):
            read_frame(tmp_path / "rows.csv", ["x"])


@pytest.mark.parametrize("name", ["y", "y_hat", "x"])
def test_an_infinite_value_is_refused_by_a_monitor_with_entity_and_time(name: str):
    spec, rows = MonitorSpec("ds", "series_id", ("x",), (), "y", "y_hat"), frame().assign(y_hat=1.0)
    odd = rows.copy()
    odd.loc[410, name] = np.inf
    why = rf"series 'b' has an infinite {name} at 2022-01-13 00:00:00"
    with pytest.raises(BadInput, match=why):
        fit_monitor(odd, spec)
    with pytest.raises(BadInput, match=why):
        fit_monitor(rows, spec).check(odd)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_value_of_a_typed_file_is_a_refused_row_whose_reason_is_json(value: float, tmp_path: Path):
    rows = {"metric_type": ["revenue"] * 2, "observed_at": ["2024-01-01T00:00:00Z"] * 2, "value": [value, 1.0]}
    parquet.write_table(pa.table(rows | {"value_lower": [np.nan, -np.inf]}), tmp_path / "rows.parquet")
    (chunk,) = adapter("long")(tmp_path / "rows.parquet")
    rules = Rules({"revenue": (-np.inf, np.inf)}, np.datetime64("2030-01-01", "us"))
    checked = validate(chunk.rows, rules)
    assert checked.count == 2
    assert checked.refused["reason"].tolist() == ["the number must be finite"] * 2
    assert json.loads(checked.refused["raw"][0], parse_constant=pytest.fail)["value"] == str(value)


def test_an_infinite_load_is_refused_and_not_lost_in_a_sum(tmp_path: Path):
    header = "date,Load.Type,Route.Type,Route.Number,nb_loads,daily_weight\n"
    rows = "2024-01-01,PAPER,A,R1,1,inf\n2024-01-01,PAPER,A,R2,1,-inf\n"
    (tmp_path / "days.csv").write_text(header + rows)
    with pytest.raises(BadInput, match=r"line 2: pounds = 'inf' is infinite"):
        list(adapter("austin")(tmp_path / "days.csv"))


def test_na_and_nan_are_names_and_empty_is_none(tmp_path: Path):
    text = "series_id,ds,y,region\nNA,2024-01-01,1,NA\nnan,2024-01-01,,null\nNone,2024-01-01,NA,\n"
    (tmp_path / "a.csv").write_text(text)
    read = read_frame(tmp_path / "a.csv", segments=["region"])
    assert read["series_id"].tolist() == ["NA", "nan", "None"]
    assert read["region"].tolist() == ["NA", "null", "none"]
    assert read["y"].isna().tolist() == [False, True, True]
    (tmp_path / "b.csv").write_text("series_id,ds,y\na,2024-01-01,1\n,2024-01-01,1\n")
    with pytest.raises(BadInput, match=r"line 3: series_id = nan is missing"):
        read_frame(tmp_path / "b.csv")


def test_na_is_the_name_of_an_entity_and_of_a_category_to_a_monitor(tmp_path: Path):
    rows = frame().assign(series_id=lambda rows: rows["series_id"].map({"a": "NA", "b": "nan"}), y_hat=1.0)
    rows.assign(region="NA", holiday="False").to_csv(tmp_path / "rows.csv", index=False)
    spec = MonitorSpec("ds", "series_id", (), ("region",), "y", "y_hat", holiday="holiday")
    case = of_file(tmp_path / "rows.csv", spec, 20)
    assert set(case.history["series_id"]) == {"NA", "nan"}
    assert set(case.history["region"]) == {"NA"}
    assert not case.history["holiday"].astype(bool).any()


OFFSETS = ["2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00"]


def test_midnights_of_two_offsets_are_refused_in_files_and_frames(tmp_path: Path):
    rows = pd.DataFrame({"series_id": "a", "ds": OFFSETS, "y": 1.0, "y_hat": 1.0})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    why = r"ds has midnights of 2 offsets \(\+01:00, \+02:00\), .*write a day as its date"
    for door in (read_frame, DOORS["monitor backtest --file"]):
        with pytest.raises(BadInput, match=why):
            door(tmp_path / "rows.csv")
    with pytest.raises(BadInput, match=why):
        Panels.of(rows)


def test_hours_of_two_offsets_are_the_instants_that_they_name():
    local = ["2024-03-31T00:00:00+01:00", "2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"]
    panel = Panels.of(pd.DataFrame({"series_id": "a", "ds": local, "y": 1.0})).one
    assert panel.granularity.name == "hourly"
    assert panel.index[0] == pd.Timestamp("2024-03-30T23:00")
    assert not np.isnan(panel.y).any()


@pytest.mark.parametrize(("name", "value"), [("series_id", None), ("ds", pd.NaT)])
def test_a_row_without_a_series_or_a_time_is_refused(name: str, value: object):
    with pytest.raises(BadInput, match=f"a row with a y has no {name}"):
        Panels.of(frame(**{name: value}))


def test_what_is_no_time_or_no_number_is_refused_in_one_sentence():
    with pytest.raises(BadInput, match=r"^ds = 'soon' is not a time; expected 2020-03-23"):
        Panels.of(frame().astype({"ds": str}).replace({"ds": {"2022-01-03": "soon"}}))
    with pytest.raises(BadInput, match=r"y holds something that is no number: .*'many'"):
        Panels.of(frame().astype({"y": object}).replace({"y": {100.0: "many"}}))
