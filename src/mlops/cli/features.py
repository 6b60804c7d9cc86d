"""`mlops features …`: the feature store."""

from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mlops.cli.context import database, moment
from mlops.cli.options import LARGEST_ID, AsOfOrNone, DefinitionFile, Json
from mlops.cli.output import console, emit, progress, table
from mlops.errors import Misused, UnknownName

if TYPE_CHECKING:
    from datetime import datetime

    from mlops.domain.features import FeatureSet
    from mlops.feature_store.offline import Kept, Materialised
    from mlops.feature_store.online import Refreshed

__all__ = ["app"]

app = typer.Typer(help="The feature store.", no_args_is_help=True)
MOST_USERS = 2


@app.command("list")
def list_features(file: DefinitionFile = None, as_json: Json = False) -> None:
    """List the features with their newest version, and the sets and models that use them."""
    from mlops.feature_store.store import catalogue
    from mlops.features.definitions import declared

    rows = catalogue(database(), declared(file))

    def text() -> None:
        shown = table("feature", "version", "sets and models", "transformation")
        for column in shown.columns[:2]:
            column.no_wrap = True
        for row in rows:
            users = _some([*row["sets"], *_models(row["used_by"])])
            version = _version(row["version"], row["state"])
            shown.add_row(row["name"], version, escape(users), escape(row["transformation"]))
        console.print(shown if rows else "no feature is declared or recorded yet; see docs/how-to/features.md")

    emit(rows, as_json=as_json, text=text)


@app.command("show")
def show_feature(
    name: Annotated[str, typer.Argument(help="A feature's name.")], file: DefinitionFile = None, as_json: Json = False
) -> None:
    """Show the versions of a feature: the first one's definition, and what each one after it changed."""
    from mlops.feature_store.store import versions
    from mlops.features.definitions import declared

    rows = versions(database(), name, declared(file))

    def text() -> None:
        for row in rows:
            console.print(_heading(row))
            if not row["changes"]:
                for key in sorted(row["definition"], key=_place):
                    console.print(f"  {key:20} {_said(row['definition'][key])}", highlight=False)
            for key, (before, after) in sorted(row["changes"].items(), key=lambda change: _place(change[0])):
                console.print(f"  [red]- {key:20} {_said(before)}[/]", highlight=False)
                console.print(f"  [green]+ {key:20} {_said(after)}[/]", highlight=False)

    emit(rows, as_json=as_json, text=text)


def _edge(text: str | None) -> str | None:
    """The beginning or end of a window."""
    moment(text, "--start and --end", ahead=True)
    return text


@app.command()
def build(
    name: Annotated[str, typer.Argument(metavar="SET", help="A feature set of the definition file.")],
    as_of: AsOfOrNone = None,
    start: Annotated[str | None, typer.Option(callback=_edge, help="The first time (UTC) to build.")] = None,
    end: Annotated[str | None, typer.Option(callback=_edge, help="The first time (UTC) to leave out.")] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Refresh the values for serving instead: the next row of each series.")
    ] = False,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Drop all but this many newest builds; never one that a model names.")
    ] = None,
    file: DefinitionFile = None,
    as_json: Json = False,
) -> None:
    """Compute a feature set as it was known at a time, and write it down; the same again writes nothing."""
    from mlops.features.definitions import feature_set

    if online and (start or end or keep):
        raise Misused("--online takes the newest row of each series; leave --start, --end and --keep out")
    found, at = feature_set(name, file), moment(as_of) if as_of else None
    if online:
        refreshed = _refresh(found, at)
        emit(refreshed, as_json=as_json, text=lambda: _tell_refreshed(refreshed))
    else:
        first, last = (moment(text, ahead=True) if text else None for text in (start, end))
        if first and last and first >= last:
            raise Misused(f"--start {start} is not before --end {end}; swap them")
        _materialise(found, at, first, last, keep, as_json)


@app.command("builds")
def list_builds(
    name: Annotated[str | None, typer.Argument(metavar="[SET]", help="Only builds of this set.")] = None,
    as_json: Json = False,
) -> None:
    """List what was written down, newest first, with the models that were trained on exactly those rows."""
    from mlops.feature_store import offline

    rows = offline.builds(database(), name)
    if name and not rows:
        _check_set(name)

    def text() -> None:
        shown = table("build", "set", "as of", "from", "to", "series", "rows", "size", "used by")
        for row in rows:
            days = (f"{row[key]:%Y-%m-%d}" for key in ("first_at", "last_at"))
            counts = (f"{row['series']:,}", f"{row['rows']:,}", f"{row['bytes'] / 1e6:,.1f} MB")
            at = f"{row['as_of']:%Y-%m-%d %H:%M}"
            shown.add_row(str(row["build_id"]), row["feature_set"], at, *days, *counts, ", ".join(row["used_by"]))
        console.print(shown if rows else "nothing was built yet; run `mlops features build SET`")

    emit(rows, as_json=as_json, text=text)


@app.command()
def drop(
    build_id: Annotated[
        int, typer.Argument(metavar="BUILD", min=1, max=LARGEST_ID, help="A number of `mlops features builds`.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Also when a model was trained on these rows.")] = False,
    as_json: Json = False,
) -> None:
    """Drop a build and its rows."""
    from mlops.feature_store import offline

    found = offline.drop(database(), build_id, force=force)

    def text() -> None:
        models = f"; {', '.join(found['used_by'])} was trained on it" if found["used_by"] else ""
        console.print(f"dropped build {build_id} of {found['feature_set']}, {found['rows']:,} rows{models}")

    emit(found, as_json=as_json, text=text)


def _check_set(name: str) -> None:
    """A set of the definition file, or one that was built."""
    from mlops.feature_store import offline
    from mlops.features.definitions import declared

    known = {*declared().sets, *(row["feature_set"] for row in offline.builds(database()))}
    if name not in known:
        raise UnknownName("feature set", name, known)


def _materialise(
    found: "FeatureSet",
    at: "datetime | None",
    start: "datetime | None",
    end: "datetime | None",
    keep: int | None,
    as_json: bool,
) -> None:
    from mlops.feature_store import offline

    begun = perf_counter()
    with progress() as bar:
        task = bar.add_task(f"building {found.name}", total=None, note="")

        def tell(rows: int, done: int, series: int) -> None:
            speed = rows / (perf_counter() - begun)
            bar.update(task, completed=done, total=series, note=f"{rows:,} rows, {speed:,.0f} rows/s")

        made = offline.materialise(database(), found, at, start=start, end=end, tell=tell)
    seconds = perf_counter() - begun
    kept = offline.keep(database(), found.name, keep) if keep else None
    shown = offline.builds(database(), found.name)[0]["build_id"] == made.build["build_id"]
    document = made.build | {"written": made.written, "seconds": round(seconds, 3)}
    if kept:
        document |= {"dropped": kept.dropped, "spared": kept.spared}
    emit(document, as_json=as_json, text=lambda: _tell_build(made, seconds, kept, shown=shown))


def _refresh(found: "FeatureSet", at: "datetime | None") -> "Refreshed":
    from mlops.feature_store import online

    with progress() as bar:
        task = bar.add_task(f"{found.name}, online", total=None, note="")
        return online.refresh(
            database(),
            found,
            at,
            tell=lambda done, total: bar.update(task, completed=done, total=total, note=f"{done:,} series"),
        )


def _tell_build(made: "Materialised", seconds: float, kept: "Kept | None", *, shown: bool) -> None:
    one = made.build
    console.print(
        f"[bold]{one['feature_set']}[/] as of {one['as_of']:%Y-%m-%d %H:%M} UTC: build {one['build_id']},"
        f" {one['rows']:,} rows of {one['series']:,} series, {len(one['features'])} features,"
        f" {one['first_at']:%Y-%m-%d} to {one['last_at']:%Y-%m-%d}"
    )
    if made.written:
        console.print(f"written in {seconds:.1f} s, {one['rows'] / seconds:,.0f} rows/s")
    else:
        console.print(f"nothing was written: it is there since {one['built_at']:%Y-%m-%d %H:%M} UTC")
    view = f"view analytics.features_{one['feature_set']}" if shown else "the view shows a build of a later time"
    console.print(f"content sha256 {one['content_sha256'][:16]}…, {view}")
    if kept and kept.dropped:
        console.print(f"dropped builds {', '.join(map(str, kept.dropped))}")
    for build_id, models in (kept.spared if kept else {}).items():
        console.print(f"kept build {build_id}: {', '.join(models)} was trained on it")


def _tell_refreshed(done: "Refreshed") -> None:
    forgotten = f", {done.forgotten:,} forgotten" if done.forgotten else ""
    console.print(
        f"[bold]{done.feature_set}[/] online as of {done.as_of:%Y-%m-%d %H:%M} UTC: {done.series:,} series,"
        f" {done.written:,} with other values than before{forgotten}"
    )


def _models(versions: list[str]) -> list[str]:
    """Models and how many of their versions: demand/1, demand/2 are demand ×2."""
    counts = Counter(version.rpartition("/")[0] for version in versions)
    return [f"{name} ×{count}" for name, count in sorted(counts.items())]


def _some(names: list[str]) -> str:
    """The first names, and how many there are besides: a feature may be used by hundreds of models."""
    more = len(names) - MOST_USERS
    return ", ".join(names[:MOST_USERS]) + (f" and {more} more" if more > 0 else "")


def _version(version: int | None, state: str) -> str:
    if version is None:
        return "not built"
    return f"{version}, changed" if state == "changed" else str(version)


def _heading(row: dict[str, Any]) -> str:
    if row["version"] is None:
        return f"[bold]{row['name']}, declared[/], recorded by the next `mlops features build`"
    return f"[bold]{row['name']} version {row['version']}[/], recorded {row['created_at']:%Y-%m-%d %H:%M} UTC"


def _place(key: str) -> int:
    """Where a key of a definition is shown: jsonb keeps no order."""
    from mlops.domain.features import FeatureDefinition

    return list(FeatureDefinition.__dataclass_fields__).index(key)


def _said(value: Any) -> str:
    if value is None:
        return "(nothing)"
    return escape(", ".join(value) if isinstance(value, list) else str(value))
