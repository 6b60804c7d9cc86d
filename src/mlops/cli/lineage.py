"""`mlops registry lineage|reproduce`: what a version was made from, and whether it can be made again."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mlops.cli.context import database, store
from mlops.cli.options import Json, Uri
from mlops.cli.output import console, emit, progress, table
from mlops.errors import Misused, ModelNotFound

if TYPE_CHECKING:
    from mlops.training.reproduce import Reproduction

__all__ = ["lineage", "reproduce"]


def lineage(uri: Uri, as_json: Json = False) -> None:
    """Show what a version was made from: data, features, inputs, code, environment."""
    from mlops.tracking import registry as models
    from mlops.tracking.bridge import sync as bridge

    version = models.resolve(store(), uri)
    bridge.sync(store(), database(), foreign=False)
    with database().transaction() as transaction:
        row = transaction.one("lineage_of_version", name=version.name, version=version.version)
        features = transaction.rows("lineage_features", name=version.name, version=version.version)
    if row is None:
        raise ModelNotFound(f"{uri} is not in the mirror; run `mlops registry sync`")
    document = row | {"features": features}
    emit(document, as_json=as_json, text=lambda: _print_lineage(document))


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


def _print_lineage(document: dict[str, Any]) -> None:
    facts = document["lineage"] or {}
    console.print(
        f"[bold]{escape(document['name'])} version {document['version']}[/]"
        f" ({escape(document['kind'] or 'of another kind')}),"
        f" lineage {document['lineage_state']}"
    )
    if document["lineage_problem"]:
        console.print(f"[red]{escape(document['lineage_problem'])}[/]", soft_wrap=True)
    if document["changed"]:
        console.print(f"[red]changed since it was recorded: {escape(document['changed'])}[/]", soft_wrap=True)
    if facts:
        for name, value in _lines(document["run_id"], facts, document["lineage_sha256"]):
            console.print(f"  [bold]{name:12}[/] {escape(value)}", highlight=False, soft_wrap=True)
    if document["features"]:
        _print_features(document["features"])


def _print_features(features: list[dict[str, Any]]) -> None:
    shown = table("feature", "version", "importance", "transformation")
    for feature in features:
        share = f"{feature['importance']:.1%}" if feature["importance"] is not None else ""
        shown.add_row(escape(feature["name"]), str(feature["version"]), share, escape(feature["transformation"]))
    console.print(shown)


def _lines(run_id: str | None, facts: dict[str, Any], digest: str) -> Iterator[tuple[str, str]]:
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
    yield "code", _code(facts["code_version"], facts.get("code", {}))
    if "environment" in facts:
        yield from _environment(facts["environment"])
    yield "lineage", f"format {facts.get('lineage_version', 1)}, {digest}"


def _environment(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "machine", ", ".join(str(facts[name]) for name in ("platform", "processor") if name in facts)
    versions = {"python": facts.get("python", "unknown")} | facts.get("distributions", {})
    yield "libraries", ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    if "distributions_sha256" in facts:
        yield "all of them", facts["distributions_sha256"]


def _code(version: str, facts: dict[str, Any]) -> str:
    if "commit" not in facts:
        return version
    return f"{version}, commit {facts['commit']}{', with changes that are not committed' if facts.get('dirty') else ''}"


def _named(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in sorted(columns.items()))


def _print_reproduction(done: "Reproduction") -> None:
    style = "green" if done.verdict == "reproduced" else "red"
    console.print(f"[bold]{escape(done.uri)}[/] [{style}]{done.verdict}[/]", highlight=False)
    for one in done.differences:
        console.print(f"  [red]{one.what}[/]: {escape(one.message)}", highlight=False, soft_wrap=True)
    for name, value in _compared(done):
        console.print(f"  [bold]{name:12}[/] {escape(value)}", highlight=False, soft_wrap=True)
    if done.changed_since:
        console.print("since the training", style="bold")
    for one in done.changed_since:
        console.print(f"  {one.what}: {escape(one.message)}", highlight=False, soft_wrap=True)


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
