"""The review as one page and as JSON: both are made of the same object."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from mlops.files import write_whole
from mlops.monitoring import plots
from mlops.monitoring.review.document import ACTIONS, Model, Review

__all__ = ["as_json", "file_name", "page", "write"]


def file_name(as_of: datetime) -> str:
    """What the page of a review is called."""
    return f"review-{as_of.astimezone(UTC):%Y-%m-%d}.html"


def write(review: Review, path: Path) -> None:
    """Write the page to `path` and the same facts as JSON beside it."""
    write_whole(path, page(review, _drill_downs(review, path.parent)))
    write_whole(path.with_suffix(".json"), as_json(review) + "\n")


def page(review: Review, drill_downs: dict[str, str] | None = None) -> str:
    """The HTML; `drill_downs` are pages that lie beside it, by model."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mlops.monitoring"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("review/page.html.j2")
    return template.render(review=review, plots=plots, actions=ACTIONS, drill_downs=drill_downs or {})


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
