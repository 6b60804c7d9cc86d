"""`mlops registry compare`: challengers beside their champion, on what both forecast."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import database, moment
from mlops.cli.options import AsOf, Json
from mlops.cli.output import emit, say
from mlops.cli.typed import given, model_name
from mlops.errors import NothingToDo

if TYPE_CHECKING:
    from mlops.serving.shadow.verdict import Comparison, Verdict

__all__ = ["compare"]

COLOURS = {"better": "green", "worse": "red", "undecided": "yellow"}


def compare(
    name: Annotated[
        str | None, typer.Option("--model", callback=given(model_name, "--model"), help="Of this model alone.")
    ] = None,
    as_of: AsOf = "now",
    as_json: Json = False,
) -> None:
    """Compare challengers with their champion on what both forecast, and record the verdict of the week.

    Look as often as you like: the interval holds at all looks together.
    """
    from mlops.policy import read_serving_policy
    from mlops.serving.shadow.verdict import compare_live

    policy = read_serving_policy().shadow
    compared = compare_live(database(), moment(as_of, model=name or ""), policy, name=name)
    if not compared:
        aliases = " or ".join(f"@{alias}" for alias in policy.aliases)
        raise NothingToDo(
            f"no version is beside a champion as {aliases}, which serving/server.toml names in [shadow]; train one, or"
            " give a version that alias"
        )

    def text() -> None:
        for comparison in compared:
            _print(comparison)

    emit(compared, as_json=as_json, text=text)


def _print(compared: "Comparison") -> None:
    who, verdict = compared.challenger, compared.verdict
    state = "nothing to compare yet" if verdict is None else f"[{COLOURS[verdict.verdict]}]{verdict.verdict}[/]"
    say(
        f"[bold]{escape(who.name)}[/] version {who.challenger} (@{escape(who.alias)}) beside version {who.champion}"
        f" (@champion): {state}"
    )
    if verdict is None:
        say(
            "  no week is over for which both have forecasts whose outcomes are known: let both forecast (mlops"
            f" predict models:/{escape(who.name)}@{escape(who.alias)}), then match outcomes (mlops outcomes match)"
        )
        return
    say(
        f"  WAPE {verdict.wape_challenger:.3f} against {verdict.wape_champion:.3f}: lower by {_gain(verdict)},"
        f" over {_weeks(verdict.weeks)}, {verdict.series:,} series, {verdict.pairs:,} forecasts of both"
    )
    if verdict.decided_at is not None:
        then = "" if verdict.verdict != "undecided" else "; it is not any more"
        say(f"  first decided by {verdict.decided_at:%Y-%m-%d}{then}")
    elif verdict.weeks_to_go is not None:
        say(f"  if it goes on like this, it takes about {_weeks(verdict.weeks_to_go)} more to decide")
    else:
        say("  if it goes on like this, two more years do not decide it: for planning they are the same")


def _gain(verdict: "Verdict") -> str:
    if verdict.gain_low is None:
        return f"{verdict.gain:+.3f} (too few weeks for an interval)"
    return f"{verdict.gain:+.3f} ({verdict.gain_low:+.3f} to {verdict.gain_high:+.3f})"


def _weeks(count: int) -> str:
    return f"{count} week{'' if count == 1 else 's'}"
