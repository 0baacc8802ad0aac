"""TLS to upstreams: whom the proxy trusts, who it is, what it says when that fails, files that change."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from ruleproxy.proxy.failures import TlsFailed, failure_of
from ruleproxy.proxy.routes import Patience, Route, Trust
from ruleproxy.proxy.tls import BadTrust, TlsContexts
from ruleproxy.proxy.transport import SocketTransport
from support.authority import Authority
from support.raw_client import RawClient
from support.recording_upstream import Close, recording_upstream
from support.server_process import server_process
from support.transporting import ask


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def trusting(trust: Trust, environment: dict[str, str] | None = None) -> AsyncIterator[SocketTransport]:
    transport = SocketTransport(
        {"up": Route(Patience(connect=5), trust=trust)}, environment=environment or {}, settle=0
    )
    try:
        yield transport
    finally:
        await transport.aclose()


async def failure(tls: ssl.SSLContext, trust: Trust) -> tuple[str, str]:
    """The kind of the failure and what is said of it, without the place."""
    with recording_upstream(tls=tls) as upstream:
        async with trusting(trust) as transport:
            with pytest.raises(httpx.TransportError) as caught:
                await ask(transport, f"https://{upstream.place}", upstream="up")
        told = failure_of(caught.value)
        return told.kind, told.message.replace(upstream.place, "HERE")


async def test_a_private_authority_is_trusted_where_it_is_given(authority: Authority) -> None:
    """With `ca_file` the certificate is good, and the connection is used again."""
    with recording_upstream(tls=authority.server()) as upstream:
        async with trusting(Trust((authority.file,))) as transport:
            for _ in range(2):
                assert await ask(transport, f"https://{upstream.place}", upstream="up") == (200, b"ok")
        assert [request.connection for request in upstream.requests] == [0, 0]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"])
async def test_the_variables_of_other_programs_are_read(authority: Authority, variable: str) -> None:
    """A company that has set one of them for its developers need not set another."""
    with recording_upstream(tls=authority.server()) as upstream:
        async with trusting(Trust(), {variable: str(authority.file)}) as transport:
            assert await ask(transport, f"https://{upstream.place}", upstream="up") == (200, b"ok")


async def test_an_unknown_authority_is_told_with_what_to_do(authority: Authority) -> None:
    """Kind `tls`; nothing of the request went out."""
    kind, message = await failure(authority.server(), Trust())
    assert kind == "tls"
    assert message.startswith("the certificate of HERE is not trusted: ")
    assert message.endswith("that is not known here: give that authority with ca_file")


async def test_an_expired_certificate_is_told(authority: Authority) -> None:
    """Whose task it is."""
    expired = authority.server(expires=datetime.now(UTC) - timedelta(days=1))
    assert await failure(expired, Trust((authority.file,))) == (
        "tls",
        "the certificate of HERE is not trusted: it has expired: its owner has to renew it",
    )


async def test_a_certificate_of_another_host_is_told(authority: Authority) -> None:
    """For a name and for an address."""
    assert await failure(authority.server("other.corp.example"), Trust((authority.file,))) == (
        "tls",
        "the certificate of HERE is not trusted: it is for another address: is the upstream's URL right",
    )


async def test_an_upstream_that_speaks_no_tls_is_told() -> None:
    """https:// for an http:// port, the most common slip."""
    with recording_upstream((Close(),)) as upstream:
        async with trusting(Trust()) as transport:
            with pytest.raises(httpx.TransportError) as caught:
                await ask(transport, f"https://{upstream.place}", upstream="up")
        assert upstream.place in str(caught.value)


async def test_a_client_certificate_is_shown(authority: Authority, tmp_path: Path) -> None:
    """The upstream asks for one of its own authority, and the key may be locked."""
    clients = Authority(tmp_path, "clients")
    certificate, key = clients.client("proxy", password="made-up password")
    with recording_upstream(tls=authority.server(wants=clients)) as upstream:
        url = f"https://{upstream.place}"
        async with trusting(Trust((authority.file,), certificate, key, "made-up password")) as transport:
            assert await ask(transport, url, upstream="up") == (200, b"ok")
            with pytest.raises(httpx.TransportError):
                # Another upstream at the same place has no certificate, and gets no connection of this one.
                await ask(transport, url, upstream="another")


async def test_a_missing_client_certificate_is_told(authority: Authority, tmp_path: Path) -> None:
    """TLS 1.3 says it only after the handshake."""
    clients = Authority(tmp_path, "clients")
    kind, message = await failure(authority.server(wants=clients), Trust((authority.file,)))
    assert (kind, message) == (
        "tls",
        "cannot speak TLS with HERE: it wants a client certificate: give one with client_certificate",
    )


async def test_a_client_certificate_that_the_upstream_does_not_know_is_told(
    authority: Authority, tmp_path: Path
) -> None:
    """Of another authority."""
    clients, others = Authority(tmp_path, "clients"), Authority(tmp_path, "others")
    certificate, key = others.client("proxy")
    told = await failure(authority.server(wants=clients), Trust((authority.file,), certificate, key))
    assert told[0] == "tls"
    assert "client certificate" in told[1]


def test_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    """The setting and the file, and never a prompt for a password."""
    certificate, key = authority.client("proxy", password="made-up password")
    _, other_key = authority.client("other")
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for trust, message in (
        (Trust((junk,)), f"ca_file: {junk} holds no certificates in PEM form"),
        (Trust((tmp_path / "gone",)), f"ca_file: {tmp_path}/gone cannot be read: no such file or directory"),
        (Trust((), junk), f"client_certificate: {junk}: no certificate with its private key in PEM form"),
        (Trust((), certificate, key), f"{certificate} with {key}: the key is locked, and the password is missing"),
        (Trust((), certificate, key, "x"), f"{certificate} with {key}: the key is locked, and the password is wrong"),
        (Trust((), certificate, other_key), f"{certificate} with {other_key}: the key is not that of the certificate"),
    ):
        with pytest.raises(BadTrust) as caught:
            TlsContexts(trust).context()
        assert str(caught.value).endswith(message)


async def test_changed_files_are_read_for_the_next_connection(authority: Authority, tmp_path: Path) -> None:
    """A rotated bundle needs no restart; one that is broken leaves the old one in force."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority.file.read_bytes())
    new = Authority(tmp_path, "new")
    async with trusting(Trust((bundle,))) as transport:
        with recording_upstream(tls=authority.server()) as upstream:
            url = f"https://{upstream.place}"
            assert (await ask(transport, url, upstream="up"))[0] == 200
            bundle.write_text("half a certifi")
            await transport.aclose()
            assert (await ask(transport, url, upstream="up"))[0] == 200
        bundle.write_bytes(new.file.read_bytes())
        with recording_upstream(tls=new.server()) as upstream:
            assert (await ask(transport, f"https://{upstream.place}", upstream="up"))[0] == 200
        with recording_upstream(tls=authority.server()) as upstream, pytest.raises(TlsFailed):
            await ask(transport, f"https://{upstream.place}", upstream="up")


def test_settings_name_authorities_and_certificates(authority: Authority, tmp_path: Path) -> None:
    """On the command line for all, in the file for one upstream, the password of the key a secret."""
    clients = Authority(tmp_path, "clients")
    certificate, key = clients.client("proxy", password="made-up password")
    folder = tmp_path / "serve"
    folder.mkdir()
    with recording_upstream(tls=authority.server(wants=clients)) as upstream:
        settings = (
            f'[upstreams.main]\nurl = "https://{upstream.place}"\nclient_certificate = "{certificate}"\n'
            f'client_key = "{key}"\nclient_key_secret = "KEY_PASSWORD"\n'
        )
        environment = {"KEY_PASSWORD": "made-up password"}
        arguments = ("--ca-file", str(authority.file))
        with (
            server_process(
                folder, f"main=https://{upstream.place}", *arguments, settings=settings, environment=environment
            ) as server,
            RawClient(server.port) as client,
        ):
            assert client.ask().body == b"ok"
        assert b"made-up" not in server.log
