"""No credential reaches a capture file, wherever it was planted; and nothing else is changed."""

from __future__ import annotations

import base64
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleproxy.captures.capture import (
    Capture,
    CapturedEvent,
    CapturedFailure,
    CapturedRequest,
    CapturedResponse,
)
from ruleproxy.captures.masking import Masker
from ruleproxy.captures.redaction import mask_capture
from ruleproxy.captures.spans import MASK
from ruleproxy.captures.writing import render_capture
from support import bodies

# Made up, in the formats of their issuers.
SECRETS = {
    "anthropic": b"sk-ant-api03-" + b"Pl4nt3d-" * 5,
    "openai": b"sk-proj-" + b"Pl4nt3d0" * 5,
    "aws id": b"AKIA" + b"PLANTED1" * 2,
    "github": b"ghp_" + b"Pl4nt3d2" * 4,
    "github fine": b"github_pat_" + b"Pl4nt3d3" * 4,
    "slack": b"xox" + b"b-1234-" + b"Pl4nt3d4" * 2,
    "google": b"AIza" + b"Pl4nt3d5" * 4,
    "web token": b"eyJhbGciOiJub25lIn0." + b"eyJQbDRudDNkNiI6MX0." + b"Pl4nt3d6",
    "bedrock": b"ABSK" + b"Pl4nt3d7" * 6,
    "private key": b"-----BEGIN RSA PRIVATE KEY-----\\n" + b"Pl4nt3d8" * 4 + b"\\n-----END RSA PRIVATE KEY-----",
}

# Secrets of no known format: what stands before them tells.
NAMED = (
    b'{"password": "Pl4nt3d pass"}',
    b'{"a":{"clientSecret":"Pl4nt3d"}}',
    b'{"apiKey" :\n "Pl4nt3d\\"quoted\\\\"}',
    b'{"tool_input":"{\\"access_token\\":\\"Pl4nt3d \\\\\\"inner\\\\\\" \\"}"}',
    b'{"secrets":["Pl4nt3d","Pl4nt3d again"]}',
    b'{"password":4815162342}',
    b'{"env":[{"name":"DB_PASSWORD","value":"Pl4nt3d"}]}',
    b'{"text":"export AWS_SECRET_ACCESS_KEY=Pl4nt3d/x+y\\nls"}',
    b'{"text":"a\\napi_key = \\"Pl4nt3d9\\""}',
    b"{\"text\":\"{'password': 'Pl4nt3d'}\"}",
    b'{"text":"password: Pl4nt3d!"}',
    b'{"text":"curl -H \'Authorization: Bearer Pl4nt3d-bearer\' x"}',
    b'{"text":"curl -H \\"X-Api-Key: Pl4nt3d-header\\" x"}',
    b'{"text":"Cookie: session=Pl4nt3d; theme=x"}',
    b'{"text":"see https://acme.example/x?a=1&sig=Pl4nt3d&b=2"}',
    b'{"text":"postgres://app:Pl4nt3d@db.corp.example/x"}',
    b'{"text":"Authorization: Basic ' + base64.b64encode(b"user:Pl4nt3d-pass") + b'"}',
    b"client_secret=Pl4nt3d-form&grant_type=client_credentials",
    b'{"password": "Pl4nt3d and cut o',
)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("around", [b'{"text":"%s"}', b'{"text":"a\\n%s b"}', b"%s", b"x=%s&y", b"\xff\x00%s\xfe"])
def test_known_formats_are_masked_wherever_they_stand(secret: bytes, around: bytes) -> None:
    """With no name beside them, right after an escape, in bytes that are no text."""
    masked = Masker().mask_text(around % secret)
    assert b"l4nt3d" not in masked
    assert b"PLANTED" not in masked
    assert MASK.search(masked)
    if around.startswith(b"{"):
        assert MASK.search(orjson.loads(masked)["text"].encode())


@pytest.mark.parametrize("text", NAMED)
def test_values_are_masked_by_the_names_before_them(text: bytes) -> None:
    """In JSON at any depth, in JSON within JSON, in settings, commands and addresses; JSON stays JSON."""
    masked = Masker().mask_text(text)
    assert b"Pl4nt3d" not in masked
    assert b"inner" not in masked
    assert b"4815162342" not in masked
    if text.endswith(b"}"):
        value = orjson.loads(masked)
        if "tool_input" in value:
            assert MASK.fullmatch(orjson.loads(value["tool_input"])["access_token"].encode())


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_base64_is_looked_into(secret: bytes, shift: int) -> None:
    """At every alignment, in both alphabets, in lines; what is masked is still base64 of the rest."""
    plain = b"\n" * shift + b"first line\nkey " + secret + b"\nlast line>>>???"
    for encoded in (
        base64.b64encode(plain),
        base64.urlsafe_b64encode(plain).rstrip(b"="),
        base64.encodebytes(plain).strip().replace(b"\n", b"\\n"),
    ):
        text = Masker().mask_text(b'{"data":"\\n' + encoded + b'"}')
        data = orjson.loads(text)["data"].strip()
        inner = base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_" if "-" in data or "_" in data else None)
        assert b"l4nt3d" not in inner
        assert b"PLANTED" not in inner
        assert inner.strip().startswith(b"first line")
        assert inner.endswith(b"last line>>>???")


@pytest.mark.parametrize(
    "text",
    [
        b'{"max_tokens":64000,"usage":{"input_tokens":12,"cache_read_input_tokens":3},"tokens":["a1234567"]}',
        b'{"cache_key":"abc12345678","prompt_cache_key":"session-12345678","key":"Enter","keys":["a1"]}',
        b'{"type":"thinking","thinking":"","signature":"c2lnbmVkIGJ5IG5vYm9keQc2lnbmVkIGJ5IG5vYm9keQ"}',
        b'{"next_page_token":"abc12345678","token_type":"Bearer","secret_name":"db-1234567"}',
        b'{"input_schema":{"properties":{"api_key":{"type":"string"},"token":{"type":"string","minLength":12345678}},'
        b'"required":["api_key","token"]}}',
        b'{"password":"","token":null,"secret":{}}',
        b'{"label":"API key:","next":"abcdefgh12345"}',
        b'{"text":"_COOKIE: Final = re.compile(x)"}',
        b'{"a":"prefix token=","b":"other-12345678"}',
        b'{"text":"the token: see below; task-force-1234567890-abcdef; password = get_password()"}',
        b'{"text":"password=password, api_key=${API_KEY}, token = <your token>, def f(token: str = None)"}',
        b'{"text":"src/ruleproxy/captures/RedactionOfManyThings/andMore"}',
        b'{"text":"a bearer of news"}',
    ],
)
def test_what_is_no_credential_stays(text: bytes) -> None:
    """A mask in a schema, a count or a prompt would ruin the capture."""
    assert Masker().mask_text(text) == text


def test_bodies_of_the_shape_of_real_clients_stay() -> None:
    """76 kB of tools and messages without a credential go through untouched."""
    body = bodies.encode_body({"tools": bodies.tools(24, 64_000, 21_000), "messages": bodies.messages("us t r a u")})
    assert Masker().mask_text(body) == body


def test_equal_secrets_look_equal() -> None:
    """Across headers with and without a scheme and bodies, so that a change of header can be followed."""
    key = b"corp-0123456789"
    capture = mask_capture(
        Capture(
            CapturedRequest("POST", b"/", [(b"x-api-key", key)], b'{"echo":"' + key + b'"}'),
            CapturedRequest("POST", b"/", [(b"Authorization", b"Bearer " + key), (b"Cookie", b"a=" + key + b"; b=")]),
        )
    )
    assert capture.sent is not None
    masked = capture.request.headers[0][1]
    assert MASK.fullmatch(masked)
    assert capture.request.body == b'{"echo":"' + masked + b'"}'
    assert capture.sent.headers == [(b"Authorization", b"Bearer " + masked), (b"Cookie", b"a=" + masked + b"; b=")]
    assert mask_capture(capture) == capture


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Proxy-Authorization",
        "x-api-key",
        "api-key",
        "Ocp-Apim-Subscription-Key",
        "X-Amz-Security-Token",
        "x-goog-api-key",
        "X-Corp-Auth",
        "x-vault-token",
        "x-functions-key",
        "X-Hub-Signature-256",
        "x-csrf-token",
        "anthropic-api-key",
        "Set-Cookie",
    ],
)
def test_headers_of_credentials_are_masked(name: str) -> None:
    """Whatever their value looks like."""
    headers = [(name.encode(), b"a=planted")]
    masked = mask_capture(Capture(CapturedRequest("GET", b"/", headers))).request.headers
    assert b"planted" not in masked[0][1]


@pytest.mark.parametrize(
    "name",
    [
        "x-claude-code-session-id",
        "anthropic-beta",
        "anthropic-version",
        "anthropic-ratelimit-tokens-remaining",
        "idempotency-key",
        "x-ratelimit-remaining-tokens",
        "x-amzn-bedrock-input-token-count",
        "x-request-id",
        "WWW-Authenticate",
        "X-Stainless-Lang",
        "sec-websocket-key",
        "x-cache-key",
    ],
)
def test_other_headers_stay(name: str) -> None:
    """What rules ask for and people search by."""
    headers = [(name.encode(), b"context-1m-2025-08-07,12")]
    assert mask_capture(Capture(CapturedRequest("GET", b"/", headers))).request.headers == headers


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        (b"/v1/messages?beta=true", rb"/v1/messages\?beta=true"),
        (b"/x?key=Pl4nt3d&b=%20&", rb"/x\?key=\*masked-[0-9a-f]{8}\*&b=%20&"),
        (b"/x?X-Amz-Signature=Pl4nt3d&X-Amz-Date=1", rb"/x\?X-Amz-Signature=\*masked-[0-9a-f]{8}\*&X-Amz-Date=1"),
        (b"/x?q=sk-ant%2Dapi03-Pl4nt3d", rb"/x\?q=\*masked-[0-9a-f]{8}\*"),
        (b"/x?%6Bey=Pl4nt3d", rb"/x\?%6Bey=\*masked-[0-9a-f]{8}\*"),
        (b"/bot/ghp_" + b"Pl4nt3d0" * 3, rb"/bot/\*masked-[0-9a-f]{8}\*"),
    ],
)
def test_paths_and_queries_are_masked(path: bytes, masked: bytes) -> None:
    """By name and by look, and nothing else of them changes."""
    assert re.fullmatch(masked, mask_capture(Capture(CapturedRequest("GET", path, []))).request.path)


def deltas(kind: str, texts: list[str], name: str = "text") -> list[CapturedEvent]:
    """A content block of an answer, event by event."""
    return [
        CapturedEvent(
            "content_block_delta",
            orjson.dumps({"type": "content_block_delta", "index": 1, "delta": {"type": kind, name: text}}),
        )
        for text in texts
    ]


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_a_secret_that_is_spread_over_a_stream_is_masked(size: int) -> None:
    """Text, tool input and the chunks of another provider; the other deltas keep their bytes."""
    text = 'the key is {"token": "Pl4nt3d none of known format"} or ' + SECRETS["anthropic"].decode() + " there"
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    ping = CapturedEvent("ping", b'{"type": "ping"}', raw=b"event:ping\ndata:{}\n\n")
    chunks = [
        CapturedEvent("", orjson.dumps({"id": "c", "choices": [{"index": n, "delta": {"content": p}} for n in (0, 1)]}))
        for p in pieces
    ]
    plain = [CapturedEvent("", piece.encode()) for piece in pieces]
    spread = (
        *deltas("text_delta", pieces),
        ping,
        *deltas("input_json_delta", pieces, "partial_json"),
        *chunks,
        *plain,
        CapturedEvent("", b"[DONE]"),
    )
    capture = mask_capture(
        Capture(CapturedRequest("POST", b"/", []), response=CapturedResponse(200, [], events=spread))
    )
    assert capture.response is not None
    assert capture.response.events is not None
    events = capture.response.events
    assert ping in events
    joined = "".join(orjson.loads(event.data or b"")["delta"]["text"] for event in events[: len(pieces)])
    assert joined.startswith('the key is {"token": "*masked-')
    assert joined.endswith("* there")
    assert b"l4nt" not in b"".join(event.data or b"" for event in events)
    # What came before the secret in the stream is spelled as it was.
    assert [events[n] for n in range(4 // size)] == list(spread[: 4 // size])


def test_the_written_file_holds_no_secret() -> None:
    """Planted in every part: headers, queries, bodies, deltas, error bodies, comments, base64, failures, traces."""
    own = b"corp-own-key-Pl4nt3d"
    text = b" ".join(SECRETS.values()).replace(b"\\n", b"\n") + b" " + own
    body = orjson.dumps({"m": text.decode(), "data": base64.b64encode(text).decode(), "password": "Pl4nt3d"})
    error = orjson.dumps({"error": {"message": f"invalid key {own.decode()}, {text.decode()}"}})
    request = CapturedRequest(
        "POST",
        b"/x?key=" + own,
        [(b"x-api-key", own), (b"x-note", text.replace(b"\n", b""))],
        body,
        "https://a.example",
    )
    events = (*deltas("text_delta", [text.decode()[i : i + 5] for i in range(0, len(text), 5)]),)
    comment = CapturedEvent(raw=b": " + text.replace(b"\n", b"") + b"\n\n")
    capture = Capture(
        request,
        request,
        CapturedResponse(401, [(b"set-cookie", b"s=Pl4nt3d; Path=/")], error),
        CapturedFailure("reset", "while sending " + own.decode()),
        CapturedResponse(200, [(b"location", b"https://a.example/?sig=Pl4nt3d")], events=(*events, comment)),
        {"edits": [{"after": text.decode()}]},
    )
    written = render_capture(mask_capture(capture, [b"rule-parameter"]))
    assert b"l4nt3d" not in written
    assert b"PLANTED" not in written
    for shift in range(3):
        # The middle of every secret, as base64 spells it at this alignment.
        assert base64.b64encode(b"x" * shift + b"Pl4nt3dPl4nt3d")[4:8] not in written
    orjson.loads(written)


@given(st.text("\\\"':=,{}[] \n*abPl4nt3d", max_size=60), st.sampled_from(["token", "password", "text"]))
def test_masking_leaves_valid_json_and_is_done_once(noise: str, name: str) -> None:
    """Whatever stands around names and marks; what is masked is not masked again."""
    text = orjson.dumps({"a": [noise, f'{name}="{noise}"', f"{name}: {noise}", orjson.dumps({name: noise}).decode()]})
    masked = Masker().mask_text(text)
    value = orjson.loads(masked)
    assert len(value["a"]) == 4
    orjson.loads(value["a"][3])
    assert Masker().mask_text(masked) == masked


@given(st.binary(max_size=80))
def test_bytes_without_credentials_pass(data: bytes) -> None:
    """Random bytes hold none."""
    assert Masker().mask_text(data) == data


def test_hostile_text_takes_no_longer_than_other_text() -> None:
    """Half a megabyte of beginnings without an end is done at once: nothing is looked through twice."""
    for piece in (
        b"-----BEGIN PRIVATE KEY-----",
        b'\\"token\\": \\"x ',
        b'"token":"x\\"',
        b"eyJabcdefghi.",
        b'"secrets":["x',
    ):
        assert MASK.search(Masker().mask_text(piece * (500_000 // len(piece))))
