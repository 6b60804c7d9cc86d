"""`mlops features profile|importance|impact`: what features are worth, and what rests on them."""

from typing import Annotated

import typer

from mlops.cli.context import database, moment
from mlops.cli.output import console, emit, table

__all__ = ["impact", "importance"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOf = Annotated[str | None, typer.Option(help="The time that counts as now; a date means its 00:00 UTC.")]


def impact(
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="A feature; any version of it, or one.")],
    days: Annotated[int, typer.Option(min=1, help="How many days of forecasts are counted.")] = 28,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Show where a feature is used and what breaks when it is retired."""
    from mlops.features import impact as features

    found = features.impact(database(), *features.versioned(name), moment(as_of), days=days)

    def text() -> None:
        console.print(found.sentence, highlight=False, soft_wrap=True)
        if found.uses:
            shown = table(
                "model", "version", "aliases", "uses", "importance", "rank", "forecasts", "series", "last issued"
            )
            for use in found.uses:
                shown.add_row(
                    use.name,
                    str(use.version),
                    " ".join(f"@{alias}" for alias in use.aliases),
                    f"@{use.feature_version}",
                    "" if use.share is None else f"{use.share:.1%}",
                    "" if use.rank is None else f"{use.rank} of {use.features}",
                    f"{use.forecasts:,}",
                    f"{use.series:,}",
                    f"{use.last_issued_at:%Y-%m-%d %H:%M}" if use.last_issued_at else "",
                )
            console.print(shown)
        for row in found.recommendations:
            asked = f"{row['action']} {row['name']}/{row['version']}: {'; '.join(row['reasons'])}"
            number, day = row["recommendation_id"], f"{row['as_of']:%Y-%m-%d}"
            console.print(f"[bold]open recommendation {number}[/] of {day}: {asked}", highlight=False, soft_wrap=True)
        if found.related:
            names = ", ".join(f"{row['name']}@{row['version']}" for row in found.related)
            console.print(f"[bold]of the same source[/] {names}", highlight=False)

    emit({"sentence": found.sentence, "impact": found}, as_json=as_json, text=text)


def importance(
    name: Annotated[str | None, typer.Argument(help="A feature; every one without it.")] = None, as_json: Json = False
) -> None:
    """Show how much features matter to the live model versions, comparable across models."""
    from mlops.errors import UnknownName

    with database().transaction() as transaction:
        rows = transaction.rows("feature_importance", name=name)
        if name and not rows and not transaction.rows("feature_versions", name=name):
            raise UnknownName("feature", name, [row["name"] for row in transaction.rows("list_features")])

    def text() -> None:
        shown = table("model", "version", "feature", "importance", "rank", "× average", "kind")
        for row in rows:
            shown.add_row(
                row["model"],
                f"{row['model_version']}{' @champion' if row['champion'] else ''}",
                f"{row['feature']}@{row['feature_version']}",
                f"{row['share']:.1%}",
                f"{row['rank']} of {row['features']}",
                f"{row['share'] * row['features']:.1f}",
                row["kind"],
            )
        console.print(shown if rows else "no live model version states an importance")

    emit(rows, as_json=as_json, text=text)
