"""Keys of every issuer, under every name, in every spelling; and what only looks like one."""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import pytest

from ruleproxy.captures.masking import Masker

_RANDOM = random.Random(20260102)
_WORDS = string.ascii_letters + string.digits


def _letters(count: int, alphabet: str = _WORDS) -> str:
    return "7" + "".join(_RANDOM.choice(alphabet) for _ in range(count - 1))


def _hex(count: int) -> str:
    return _letters(count, "0123456789abcdef")


# Made up in the format of each issuer: what stands before a key, and the key's own part.
ISSUED = {
    "anthropic": ("sk-ant-admin01-", _letters(90)),
    "openrouter": ("sk-or-v1-", _hex(64)),
    "bedrock, short": ("bedrock-api-key-", _letters(120)),
    "google, service": ("ya29.c.", _letters(150)),
    "google, refresh": ("1//0", _letters(90)),
    "gitlab, deploy": ("gldt-", _letters(20)),
    "gitlab, runner": ("glrt-", _letters(20)),
    "slack": ("xox" + "b-123456789012-", _letters(24)),
    "slack, webhook": ("https://hooks.slack.com/services/T0/B0/", _letters(24)),
    "discord, webhook": ("https://discord.com/api/webhooks/123456789/", _letters(68)),
    "teams, webhook": ("https://acme.webhook.office.com/webhookb2/", _hex(60)),
    "hugging face, organisation": ("api_org_", _letters(34)),
    "databricks": ("dapi", _hex(32)),
    "digital ocean": ("dop_v1_", _hex(64)),
    "vault": ("hvs.", _letters(90)),
    "replicate": ("r8_", _letters(37)),
    "notion": ("ntn_", _letters(46)),
    "shopify": ("shpat_", _hex(32)),
    "doppler": ("dp.pt.", _letters(43)),
    "atlassian": ("ATATT3", _letters(170)),
    "new relic": ("NRAK-", _letters(27)),
    "grafana": ("glsa_", _letters(32) + "_1234abcd"),
    "figma": ("figd_", _letters(40)),
    "telegram": ("123456789:AA", _letters(33)),
    "azure, client secret": ("abc8Q~", _letters(34)),
    "docker": ("dckr_pat_", _letters(27)),
    "nvidia": ("nvapi-", _letters(64)),
    "pinecone": ("pcsk_", _letters(60)),
    "tailscale": ("tskey-auth-a1-", _letters(32)),
    "okta": ("SSWS ", _letters(40)),
    "signature": ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=", _hex(64)),
    "token as a user": ("https://", _letters(40) + "@git.corp.example"),
    "docker login": ('{"auths":{"r.example":{"auth":"', base64.b64encode(f"me:{_letters(20)}".encode()).decode()),
}

ESCAPED: dict[str, Callable[[str], str]] = {
    "json": lambda text: json.dumps({"text": text}),
    "json within json within json": lambda text: json.dumps({"a": json.dumps({"b": json.dumps({"c": text})})}),
    "slashes of PHP": lambda text: json.dumps(text).replace("/", "\\/"),
    "what is no letter in \\u": lambda text: '"' + re.sub(r"\W|_", lambda mark: f"\\u{ord(mark[0]):04x}", text) + '"',
    "all in \\u": lambda text: '"' + "".join(f"\\u{ord(mark):04X}" for mark in text) + '"',
    "\\u within json": lambda text: json.dumps({"a": "".join(f"\\u{ord(mark):04x}" for mark in text)}),
    "percent": lambda text: quote(text, safe=""),
    "percent, each character": lambda text: "".join(f"%{ord(mark):02x}" for mark in text),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "a form": lambda text: "text=" + quote_plus(text),
    "html": lambda text: text.replace("&", "&amp;").replace('"', "&quot;").replace("=", "&#x3d;").replace("/", "&#47;"),
    "base64": lambda text: base64.b64encode(f"a {text} z".encode()).decode(),
    "base64 of json in \\u": lambda text: base64.b64encode(
        b'{"x":"' + "".join(f"\\u{ord(mark):04x}" for mark in text).encode() + b'"}'
    ).decode(),
    "base64 in percent": lambda text: quote(base64.b64encode(f"ab{chr(0x3F)} {text}".encode()).decode(), safe=""),
}

NAMED = (
    "tool --api-key {} --verbose",
    '["tool", "--token", "{}"]',
    "Connect-Thing -Password {} -User me",
    "<add><password>{}</password></add>",
    '<add key="ApiKey" value="{}"/>',
    '{{"value": "{}", "name": "DB_PASSWORD"}}',
    '[["client_secret", "{}"]]',
    'os.environ["API_KEY"] = "{}"',
    'headers.set("x-api-key", "{}")',
    "ENV ANTHROPIC_API_KEY {}\n",
    "password: |\n  {}\nnext: 1",
    "machine acme.example login me password {}",
    "| password | {} |",
    "the token is `{}`, keep it",
    "API key: {}",
    "PGPASSWORD={} psql",
    '--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n{}\r\n--b--\r\n',
    "curl -u me:{} https://acme.example",
    "mysql -h db -p{} shop",
)


def _leaks(text: str, secret: str) -> bool:
    """Whether a dozen characters of a secret in a row are left, in whatever spelling."""
    seen = [text]
    for _ in range(4):
        plain = re.sub(r"\\+u00(..)", lambda code: chr(int(code[1], 16)), unquote(seen[-1])).replace("\\/", "/")
        seen.append(plain)
    for view in list(seen):
        for run in re.findall(r"[A-Za-z0-9+/]{16,}", view):
            content = base64.b64decode(run[: len(run) // 4 * 4]).decode("latin-1")
            seen += [content, re.sub(r"\\+u00(..)", lambda code: chr(int(code[1], 16)), content)]
    pieces = [secret[start : start + 12] for start in range(0, len(secret) - 11, 6)]
    return any(piece in view for piece in pieces for view in seen)


@pytest.mark.parametrize("escape", ESCAPED.values(), ids=list(ESCAPED))
@pytest.mark.parametrize("issuer", ISSUED)
def test_a_key_is_masked_whatever_was_escaped(issuer: str, escape: Callable[[str], str]) -> None:
    """Nothing of a dozen characters is left, and what was JSON still is."""
    before, key = ISSUED[issuer]
    text = escape(f"use {before}{key} now")
    masked = Masker().mask_text(text.encode()).decode()
    assert not _leaks(masked, key.partition("@")[0]), masked
    if text.startswith(("{", '"')):
        json.loads(masked)


@pytest.mark.parametrize("spell", NAMED)
@pytest.mark.parametrize("escape", ["", "json", "percent", "what is no letter in \\u"])
def test_a_name_tells_though_no_colon_follows_it(spell: str, escape: str) -> None:
    """Options, elements, cells, parts of forms, sentences: the value goes, also where all of it is escaped."""
    secret = "Zq7" + "x9Kd2" * 4
    text = spell.format(secret)
    masked = Masker().mask_text(ESCAPED[escape](text).encode() if escape else text.encode()).decode()
    assert secret not in unquote(masked), masked
    assert "*masked-" in masked


def test_equal_keys_have_equal_masks_in_every_spelling() -> None:
    """Whoever compares captures sees that it was one key."""
    before, key = ISSUED["atlassian"]
    secret = before + key[:-1] + "="
    spelled = (
        secret,
        secret.replace("=", "%3D"),
        secret.replace("=", "\\u003d"),
        "".join(f"%{ord(c):02x}" for c in secret),
    )
    masks = {tuple(re.findall(r"\*masked-\w+\*", Masker().mask_text(text.encode()).decode())) for text in spelled}
    assert len(masks) == 1


def _harmless() -> Iterator[str]:
    yield "data:image/png;base64," + base64.b64encode(_RANDOM.randbytes(300_000)).decode()
    yield json.dumps({"signature": base64.b64encode(_RANDOM.randbytes(600)).decode(), "type": "thinking"})
    yield " ".join(f"{_hex(8)}-{_hex(4)}-{_hex(4)}-{_hex(4)}-{_hex(12)}" for _ in range(50))
    yield " ".join(_hex(40) for _ in range(50)) + " sha256:" + _hex(64)
    yield " ".join(f"{kind}_01{_letters(22)}" for kind in ("msg", "toolu", "req", "chatcmpl", "resp", "call", "file"))
    yield "us.anthropic.claude-sonnet-4-5-20250929-v1:0 claude-opus-4-1@20250805 gpt-4o-2024-08-06"
    yield '{"required": ["password", "api_key"], "properties": {"password": {"type": "string"}}}'
    yield "the token is valid for 30 minutes; a password is required; the key was rotated in 2024"
    yield "a+b/c%20d &amp; e &lt;token&gt; f \\u0026 https://acme.example/a%2Fb?page=2&next_page_token=a1b2c3d4e5"
    yield "docker run -u 1000:1000 -p 8080:80 thing; git commit -a -m x; tokens | 1200 | 3400"
    yield "max_tokens: 1024, cache_key: abcdef123456, tokenizer = gpt2-medium-2024, keyboard: qwerty12345"


@pytest.mark.parametrize("text", list(_harmless()))
def test_what_is_no_credential_stays(text: str) -> None:
    """Images, hashes, identifiers, signatures of thinking, names of models, prose about keys."""
    assert Masker().mask_text(text.encode()).decode() == text


@pytest.mark.parametrize("piece", [b"password=", b"cookie: a=b; ", b"token=a1", b'"password": "', b"%41password%3D"])
def test_names_within_values_cost_nothing(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of nothing but names of credentials has each byte hashed a few times, not once for every name."""
    hashed = 0

    def count(secret: bytes) -> Any:
        nonlocal hashed
        hashed += len(secret)
        return sha256(secret)

    monkeypatch.setattr("ruleproxy.captures.spans.sha256", count)
    text = piece * 20_000
    Masker().mask_text(text)
    assert hashed < 10 * len(text)


def test_names_that_stand_in_each_others_values_are_told_apart_from_secrets() -> None:
    """Each name has all names behind it for its value: only the beginning of that is looked at."""
    text = b"token=" * 20_000 + b"x token=abcdefgh12345678"
    masked = Masker().mask_text(text)
    assert masked.startswith(b"token=" * 19_000)
    assert b"abcdefgh12345678" not in masked
