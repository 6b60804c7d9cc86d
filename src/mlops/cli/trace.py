"""`mlops registry trace`: a prediction back to its raw data and on to what it caused."""

from datetime import UTC
from typing import Annotated, Any

import typer
from rich.markup import escape

from mlops.cli.context import database
from mlops.cli.options import LARGEST_ID, Json
from mlops.cli.output import console, emit, table
from mlops.errors import NothingToDo

__all__ = ["trace"]

MOST = 12
"""Series of a total that are named."""


def trace(
    prediction_id: Annotated[
        int, typer.Argument(metavar="PREDICTION_ID", min=1, max=LARGEST_ID, help="As in model_prediction_results.")
    ],
    as_json: Json = False,
) -> None:
    """Follow a prediction back to the months of its raw observations and on to what monitoring made of it."""
    from mlops.db.archive.read import read_archived

    with database().transaction() as transaction:
        found = transaction.one("trace_prediction", prediction_id=prediction_id)
        if found is None:
            newest = transaction.value("newest_prediction")
            there = f"the newest is {newest}" if newest else "none is stored; make some with `mlops predict URI`"
            raise NothingToDo(f"there is no prediction {prediction_id}; {there}")
        since = min(found["trained_from"] or found["cutoff"], found["cutoff"]).astimezone(UTC)
        first = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        read_archived(transaction, found["summed"] or [found["series_id"]], start=first, end=found["cutoff"])
        found["months"] = transaction.rows("months_behind_prediction", prediction_id=prediction_id)
        found["edits"] = transaction.rows("edits_behind_prediction", prediction_id=prediction_id)
    emit(found, as_json=as_json, text=lambda: _print(found))


def _print(found: dict[str, Any]) -> None:
    console.print(f"[bold]prediction {found['prediction_id']}[/]", highlight=False)
    for title, lines in (
        ("forecast", _forecast(found)),
        ("version", _version(found)),
        ("made from", _made_from(found)),
        ("led to", _led_to(found)),
    ):
        for number, line in enumerate(lines):
            console.print(
                f"  [bold]{title if number == 0 else '':10}[/] {escape(line)}", highlight=False, soft_wrap=True
            )
    if found["months"]:
        console.print(_months(found["months"]))
    for one in found["edits"]:
        console.print(escape(_edited(one)), highlight=False, soft_wrap=True)


def _edited(edit: dict[str, Any]) -> str:
    """What was done since to the observations that the table counts."""
    known = {"observed": " to when their period ended", "now": " to that time"}.get(edit["known_at"], "")
    return (
        f"{edit['action']}{known} on {_time(edit['decided_at'])} by {edit['decided_by']}: {edit['observations']:,}"
        f" observations of {edit['first_at']:%Y-%m-%d} to {edit['last_at']:%Y-%m-%d}, {edit['reason']};"
        " the counts above are those of today"
    )


def _forecast(found: dict[str, Any]) -> list[str]:
    step = "step" if found["horizon"] == 1 else "steps"
    happened = (
        f"happened {found['outcome']:,.6g}, error {found['error']:+,.6g}, known {_time(found['outcome_recorded_at'])}"
        if found["outcome"] is not None
        else "what happened is not known yet"
    )
    return [
        f"{found['metric_type']} of series {found['series_id']} on {_time(found['target_at'])}:"
        f" {found['y_hat']:,.6g} (80 %: {found['lo_80']:,.6g} to {found['hi_80']:,.6g})",
        *([f"the sum of the forecasts of {_series(found['summed'])}"] if found["summed"] else []),
        f"issued {_time(found['issued_at'])} from {_time(found['cutoff'])}, {found['horizon']} {step} ahead",
        happened,
    ]


def _series(ids: list[int]) -> str:
    """Series by their ids, the first of them where they are many."""
    if len(ids) == 1:
        return f"the days of series {ids[0]}"
    rest = f" and {len(ids) - MOST} more" if len(ids) > MOST else ""
    return f"{len(ids)} series: {', '.join(map(str, ids[:MOST]))}{rest}"


def _version(found: dict[str, Any]) -> list[str]:
    gone = f", deleted {_time(found['deleted_at'])}" if found["deleted_at"] else ""
    lines = [
        f"{found['model']} version {found['version']} ({found['kind']}), run {found['run_id']}{gone}",
        f"registered {_time(found['registered_at'])}",
    ]
    if (promotion := found["promotion"]) is not None:
        forced = " (forced)" if promotion["forced"] else ""
        lines.append(f"promoted by {promotion['decided_by']}{forced}: {promotion['reason']}")
    return lines


def _made_from(found: dict[str, Any]) -> list[str]:
    problem = [f"lineage {found['lineage_state']}: {found['lineage_problem']}"] if found["lineage_problem"] else []
    if found["changed"]:
        problem.append(f"changed since it was recorded: {found['changed']}")
    if found["training_data_sha256"] is None:
        return problem
    features = [f"{one['feature']}@{one['version']}" for one in found["features"]]
    series = f" of {found['training_series']} series" if found["training_series"] is not None else ""
    return [
        *problem,
        f"{found['training_rows']:,} observations{series},"
        f" {_time(found['trained_from'])} to {_time(found['trained_to'])}, as known {_time(found['known_at'])}",
        f"content {found['training_data_sha256']}",
        f"code mlops {found['code_version']}, lineage {found['lineage_sha256']}",
        f"features {', '.join(features) or 'none'}",
    ]


def _led_to(found: dict[str, Any]) -> list[str]:
    if found["recommendation_id"] is None:
        return ["no recommendation about this version came after it"]
    lines = [
        f"recommendation {found['recommendation_id']} of {_time(found['recommended_at'])}: {found['recommendation']}",
        *(f"because {reason}" for reason in found["reasons"]),
    ]
    if found["verdict"]:
        lines.append(found["verdict"])
    return lines


def _months(months: list[dict[str, Any]]) -> Any:
    shown = table(
        "month", "observations", "corrected since", "came later", "where", title="\n[bold]Raw observations[/]"
    )
    for month in months:
        partition = str(month["partition"] or "no partition").removeprefix("analytics.")
        where = escape(f"archived to {month['archive']}") if month["archive"] else partition
        counts = (f"{month[name]:,}" if month[name] else "" for name in ("known", "corrected", "later"))
        shown.add_row(f"{month['month']:%Y-%m}", *counts, where)
    return shown


def _time(time: Any) -> str:
    return f"{time:%Y-%m-%d}" if (time.hour, time.minute) == (0, 0) else f"{time:%Y-%m-%d %H:%M}"
