"""The obvious proxy in Python: Quart for requests, httpx.AsyncClient for the upstream, Hypercorn to serve.

`python -m benchmarks.peers.quart_httpx UPSTREAM [--rules]` says where it listens and serves until it is stopped.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator

import httpx
import orjson
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request
from werkzeug.datastructures import Headers

from benchmarks.peers.rules_by_hand import apply_rules

_NOT_PASSED_ON = {"host", "content-length", "connection", "keep-alive", "transfer-encoding", "te", "upgrade"}


def make_app(upstream: str, *, rules: bool) -> Quart:
    """The proxy as an application; with `rules`, messages are edited on the way."""
    app = Quart(__name__)
    app.config["RESPONSE_TIMEOUT"] = None
    client = httpx.AsyncClient(base_url=upstream, timeout=None)

    @app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
    @app.route("/<path:path>", methods=["GET", "POST"])
    async def forward(path: str) -> Response:
        body = await request.get_data()
        if rules and path == "v1/messages" and request.method == "POST":
            message = orjson.loads(body)
            apply_rules(message)
            body = orjson.dumps(message)
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _NOT_PASSED_ON]
        asked = client.build_request(
            request.method, "/" + path, params=request.query_string, headers=headers, content=body
        )
        answer = await client.send(asked, stream=True)

        async def pass_on() -> AsyncIterator[bytes]:
            try:
                async for piece in answer.aiter_raw():
                    yield piece
            finally:
                await answer.aclose()

        kept = Headers([(name, value) for name, value in answer.headers.items() if name not in _NOT_PASSED_ON])
        return Response(pass_on(), answer.status_code, kept)

    return app


async def _serve(upstream: str, *, rules: bool) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    await serve(make_app(upstream, rules=rules), config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], rules="--rules" in sys.argv[2:]))
