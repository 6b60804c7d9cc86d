"""A plain file of series (`series_id, ds, y`) as the long format, and what is said once for all rows of a file."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from mlops.domain.metric_types import declare_command
from mlops.domain.series import IDENTITY
from mlops.errors import BadInput, UnknownName
from mlops.panels.timestamps import granularity_of, infer
from mlops.series.adapters import REFUSED_COLUMNS, Chunk
from mlops.tables import ALIKE, layout

__all__ = ["LABEL", "as_long"]

LABEL = "series"
"""The label under which the `series_id` of a plain file tells its series apart."""


def as_long(
    chunks: Iterator[Chunk], where: str, *, metric_type: str | None, granularity: str | None, known: Sequence[str]
) -> Iterator[Chunk]:
    """Chunks of a file in either layout, in the long format.

    `metric_type` and `granularity` are those of all rows, of a file without a column that says so; of a file that names
    metric types only the rows of this one are taken, and those that name none, which are refused. A plain file that
    nobody names a granularity for shows it: that of its first chunk. `known` are the declared metric types.
    """
    step = granularity_of(granularity).name if granularity else None
    plain, notes, others, taken = False, list[str](), dict[str, int](), 0
    for number, chunk in enumerate(chunks):
        rows = chunk.rows
        if number == 0:
            names = [name for name in rows.columns if name != "line"]
            plain = layout(names, where) == "plain"
            _check(names, where, metric_type, granularity, known, plain=plain)
            if plain and step is None and "granularity" not in names:
                shown = _inferred(rows.rename(columns=ALIKE), where)
                step = shown or "daily"
                notes += [f"the steps are {shown}, as its times show (--granularity says otherwise)"] if shown else []
        rows = rows.rename(columns=ALIKE)
        if metric_type is not None and "metric_type" in rows.columns:
            mine = (rows["metric_type"].isna() | (rows["metric_type"] == metric_type)).to_numpy(bool)
            for name, count in rows.loc[~mine, "metric_type"].astype(str).value_counts().items():
                others[str(name)] = others.get(str(name), 0) + int(count)
            rows = rows[mine]
        elif metric_type is not None:
            rows = rows.assign(metric_type=pd.Categorical([metric_type]).take([0] * len(rows)))
        if step is not None:
            rows = rows.assign(granularity=pd.Categorical([step]).take([0] * len(rows)))
        refused = chunk.refused
        if plain:
            rows, nameless = _labelled(rows)
            refused = pd.concat([refused, nameless]) if len(nameless) else refused
        taken += len(rows)
        yield replace(chunk, rows=rows, refused=refused, notes=(*notes, *chunk.notes))
        notes = []
    left = {name: count for name, count in others.items() if count}
    if left and not taken:
        raise BadInput(f"holds no row of {metric_type}; its metric types are {', '.join(sorted(left))}", where=where)
    if left:
        counts = ", ".join(f"{count:,} of {name}" for name, count in sorted(left.items()))
        empty = rows.iloc[:0]
        yield Chunk(empty, notes=(f"rows of other metric types were left out: {counts}",))


def _check(
    names: Sequence[str],
    where: str,
    metric_type: str | None,
    granularity: str | None,
    known: Sequence[str],
    *,
    plain: bool,
) -> None:
    if granularity is not None and "granularity" in names:
        raise BadInput("has a column 'granularity', so --granularity says it twice; leave it out", where=where)
    if metric_type is None and "metric_type" not in names:
        declared = f"declared are {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
        raise BadInput(
            f"does not say what is measured; name it: --metric-type NAME ({declared}; another one:"
            " mlops series metric add NAME --unit UNIT)",
            where=where,
        )
    if metric_type is not None and metric_type not in known:
        raise UnknownName("metric type", metric_type, known, hint=f"another one: {declare_command(metric_type)}")
    if plain and "labels" in names:
        raise BadInput(
            "has both columns 'series_id' and 'labels'; put the id into the labels, or call it by what it is"
            f" ({', '.join(name for name in IDENTITY if name.endswith('_id') and name != 'tenant_id')})",
            where=where,
            line=1,
        )


def _inferred(rows: pd.DataFrame, where: str) -> str | None:
    """The granularity that the times show; None when none can be read, and each row is refused for that."""
    times = pd.to_datetime(
        rows["observed_at"].astype(object), errors="coerce", utc=True, format="ISO8601"
    ).dt.tz_localize(None)
    frame = pd.DataFrame({"series_id": rows["series_id"].astype(str), "ds": times}).dropna()
    if frame.empty:
        return None
    try:
        return infer(frame.drop_duplicates()).name
    except BadInput as error:
        raise BadInput(f"{error}; say which steps they are with --granularity", where=where) from error


def _labelled(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows with `labels` in place of `series_id`, and those that name no series as refused."""
    series = rows["series_id"].astype("category")
    texts = [json.dumps({LABEL: str(name)}, ensure_ascii=False) for name in series.cat.categories]
    nameless = series.isna() | (series.astype(object) == "")
    labelled = rows.drop(columns="series_id").assign(labels=series.cat.rename_categories(texts))
    lines: Any = rows.loc[nameless, "line"] if "line" in rows.columns else []
    refused = pd.DataFrame(
        {"line": lines, "column_name": "series_id", "found": None, "reason": NAMELESS, "raw": "{}"},
        columns=list(REFUSED_COLUMNS),
    )
    return labelled[~nameless], refused


NAMELESS = "nothing is there; every row names its series"
