"""Credentials that are known by their own looks: the formats of key issuers, and what only a credential follows.

No pattern takes in a quotation mark or a backslash, so that masking within JSON text leaves JSON. Linear time
(google-re2): the text is a stranger's. Text is bytes throughout: a secret is ASCII, whatever surrounds it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any, Final

import re2

from ruleproxy.captures.key_formats import ANYWHERE, AT_A_BEGINNING, WEBHOOKS
from ruleproxy.captures.secret_names import is_secret_parameter
from ruleproxy.captures.spans import Span, span_of

_options = re2.Options()
_options.encoding = re2.Options.Encoding.LATIN1
_options.max_mem = 64 * 1024 * 1024

# What may stand before a key that begins like a word: no letter, but the letter of an escape (`\n`, `%20`) may.
_BEFORE: Final = rb"(?:^|[^A-Za-z0-9_-]|\\[nrtbf]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})"


def compile_bytes(pattern: bytes) -> Any:
    """A linear-time pattern over bytes."""
    return re2.compile(pattern, _options)


def _has_digit(value: bytes) -> bool:
    return any(0x30 <= byte <= 0x39 for byte in value)


def _is_access_key(value: bytes) -> bool:
    return len(value) == 20


def _is_user_and_password(value: bytes) -> bool:
    try:
        decoded = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded and decoded.isascii()


def _is_bearer(value: bytes) -> bool:
    return _has_digit(value) or len(value) >= 24


# A pattern, and what judges the text of its one group that took part (of the whole, where it has none).
_FORMATS: Final[tuple[tuple[Any, Callable[[bytes], bool] | None], ...]] = (
    (compile_bytes(ANYWHERE), None),
    (compile_bytes(WEBHOOKS), None),
    (compile_bytes(rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,}"), _is_access_key),
    (compile_bytes(_BEFORE + b"(" + AT_A_BEGINNING + b")"), _has_digit),
    (compile_bytes(rb"(?i)\b(?:bearer|ssws)(?:\s|%20|\+)+([A-Za-z0-9._~+/=-]{8,})"), _is_bearer),
    (compile_bytes(rb"(?i)\bbasic(?:\s|%20|\+)+([A-Za-z0-9+/]{6,}={0,2})"), _is_user_and_password),
    # What `docker login` and npm keep.
    (compile_bytes(rb"\b_?auth\\*\"?\s*[:=]\s*\\*\"?([A-Za-z0-9+/]{6,}={0,2})"), _is_user_and_password),
    (compile_bytes(rb"(?i)\bSignature=([0-9a-f]{40,})"), None),
    (compile_bytes(rb"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"'\\<>]*:([^\s/@\"'\\<>]+)@"), None),
    # A token in the place of a user.
    (compile_bytes(rb"[A-Za-z][A-Za-z0-9+.-]*://([A-Za-z0-9_-]{20,})@"), _has_digit),
)
_BEGIN: Final = compile_bytes(rb"-----BEGIN[ +][A-Z0-9 +]{0,40}PRIVATE[ +]KEY(?:[ +]BLOCK)?-----")
_END: Final = compile_bytes(rb"-----END[ +][A-Z0-9 +]{0,40}PRIVATE[ +]KEY(?:[ +]BLOCK)?-----")
_KEY_TEXT: Final = compile_bytes(rb"(?:[A-Za-z0-9+/=\s:,.-]|\\+[nrt/])*")
# What is left of a key that was cut off.
_KEY_LINES: Final = compile_bytes(rb"(?:[A-Za-z0-9+/=\s]|\\+[nrt/])*")
_LONGEST_KEY: Final = 16 * 1024
_PARAMETER: Final = compile_bytes(rb"[?&;]([A-Za-z0-9_.%-]+)=([^&\s\"'\\<>#;]{3,})")


def find_values(text: bytes) -> Iterator[Span]:
    """The places of credentials that are known by their looks."""
    for pattern, judge in _FORMATS:
        for found in pattern.finditer(text):
            start, end = found.span(found.lastindex or 0)
            if judge is None or judge(text[start:end]):
                yield span_of(text, start, end)
    yield from _find_private_keys(text)
    for found in _PARAMETER.finditer(text):
        if is_secret_parameter(found.group(1).decode("latin-1")):
            start, end = found.span(2)
            yield span_of(text, start, end)


def _find_private_keys(text: bytes) -> Iterator[Span]:
    for begin in _BEGIN.finditer(text):
        # A slice and two finds: a lazy pattern for both would look through all the text from every beginning.
        rest = text[begin.end() : begin.end() + _LONGEST_KEY]
        end = _END.search(rest)
        if end is None or _KEY_TEXT.fullmatch(rest[: end.start()]) is None:
            yield span_of(text, begin.start(), begin.end() + _KEY_LINES.match(rest).end())
        else:
            yield span_of(text, begin.start(), begin.end() + end.end())
