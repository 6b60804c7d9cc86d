"""`mlops keys …`: who may ask the server from elsewhere, and for what."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops.cli.context import check_time, database, moment
from mlops.cli.options import By, Json
from mlops.cli.output import console, emit, say, table
from mlops.cli.typed import checked, given, kept
from mlops.errors import Misused, typed

if TYPE_CHECKING:
    from mlops.access import Key

__all__ = ["app"]

app = typer.Typer(help="API keys: who may ask the server from elsewhere.", no_args_is_help=True)
BURST_SECONDS = 10
"""Of its requests a minute so many seconds' worth may come at once, where --burst is left out. Chosen, not measured."""


def _role(name: str) -> str:
    from mlops.access.roles import check_role

    check_role(name)
    return name


def _key_id(text: str) -> str:
    from mlops.access.keys import id_of

    return id_of(text)


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", callback=kept("NAME", "name"), help="Who or what will use it.")
    ],
    role: Annotated[
        str, typer.Option(callback=_role, help="What it may do: viewer, scientist, reviewer, operator or admin.")
    ],
    scopes: Annotated[
        list[str],
        typer.Option("--scope", help="Of the role's scopes only this one; may be repeated.", show_default=False),
    ] = [],  # noqa: B006  Typer copies it
    expires: Annotated[
        str,
        typer.Option(
            callback=given(check_time, "--expires", ahead=True),
            help="The day or time (UTC) from which on it is refused; never when left out.",
            show_default=False,
        ),
    ] = "",
    per_minute: Annotated[
        int | None, typer.Option(help="Answer at most so many requests a minute.", min=1, max=10_000_000)
    ] = None,
    burst: Annotated[
        int | None,
        typer.Option(
            help=f"Of these so many may come at once; when left out what comes in {BURST_SECONDS} s.",
            min=1,
            max=10_000_000,
            show_default=False,
        ),
    ] = None,
    tenant: Annotated[int, typer.Option(help="The tenant whose rows it is about.", min=1, max=2**31 - 1)] = 1,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once: only a digest of it is stored."""
    from mlops.access.keys import check_expiry, create_key
    from mlops.access.rate import RateLimit
    from mlops.access.roles import check_role

    check_role(role, scopes)
    if burst is not None and per_minute is None:
        raise Misused("--burst is for a key with a limit; say --per-minute, too")
    limit = None
    if per_minute is not None:
        limit = RateLimit(per_minute, burst or max(1, per_minute * BURST_SECONDS // 60))
    expires_at = moment(expires, "--expires", ahead=True) if expires else None
    with typed("--expires"):
        if expires_at is not None:
            check_expiry(expires_at)
    with typed():
        new = create_key(
            database(), name, role, scopes=scopes, limit=limit, expires_at=expires_at, tenant_id=tenant, by=by
        )

    def text() -> None:
        say(f"[bold]{new.secret}[/]")
        say(f"    {_what(new.key)}; this is shown only now, keep it as a password is kept")
        say("    it goes into a header: Authorization: Bearer mlops_…")

    emit(asdict(new.key) | {"secret": new.secret}, as_json=as_json, text=text)


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Show those that expired or were revoked, too.")] = False,
    as_json: Json = False,
) -> None:
    """List the keys, the newest first: what each may do, until when, and when it was last used."""
    from mlops.access.keys import list_keys

    keys = list_keys(database(), everything=everything)

    def text() -> None:
        shown = table("key", "name", "may", "a minute", "made", "until", "last used", "state")
        for key in keys:
            until, used = (
                f"{time:%Y-%m-%d %H:%M}" if time is not None else "never" for time in (key.expires_at, key.last_used_at)
            )
            may = f"{key.role}: {', '.join(key.scopes)}" if key.scopes else key.role
            made = f"{key.created_at:%Y-%m-%d}"
            often = str(key.per_minute or "")
            shown.add_row(key.key_id, escape(key.name), may, often, made, until, used, key.state())
        console.print(shown if keys else "there is no key: mlops keys create NAME --role ROLE")

    emit([asdict(key) | {"state": key.state()} for key in keys], as_json=as_json, text=text)


@app.command()
def revoke(
    key_id: Annotated[
        str,
        typer.Argument(metavar="KEY_ID", callback=checked(_key_id, "KEY_ID"), help="As `mlops keys list` shows it."),
    ],
    by: By = None,
    as_json: Json = False,
) -> None:
    """Revoke a key: servers refuse it within seconds. It stays in the list of all keys."""
    from mlops.access.keys import revoke_key

    key = revoke_key(database(), key_id, by=by)
    text = f"{_what(key)}, is revoked since {key.revoked_at:%Y-%m-%d %H:%M} UTC by {escape(key.revoked_by or '')}"
    emit(asdict(key) | {"state": key.state()}, as_json=as_json, text=lambda: say(text))


def _what(key: "Key") -> str:
    return f"key {key.key_id} of {escape(key.name)}, {key.role}"
