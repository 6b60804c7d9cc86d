"""Models over HTTP: versions, aliases, health, accuracy, drift, what is recommended, and where a prediction is from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from mlops.domain.findings import FindingKind
from mlops.monitoring.decide.decisions import (
    ListedRecommendation,
    ShownRecommendation,
    recommendation,
    recommendations,
)
from mlops.monitoring.findings import StoredFinding, findings
from mlops.monitoring.health import Health, health
from mlops.policy import read_policy
from mlops.serving.forecasts import WeekAccuracy, weekly_accuracy
from mlops.tracking.bridge.mirror import (
    AliasPeriod,
    RegistryVersion,
    TracedPrediction,
    alias_history,
    mirrored_versions,
    trace,
)
from mlops.web.api.analytics import part_of
from mlops.web.api.answers import answer, document_of, page, pages_of
from mlops.web.api.asked import LARGEST_ID, AsOf, CursorText, Form, Limit, Name, begun, moment
from mlops.web.api.routes import router
from mlops.web.parts import Parts

__all__ = ["models"]

Number = Annotated[int, Path(ge=1, le=LARGEST_ID)]


def models(parts: Parts) -> APIRouter:
    """`/models`, `/health/models`, `/findings`, `/recommendations` and `/predictions/{id}/trace`."""
    routes, database = router(parts, "models"), parts.database

    @routes.get("/models", responses=pages_of(RegistryVersion))
    def versions(request: Request, cursor: CursorText = "", limit: Limit = 1000, form: Form = None) -> Response:
        """The live versions of all models, with the aliases that point at them and what they were trained on."""
        return part_of(request, lambda _: mirrored_versions(database), RegistryVersion, cursor, limit, form)

    @routes.get("/models/{name}/aliases", responses=pages_of(AliasPeriod))
    def aliases(
        request: Request, name: Name, cursor: CursorText = "", limit: Limit = 1000, form: Form = None
    ) -> Response:
        """From when until when each alias of a model meant which version, and who decided it; the newest first."""
        return part_of(request, lambda _: alias_history(database, name), AliasPeriod, cursor, limit, form)

    @routes.get("/models/{name}/accuracy", responses=pages_of(WeekAccuracy))
    def accuracy(
        request: Request,
        name: Name,
        as_of: AsOf = "now",
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """How good the freshest forecasts of a model were, week by week, beside the seasonal naive."""

        def rows(known: datetime) -> Sequence[WeekAccuracy]:
            return weekly_accuracy(database, name, known)

        return part_of(request, rows, WeekAccuracy, cursor, limit, form, as_of=moment(database, as_of))

    @routes.get("/health/models", responses=document_of(list[Health]))
    def healths(request: Request, as_of: AsOf = "now") -> Response:
        """The health of every champion and served challenger, 0 to 100, part by part; the worst first."""
        return answer(request, health(database, read_policy().health, moment(database, as_of)))

    @routes.get("/findings", responses=pages_of(StoredFinding))
    def drift(
        request: Request,
        model: Name | None = None,
        kind: FindingKind | None = None,
        everything: Annotated[bool, Query(alias="all", description="Also what was compared and is no drift.")] = False,
        as_of: AsOf = "now",
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """What weekly checks found: drift of features, concepts, performance, predictions and data; newest first."""
        asked = {"model": model, "kind": kind, "everything": everything}
        begin = begun(cursor, moment(database, as_of), (str, int), asked)
        before = (moment(database, begin.after[0], "cursor"), begin.after[1]) if begin.after else None
        rows = findings(
            database,
            model=model,
            kind=kind,
            drifted=not everything,
            as_of=begin.as_of,
            before=before,
            most=limit,
        )
        last = (rows[-1].as_of.isoformat(), rows[-1].finding_id) if len(rows) == limit else None
        return page(request, rows, StoredFinding, as_of=begin.as_of, form=form, following=begin.following(last))

    @routes.get("/recommendations", responses=pages_of(ListedRecommendation))
    def listed(
        request: Request,
        everything: Annotated[bool, Query(alias="all", description="Also what asks for nothing any more.")] = False,
        cursor: CursorText = "",
        limit: Limit = 1000,
        form: Form = None,
    ) -> Response:
        """What monitoring recommends, what acting would save and cost, and who decided; the newest first."""
        return part_of(
            request,
            lambda _: recommendations(database, everything=everything),
            ListedRecommendation,
            cursor,
            limit,
            form,
        )

    @routes.get("/recommendations/{number}", responses=document_of(ShownRecommendation))
    def shown(request: Request, number: Number) -> Response:
        """A recommendation with its reasons, the findings behind it and everything that was decided about it."""
        return answer(request, recommendation(database, number))

    @routes.get("/predictions/{number}/trace", responses=document_of(TracedPrediction))
    def traced(request: Request, number: Number) -> Response:
        """A stored prediction back to its raw observations, its version and training, and on to what it led to."""
        return answer(request, trace(database, number))

    return routes
