"""Stored forecasts, page by page, without computing anything: what every series was last forecast to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops.db import Database
from mlops.series.names import find
from mlops.serving.forecasts import choose_forecasts

__all__ = ["StoredStep", "stored_forecasts"]

FIRST = datetime(1900, 1, 1, tzinfo=UTC)
MOST_STEPS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class StoredStep:
    """One step of a stored forecast, with what is known of its outcome.

    `issued_at` says what it knew, so how old it is; `target_at` is when the step begins, `horizon` how many steps it is
    after the `cutoff`.
    """

    prediction_id: int
    model: str
    version: int
    series_id: int
    series: str
    unit: str
    issued_at: datetime
    cutoff: datetime
    target_at: datetime
    horizon: int
    y_hat: float
    lo_80: float | None
    hi_80: float | None
    lo_95: float | None
    hi_95: float | None
    outcome: float | None


def stored_forecasts(
    database: Database,
    *,
    model: str | None = None,
    series: Sequence[str] = (),
    as_of: datetime,
    horizon: int | None = None,
    cutoff: tuple[datetime, datetime] | None = None,
    after: tuple[int, str, datetime] | None = None,
    most: int,
) -> list[StoredStep]:
    """The newest forecast of each series by each model as known at `as_of`, step by step, at most so many rows.

    Of a `model` (`models:/NAME`, `…/VERSION`, `…@ALIAS`; None: of all) and of some `series` by name or id (none: all),
    in order of series, model and time, from the row `after` (series_id, model, target_at) on. With a `cutoff` (from,
    until before) it is the newest from there. Forecasts of more than 13 weeks before the newest are not looked at
    without one. Raises ModelNotFound, UnknownName, NothingToDo when nothing is stored.
    """
    choice = choose_forecasts(database, model=model, cutoff=cutoff, as_of=as_of)
    asked = {find(called, choice.names) for called in series}
    first = after[0] if after else 0
    pairs = [
        (series_id, version.version_id)
        for version in choice.versions.values()
        for series_id in version.series
        if series_id >= first and (not asked or series_id in asked)
    ]
    place = after or (0, "", FIRST)
    with database.transaction() as transaction:
        return transaction.rows(
            "forecasts_page",
            of=StoredStep,
            series_ids=[pair[0] for pair in pairs],
            version_ids=[pair[1] for pair in pairs],
            as_of=as_of,
            start=choice.start,
            end_at=choice.end,
            cutoff_from=choice.cutoffs[0],
            cutoff_to=choice.cutoffs[1],
            steps=MOST_STEPS if horizon is None else horizon,
            after_series=place[0],
            after_model=place[1],
            after_target=place[2],
            most=most,
        )
