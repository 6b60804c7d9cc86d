"""What a version has to pass before it may serve: each gate is one fact, found and expected.

Pure: what is compared has been measured elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["GATES", "Comparison", "Gate", "better", "failed", "lineage", "loads", "naive", "signature"]

Signature = Mapping[str, dict[str, str]]
GATES = ("better", "naive", "lineage", "signature", "loads")
"""In the order in which they are asked and told."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: whether it holds, what was found, and what had to be found."""

    gate: str
    passed: bool
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """WAPE of a version, of the champion and of the seasonal naive on the same forecasts; `on` says on which.

    None where there is nothing to compare with: `champion` when there is none, any when its forecasts are gone.
    """

    ours: float | None
    champion: float | None
    naive: float | None
    on: str
    first: bool = False
    """Whether the name has no champion but this version."""


def better(measured: Comparison, margin: float) -> Gate:
    """Whether the WAPE is below the champion's by more than the part `margin` of it; the first champion need not."""
    expected = f"a WAPE lower than the champion's by more than {margin:.0%} on the same folds"
    if measured.first:
        return Gate("better", True, "there is no other champion", expected)
    if measured.ours is None or measured.champion is None:
        return Gate("better", False, measured.on, expected)
    passed = measured.ours < measured.champion * (1 - margin)
    found = f"WAPE {measured.ours:.3f}, the champion's {measured.champion:.3f} ({measured.on})"
    return Gate("better", passed, found, expected)


def naive(measured: Comparison) -> Gate:
    """Whether the WAPE is at most the seasonal naive's: of two bad models the better one is still bad."""
    expected = "a WAPE not above the seasonal naive's"
    if measured.ours is None or measured.naive is None:
        return Gate("naive", False, measured.on, expected)
    found = f"WAPE {measured.ours:.3f}, the naive's {measured.naive:.3f}"
    return Gate("naive", measured.ours <= measured.naive, found, expected)


def lineage(state: str, problem: str | None) -> Gate:
    """Whether it is known what the version was made from."""
    return Gate("lineage", state == "complete", problem or state, "complete lineage in the model")


def signature(ours: Signature, champion: Signature | None) -> Gate:
    """Whether callers of the champion can call the version: it asks for no more and gives no less.

    A signature has `required` and `optional` inputs, `outputs` and `params`, each from a name to a type.
    """
    expected = "inputs, outputs and parameters that the champion's callers can go on using"
    if not ours:
        return Gate("signature", False, "the model has no signature that can be read", expected)
    if champion is None:
        return Gate("signature", True, "there is no champion to be compatible with", expected)
    if not champion:
        return Gate("signature", False, "the champion has no signature that can be read", expected)
    problems = [
        *_differ("it also requires the input", ours["required"], champion["required"] | champion["optional"]),
        *_differ("it does not take the input", champion["required"], ours["required"] | ours["optional"]),
        *_differ("it does not take the input", champion["optional"], ours["required"] | ours["optional"]),
        *_differ("it does not give the output", champion["outputs"], ours["outputs"]),
        *_differ("it does not take the parameter", champion["params"], ours["params"]),
    ]
    return Gate("signature", not problems, "; ".join(problems) or "as the champion's", expected)


def loads(problem: str | None) -> Gate:
    """Whether the model's files are there and load where unpickling is forbidden."""
    return Gate("loads", problem is None, problem or "loaded", "a model that loads with pickle forbidden")


def failed(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates that do not hold."""
    return tuple(gate for gate in gates if not gate.passed)


def _differ(words: str, wanted: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    return [f"{words} {name} ({kind})" for name, kind in wanted.items() if there.get(name) != kind]
