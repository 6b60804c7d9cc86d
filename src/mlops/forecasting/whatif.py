"""Forecasts of a fitted model under other events, or other values of covariates ahead."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from mlops.errors import BadInput
from mlops.forecasting.base import Forecaster
from mlops.forecasting.groups import open_rows
from mlops.panels.arguments import either
from mlops.panels.calendar import Calendar, Events, events_of
from mlops.panels.inputs import Table

__all__ = ["what_if"]

KEYS = ["series_id", "ds"]


def what_if(
    fitted: Forecaster,
    horizon: int | None = None,
    *,
    history: Table | None = None,
    future: Table | None = None,
    events: Events | None = None,
    changed: Table | None = None,
    h: int | None = None,
) -> pd.DataFrame:
    """`series_id, ds, cutoff, y_hat, y_hat_what_if, difference`, both forecasts by the same fitted model.

    An event that the model has never seen has no effect: `attrs["notes"]` of the frame, a list of sentences, says so,
    or that nothing changes at all.

    Parameters
    ----------
    fitted
        A fitted forecaster.
    horizon
        Steps ahead (None: the forecaster's own horizon); `h` is the same.
    history, future
        As in `Forecaster.predict`.
    events
        All events of the days ahead, in place of the model's own (None: as they are; what has happened stays, and so do
        public holidays); they count as announced.
    changed
        `series_id, ds` and some covariates, numbers or text as in the training: they replace values of `future`.
    h
        See `horizon`.

    Raises
    ------
    BadInput
        When there is nothing to change, or when `changed` is not about covariates of the model.

    Examples
    --------
    >>> import pandas as pd
    >>> from mlops.forecasting import forecaster, what_if
    >>> days = pd.date_range("2024-01-01", periods=133)
    >>> frame = pd.DataFrame({"series_id": "shop", "ds": days, "promotion": (days.day < 6).astype(float)})
    >>> frame["y"] = (10.0 + days.dayofweek) * (1 + frame["promotion"])
    >>> fitted = forecaster("hybrid")(covariates=["promotion"]).fit(frame[:126])
    >>> ahead = frame.loc[126:, ["series_id", "ds", "promotion"]]
    >>> found = what_if(fitted, h=7, future=ahead, changed=ahead.assign(promotion=1.0))
    >>> bool((found["y_hat_what_if"] / found["y_hat"]).between(1.8, 2.2).all())
    True
    """
    if events is None and changed is None:
        raise BadInput("nothing is changed; pass events= or changed=")
    like, model = history, fitted
    history, future, changed = (
        None if rows is None else model.read(rows, target=False) for rows in (history, future, changed)
    )
    fitted = model.plain()
    horizon = either("horizon", horizon, "h", h, fitted.horizon)
    every = fitted.predict(horizon, (), history=history, future=future)
    base, cutoff = open_rows(every), pd.Timestamp(every["cutoff"].iloc[0])
    first = every["ds"].min().date()
    calendar, notes = fitted.calendar, []
    if events is not None:
        wanted = events_of(events)
        Calendar(events=wanted).check_series(fitted.known)
        seen = {event.name for event in fitted.calendar.announced_by(cutoff).events if event.first < first}
        unseen = sorted({event.name for event in wanted if event.last >= first} - seen)
        notes = [f"the model has never seen {name!r}: it is left out of the what-if" for name in unseen]
        # the model's own events before the first day ahead, and the wanted ones from it on
        before = first - timedelta(days=1)
        past = [replace(event, last=min(event.last, before)) for event in calendar.events if event.first < first]
        ahead = [
            replace(event, first=max(event.first, first), announced=None)
            for event in wanted
            if event.last >= first and event.name not in unseen
        ]
        calendar = replace(calendar, events=(*past, *ahead))
    planned = future if changed is None else _replaced(fitted, future, changed)
    other = open_rows(fitted.with_calendar(calendar).predict(horizon, (), history=history, future=planned))
    compared = base.assign(y_hat_what_if=other["y_hat"], difference=other["y_hat"] - base["y_hat"])
    if not notes and not compared["difference"].any():
        notes.append(
            f"no forecast changes: this model of kind {fitted.kind!r} has learned no effect of what is changed"
        )
    compared = model.given_back(compared, like)
    if isinstance(compared, pd.DataFrame):
        compared.attrs["notes"] = notes
    return compared


def _replaced(fitted: Forecaster, future: pd.DataFrame | None, changed: pd.DataFrame) -> pd.DataFrame:
    """`future` with the values of `changed` where that has one."""
    names = [name for name in changed.columns if name not in KEYS]
    unknown = sorted(set(names) - set(fitted.covariates))
    if future is None and set(names) <= set(fitted.coding.static) and set(KEYS) <= set(changed.columns):
        future = changed[KEYS]  # of what never varies nothing has to be planned
    if unknown or not names or not set(KEYS) <= set(changed.columns) or future is None:
        known = ", ".join(fitted.covariates) or "none"
        raise BadInput(
            f"changed has the columns {', '.join(changed.columns)}; expected series_id, ds and covariates of the model"
            f" ({known}), and future= with what was planned"
        )
    new, planned = (frame.assign(ds=pd.to_datetime(frame["ds"])).set_index(KEYS) for frame in (changed, future))
    off = new.index.difference(planned.index)
    if len(off):
        raise BadInput(f"changed has a row for {off[0][0]!r} at {off[0][1]}, for which future has none")
    for name in names:
        kind = object if name in fitted.coding.levels else float
        was = planned[name] if name in planned.columns else pd.Series(np.nan, planned.index)
        values = new[name].reindex(planned.index).astype(kind)
        planned[name] = values.where(values.notna(), was.astype(kind))
    return planned.reset_index()
