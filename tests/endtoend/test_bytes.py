"""What leaves for the upstream, byte by byte: as it came where no rule acted, reused around the edit where one did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ruleproxy.engine.events import Send
from ruleproxy.engine.exchange import Exchange
from ruleproxy.engine.loading import load_rules
from ruleproxy.engine.ruleset import Ruleset
from ruleproxy.messages.message import Request
from ruleproxy.messages.upstreams import Upstream
from support.bodies import claude_code_body, encode_body, long_session_body
from support.raw_client import RawClient
from support.recording_upstream import OK, RecordingUpstream, recording_upstream
from support.server_process import ServerProcess, server_process

RULES = """edition 1

rule "another model" on request
when request.body.model == "m" then
  rewrite request.body.model = "corp"
end

rule "one key more" on request
when request.query.inject == "1" then
  inject { prompt_text = "x" } into request.body
end

rule "marks" on request
when request.query.limit == "1" then
  limit cache_control in request.body to 2, keep newest
end

rule "deep" on request
when request.query.deep == "1" then
  rewrite request.body.metadata.user_id = "nobody"
  strip request.body.output_config
end
"""

ODD = {
    "spacing": b' {\r\n\t"model" : "m" , "a":[ 1 ,2,\n3 ] ,"b" :{ } }\n ',
    "numbers": b'{"x":1e400,"y":-0,"z":1234567890123456789012345678901234567890,"w":1.10,"model":"m","v":1E+2}',
    "escapes": b'{"x":"\\u0041\\/\\u00e9\\ud83d\\udd27","model":"m","y":"\xc3\xa9\xf0\x9f\x94\xa7\\t"}',
    "lone surrogates": b'{"x":"\\ud83d","model":"m","y":["\\udc00 \\uD800"]}',
    "nested": b'{"model":"m","x":' + b"[" * 200 + b"]" * 200 + b"}",
    "duplicates elsewhere": b'{"a":{"b":1,"b":2},"model":"m","c":{"":0,"":[]}}',
    "escaped name": b'{"x":1,"mod\\u0065l":"m","y":[]}',
    "long string": b'{"x":"' + b"a" * 100_000 + b'","model":"m","y":"' + b"\xe2\x80\x94" * 10_000 + b'"}',
    "empty": b"{}",
    "no object": b'["m", {"model": "m"}]',
    "string": b'"m"',
    "not JSON": b'{"model": "m",}',
    "cut": b'{"model": "m", "x": [1, 2',
    "bad UTF-8": b'{"model":"m","x":"\xff\xfe"}',
    "byte-order mark": b'\xef\xbb\xbf{"model":"m"}',
    "NaN": b'{"model":"m","x":NaN}',
    "binary": bytes(range(256)),
}
UNEDITABLE = {"empty", "no object", "string", "not JSON", "cut", "bad UTF-8", "byte-order mark", "NaN", "binary"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with recording_upstream((OK,)) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "rules").mkdir()
    (folder / "rules" / "1.rules").write_text(RULES)
    with server_process(folder, upstream.url) as server:
        yield server


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    """The same rules in this process."""
    file: Path = tmp_path_factory.mktemp("same") / "1.rules"
    file.write_text(RULES)
    loaded = load_rules([file], (Upstream.from_url("default", "http://127.0.0.1:1"),))
    assert loaded.ruleset is not None
    return loaded.ruleset


def over_the_wire(server: ServerProcess, upstream: RecordingUpstream, body: bytes, target: bytes = b"/") -> bytes:
    """What the upstream gets of a body."""
    with RawClient(server.port) as client:
        assert client.ask(target, body).status == 200
    request = upstream.requests[-1]
    assert request.values(b"content-length") == [b"%d" % len(request.body)]
    return request.body


def in_process(ruleset: Ruleset, body: bytes, query: bytes = b"") -> tuple[bytes, int | None]:
    """What an exchange makes of the same body, and how many bytes it says that it reused."""
    declared = (Upstream.from_url("default", "http://127.0.0.1:1"),)
    exchange = Exchange(ruleset, Request("POST", b"/", query, [], body), declared, detailed=True)
    send = exchange.begin()[0]
    assert isinstance(send, Send)
    return send.body, exchange.reused


def common(before: bytes, after: bytes) -> tuple[int, int]:
    """The lengths of the longest common prefix and, of what is left, suffix."""
    shorter = min(len(before), len(after))
    prefix = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    rest = shorter - prefix
    suffix = next((at for at in range(rest) if before[-1 - at] != after[-1 - at]), rest)
    return prefix, suffix


@pytest.mark.parametrize("name", ODD)
def test_no_rule_acts(server: ServerProcess, upstream: RecordingUpstream, name: str) -> None:
    """Rules looked, none changed anything: the body leaves byte for byte, however it is spelled."""
    body = ODD[name].replace(b'"m"', b'"other"')
    assert over_the_wire(server, upstream, body) == body


@pytest.mark.parametrize("name", [name for name in ODD if name not in UNEDITABLE])
def test_one_value_is_edited(server: ServerProcess, upstream: RecordingUpstream, ruleset: Ruleset, name: str) -> None:
    """Only the edited value differs, and the live server makes the very bytes that tests make in process."""
    body = ODD[name]
    arrived = over_the_wire(server, upstream, body)
    assert arrived == body.replace(b'"m"', b'"corp"')
    assert in_process(ruleset, body)[0] == arrived


@pytest.mark.parametrize("name", sorted(UNEDITABLE))
def test_what_cannot_be_edited_passes(server: ServerProcess, upstream: RecordingUpstream, name: str) -> None:
    """No JSON object, or no JSON at all: rules that ask for a member of it do not act."""
    assert over_the_wire(server, upstream, ODD[name]) == ODD[name]


def test_a_name_that_is_there_twice(server: ServerProcess, upstream: RecordingUpstream) -> None:
    """Nobody knows which of the two a reader takes: the rule fails by name and the bytes pass."""
    body = b'{"model":"m","x":1,"model":"m"}'
    assert over_the_wire(server, upstream, body) == body
    server.wait_for_log(rb'rule "another model" \(.*\) failed: .*')


def test_several_edits(server: ServerProcess, upstream: RecordingUpstream, ruleset: Ruleset) -> None:
    """Each is written where it belongs and what lies between is reused."""
    body = b'{ "model":"m", "metadata" : {"user_id":"u" ,"n":1e400} ,"output_config":{"effort":"high"}, "z": 1.0 }'
    expected = b'{ "model":"corp", "metadata" : {"user_id":"nobody" ,"n":1e400} , "z": 1.0 }'
    arrived = over_the_wire(server, upstream, body, b"/?deep=1")
    assert arrived.replace(b" ", b"") == expected.replace(b" ", b"")
    assert in_process(ruleset, body, b"deep=1")[0] == arrived


@pytest.mark.parametrize("typical", [True, False])
def test_reused_bytes_of_a_long_session(
    server: ServerProcess, upstream: RecordingUpstream, ruleset: Ruleset, typical: bool
) -> None:
    """A key more in 283 kB: everything else is the client's, counted on the wire, and the exchange counts the same."""
    body = encode_body(long_session_body(typical=typical))
    arrived = over_the_wire(server, upstream, body, b"/?inject=1")
    prefix, suffix = common(body, arrived)
    assert prefix + suffix == len(body)
    assert arrived[prefix : len(arrived) - suffix] == b',"prompt_text":"x"'
    made, reused = in_process(ruleset, body, b"inject=1")
    assert made == arrived
    assert reused == len(body)


def test_reused_bytes_of_many_edits(server: ServerProcess, upstream: RecordingUpstream, ruleset: Ruleset) -> None:
    """41 cache marks taken out of 43: what is left is the client's text with nothing but the marks missing."""
    body = encode_body(long_session_body(typical=False))
    arrived = over_the_wire(server, upstream, body, b"/?limit=1")
    mark = b',"cache_control":{"type":"ephemeral"}'
    assert len(body) - len(arrived) == 41 * len(mark)
    at = 0
    for piece in body.split(mark):
        at = arrived.index(piece, at) + len(piece)
    made, reused = in_process(ruleset, body, b"limit=1")
    assert made == arrived
    assert reused == len(arrived)


def test_an_edit_near_the_front_keeps_what_follows(
    server: ServerProcess, upstream: RecordingUpstream, ruleset: Ruleset
) -> None:
    """The provider's prompt cache looks at the text from its start: a changed model costs the model's bytes only."""
    body = encode_body(claude_code_body("us tr tr au") | {"model": "m"})
    arrived = over_the_wire(server, upstream, body)
    prefix, suffix = common(body, arrived)
    assert (prefix, suffix) == (len(b'{"model":"'), len(body) - len(b'{"model":"m'))
    assert in_process(ruleset, body) == (arrived, len(body) - len(b'"m"'))
