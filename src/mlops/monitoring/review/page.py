"""The review as one page and as JSON: both are made of the same object."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape, unescape
from pathlib import Path

from mlops.files import write_whole
from mlops.monitoring.review import plots
from mlops.monitoring.review.document import ACTIONS, Model, Review

__all__ = ["as_json", "file_name", "page", "write_review"]

TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
HEAD = re.compile(r'<th scope="col".*?>(.*?)</th>', re.DOTALL)
ROW = re.compile(r"<tr.*?</tr>", re.DOTALL)
CELL = re.compile(r'<t[dh](?= |>)(?: scope="row")?')
TAG = re.compile(r"<[^>]*>")


def file_name(as_of: datetime) -> str:
    """What the page of a review is called."""
    return f"review-{as_of.astimezone(UTC):%Y-%m-%d}.html"


def write_review(review: Review, path: Path) -> None:
    """Write the page to `path` and the same facts as JSON beside it."""
    write_whole(path, page(review, _drill_downs(review, path.parent)))
    write_whole(path.with_suffix(".json"), as_json(review) + "\n")


def page(review: Review, drill_downs: dict[str, str] | None = None) -> str:
    """The HTML; `drill_downs` are pages that lie beside it, by model."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mlops.monitoring.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html.j2")
    html = template.render(review=review, plots=plots, actions=ACTIONS, drill_downs=drill_downs or {})
    return TABLE.sub(_labelled, html)


def _labelled(table: re.Match[str]) -> str:
    """A table whose cells carry the head of their column, which a narrow screen shows beside each."""
    heads = [escape(unescape(TAG.sub("", head)).strip()) for head in HEAD.findall(table[0])]

    def row(found: re.Match[str]) -> str:
        names = iter(heads)
        return CELL.sub(lambda cell: f'{cell[0]} data-label="{next(names, "")}"', found[0])

    head, body = table[0].split("<tbody>", 1)
    return f"{head}<tbody>{ROW.sub(row, body)}"


def as_json(review: Review) -> str:
    """The document; times as ISO 8601."""
    return json.dumps(asdict(review), indent=2, ensure_ascii=False, default=datetime.isoformat)


def _drill_downs(review: Review, folder: Path) -> dict[str, str]:
    """Evidently's page of the newest check, of the models for which somebody had it written."""
    names = {model.name: _drill_down(model) for model in review.models}
    return {model: name for model, name in names.items() if name and (folder / name).is_file()}


def _drill_down(model: Model) -> str | None:
    """As `mlops monitor run --html` calls it; a name that is no file name has none."""
    checked = model.advice.checked_at
    if checked is None or "/" in model.name or "\0" in model.name:
        return None
    return f"drift-{model.name}-{checked:%Y-%m-%d}.html"
