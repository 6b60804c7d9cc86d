"""What the team has decided of the server: `serving/server.toml` as one object, a part for each section."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from mlops.errors import BadInput, UnknownName
from mlops.policy.section import Section
from mlops.project import project_file

__all__ = ["INPUTS", "LimitPolicy", "LogPolicy", "ServingPolicy", "ShadowPolicy", "read_serving_policy"]

SERVER = "serving/server.toml"
INPUTS = ("all", "sampled", "none")
"""Whose inputs are kept: of all requests, of a share of them, of none."""


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """`[limits]`: what one request may cost, how many are answered at once, and how much memory models may take.

    With `on_demand` a registered model that is not served is loaded when it is asked for.
    """

    body_mb: float = 16.0
    seconds: float = 60.0
    concurrency: int = 8
    waiting: int = 64
    memory_mb: float = 1024.0
    on_demand: bool = True


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """`[log]`: whose inputs are kept, the share where they are sampled, and the room that waiting records may take.

    `personal` is where fields are declared personal: columns of inputs, of outputs and of the business context by name,
    whatever their case. They are never kept, whatever else is said here.
    """

    inputs: str = "all"
    share: float = 0.1
    personal: tuple[str, ...] = ()
    memory_mb: float = 64.0
    spool_mb: float = 1024.0

    def __post_init__(self) -> None:
        if self.inputs not in INPUTS:
            raise BadInput(str(UnknownName("value of inputs", self.inputs, INPUTS)))
        if not 0 < self.share <= 1:
            raise BadInput(f"share is {self.share:g}; expected a part of the requests, as 0.1")


@dataclass(frozen=True, slots=True)
class ShadowPolicy:
    """`[shadow]`: the challengers by alias, that answer beside a champion, and how sure a verdict is."""

    aliases: tuple[str, ...] = ("challenger",)
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class ServingPolicy:
    """A part for each section, by its name."""

    limits: LimitPolicy
    log: LogPolicy
    shadow: ShadowPolicy


def read_serving_policy(path: Path | None = None) -> ServingPolicy:
    """The server's policy of a file, by default of the project in use; BadInput names what is wrong, and where.

    What the file does not say is as the package has it.
    """
    path = path or project_file(SERVER)
    try:
        document = Section(str(path), "", tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # what is not there, what is no text, and what is no TOML
        raise BadInput(f"can't be read: {error}", where=str(path)) from error
    document.allow(("limits", "log", "shadow"), "section")
    return ServingPolicy(
        limits=document.section("limits").read(LimitPolicy),
        log=document.section("log").read(LogPolicy),
        shadow=document.section("shadow").read(ShadowPolicy),
    )
