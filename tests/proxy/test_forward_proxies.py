"""Upstreams behind a forward proxy: which one is asked, how, and what is said when it refuses."""

from __future__ import annotations

import asyncio
import base64
import shutil
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from ruleproxy.proxy.failures import failure_of
from ruleproxy.proxy.forward_proxies import BadProxy, ForwardProxies, ForwardProxy, parse_proxy, read_proxies
from ruleproxy.proxy.routes import Patience, Route, Trust
from ruleproxy.proxy.transport import SocketTransport
from support.authority import Authority
from support.forward_proxy import RunningForwardProxy, forward_proxy
from support.raw_client import RawClient
from support.recording_upstream import OK, recording_upstream
from support.server_process import server_process
from support.transporting import ask

PASSWORD = "made-up:p@ss"
USERINFO = "user:made-up%3Ap%40ss"


@asynccontextmanager
async def through(
    proxies: ForwardProxies, authority: Authority | None = None, connect: float = 5
) -> AsyncIterator[SocketTransport]:
    trust = Trust(() if authority is None else (authority.file,))
    transport = SocketTransport({"up": Route(Patience(connect=connect), proxies, trust)}, settle=0)
    try:
        yield transport
    finally:
        await transport.aclose()


def always(proxy: RunningForwardProxy, *, scheme: str = "http", userinfo: str = "") -> ForwardProxies:
    return read_proxies(f"{scheme}://{userinfo}{'@' if userinfo else ''}{proxy.place}", {})


async def test_https_goes_through_a_tunnel(tmp_path: Path) -> None:
    """The proxy learns host and port, and nothing of the request; credentials are for it alone."""
    authority = Authority(tmp_path)
    with recording_upstream(tls=authority.server("up.corp.example")) as upstream:
        with forward_proxy({"up.corp.example:443": upstream.port}, credentials=f"user:{PASSWORD}") as proxy:
            async with through(always(proxy, userinfo=USERINFO), authority) as transport:
                for _ in range(2):
                    assert await ask(transport, "https://up.corp.example", upstream="up") == (200, b"ok")
        pair = base64.b64encode(f"user:{PASSWORD}".encode())
        assert proxy.heads == [
            b"CONNECT up.corp.example:443 HTTP/1.1\r\nHost: up.corp.example:443\r\nProxy-Authorization: Basic " + pair
        ]
        assert [request.request_line for request in upstream.requests] == [b"GET / HTTP/1.1"] * 2
        assert all(not request.values(b"proxy-authorization") for request in upstream.requests)


async def test_http_is_asked_for_by_its_whole_url() -> None:
    """In absolute form, the target's bytes as they are; a client's own word to proxies is not passed on."""
    with recording_upstream() as upstream, forward_proxy({"up.corp.example:80": upstream.port}) as proxy:
        async with through(always(proxy)) as transport:
            headers = [(b"Proxy-Authorization", b"Basic the-clients")]
            answer = await ask(transport, "http://up.corp.example", upstream="up", target=b"/a%3Ab?c", headers=headers)
    assert answer == (200, b"ok")
    lines = proxy.heads[0].split(b"\r\n")
    assert lines[0] == b"GET http://up.corp.example/a%3Ab?c HTTP/1.1"
    assert b"Host: up.corp.example" in lines
    assert not any(line.lower().startswith(b"proxy-authorization") for line in lines)


async def test_a_proxy_may_be_reached_over_tls(tmp_path: Path) -> None:
    """https:// before the proxy's name: TLS to it, and TLS to the upstream within."""
    authority = Authority(tmp_path)
    with recording_upstream(tls=authority.server("up.corp.example")) as upstream:
        leads_to = {"up.corp.example:443": upstream.port}
        with forward_proxy(leads_to, tls=authority.server("127.0.0.1")) as proxy:
            async with through(always(proxy, scheme="https"), authority) as transport:
                assert await ask(transport, "https://up.corp.example", upstream="up") == (200, b"ok")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (407, "it answered 407: it wants (other) credentials, http://USER:PASSWORD@HOST:PORT"),
        (403, "it answered 403: it does not allow this destination"),
        (502, "it answered 502: it could not reach it itself"),
        (418, "it answered 418"),
    ],
)
async def test_a_proxy_that_refuses_is_named(status: int, message: str) -> None:
    """Kind `refused`, the proxy and the upstream by place, what the proxy said, and no password."""
    with forward_proxy({}, refusal=status) as proxy:
        async with through(always(proxy, userinfo=USERINFO)) as transport:
            with pytest.raises(httpx.ProxyError) as caught:
                await ask(transport, "https://up.corp.example", upstream="up")
    assert str(caught.value) == f"the proxy {proxy.place} opened no way to up.corp.example:443: {message}"
    assert failure_of(caught.value).kind == "refused"


async def test_a_proxy_of_plain_http_that_wants_credentials_is_named() -> None:
    """Its 407 is no answer of the upstream."""
    with forward_proxy({}, credentials=PASSWORD) as proxy:
        async with through(always(proxy)) as transport:
            with pytest.raises(httpx.ProxyError, match=r"no answer of up\.corp\.example:80 through .* 407"):
                await ask(transport, "http://up.corp.example", upstream="up")


async def test_a_proxy_that_is_not_there_is_named() -> None:
    """It is the proxy that cannot be reached, not the upstream."""
    listener = socket.create_server(("127.0.0.1", 0))
    place = f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    async with through(read_proxies(f"http://{place}", {})) as transport:
        with pytest.raises(httpx.ConnectError) as caught:
            await ask(transport, "https://up.corp.example", upstream="up")
    assert str(caught.value) == f"cannot connect to the proxy {place}: connection refused"


async def test_a_proxy_that_says_nothing_is_given_up() -> None:
    """`timeouts.connect` holds for the tunnel, too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        async with through(read_proxies(f"http://{place}", {}), connect=0.2) as transport:
            with pytest.raises(httpx.ConnectTimeout, match=rf"up\.corp\.example:443 through the proxy {place} within"):
                await ask(transport, "https://up.corp.example", upstream="up")


async def test_bytes_before_their_time_in_a_tunnel_are_refused(tmp_path: Path) -> None:
    """What comes with the proxy's answer was said by nobody who was asked."""
    with recording_upstream() as upstream, forward_proxy({"up.corp.example:443": upstream.port}, extra=OK) as proxy:
        async with through(always(proxy)) as transport:
            with pytest.raises(httpx.TransportError):
                await ask(transport, "https://up.corp.example", upstream="up")


CORPORATE: Mapping[str, str] = {"HTTPS_PROXY": "http://p.corp.example:3128", "NO_PROXY": "corp.example,10.0.0.0/8"}


@pytest.mark.parametrize(
    ("environment", "origin", "found"),
    [
        (CORPORATE, "https api.example 443", "p.corp.example:3128"),
        (CORPORATE, "http api.example 80", None),
        (CORPORATE, "https llm.corp.example 443", None),
        (CORPORATE, "https notcorp.example 443", "p.corp.example:3128"),
        (CORPORATE, "https 10.1.2.3 443", None),
        (CORPORATE, "https 11.1.2.3 443", "p.corp.example:3128"),
        (CORPORATE, "https 127.0.0.1 443", None),
        (CORPORATE, "https localhost 443", None),
        (CORPORATE, "https ::1 443", None),
        ({**CORPORATE, "https_proxy": "http://lower.example:1"}, "https api.example 443", "lower.example:1"),
        ({**CORPORATE, "https_proxy": ""}, "https api.example 443", None),
        ({"ALL_PROXY": "proxy.example:8080"}, "http api.example 80", "proxy.example:8080"),
        ({"all_proxy": "http://a.example"}, "https api.example 443", "a.example:80"),
        ({"ALL_PROXY": "http://a.example", "no_proxy": "*"}, "https api.example 443", None),
        ({"ALL_PROXY": "http://a.example", "no_proxy": "*.b.example"}, "https x.b.example 443", None),
        ({"ALL_PROXY": "http://a.example", "no_proxy": " .b.example , c.example:8443"}, "https c.example 8443", None),
        ({"ALL_PROXY": "http://a.example", "no_proxy": "c.example:8443"}, "https c.example 443", "a.example:80"),
        ({"HTTP_PROXY": "http://evil.example", "REQUEST_METHOD": "GET"}, "http api.example 80", None),
        ({}, "https api.example 443", None),
    ],
)
def test_the_environment_names_the_proxy(environment: Mapping[str, str], origin: str, found: str | None) -> None:
    """As urllib reads it, with networks and `*.` besides; loopback is always reached directly."""
    scheme, host, port = origin.split()
    proxy = read_proxies(None, environment).find(scheme, host, int(port))
    assert (proxy and proxy.place) == found


def test_a_setting_stands_over_the_environment() -> None:
    """A URL is for everything, `none` is for nothing."""
    assert read_proxies("none", CORPORATE).find("https", "api.example", 443) is None
    named = read_proxies("http://[::1]:3128", CORPORATE).find("https", "127.0.0.1", 443)
    assert named == ForwardProxy("::1", 3128)
    assert named.place == "[::1]:3128"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("socks5://user:s3cret@p.example:1080", "socks5 proxies are not spoken here, only http:// and https://"),
        ("s3cret://p.example", "such proxies are not spoken here, only http:// and https://"),
        ("http://user:s3cret@p.example:port", "the port of the proxy is not a number up to 65535"),
        ("http://user:s3cret@", "the URL of the proxy names no host"),
        ("http://user:s3 cret@p.example", "the URL of the proxy holds a character that is not allowed in one"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(url: str, message: str) -> None:
    """When it is parsed as a setting, and from the environment where it would be used."""
    with pytest.raises(BadProxy) as caught:
        parse_proxy(url)
    assert str(caught.value) == message
    with pytest.raises(BadProxy) as caught:
        read_proxies(None, {"ALL_PROXY": url}).find("https", "api.example", 443)
    assert str(caught.value) == f"ALL_PROXY: {message}"
    assert "s3cret" not in repr(read_proxies(None, {"ALL_PROXY": "http://user:s3cret@p.example"}))


def test_the_server_takes_the_proxy_from_its_environment(tmp_path: Path) -> None:
    """Requests arrive through it, and neither log nor status page shows the password."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    with (
        recording_upstream((answer,)) as upstream,
        forward_proxy({"llm.corp.example:80": upstream.port}, credentials=f"user:{PASSWORD}") as proxy,
    ):
        environment = {"HTTP_PROXY": f"http://{USERINFO}@{proxy.place}", "NO_PROXY": "", "no_proxy": ""}
        with (
            server_process(tmp_path, "http://llm.corp.example/gw", environment=environment) as server,
            RawClient(server.port) as client,
        ):
            assert client.ask(b"/v1/messages?beta=true").body == b"ok"
            status = client.ask(b"/_ruleproxy/status", method="GET").body
            proxy.credentials = "changed"
            refused = client.ask(b"/v1/models", method="GET")
    assert upstream.requests[0].request_line == b"POST /gw/v1/messages?beta=true HTTP/1.1"
    assert b"407" in refused.body
    assert refused.status == 502
    for shown in (server.log, status, refused.body):
        assert b"made-up" not in shown
        assert base64.b64encode(f"user:{PASSWORD}".encode()) not in shown


def test_the_server_does_not_start_with_a_proxy_it_cannot_use(tmp_path: Path) -> None:
    """Exit code 2 and the variable's name, instead of a refusal of every request."""
    environment = {"ALL_PROXY": "socks5://p.example:1080", "NO_PROXY": "", "no_proxy": ""}
    with (
        pytest.raises(AssertionError, match="ALL_PROXY: socks5 proxies are not spoken here"),
        server_process(tmp_path, "http://llm.corp.example", environment=environment),
    ):
        pass


@pytest.mark.skipif(shutil.which("tinyproxy") is None, reason="needs tinyproxy")
async def test_tinyproxy_leads_to_upstreams(tmp_path: Path) -> None:
    """A forward proxy that others wrote: tunnels, absolute form, and its refusal."""
    authority = Authority(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with recording_upstream() as plain, recording_upstream(tls=authority.server()) as secure:
        configuration = tmp_path / "tinyproxy.conf"
        configuration.write_text(
            f"Port {port}\nListen 127.0.0.1\nTimeout 30\nBasicAuth user secret\nConnectPort {secure.port}\n"
            f'LogFile "{tmp_path}/tinyproxy.log"\n'
        )
        process = await asyncio.create_subprocess_exec("tinyproxy", "-d", "-c", str(configuration))
        try:
            await _wait_for_port(port)
            async with through(read_proxies(f"http://user:secret@127.0.0.1:{port}", {}), authority) as transport:
                assert await ask(transport, plain.url, upstream="up") == (200, b"ok")
                assert await ask(transport, f"https://{secure.place}", upstream="up") == (200, b"ok")
                with pytest.raises(httpx.ProxyError, match="it answered 403"):
                    await ask(transport, f"https://127.0.0.1:{plain.port}", upstream="up")
            async with through(read_proxies(f"http://127.0.0.1:{port}", {}), authority) as transport:
                with pytest.raises(httpx.ProxyError, match="407"):
                    await ask(transport, plain.url, upstream="up")
        finally:
            process.terminate()
            await process.wait()


async def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "tinyproxy did not start"
            await asyncio.sleep(0.05)
        else:
            return
