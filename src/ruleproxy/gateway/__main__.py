"""`python -m ruleproxy.gateway`: the strict gateway in a process of its own."""

from __future__ import annotations

import asyncio
import signal

import click

from ruleproxy.gateway.serving import DEFAULT_PATH, serve_gateway


@click.command()
@click.option("--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Port 0: a free one.")
@click.option("--path", default=DEFAULT_PATH, show_default=True, help="The one path that is served.")
def main(listen: str, path: str) -> None:
    """Serve a strict gateway until it is interrupted."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter(f"{listen!r} is not HOST:PORT", param_hint="--listen")
    try:
        asyncio.run(_serve(host.strip("[]"), int(port), path))
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from error


async def _serve(host: str, port: int, path: str) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with serve_gateway(host, port, path=path) as gateway:
        click.echo(f"listening on {gateway.url}")
        await stopping.wait()


if __name__ == "__main__":
    main()
