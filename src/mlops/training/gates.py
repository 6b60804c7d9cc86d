"""What a version has to pass before it may serve: each gate is one fact, found and expected.

Pure: what is compared has been measured elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops.domain.forecasts import worse_than_trivial

__all__ = [
    "GATES",
    "Comparison",
    "Gate",
    "better",
    "failed",
    "foreign_accuracy",
    "foreign_champion",
    "foreign_lineage",
    "lineage",
    "loads",
    "naive",
    "signature",
    "trivial",
]

Signature = Mapping[str, dict[str, str]]
ANY = "Any"
"""The type of an input that takes values of every type, as MLflow's signatures call it."""
GATES = ("better", "naive", "trivial", "lineage", "signature", "loads")
"""In the order in which they are asked and told."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: whether it holds (None: it does not apply), what was found, and what had to be found."""

    gate: str
    passed: bool | None
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """WAPE of a version, of the champion and of the seasonal naive on the same forecasts; `on` says on which.

    None where there is nothing to compare with: `champion` when there is none, any when its forecasts are gone.
    `mean` is the WAPE of forecasting each series' mean before the cutoff; that of forecasting zero is 1.
    """

    ours: float | None
    champion: float | None
    naive: float | None
    on: str
    first: bool = False
    """Whether the name has no champion but this version."""
    mean: float | None = None


BETTER = "a WAPE lower than the champion's by more than {:.0%} on the same folds"
NAIVE = "a WAPE not above the seasonal naive's"
TRIVIAL = "a WAPE below 1, which forecasting zero has, and not above that of each series' mean"
LINEAGE = "complete lineage in the model"


def foreign_accuracy(library: str, margin: float) -> tuple[Gate, ...]:
    """The gates about accuracy of a model of another library that was not trained here: they do not apply."""
    why = f"does not apply: a model of {library} that was not trained here has no backtest on our folds"
    expected = {"better": BETTER.format(margin), "naive": NAIVE, "trivial": TRIVIAL}
    return tuple(Gate(gate, None, why, one) for gate, one in expected.items())


def foreign_champion(library: str, margin: float) -> Gate:
    """The gate `better` where the champion is such a model: it does not apply, and `naive` still does."""
    why = f"does not apply: the champion is a model of {library} that was not trained here, without a backtest"
    return Gate("better", None, why, BETTER.format(margin))


def foreign_lineage(library: str, files: int) -> Gate:
    """The gate `lineage` of such a model that declares none: it does not apply, for its files are what is on record."""
    why = f"does not apply: a model of {library} that declares no lineage; its {files} files are as first recorded"
    return Gate("lineage", None, why, LINEAGE)


def better(measured: Comparison, margin: float) -> Gate:
    """Whether the WAPE is below the champion's by more than the part `margin` of it; the first champion need not."""
    expected = BETTER.format(margin)
    if measured.first:
        return Gate("better", True, "there is no other champion", expected)
    if measured.ours is None or measured.champion is None:
        return Gate("better", False, measured.on, expected)
    passed = measured.ours < measured.champion * (1 - margin)
    found = f"WAPE {measured.ours:.3f}, the champion's {measured.champion:.3f} ({measured.on})"
    return Gate("better", passed, found, expected)


def naive(measured: Comparison) -> Gate:
    """Whether the WAPE is at most the seasonal naive's: of two bad models the better one is still bad."""
    expected = NAIVE
    if measured.ours is None or measured.naive is None:
        return Gate("naive", False, measured.on, expected)
    found = f"WAPE {measured.ours:.3f}, the naive's {measured.naive:.3f}"
    return Gate("naive", measured.ours <= measured.naive, found, expected)


def trivial(measured: Comparison) -> Gate:
    """Whether the version is better than no model at all: than forecasting zero, and than forecasting the mean."""
    if measured.ours is None:
        return Gate("trivial", False, measured.on, TRIVIAL)
    mean = "" if measured.mean is None else f", the mean's {measured.mean:.3f}"
    found, worse = f"WAPE {measured.ours:.3f}, zero's 1.000{mean}", worse_than_trivial(measured.ours, measured.mean)
    return Gate("trivial", not worse, f"{found}: {worse}" if worse else found, TRIVIAL)


def lineage(state: str, problem: str | None) -> Gate:
    """Whether it is known what the version was made from."""
    return Gate("lineage", state == "complete", problem or state, LINEAGE)


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
        *_differ("it does not take the input", champion["required"], ours["required"] | ours["optional"], taken=ANY),
        *_differ("it does not take the input", champion["optional"], ours["required"] | ours["optional"], taken=ANY),
        *_differ("it does not give the output", champion["outputs"], ours["outputs"]),
        *_differ("it does not take the parameter", champion["params"], ours["params"]),
    ]
    return Gate("signature", not problems, "; ".join(problems) or "as the champion's", expected)


def loads(problem: str | None) -> Gate:
    """Whether the model's files are there and load where unpickling is forbidden."""
    return Gate("loads", problem is None, problem or "loaded", "a model that loads with pickle forbidden")


def failed(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates that do not hold; one that does not apply is none of them."""
    return tuple(gate for gate in gates if gate.passed is False)


def _differ(words: str, wanted: Mapping[str, str], there: Mapping[str, str], *, taken: str = "") -> list[str]:
    """The wanted names that are not there with their type, or with the type `taken`, which stands for every one."""
    return [f"{words} {name} ({kind})" for name, kind in wanted.items() if there.get(name) not in (kind, taken)]
