"""`mlops serve`: models by registry URI over HTTP."""

from typing import Annotated

import typer

from mlops.cli.context import database, store
from mlops.cli.output import console

__all__ = ["serve"]


def serve(
    uris: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[URI]...", help="models:/NAME@ALIAS or models:/NAME/VERSION; without any, all champions."
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="HOST:PORT; another host than this machine's needs API keys.")
    ] = "127.0.0.1:5001",
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer; a core each.")] = 1,
) -> None:
    """Serve models over HTTP, by MLflow's scoring protocol; serving/server.toml says what a request may cost.

    Which version an alias means is looked up all the time: a promotion or a rollback is served within a second, and no
    request fails for it.
    """
    from mlops.web.serve import Order, check, listener, run
    from mlops.web.server import parse_address

    host, port = parse_address(listen)
    order = Order(tuple(uris or ()), host, port, workers)
    order.check()
    check(order, database(), store())
    with listener(order) as opened:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{opened.getsockname()[1]}"
        served = ", ".join(order.uris) or "the champion of every model"
        console.print(f"{address} serves {served}; {address}/docs says how to ask, Ctrl-C ends it", soft_wrap=True)
        run(order, opened)
