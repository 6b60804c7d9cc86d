"""What was typed for a training, a backtest or a search, as the spec of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.cli.context import moment
from mlops.cli.options import changes, pairs
from mlops.errors import typed

if TYPE_CHECKING:
    from mlops.training.spec import TrainingSpec

__all__ = ["spec_of"]


def spec_of(
    kind: str,
    change: Sequence[str] = (),
    *,
    label: Sequence[str] = (),
    file: str = "",
    as_of: str = "now",
    **options: object,
) -> "TrainingSpec":
    """The checked spec of a kind or experiment with what `--set` and the other options change, by their key.

    A database is asked for `--as-of last` only, when all else is known to be right: of the metric type and granularity
    that are trained, whoever named them.
    """
    from mlops.training.spec import TrainingSpec

    with typed("--set" if change else ""):
        spec = TrainingSpec.of(
            kind,
            changes(list(change), **options),
            labels=pairs(list(label), "--label"),
            file=Path(file) if file else None,
        ).check()
    known = moment(as_of, metric_type=spec.metric_type, granularity=spec.granularity, file=spec.file)
    return replace(spec, as_of=known)
