"""The page of the API, made of its OpenAPI document: HTML without a script, a font or a request elsewhere."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

__all__ = ["Endpoint", "api_page", "endpoints"]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

CODE = re.compile("`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What an endpoint is asked with: its type in a word, what it means, and what it is when left out."""

    name: str
    place: str
    kind: str
    required: bool
    default: str
    description: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: its parameters, fields of the body (of a POST) and of the answer, and the statuses beside 200."""

    method: str
    path: str
    subject: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    body: tuple[Parameter, ...]
    fields: tuple[Parameter, ...]
    formats: tuple[str, ...]
    statuses: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        """What a link to it ends in."""
        words = "".join(letter if letter.isalnum() else "-" for letter in f"{self.method}{self.path}")
        return words.strip("-").lower()


def api_page(request: Request) -> Response:
    """The page as a response; it is made once for each application."""
    state = request.app.state
    if not hasattr(state, "api_page"):
        document = request.app.openapi()
        environment = Environment(
            loader=PackageLoader("mlops.web.api", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        environment.filters["code"] = _with_code
        listed = tuple(endpoints(document))
        subjects = {subject: [one for one in listed if one.subject == subject] for subject in _subjects(listed)}
        template = environment.get_template("page.html.j2")
        state.api_page = template.render(info=document["info"], subjects=subjects).encode()
    return Response(state.api_page, media_type="text/html", headers=HEADERS)


def _with_code(text: str) -> Markup:
    """A text with what stands between backticks as code; everything else is escaped."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  it is escaped


def endpoints(document: Mapping[str, Any]) -> Iterator[Endpoint]:
    """The endpoints of an OpenAPI document, in its order."""
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            answers = dict(said["responses"])
            content = answers.pop("200").get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            yield Endpoint(
                method.upper(),
                path,
                said["tags"][0],
                said["summary"],
                said.get("description", ""),
                tuple(_parameter(one) for one in said.get("parameters", ())),
                tuple(_fields(_resolved(body, document))),
                tuple(_fields(_row(schema))),
                tuple(content),
                tuple((status, answer["description"]) for status, answer in sorted(answers.items())),
            )


def _subjects(listed: tuple[Endpoint, ...]) -> list[str]:
    return list(dict.fromkeys(one.subject for one in listed))


def _parameter(said: Mapping[str, Any]) -> Parameter:
    schema = said["schema"]
    default = schema.get("default")
    shown = "" if default is None or default == "" else str(default)
    text = said.get("description") or schema.get("description") or ""
    return Parameter(said["name"], said["in"], _kind(schema), said.get("required", False), shown, text)


def _fields(schema: Mapping[str, Any]) -> Iterator[Parameter]:
    for name, field in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        yield Parameter(name, "", _kind(field), required, str(field.get("default") or ""), field.get("description", ""))


def _row(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a page the rows, of a list what it lists, else the document itself."""
    rows = schema.get("properties", {}).get("rows", schema)
    return rows.get("items", rows) if isinstance(rows, Mapping) else {}


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference means."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def _kind(schema: Mapping[str, Any]) -> str:
    """A type in a word or two."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    kind = schema.get("type", "any")
    words = " | ".join(kind) if isinstance(kind, list) else kind
    if words == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(
        schema.get("format", words) if words == "string" else schema.get("title", words) if words == "object" else words
    )
