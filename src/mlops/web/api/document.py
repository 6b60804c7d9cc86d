"""The application whose OpenAPI document says what is answered, and nothing else."""

from typing import Any

from fastapi import FastAPI

__all__ = ["Described"]


class Described(FastAPI):
    """FastAPI without the status 422 that it describes by itself: what is wrong with a request is told with 400."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            for methods in document["paths"].values():
                for said in methods.values():
                    said["responses"].pop("422", None)
            for unused in ("HTTPValidationError", "ValidationError"):
                document.get("components", {}).get("schemas", {}).pop(unused, None)
        return super().openapi()
