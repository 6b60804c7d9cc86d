"""`mlops init`: a folder becomes the team's project."""

from pathlib import Path
from typing import Annotated

import typer

from mlops.cli.options import Json
from mlops.cli.output import console, emit
from mlops.cli.typed import folder as check_folder
from mlops.project import Created, create

__all__ = ["init"]


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", callback=check_folder, help="The project; `.` for the working folder.")
    ],
    as_json: Json = False,
) -> None:
    """Make a project of your own: policy, parameters, features, settings, scripts for a scheduler.

    Files that are there already are left as they are; a deleted one comes back.
    """
    created = create(folder)
    emit(created, as_json=as_json, text=lambda: _show(created))


def _show(created: Created) -> None:
    for name in created.written:
        console.print(f"  {name}", highlight=False, markup=False)
    counts = [f"{len(created.written)} files written"]
    counts += [f"{len(created.same)} were there"] if created.same else []
    counts += [f"{len(created.changed)} of your own left as they are"] if created.changed else []
    console.print(f"{created.project}: {', '.join(counts)}", highlight=False, markup=False, soft_wrap=True)
    if created.written:
        console.print("\n[bold]Try next[/]")
        console.print(f"  cd {created.project}", highlight=False, markup=False, soft_wrap=True)
        console.print("  mlops health                        # commands run here use these files")
        console.print("  $EDITOR monitoring/policy.toml      # what is tolerated, and what errors cost")
