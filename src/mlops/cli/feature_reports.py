"""`mlops features profile|importance|impact`: what features are worth, and what rests on them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import LONGEST_DAYS, database, moment
from mlops.cli.options import AsOfOrNone, DefinitionFile, Json
from mlops.cli.output import console, emit, table

if TYPE_CHECKING:
    from mlops.domain.profiles import Limits
    from mlops.feature_store.profiled import Profiled

__all__ = ["impact", "importance", "profile"]


def profile(
    name: Annotated[
        str,
        typer.Argument(metavar="SET_OR_FEATURE", help="A feature set, a feature (NAME or NAME@VERSION), or a model."),
    ],
    as_of: AsOfOrNone = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=LONGEST_DAYS,
            help="How many whole days before that are profiled; 28 when left out, more for weeks and longer steps.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="The least share of a quality, like completeness=0.9; may be repeated.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a feature is below a limit.")] = False,
    file: DefinitionFile = None,
    as_json: Json = False,
) -> None:
    """Profile features in a window, say which are below a limit, and keep the profiles."""
    from mlops.domain.profiles import below
    from mlops.feature_store.profiled import profile_features
    from mlops.features.definitions import declared

    limits = _limits(limit or [])
    known = declared(file)
    found = profile_features(database(), known, name, moment(as_of), days=days)
    findings = {f"{one.name}@{one.version}": list(below(one.profile, limits)) for one in found}
    findings = {feature: said for feature, said in findings.items() if said}
    document = {"profiles": found, "limits": limits, "findings": findings}
    emit(document, as_json=as_json, text=lambda: _print_profiles(found, findings))
    if strict and findings:
        raise typer.Exit(1)


def impact(
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="A feature; any version of it, or one.")],
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="How many days of forecasts are counted.")] = 28,
    as_of: AsOfOrNone = None,
    file: DefinitionFile = None,
    as_json: Json = False,
) -> None:
    """Show where a feature is used and what breaks when it is retired."""
    from mlops.feature_store import impact as features
    from mlops.features.definitions import declared

    which, known = features.versioned(name), declared(file)
    found = features.impact(database(), known, *which, moment(as_of), days=days)

    def text() -> None:
        console.print(escape(found.sentence), highlight=False, soft_wrap=True)
        if found.uses:
            shown = table(
                "model", "version", "aliases", "uses", "importance", "rank", "forecasts", "series", "last issued"
            )
            for use in found.uses:
                shown.add_row(
                    escape(use.name),
                    str(use.version),
                    escape(" ".join(f"@{alias}" for alias in use.aliases)),
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
            console.print(
                f"[bold]open recommendation {number}[/] of {day}: {escape(asked)}", highlight=False, soft_wrap=True
            )
        if found.declared_sets:
            console.print(f"[bold]declared in[/] {', '.join(found.declared_sets)}", highlight=False)
        for row in found.built_sets:
            built = f"{row['builds']} {'build' if row['builds'] == 1 else 'builds'} of {row['rows']:,} rows"
            online = ", and its newest values are served" if row["online"] else ""
            console.print(f"[bold]built in[/] {row['feature_set']}: {built}{online}", highlight=False)
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
                escape(row["model"]),
                f"{row['model_version']}{' @champion' if row['champion'] else ''}",
                f"{row['feature']}@{row['feature_version']}",
                f"{row['share']:.1%}",
                f"{row['rank']} of {row['features']}",
                f"{row['share'] * row['features']:.1f}",
                escape(row["kind"]),
            )
        console.print(shown if rows else "no live model version states an importance")

    emit(rows, as_json=as_json, text=text)


def _limits(given: Sequence[str]) -> "Limits":
    """The limits with those that were given as NAME=SHARE."""
    from dataclasses import fields, replace

    from mlops.domain.profiles import Limits
    from mlops.errors import Misused, UnknownName, quoted

    limits = Limits()
    for text in given:
        name, _, share = text.partition("=")
        if name not in (names := [field.name for field in fields(limits)]):
            raise UnknownName("quality", name, names)
        try:
            least = float(share)
        except ValueError:
            least = -1.0
        if not 0 <= least <= 1:
            raise Misused(
                f"--limit {quoted(text)} is not a limit; expected {name}= and a share from 0 to 1, like {name}=0.9"
            )
        limits = replace(limits, **{name: least})
    return limits


def _print_profiles(found: Sequence["Profiled"], findings: dict[str, list[str]]) -> None:
    from mlops.feature_store.histogram import sparkline

    first = found[0].profile
    console.print(
        f"[bold]{first.series:,} series, {first.window.start:%Y-%m-%d} to before {first.window.end:%Y-%m-%d}[/],"
        f" known at {first.as_of:%Y-%m-%d %H:%M} UTC",
        highlight=False,
    )
    shown = table(
        "feature", "complete", "accurate", "consistent", "fresh", "mean", "5 %", "95 %", "histogram", "season"
    )
    for one in found:
        quality, values = one.profile.quality, one.profile.distribution
        shares = (quality.completeness, quality.accuracy, quality.consistency, quality.freshness)
        low, high = (values.quantiles.get(key) for key in ("0.05", "0.95"))
        shown.add_row(
            f"{one.name}@{one.version}",
            *("" if share is None else f"{share:.1%}" for share in shares),
            *(_number(value) for value in (values.mean, low, high)),
            sparkline(values.counts)
            if not values.top
            else ", ".join(f"{name} {many}" for name, many in values.top[:3]),
            _number(one.profile.pattern.autocorrelation),
        )
    console.print(shown)
    for feature, said in findings.items():
        for sentence in said:
            console.print(f"[bold]{feature}[/] {sentence}", highlight=False, soft_wrap=True)
    if not findings:
        console.print("nothing is below a limit")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
