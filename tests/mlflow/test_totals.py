"""Totals through their life: trained with, forecast, stored, judged, traced, shown; the model stays reproducible."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from mlops.db import Database
from mlops.errors import Misused
from mlops.serving.forecasts import choose_forecasts, forecasts, issues
from mlops.serving.outcomes import match
from mlops.serving.predict import predict
from mlops.tracking.bridge.sync import sync
from mlops.tracking.store import Store
from mlops.training import TrainingSpec, train
from mlops.training.reproduce import reproduce

AUTUMN = datetime(2019, 10, 1, tzinfo=UTC)


def rows(database: Database, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        return connection.execute(query, values or None).fetchall()


def test_totals_live_beside_the_forecasts_that_they_sum(routes: Database, store: Store, tmp_path):
    changes = {"totals": "company,week", "weeks": "8", "refit_every": "8"}
    trained = train(TrainingSpec.of("smoothing", changes, as_of=AUTUMN), routes, store)
    assert 0 < trained.metrics["wape_total_company"] < trained.metrics["wape"], "errors partly cancel in a sum"
    ((lineage,),) = rows(
        routes, "select lineage from analytics.model_versions where run_id = %s", trained.version.run_id
    )
    assert lineage["recipe"]["totals"] == ["company", "week"]
    assert len(lineage["series"]) == 4, "nothing is trained on a total"

    issued = predict(routes, store, trained.version.uri, as_of=AUTUMN)
    assert len(issued.totals) == 28 + 5 * 3, "28 days of the company; three whole weeks of it and of four routes"
    assert issued.stored == len(issued.frame) + len(issued.totals)
    again = predict(routes, store, trained.version.uri, as_of=AUTUMN)
    assert again.stored == 0, "the first issue stands"
    company = issued.totals[issued.totals["name"] == "company total"].set_index("ds")
    summed = issued.frame.groupby("ds")["y_hat"].sum()
    assert company["y_hat"].to_numpy() == pytest.approx(summed.to_numpy(), rel=0.05), "days without a value count less"
    widths = company["hi_80"] - company["lo_80"]
    added = issued.frame.assign(w=issued.frame["hi_80"] - issued.frame["lo_80"]).groupby("ds")["w"].sum()
    assert widths.sum() < added.sum(), "bounds don't add up"

    found = match(routes, AUTUMN + timedelta(days=60))
    assert found.totals > 0
    numbers = rows(
        routes,
        """select p.prediction_id, p.outcome,
                  (select sum(q.outcome) from analytics.model_prediction_results q
                    where q.version_id = p.version_id and q.cutoff = p.cutoff and q.target_at = p.target_at
                      and q.parts is null)
             from analytics.model_prediction_results p join analytics.series s using (series_id)
            where s.total and s.granularity = 'daily' and p.outcome is not null""",
    )
    assert numbers
    for _, outcome, parts in numbers:
        assert outcome == pytest.approx(parts)

    counted = rows(
        routes,
        "select total, level, granularity, count(*), sum(outcome) from analytics.forecasts"
        " where model = 'demand' and version = %s group by 1, 2, 3 order by 1, 2, 3",
        trained.version.version,
    )
    assert [row[:4] for row in counted] == [
        (False, "route", "daily", len(issued.frame)),
        (True, "company", "daily", 28),
        (True, "company", "weekly", 3),
        (True, "route", "weekly", 12),
    ]
    assert counted[0][4] == pytest.approx(counted[1][4]), "a total stands beside what it sums, and can be left out"

    choice = choose_forecasts(routes, series="company total", as_of=AUTUMN + timedelta(days=60))
    assert len(forecasts(routes, choice)) == 28
    everything = choose_forecasts(
        routes, model=f"models:/demand/{trained.version.version}", as_of=AUTUMN + timedelta(days=60)
    )
    assert set(issues(routes, everything)["series"]) == {4}, "what adds up forecasts adds up those of series"

    with routes.transaction() as transaction:
        traced = transaction.one("trace_prediction", prediction_id=numbers[0][0])
    assert traced is not None
    assert traced["run_id"] == trained.version.run_id
    assert traced["summed"] == lineage["series"]

    assert predict(routes, store, trained.version.uri, as_of=AUTUMN + timedelta(days=7), totals=[]).totals.empty
    assert reproduce(routes, store, trained.version.uri).verdict == "reproduced"
    assert sync(store, routes, foreign=False) is not None
    with pytest.raises(Misused, match="leave one of them out"):
        predict(routes, store, trained.version.uri, as_of=AUTUMN, totals=["company"], file=tmp_path / "any.csv")
