"""What Typer can't take of a command line, as one sentence: what was typed, what was meant, where to read on."""

import re
from enum import Enum
from typing import Any

import typer

from mlops.errors import Misused, nearest, quoted

__all__ = ["USAGE", "misused"]

USAGE: Any = typer.BadParameter.__mro__[1]
"""The base of Typer's errors about a command line: click's class, or the one that Typer carries itself."""
EXPECTED = {
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "int_type": "is not a whole number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "greater_than_equal": "is too small; expected {ge:g} or more",
    "less_than_equal": "is too large; expected {le:g} or less",
}
"""What is wrong with a value, by the type that pydantic gives the error."""


def misused(error: Any) -> Misused:
    """Typer's error in our words."""
    said = error.format_message().strip().rstrip(".")
    option, context = getattr(error, "option_name", None), error.ctx
    if option and not said.startswith("No such option"):
        return Misused(f"{option} {'takes no value' if 'does not take' in said else 'needs a value'}")
    if option:
        text = f"there is no option {quoted(option)}{_meant(option, _options(context.command))}"
    elif (found := re.match(r"No such command '(.*?)'\.?", said, re.DOTALL)) is not None:
        text = f"there is no command {quoted(found[1])}{_meant(found[1], context.command.commands)}"
    elif getattr(error, "param", None) is not None:
        text = _of_parameter(error, said)
    elif (extra := re.match(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", said, re.DOTALL)) is not None:
        text = f"{quoted(extra[1])} is one argument too many; a text with spaces is written in quotes"
    else:
        text = re.sub(r"^Invalid value(?: for)?:? ", "", said)
    path = context.command_path if context is not None else "mlops"
    return Misused(f"{path.removeprefix('mlops').strip()}: {text}; see `{path} --help`".removeprefix(": "))


def _of_parameter(error: Any, said: str) -> str:
    """An option or argument that is missing, or whose value can't be taken."""
    name = next((one for one in error.param.opts if one.startswith("--")), None) or _metavar(error.param)
    if said.startswith("Missing"):
        return f"{name} is missing"
    cause = error.__cause__ or error.__context__
    wrong: dict[str, Any] = cause.errors()[0] if hasattr(cause, "errors") else {}
    given, kind = wrong.get("input"), wrong.get("type")
    choices = _choices(error.param)
    if choices and given is not None:
        return f"{name} {quoted(given)} is not one of {', '.join(choices)}{_meant(given, choices)}"
    if kind in EXPECTED:
        return f"{name} {quoted(given)} {EXPECTED[kind].format(**wrong.get('ctx', {}))}"
    return f"{name}: {said.rpartition(': ')[2]}"


def _choices(parameter: Any) -> tuple[str, ...]:
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(str(one.value) for one in annotation)
    return tuple(getattr(getattr(parameter, "type", None), "choices", ()))


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _options(command: Any) -> list[str]:
    names = (name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts))
    return [name for name in names if name.startswith("--")]


def _meant(given: object, choices: Any) -> str:
    found = nearest(given, choices)
    return f" (did you mean {found}?)" if found else ""
