"""`ruleproxy demo`: a strict gateway, the proxy before it, and the difference that rules make."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import httpx

    from ruleproxy.engine.exchange import Exchange
    from ruleproxy.messages.message import Request

_RULES = """edition 1

-- A gateway that serves one URL, streams nothing and takes Bedrock's schema to the letter.
use "ruleproxy/strict-apim" with {{
  url = "{url}",
  inject = {{ prompt_text = "proxy bypass" }},
}}
"""


@click.command(name="demo", short_help="Show a request that a strict gateway refuses, then accepts.")
@click.option("--keep", is_flag=True, help="Stay up afterwards, for a client of your own.")
def command(keep: bool) -> None:
    """Show a request that a strict gateway refuses, and the same request through the rules."""
    from ruleproxy.commands._starting import log_to
    from ruleproxy.proxy.server import run_in_loop

    log_to(sys.stderr, logging.INFO if keep else logging.ERROR)
    raise SystemExit(run_in_loop(_demonstrate(keep=keep)))


async def _demonstrate(*, keep: bool) -> int:
    import httpx

    from ruleproxy.engine.exchange import Exchange
    from ruleproxy.gateway.serving import serve_gateway
    from ruleproxy.gateway.session import session_body
    from ruleproxy.messages.upstreams import Upstream
    from ruleproxy.proxy.assembly import assemble
    from ruleproxy.proxy.reloading import RulesInForce
    from ruleproxy.proxy.server import open_listener, serve_until, url_of
    from ruleproxy.proxy.settings import Settings

    async with serve_gateway() as gateway:
        with tempfile.TemporaryDirectory(prefix="ruleproxy-demo-") as folder:
            rules = Path(folder) / "demo.rules"
            rules.write_text(_RULES.format(url=gateway.url), encoding="utf-8")
            upstreams = (Upstream.from_url("default", gateway.origin),)
            settings = Settings(upstreams={"default": upstreams[0]}, rules=(Path(folder),))
            in_force = RulesInForce(settings.rules, upstreams)
            loaded = in_force.load_first()
            assert loaded.ruleset is not None, [diagnostic.message for diagnostic in loaded.diagnostics]
            listener = open_listener("127.0.0.1", 0, allow_remote=False)
            proxy = url_of(listener)
            exchanges: list[Exchange] = []

            def begin(request: Request) -> Exchange:
                exchange = Exchange(
                    in_force.current,
                    request,
                    upstreams,
                    detailed=True,
                    observe=in_force.observe,
                    learned=in_force.learned,
                )
                exchanges[:] = [exchange]
                return exchange

            log = os.open(os.devnull, os.O_WRONLY) if not keep else os.dup(2)
            app = assemble(settings, listener, in_force, begin=begin, log_to=log)
            stop = asyncio.Event()
            server = asyncio.create_task(serve_until(app, listener, settings, stop))
            try:
                async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
                    _say("a strict gateway", gateway.url)
                    _say("the proxy", proxy)
                    _say("its rules", rules.read_text(encoding="utf-8").split("\n\n", 1)[1].rstrip())
                    body = session_body()
                    click.echo(
                        f"\n1. A coding session's request ({len(body)} bytes, streamed), sent as the client sends it:\n"
                    )
                    await _show_refusal(client, f"{gateway.origin}/v1/messages?beta=true", body)
                    await _show_refusal(client, gateway.url, body)
                    _title("\n2. The same bytes through the proxy:\n")
                    accepted = await _show_answer(client, f"{proxy}/v1/messages?beta=true", body)
                    _title("\n3. What the rules did on the way:\n")
                    _show_difference(exchanges[-1])
                if keep:
                    await _stay(proxy, rules)
            finally:
                stop.set()
                app.cut_off()
                await server
                os.close(log)
    return 0 if accepted else 1


def _title(text: str) -> None:
    from rich.console import Console

    Console(highlight=False, markup=False, soft_wrap=True).print(text, style="bold")


def _say(what: str, text: str) -> None:
    click.echo(f"{what + ':':<17} " + text.replace("\n", "\n" + " " * 18))


def _headers() -> list[tuple[str, str]]:
    from ruleproxy.gateway.session import session_headers

    return [(name.decode(), value.decode()) for name, value in session_headers()]


async def _show_refusal(client: httpx.AsyncClient, url: str, body: bytes) -> None:
    # The session's key is not the point here: with it the gateway would say 401 before anything else.
    headers = [*_headers(), ("Authorization", "Bearer demo-key")]
    answer = await client.post(url, content=body, headers=headers)
    click.echo(f"   POST {url}\n   {answer.status_code} {answer.text}\n")


async def _show_answer(client: httpx.AsyncClient, url: str, body: bytes) -> bool:
    click.echo(f"   POST {url}")
    async with client.stream("POST", url, content=body, headers=_headers()) as answer:
        click.echo(f"   {answer.status_code} {answer.headers.get('content-type', '')}\n")
        finished = False
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                click.echo(f"   {line[:150]}{'…' if len(line) > 150 else ''}")
                finished = finished or '"message_stop"' in line
    return answer.status_code == 200 and finished


def _show_difference(exchange: Exchange) -> None:
    from ruleproxy.engine.tracing import render_trace, trace_exchange

    click.echo(render_trace(trace_exchange(exchange)))


async def _stay(proxy: str, rules: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    click.echo(
        f"\nStill there. In another terminal:\n\n  export ANTHROPIC_BASE_URL={proxy}\n\n"
        f"Edit {rules} while it runs: the next request takes the new rules. Ctrl-C ends it.\n"
    )
    await stop.wait()
