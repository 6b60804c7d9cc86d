"""`mlops features …`: the feature store; what features are worth, and what rests on them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mlops.cli.context import LONGEST_DAYS, check_time, database, moment
from mlops.cli.options import LARGEST_ID, AsOfOrNone, DefinitionFile, Json
from mlops.cli.output import console, emit, progress, say, table
from mlops.cli.typed import folder as check_folder
from mlops.cli.typed import given
from mlops.errors import Misused, UnknownName, quoted

if TYPE_CHECKING:
    from mlops.domain.features import FeatureSet
    from mlops.domain.profiles import Limits
    from mlops.feature_store.offline import Kept, Materialised
    from mlops.feature_store.online import OnlineRefresh
    from mlops.feature_store.profiled import Profiled

__all__ = ["app"]

app = typer.Typer(help="The feature store.", no_args_is_help=True)
MOST_USERS = 2
"""Sets and models that are named beside a feature. Chosen, not measured."""
_check_edge = given(check_time, "--start and --end", ahead=True)


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
            users = [*row.sets, *_models(row.used_by)]
            more = f" and {len(users) - MOST_USERS} more" if len(users) > MOST_USERS else ""  # there may be hundreds
            version = "not built" if row.version is None else str(row.version)
            version += ", changed" if row.version is not None and row.state == "changed" else ""
            shown.add_row(row.name, version, escape(", ".join(users[:MOST_USERS]) + more), escape(row.transformation))
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
            if row.version is None:
                console.print(f"[bold]{row.name}, declared[/], recorded by the next `mlops features build`")
            else:
                when = f"{row.created_at:%Y-%m-%d %H:%M} UTC"
                console.print(f"[bold]{row.name} version {row.version}[/], recorded {when}")
            if not row.changes:
                for key, value in sorted(row.definition.items(), key=lambda entry: _place(entry[0])):
                    console.print(f"  {key:20} {_shown(value)}", highlight=False)
            for key, (before, after) in sorted(row.changes.items(), key=lambda change: _place(change[0])):
                console.print(f"  [red]- {key:20} {_shown(before)}[/]", highlight=False)
                console.print(f"  [green]+ {key:20} {_shown(after)}[/]", highlight=False)

    emit(rows, as_json=as_json, text=text)


@app.command()
def build(
    name: Annotated[str, typer.Argument(metavar="SET", help="A feature set of the definition file.")],
    as_of: AsOfOrNone = None,
    start: Annotated[str | None, typer.Option(callback=_check_edge, help="The first time (UTC) to build.")] = None,
    end: Annotated[str | None, typer.Option(callback=_check_edge, help="The first time (UTC) to leave out.")] = None,
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
    chosen, at = feature_set(name, file), moment(as_of) if as_of else None
    if online:
        refreshed = _refresh(chosen, at)
        emit(refreshed, as_json=as_json, text=lambda: _print_refreshed(refreshed))
    else:
        first, last = (moment(text, ahead=True) if text else None for text in (start, end))
        if first and last and first >= last:
            raise Misused(f"--start {start} is not before --end {end}; swap them")
        _materialise(chosen, at, first, last, keep, as_json)


@app.command("builds")
def list_builds(
    name: Annotated[str | None, typer.Argument(metavar="[SET]", help="Only builds of this set.")] = None,
    as_json: Json = False,
) -> None:
    """List what was written down, newest first, with the models that were trained on exactly those rows."""
    from mlops.feature_store import offline
    from mlops.features.definitions import declared

    rows = offline.builds(database(), name)
    if name and not rows:  # a set of the definition file, or one that was built
        known = {*declared().sets, *(build.feature_set for build in offline.builds(database()))}
        if name not in known:
            raise UnknownName("feature set", name, known)

    def text() -> None:
        shown = table("build", "set", "as of", "from", "to", "series", "rows", "size", "used by")
        for row in rows:
            days = (f"{time:%Y-%m-%d}" for time in (row.first_at, row.last_at))
            counts = (f"{row.series:,}", f"{row.rows:,}", f"{row.bytes / 1e6:,.1f} MB")
            at = f"{row.as_of:%Y-%m-%d %H:%M}"
            shown.add_row(str(row.build_id), row.feature_set, at, *days, *counts, ", ".join(row.used_by))
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

    dropped = offline.drop(database(), build_id, force=force)

    def text() -> None:
        models = f"; {', '.join(dropped.used_by)} was trained on it" if dropped.used_by else ""
        console.print(f"dropped build {build_id} of {dropped.feature_set}, {dropped.rows:,} rows{models}")

    emit(dropped, as_json=as_json, text=text)


@app.command()
def profile(
    name: Annotated[
        str,
        typer.Argument(metavar="SET_OR_FEATURE", help="A feature set, a feature (NAME or NAME@VERSION), or a model."),
    ],
    as_of: AsOfOrNone = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=LONGEST_DAYS,
            help="How many whole days before that are profiled; 28 when left out, more for weeks and longer steps.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="The least share of a quality, like completeness=0.9; may be repeated.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a feature is below a limit.")] = False,
    file: DefinitionFile = None,
    as_json: Json = False,
) -> None:
    """Profile features in a window, say which are below a limit, and keep the profiles."""
    from mlops.domain.profiles import below
    from mlops.feature_store.profiled import profile_features
    from mlops.features.definitions import declared

    limits = _limits(limit or [])
    known = declared(file)
    profiles = profile_features(database(), known, name, moment(as_of), days=days)
    findings = {f"{feature.name}@{feature.version}": list(below(feature.profile, limits)) for feature in profiles}
    findings = {feature: said for feature, said in findings.items() if said}
    document = {"profiles": profiles, "limits": limits, "findings": findings}
    emit(document, as_json=as_json, text=lambda: _print_profiles(profiles, findings))
    if strict and findings:
        raise typer.Exit(1)


@app.command()
def impact(
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="A feature; any version of it, or one.")],
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="How many days of forecasts are counted.")] = 28,
    as_of: AsOfOrNone = None,
    file: DefinitionFile = None,
    as_json: Json = False,
) -> None:
    """Show where a feature is used and what breaks when it is retired."""
    from mlops.feature_store import impact as features
    from mlops.features.definitions import declared

    which, known = features.versioned(name), declared(file)
    used = features.impact(database(), known, *which, moment(as_of), days=days)

    def text() -> None:
        say(escape(used.sentence))
        if used.uses:
            shown = table(
                "model", "version", "aliases", "uses", "importance", "rank", "forecasts", "series", "last issued"
            )
            for use in used.uses:
                shown.add_row(
                    escape(use.name),
                    str(use.version),
                    escape(" ".join(f"@{alias}" for alias in use.aliases)),
                    f"@{use.feature_version}",
                    "" if use.share is None else f"{use.share:.1%}",
                    "" if use.rank is None else f"{use.rank} of {use.features}",
                    f"{use.forecasts:,}",
                    f"{use.series:,}",
                    f"{use.last_issued_at:%Y-%m-%d %H:%M}" if use.last_issued_at else "",
                )
            console.print(shown)
        for asked in used.recommendations:
            action = f"{asked.action} {asked.name}/{asked.version}: {'; '.join(asked.reasons)}"
            number, day = asked.recommendation_id, f"{asked.as_of:%Y-%m-%d}"
            console.print(
                f"[bold]open recommendation {number}[/] of {day}: {escape(action)}", highlight=False, soft_wrap=True
            )
        if used.declared_sets:
            console.print(f"[bold]declared in[/] {', '.join(used.declared_sets)}", highlight=False)
        for using in used.built_sets:
            built = f"{using.builds} {'build' if using.builds == 1 else 'builds'} of {using.rows:,} rows"
            online = ", and its newest values are served" if using.online else ""
            console.print(f"[bold]built in[/] {using.feature_set}: {built}{online}", highlight=False)
        if used.related:
            names = ", ".join(f"{other.name}@{other.version}" for other in used.related)
            console.print(f"[bold]of the same source[/] {names}", highlight=False)

    emit({"sentence": used.sentence, "impact": used}, as_json=as_json, text=text)


@app.command()
def importance(
    name: Annotated[str | None, typer.Argument(help="A feature; every one without it.")] = None, as_json: Json = False
) -> None:
    """Show how much features matter to the live model versions, comparable across models."""
    from mlops.feature_store.impact import feature_importance

    rows = feature_importance(database(), name)

    def text() -> None:
        shown = table("model", "version", "feature", "importance", "rank", "× average", "kind")
        for row in rows:
            shown.add_row(
                escape(row.model),
                f"{row.model_version}{' @champion' if row.champion else ''}",
                f"{row.feature}@{row.feature_version}",
                f"{row.share:.1%}",
                f"{row.rank} of {row.features}",
                f"{row.share * row.features:.1f}",
                escape(row.kind),
            )
        console.print(shown if rows else "no live model version states an importance")

    emit(rows, as_json=as_json, text=text)


@app.command("export-feast")
def export_feast(
    folder: Annotated[Path, typer.Argument(callback=check_folder, help="A folder; Feast's commands are run in it.")],
    as_json: Json = False,
) -> None:
    """Export the feature sets that were built as a Feast repository."""
    from mlops.feature_store.feast import export_feast

    files = export_feast(database(), folder)
    text = f"wrote {' and '.join(str(path) for path in files)}; go on with `feast --chdir {folder} apply`"
    emit({"files": files}, as_json=as_json, text=lambda: say(text))


def _materialise(
    chosen: "FeatureSet",
    at: "datetime | None",
    start: "datetime | None",
    end: "datetime | None",
    keep: int | None,
    as_json: bool,
) -> None:
    from mlops.feature_store import offline

    begun = perf_counter()
    with progress() as bar:
        task = bar.add_task(f"building {chosen.name}", total=None, note="")

        def report(rows: int, done: int, series: int) -> None:
            speed = rows / (perf_counter() - begun)
            bar.update(task, completed=done, total=series, note=f"{rows:,} rows, {speed:,.0f} rows/s")

        made = offline.materialise(database(), chosen, at, start=start, end=end, tell=report)
    seconds = perf_counter() - begun
    kept = offline.keep_builds(database(), chosen.name, keep) if keep else None
    shown = offline.builds(database(), chosen.name)[0].build_id == made.build.build_id
    document = asdict(made.build) | {"written": made.written, "seconds": round(seconds, 3)}
    if kept:
        document |= {"dropped": kept.dropped, "spared": kept.spared}
    emit(document, as_json=as_json, text=lambda: _print_build(made, seconds, kept, shown=shown))


def _refresh(chosen: "FeatureSet", at: "datetime | None") -> "OnlineRefresh":
    from mlops.feature_store import online

    with progress() as bar:
        task = bar.add_task(f"{chosen.name}, online", total=None, note="")
        return online.refresh(
            database(),
            chosen,
            at,
            tell=lambda done, total: bar.update(task, completed=done, total=total, note=f"{done:,} series"),
        )


def _print_build(made: "Materialised", seconds: float, kept: "Kept | None", *, shown: bool) -> None:
    build = made.build
    console.print(
        f"[bold]{build.feature_set}[/] as of {build.as_of:%Y-%m-%d %H:%M} UTC: build {build.build_id},"
        f" {build.rows:,} rows of {build.series:,} series, {len(build.features)} features,"
        f" {build.first_at:%Y-%m-%d} to {build.last_at:%Y-%m-%d}"
    )
    if made.written:
        console.print(f"written in {seconds:.1f} s, {build.rows / seconds:,.0f} rows/s")
    else:
        console.print(f"nothing was written: it is there since {build.built_at:%Y-%m-%d %H:%M} UTC")
    view = f"view analytics.features_{build.feature_set}" if shown else "the view shows a build of a later time"
    console.print(f"content sha256 {build.content_sha256[:16]}…, {view}")
    if kept and kept.dropped:
        console.print(f"dropped builds {', '.join(map(str, kept.dropped))}")
    for build_id, models in (kept.spared if kept else {}).items():
        console.print(f"kept build {build_id}: {', '.join(models)} was trained on it")


def _print_refreshed(done: "OnlineRefresh") -> None:
    forgotten = f", {done.forgotten:,} forgotten" if done.forgotten else ""
    console.print(
        f"[bold]{done.feature_set}[/] online as of {done.as_of:%Y-%m-%d %H:%M} UTC: {done.series:,} series,"
        f" {done.written:,} with other values than before{forgotten}"
    )


def _models(versions: list[str]) -> list[str]:
    """Models and how many of their versions: demand/1, demand/2 are demand ×2."""
    counts = Counter(version.rpartition("/")[0] for version in versions)
    return [f"{name} ×{count}" for name, count in sorted(counts.items())]


def _place(key: str) -> int:
    """Where a key of a definition is shown: jsonb keeps no order."""
    from mlops.domain.features import FeatureDefinition

    return list(FeatureDefinition.__dataclass_fields__).index(key)


def _shown(value: Any) -> str:
    if value is None:
        return "(nothing)"
    return escape(", ".join(value) if isinstance(value, list) else str(value))


def _limits(given: Sequence[str]) -> "Limits":
    """The limits with those that were given as NAME=SHARE."""
    from mlops.domain.profiles import Limits

    limits = Limits()
    for text in given:
        name, _, share = text.partition("=")
        if name not in (names := [field.name for field in fields(limits)]):
            raise UnknownName("quality", name, names)
        try:
            least = float(share)
        except ValueError:
            least = -1.0
        if not 0 <= least <= 1:
            raise Misused(
                f"--limit {quoted(text)} is not a limit; expected {name}= and a share from 0 to 1, like {name}=0.9"
            )
        limits = replace(limits, **{name: least})
    return limits


def _print_profiles(profiles: Sequence["Profiled"], findings: dict[str, list[str]]) -> None:
    from mlops.feature_store.histogram import sparkline

    first = profiles[0].profile
    console.print(
        f"[bold]{first.series:,} series, {first.window.start:%Y-%m-%d} to before {first.window.end:%Y-%m-%d}[/],"
        f" known at {first.as_of:%Y-%m-%d %H:%M} UTC",
        highlight=False,
    )
    shown = table(
        "feature", "complete", "accurate", "consistent", "fresh", "mean", "5 %", "95 %", "histogram", "season"
    )
    for feature in profiles:
        quality, values = feature.profile.quality, feature.profile.distribution
        shares = (quality.completeness, quality.accuracy, quality.consistency, quality.freshness)
        low, high = (values.quantiles.get(key) for key in ("0.05", "0.95"))
        shown.add_row(
            f"{feature.name}@{feature.version}",
            *("" if share is None else f"{share:.1%}" for share in shares),
            *(_number(value) for value in (values.mean, low, high)),
            sparkline(values.counts)
            if not values.top
            else ", ".join(f"{name} {many}" for name, many in values.top[:3]),
            _number(feature.profile.pattern.autocorrelation),
        )
    console.print(shown)
    for name, sentences in findings.items():
        for sentence in sentences:
            say(f"[bold]{name}[/] {sentence}")
    if not findings:
        console.print("nothing is below a limit")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
