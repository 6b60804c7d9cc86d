"""A fitted model takes newer rows: put after those that it knows, or refused where they don't belong together."""

import numpy as np
import pandas as pd

from mlops.errors import BadInput
from mlops.forecasting.groups import Grouped
from mlops.panels.calendar import Calendar
from mlops.panels.from_frame import Panels
from mlops.panels.inputs import Table
from mlops.panels.panel import Panel
from mlops.panels.service_calendar import closed

__all__ = ["update"]

KEYS = ["series_id", "ds"]


def update(model: Grouped, frame: Table, *, overwrite: bool, allow_gap: bool) -> None:
    """`Forecaster.update`: the model knows the rows of `frame` too, or nothing changes and BadInput says why."""
    model._check_fitted()
    groups = model._apart or (model,)
    known = pd.concat([group._history.known() for group in groups], ignore_index=True)
    rows = model._with_zones(model.read(frame))
    new = Panels.of(rows, model._freq_of_frames(), model.covariates, sources=model.sources, coding=model.coding)
    asked = model._asked(1, _continued(known, new, overwrite=overwrite), None)
    if len(asked) > len(groups) or len({id(group) for group, _ in asked}) < len(asked):
        raise BadInput(
            "the new rows hold a series that begins its steps at other times, or lives by another clock, than any"
            " of the training; nothing was taken. Fit again with it"
        )
    if not allow_gap:
        for group, panel in asked:
            _refuse_gap(group._history, panel, model.calendar)
    for group, panel in asked:
        group._history = panel.with_ids(group._history.ids) if not model.covariates + model.sources else panel


def _continued(known: pd.DataFrame, new: Panels, *, overwrite: bool) -> pd.DataFrame:
    """The known rows and after them the new ones, as a frame; what is older than the known ones is left out.

    BadInput for a value that differs from the known one, unless it is to replace it.
    """
    rows = pd.concat([part.known() for part in new.parts], ignore_index=True)
    has_values = rows.drop(columns=[*KEYS, "time_zone"], errors="ignore").notna().any(axis=1)
    rows = rows[(rows["ds"] >= known["ds"].min()) & has_values]
    with_y = rows[rows["y"].notna()]
    both = with_y.merge(known[[*KEYS, "y"]].dropna(), on=KEYS, suffixes=("", "_known"))
    differ = both[both["y"] != both["y_known"]]
    if len(differ) and not overwrite:
        row = differ.iloc[0]
        raise BadInput(
            f"series {row['series_id']!r} has {row['y']:g} for {row['ds']}, where {row['y_known']:g} is known already"
            f" ({len(differ):,} such row{'s' if len(differ) > 1 else ''}); nothing was taken. Leave out what is"
            " known, or pass overwrite=True to correct it"
        )
    keys = pd.MultiIndex.from_frame(known[KEYS])
    again = keys.isin(pd.MultiIndex.from_frame(with_y[KEYS]))
    again |= known["y"].isna().to_numpy() & keys.isin(pd.MultiIndex.from_frame(rows[KEYS]))  # a newer plan
    return pd.DataFrame(pd.concat([known[~again], rows], ignore_index=True))


def _refuse_gap(before: Panel, after: Panel, calendar: Calendar) -> None:
    """BadInput where no series has a value between what is known and what is new, for more steps than ever before.

    Steps without service and named days are none of them.
    """
    number = after.granularity.number
    newest = int(number(before.index[-1:].to_numpy())[0] - number(after.index[:1].to_numpy())[0])
    steps = pd.DatetimeIndex(after.index[newest + 1 :])
    empty = np.isnan(after.y[:, newest + 1 :]).all(axis=0)
    between = steps[: int((~empty).argmax())] if len(steps) else steps
    served = ~closed(before, between).all(axis=0)
    real = np.isin(np.arange(newest + 1, newest + 1 + len(between)), after.by_the_clock()[1])  # a clock skips an hour
    lost = between[served & real & (calendar.count(between, after.granularity) == 0)]
    missing = np.isnan(before.y).all(axis=0)
    count = np.cumsum(missing)
    longest = int((count - np.maximum.accumulate(np.where(missing, 0, count))).max(initial=0))
    if len(lost) > longest:
        raise BadInput(
            f"between the newest step that is known, {before.cutoff}, and the new rows no series has a value for"
            f" {len(lost):,} step{'s' if len(lost) > 1 else ''}, from {lost[0]} to {lost[-1]}; nothing was taken. Pass"
            " the rows in between too, or allow_gap=True if there were none"
        )
