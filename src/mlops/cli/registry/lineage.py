"""`mlops registry lineage|trace|reproduce|export-lineage`: what versions and predictions came from and led to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from mlops.cli.context import LONGEST_DAYS, database, settings, store
from mlops.cli.options import LARGEST_ID, Json, Uri
from mlops.cli.output import console, emit, progress, say, table
from mlops.cli.typed import given, model_name, to_write
from mlops.errors import Misused, quoted

if TYPE_CHECKING:
    from mlops.domain.lineage import LineageDocument
    from mlops.tracking.bridge.mirror import EditBehind, MonthBehind, TracedPrediction, VersionLineage
    from mlops.training.reproduce import Reproduction

__all__ = ["export", "lineage", "reproduce", "trace"]

MOST = 12
"""Series of a total that are named. Chosen, not measured."""


def lineage(uri: Uri, as_json: Json = False) -> None:
    """Show what a version was made from: data, features, inputs, code, environment."""
    from mlops.tracking.bridge.mirror import lineage_of

    made = lineage_of(database(), store(), uri)
    emit(made, as_json=as_json, text=lambda: _print_lineage(made))


def reproduce(
    uri: Uri,
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference of a forecast, as a share of its series' mean forecast.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a version again on what was known then, and compare: exit 0 when it is the same, 1 when it differs."""
    from mlops.training import reproduce as training

    if tolerance is not None and not 0 <= tolerance < 1:
        raise Misused(f"--tolerance {tolerance} is out of range; expected a share such as 1e-6, from 0 to below 1")
    with progress() as bar:
        task = bar.add_task("rebuilding", total=None, note="")
        done = training.reproduce(
            database(), store(), uri, tolerance=tolerance, say=lambda note: bar.update(task, note=note)
        )
    emit(done, as_json=as_json, text=lambda: _print_reproduction(done))
    if done.verdict == "differs":
        raise typer.Exit(1)


def _check_target(target: str) -> str:
    scheme, mark, _ = target.partition("://")
    if not mark:
        to_write(Path(target))
    elif scheme not in ("http", "https"):
        raise Misused(f"{quoted(target)} can't be sent to; expected an address that begins with http:// or https://")
    elif not urlsplit(target).hostname:
        raise Misused(f"{quoted(target)} has no host; expected an address such as https://marquez.example:5000")
    return target


def export(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_URL", callback=_check_target, help="A file (one JSON document a line), or http(s)://…"
        ),
    ],
    model: Annotated[
        str | None, typer.Option(callback=given(model_name, "--model"), help="Only the versions of this model.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=0, max=LONGEST_DAYS, help="Also what was forecast with them in the last days.")
    ] = 0,
    api_key: Annotated[
        str | None, typer.Option(envvar="OPENLINEAGE_API_KEY", show_envvar=True, help="The endpoint's bearer token.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Export the lineage of model versions as OpenLineage events."""
    from mlops.tracking.openlineage import export_lineage

    since = datetime.now(UTC) - timedelta(days=days) if days else None
    done = export_lineage(database(), settings(), target, name=model, since=since, api_key=api_key)
    sent = "were sent to" if "://" in target else "are in"
    text = f"{done.events} events of {done.versions} versions and {done.requests} calls of predict {sent} {target}"
    emit(done, as_json=as_json, text=lambda: say(text))


def _print_lineage(made: "VersionLineage") -> None:
    console.print(
        f"[bold]{escape(made.name)} version {made.version}[/]"
        f" ({escape(made.kind or 'of another kind')}),"
        f" lineage {made.lineage_state}"
    )
    if made.lineage_problem:
        console.print(f"[red]{escape(made.lineage_problem)}[/]", soft_wrap=True)
    if made.changed:
        console.print(f"[red]changed since it was recorded: {escape(made.changed)}[/]", soft_wrap=True)
    if made.lineage:
        for name, value in _lines(made.run_id, made.lineage, made.lineage_sha256):
            say(f"  [bold]{name:12}[/] {escape(value)}")
    if made.features:
        shown = table("feature", "version", "importance", "transformation")
        for feature in made.features:
            share = f"{feature.importance:.1%}" if feature.importance is not None else ""
            shown.add_row(escape(feature.name), str(feature.version), share, escape(feature.transformation))
        console.print(shown)


def _lines(run_id: str | None, facts: "LineageDocument", digest: str | None) -> Iterator[tuple[str, str]]:
    """What a lineage says, by a short name; older formats and models of your own say less."""
    yield "run", run_id or "none"
    yield "known at", facts["as_of"]
    yield "trained on", f"{facts['trained_from'][:10]} to {facts['trained_to'][:10]}"
    of_series = f" of {len(facts['series']):,} series" if "series" in facts else ""
    yield "data", f"{facts['rows']:,} observations{of_series}" if of_series else f"{facts['rows']:,} rows"
    if "selection" in facts:
        yield "metric type", f"{facts['selection']['metric_type']}, {facts['selection']['granularity']}"
    if "source" in facts:
        source = facts["source"]
        yield "file", f"{source['file']}, {source['granularity']}, {source['series']:,} series; not in the database"
        yield "its SHA-256", source["sha256"]
    if "columns" in facts:
        yield "columns", _named(facts["columns"])
    yield "data digest", facts["content_sha256"]
    yield "label", facts["label"]
    if "inputs" in facts:
        yield "inputs", _named(facts["inputs"])
        yield "outputs", ", ".join(sorted(facts["outputs"]))
    code = facts.get("code")
    commit = f", commit {code['commit']}" if code and "commit" in code else ""
    dirty = ", with changes that are not committed" if code and commit and code.get("dirty") else ""
    yield "code", f"{facts['code_version']}{commit}{dirty}"
    if (machine := facts.get("environment")) is not None:
        yield "machine", ", ".join(filter(None, (machine.get("platform"), machine.get("processor"))))
        versions = {"python": machine.get("python", "unknown")} | machine["distributions"]
        yield "libraries", ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        if "distributions_sha256" in machine:
            yield "all of them", machine["distributions_sha256"]
    yield "lineage", f"format {facts.get('lineage_version', 1)}, {digest}"


def _named(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in sorted(columns.items()))


def _print_reproduction(done: "Reproduction") -> None:
    style = "green" if done.verdict == "reproduced" else "red"
    console.print(f"[bold]{escape(done.uri)}[/] [{style}]{done.verdict}[/]", highlight=False)
    for difference in done.differences:
        say(f"  [red]{difference.what}[/]: {escape(difference.message)}")
    for name, value in _compared(done):
        say(f"  [bold]{name:12}[/] {escape(value)}")
    if done.changed_since:
        console.print("since the training", style="bold")
    for change in done.changed_since:
        say(f"  {change.what}: {escape(change.message)}")


def _compared(done: "Reproduction") -> Iterator[tuple[str, str]]:
    same = "the same digest" if done.content_now == done.content_then else "another digest"
    if done.content_now is not None:
        yield "data", f"{done.observations:,} observations of {done.series:,} series: {same}"
    if done.corrected_since:
        yield "corrections", f"{done.corrected_since:,} observations since then, read as they stood"
    if done.largest is not None:
        apart = f"at most {done.largest:.2g} of the mean apart, {done.tolerance:g} is allowed"
        equal = "equal bit for bit" if done.largest == 0 else apart
        yield "forecasts", f"{done.forecasts:,} with their bounds, {equal}"
    if done.backtest:
        yield "backtest", f"{done.backtest:,} forecasts of it and its baselines, made again"


def trace(
    prediction_id: Annotated[
        int, typer.Argument(metavar="PREDICTION_ID", min=1, max=LARGEST_ID, help="As in model_prediction_results.")
    ],
    as_json: Json = False,
) -> None:
    """Follow a prediction back to the months of its raw observations and on to what monitoring made of it."""
    from mlops.tracking.bridge.mirror import trace as run

    traced = run(database(), prediction_id)
    emit(traced, as_json=as_json, text=lambda: _print_trace(traced))


def _print_trace(traced: "TracedPrediction") -> None:
    console.print(f"[bold]prediction {traced.prediction_id}[/]", highlight=False)
    for title, lines in (
        ("forecast", _forecast(traced)),
        ("version", _version(traced)),
        ("made from", _made_from(traced)),
        ("led to", _led_to(traced)),
    ):
        for number, line in enumerate(lines):
            say(f"  [bold]{title if number == 0 else '':10}[/] {escape(line)}")
    if traced.months:
        console.print(_months(traced.months))
    for edit in traced.edits:
        say(escape(_edited(edit)))


def _edited(edit: "EditBehind") -> str:
    """What was done since to the observations that the table counts."""
    known = {"observed": " to when their period ended", "now": " to that time"}.get(edit.known_at or "", "")
    return (
        f"{edit.action}{known} on {_time(edit.decided_at)} by {edit.decided_by}: {edit.observations:,}"
        f" observations of {edit.first_at:%Y-%m-%d} to {edit.last_at:%Y-%m-%d}, {edit.reason};"
        " the counts above are those of today"
    )


def _forecast(traced: "TracedPrediction") -> list[str]:
    step = "step" if traced.horizon == 1 else "steps"
    happened = "what happened is not known yet"
    if traced.outcome is not None:
        known = _time(traced.outcome_recorded_at)
        happened = f"happened {traced.outcome:,.6g}, error {traced.error:+,.6g}, known {known}"
    ids = traced.summed or []
    rest = f" and {len(ids) - MOST} more" if len(ids) > MOST else ""
    summed = f"{len(ids)} series: {', '.join(map(str, ids[:MOST]))}{rest}"
    if len(ids) == 1:
        summed = f"the days of series {ids[0]}"
    return [
        f"{traced.metric_type} of series {traced.series_id} on {_time(traced.target_at)}:"
        f" {traced.y_hat:,.6g} (80 %: {traced.lo_80:,.6g} to {traced.hi_80:,.6g})",
        *([f"the sum of the forecasts of {summed}"] if traced.summed else []),
        f"issued {_time(traced.issued_at)} from {_time(traced.cutoff)}, {traced.horizon} {step} ahead",
        happened,
    ]


def _version(traced: "TracedPrediction") -> list[str]:
    gone = f", deleted {_time(traced.deleted_at)}" if traced.deleted_at else ""
    lines = [
        f"{traced.model} version {traced.version} ({traced.kind}), run {traced.run_id}{gone}",
        f"registered {_time(traced.registered_at)}",
    ]
    if (promotion := traced.promotion) is not None:
        forced = " (forced)" if promotion["forced"] else ""
        lines.append(f"promoted by {promotion['decided_by']}{forced}: {promotion['reason']}")
    return lines


def _made_from(traced: "TracedPrediction") -> list[str]:
    problem = [f"lineage {traced.lineage_state}: {traced.lineage_problem}"] if traced.lineage_problem else []
    if traced.changed:
        problem.append(f"changed since it was recorded: {traced.changed}")
    if traced.training_data_sha256 is None:
        return problem
    features = [f"{feature['feature']}@{feature['version']}" for feature in traced.features]
    series = f" of {traced.training_series} series" if traced.training_series is not None else ""
    return [
        *problem,
        f"{traced.training_rows:,} observations{series},"
        f" {_time(traced.trained_from)} to {_time(traced.trained_to)}, as known {_time(traced.known_at)}",
        f"content {traced.training_data_sha256}",
        f"code mlops {traced.code_version}, lineage {traced.lineage_sha256}",
        f"features {', '.join(features) or 'none'}",
    ]


def _led_to(traced: "TracedPrediction") -> list[str]:
    if traced.recommendation_id is None:
        return ["no recommendation about this version came after it"]
    number, day = traced.recommendation_id, _time(traced.recommended_at)
    lines = [
        f"recommendation {number} of {day}: {traced.recommendation}",
        *(f"because {reason}" for reason in traced.reasons or ()),
    ]
    if traced.verdict:
        lines.append(traced.verdict)
    return lines


def _months(months: "tuple[MonthBehind, ...]") -> Any:
    shown = table(
        "month", "observations", "corrected since", "came later", "where", title="\n[bold]Raw observations[/]"
    )
    for month in months:
        partition = str(month.partition or "no partition").removeprefix("analytics.")
        where = escape(f"archived to {month.archive}") if month.archive else partition
        counts = (f"{count:,}" if count else "" for count in (month.known, month.corrected, month.later))
        shown.add_row(f"{month.month:%Y-%m}", *counts, where)
    return shown


def _time(time: Any) -> str:
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute) == (0, 0) else f"{time:%Y-%m-%d %H:%M}"
