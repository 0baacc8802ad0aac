"""The strict gateway in a thread of its own, so that a test sees what arrived there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ruleproxy.gateway import Gateway, serve_gateway


@contextmanager
def running_gateway() -> Iterator[Gateway]:
    """A gateway on a free port until the block ends."""
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()
    found: list[Gateway] = []

    async def serve() -> None:
        async with serve_gateway() as gateway:
            found.append(gateway)
            started.set()
            await stopping.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(10), "the gateway never listened"
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(15)


def strict_rules(url: str, *parameters: str) -> str:
    """Rules that hand everything to the pack for strict gateways; `parameters` are `name = value`."""
    fields = "".join(f"  {parameter},\n" for parameter in parameters)
    inject = '  inject = { prompt_text = "proxy bypass" },\n'
    return f'edition 1\n\nuse "ruleproxy/strict-apim" with {{\n  url = "{url}",\n{inject}{fields}}}\n'
