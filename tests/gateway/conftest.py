"""A gateway that listens, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from ruleproxy.gateway import Gateway, serve_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with serve_gateway() as running:
        yield running


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers={"authorization": "Bearer token"}, timeout=30) as made:
        yield made
