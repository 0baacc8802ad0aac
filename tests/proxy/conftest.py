"""A proxy in a process of its own before an upstream that records; both serve all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.raw_client import RawClient
from support.recording_upstream import OK, RecordingUpstream, recording_upstream
from support.server_process import ServerProcess, server_process


@pytest.fixture(scope="module")
def _upstream_of_module() -> Iterator[RecordingUpstream]:
    with recording_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, _upstream_of_module: RecordingUpstream) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("serve")
    with server_process(folder, _upstream_of_module.url) as server:
        yield server


@pytest.fixture
def upstream(_upstream_of_module: RecordingUpstream) -> RecordingUpstream:
    """The module's upstream, which has forgotten earlier requests and answers `ok`."""
    _upstream_of_module.requests.clear()
    _upstream_of_module.closed.clear()
    _upstream_of_module.answer = lambda _request: (OK,)
    return _upstream_of_module


@pytest.fixture
def client(server: ServerProcess, upstream: RecordingUpstream) -> Iterator[RawClient]:
    with RawClient(server.port) as client:
        yield client
