"""The proxies that are compared, each once without rules and once with the reference rules."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.failure import BenchmarkFailed
from benchmarks.nginx import require_nginx, run_nginx
from benchmarks.payloads import HEADERS, INJECTED, ROOT, Payload
from benchmarks.processes import Server, run_server
from benchmarks.upstream import ANSWER

RULES = ROOT / "benchmarks" / "rules"
OURS, OBVIOUS, NGINX = "ruleproxy", "obvious", "nginx"
TITLES = {OURS: "ruleproxy", OBVIOUS: "Quart + httpx", NGINX: "nginx + Lua + cjson"}


@dataclass(frozen=True, slots=True)
class Stack:
    """A running proxy."""

    name: str
    rules: bool
    server: Server


@dataclass(frozen=True, slots=True)
class Field:
    """Everything that runs: the upstream, the proxies before it, and why one is missing."""

    upstream: Server
    stacks: Sequence[Stack]
    skipped: Sequence[str]

    def find(self, name: str, *, rules: bool) -> Stack | None:
        """The stack of this name, unless it is missing."""
        return next((s for s in self.stacks if s.name == name and s.rules is rules), None)


@contextmanager
def run_field(folder: Path) -> Iterator[Field]:
    """Start the upstream and all proxies; they end with the block."""
    skipped = []
    try:
        require_nginx()
    except BenchmarkFailed as failure:
        skipped.append(f"{TITLES[NGINX]} is left out: {failure}")
    with ExitStack() as running:
        upstream = running.enter_context(run_server(python("benchmarks.upstream"), folder / "upstream"))
        stacks = []
        for rules in (False, True):
            for name, start in ((OURS, _run_ours), (OBVIOUS, _run_obvious), (NGINX, run_nginx)):
                if name != NGINX or not skipped:
                    place = folder / (f"{name}-rules" if rules else name)
                    stacks.append(Stack(name, rules, running.enter_context(start(place, upstream, rules=rules))))
        yield Field(upstream, stacks, skipped)


@contextmanager
def run_ours(folder: Path, upstream: Server, rules: Path | None, *more: str) -> Iterator[Server]:
    """`ruleproxy serve` with rules from a folder, or with none, and with more options."""
    (folder / "rules").mkdir(parents=True)
    options = ["--upstream", upstream.url, "--listen", "127.0.0.1:0", "--rules", str(rules or "rules"), *more]
    with run_server([*python("ruleproxy"), "serve", *options], folder) as server:
        yield server


def _run_ours(folder: Path, upstream: Server, *, rules: bool) -> AbstractContextManager[Server]:
    return run_ours(folder, upstream, RULES if rules else None)


@contextmanager
def _run_obvious(folder: Path, upstream: Server, *, rules: bool) -> Iterator[Server]:
    options = ["--rules"] if rules else []
    with run_server([*python("benchmarks.peers.quart_httpx"), upstream.url, *options], folder) as server:
        yield server


def python(module: str) -> list[str]:
    """The command line of a module under this interpreter."""
    return [sys.executable, "-m", module]


def check_stack(stack: Stack, upstream: Server, payload: Payload) -> None:
    """See to it that the upstream gets what it should and the client its answer. Raises `BenchmarkFailed`."""
    answer = ask(stack.server, "POST", "/v1/messages", payload.body)
    if answer != ANSWER:
        raise BenchmarkFailed(f"{TITLES[stack.name]}, {payload.name}: another answer came: {answer[:200]!r}")
    problem = _find_problem(stack, payload, ask(upstream, "GET", "/last", b""))
    if problem is not None:
        kind = "with rules" if stack.rules else "without rules"
        raise BenchmarkFailed(f"{TITLES[stack.name]} {kind}, {payload.name}: {problem}")


def _find_problem(stack: Stack, payload: Payload, came: bytes) -> str | None:
    if not stack.rules:
        return None if came == payload.body else "the upstream did not get the body as it came"
    got, wanted = json.loads(came), payload.edited
    if stack.name == NGINX:
        got, wanted = _without_empty_lists(got), _without_empty_lists(wanted)
    if got != wanted:
        return "the upstream did not get what the rules make of the body"
    # Where nothing but a key is added, our own stack has to leave every other byte alone.
    if stack.name == OURS and payload.name != "worst" and came != payload.body[:-1] + INJECTED:
        return "bytes that no rule changed differ"
    return None


def _without_empty_lists(value: Any) -> Any:
    match value:
        case list():
            return [_without_empty_lists(item) for item in value] or {}
        case dict():
            return {key: _without_empty_lists(item) for key, item in value.items()}
        case _:
            return value


def ask(server: Server, method: str, target: str, body: bytes) -> bytes:
    """The body of an answer. Raises `BenchmarkFailed` where its status is not 200."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, target, body, dict(HEADERS))
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise BenchmarkFailed(f"{server.url}{target} answered {answer.status}: {content[:200]!r}")
    return content
