"""What a version has to pass before it may serve, beside winning: lineage, signature, and that it loads. Pure."""

from collections.abc import Mapping

from mlops.evaluation.winning import Gate

__all__ = ["GATES", "foreign_lineage", "lineage", "loads", "signature"]

Signature = Mapping[str, dict[str, str]]
ANY = "Any"
"""The type of an input that takes values of every type, as MLflow's signatures call it."""
GATES = ("better", "naive", "trivial", "lineage", "signature", "loads")
"""In the order in which a promotion asks and reports them; the first three are those of its `Rule`."""
LINEAGE = "complete lineage in the model"


def foreign_lineage(library: str, files: int) -> Gate:
    """The gate `lineage` of such a model that declares none: it does not apply, for its files are what is on record."""
    why = f"does not apply: a model of {library} that declares no lineage; its {files} files are as first recorded"
    return Gate("lineage", None, why, LINEAGE)


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


def _differ(words: str, wanted: Mapping[str, str], there: Mapping[str, str], *, taken: str = "") -> list[str]:
    """The wanted names that are not there with their type, or with the type `taken`, which stands for every one."""
    return [f"{words} {name} ({kind})" for name, kind in wanted.items() if there.get(name) not in (kind, taken)]
