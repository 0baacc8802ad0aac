"""The whole line: a client, the real server process with the shipped pack, the strict gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ruleproxy.gateway import Gateway
from support.running_gateway import running_gateway, strict_rules
from support.server_process import ServerProcess, server_process


@pytest.fixture(scope="session")
def strict_gateway() -> Iterator[Gateway]:
    with running_gateway() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def proxy(strict_gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`ruleproxy serve` with the pack, before the gateway."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "rules").mkdir()
    (folder / "rules" / "gateway.rules").write_text(strict_rules(strict_gateway.url))
    with server_process(folder, strict_gateway.origin) as running:
        yield running


@pytest.fixture
def gateway(strict_gateway: Gateway) -> Gateway:
    """The gateway, which has forgotten earlier requests."""
    strict_gateway.seen.clear()
    return strict_gateway
