"""What a client of MLflow's scoring server asks beside predictions; and predictions, as OpenAPI describes them."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from mlops.tracking.scoring import CONTENT_TYPES, mlflow_version
from mlops.version import __version__
from mlops.web.api.page import api_page
from mlops.web.parts import Parts

__all__ = ["protocol"]

EXAMPLE = {"dataframe_records": [{"series_id": "R1"}], "params": {"horizon": 28}}
TABLE: dict[str, Any] = {
    "description": "A table in one of MLflow's formats, and the model's `params` beside it.",
    "type": "object",
    "properties": {
        "dataframe_split": {
            "type": "object",
            "properties": {
                "columns": {"type": "array", "items": {"type": "string"}},
                "data": {"type": "array", "items": {"type": "array"}},
                "index": {"type": "array"},
            },
            "required": ["data"],
        },
        "dataframe_records": {"type": "array", "items": {"type": "object"}},
        "instances": {},
        "inputs": {},
        "params": {"type": ["object", "null"]},
    },
    "example": EXAMPLE,
}
ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("error_code", "message", "sqlstate", "error_class")},
    "required": ["error_code", "message"],
}
CAUSES = {
    400: "the input, or the model on this input",
    401: "no key, or none that is known",
    403: "the key does not allow it",
    404: "no such model, or what the model says is not there",
    408: "the body did not come in time",
    409: "the model can't be served",
    413: "the body is too large",
    429: "too many requests by this key",
    503: "too many requests wait, memory runs out, or what has to be kept can't be",
}
SCORING: dict[str, Any] = {
    "openapi_extra": {
        "security": [{"HTTPBearer": []}, {"APIKeyHeader": []}],
        "requestBody": {
            "required": True,
            "content": {CONTENT_TYPES[0]: {"schema": TABLE}, **{kind: {} for kind in CONTENT_TYPES[1:]}},
        },
    },
    "responses": {
        200: {
            "description": "The predictions: a value or an object for each row; what is no number is null.",
            "content": {CONTENT_TYPES[0]: {"schema": {"type": "object"}}},
        },
        **{
            status: {"description": cause, "content": {CONTENT_TYPES[0]: {"schema": ERROR}}}
            for status, cause in CAUSES.items()
        },
        415: {"description": "the content type", "content": {"text/plain": {"schema": {"type": "string"}}}},
        504: {"description": "it took too long", "content": {CONTENT_TYPES[0]: {}}},
    },
    "response_class": Response,
    "tags": ["scoring"],
}


def protocol(parts: Parts) -> APIRouter:
    """`/ping` and `/version` as MLflow's server has them, and a description of what `web.scoring` answers before."""
    router = APIRouter()

    @router.get("/ping", tags=["server"], responses={503: {"description": "not ready yet, or not any more"}})
    def ping() -> Response:
        """Whether requests can be sent: 200 with an empty line, or 503."""
        return Response("\n", 200 if parts.ready else 503, media_type="application/json")

    @router.get("/health", tags=["server"], responses={503: {"description": "not ready yet, or not any more"}})
    def health() -> Response:
        """The same, with what it rests on: models, what was not loaded, the log, Postgres and the registry."""
        ready = parts.ready
        return JSONResponse({"ready": ready, "version": __version__, **parts.details()}, 200 if ready else 503)

    @router.get("/version", tags=["server"])
    def version() -> Response:
        """The version of MLflow whose protocol is spoken."""
        return Response(mlflow_version(), media_type="application/json")

    router.add_api_route("/docs", api_page, include_in_schema=False)

    @router.post("/invocations", summary="Predictions of the server's own model", **SCORING)
    @router.post("/models/{name}@{alias}/invocations", summary="Predictions by an alias", **SCORING)
    @router.post("/models/{name}/{version}/invocations", summary="Predictions by a version", **SCORING)
    def invocations() -> Response:
        """By MLflow's scoring protocol."""
        message = "no path of this server's models is like that"  # what is one is answered before it comes here
        return JSONResponse({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": message}, 404)

    return router
