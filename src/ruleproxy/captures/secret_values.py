"""Credentials that are known by their own looks: the formats of key issuers, and what only a credential follows.

The formats are those that issuers publish for secret scanners (prefix, alphabet, shortest length). None of them has
a quotation mark or a backslash in it, so that masking one within JSON text leaves JSON. Linear time (google-re2):
the text is a stranger's. Text is bytes throughout: a secret is ASCII, whatever surrounds it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any, Final

import re2

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


_FORMATS: Final[tuple[tuple[Any, int, Callable[[bytes], bool] | None], ...]] = (
    (
        compile_bytes(
            rb"sk-ant-[A-Za-z0-9_-]{6,}"  # Anthropic
            rb"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_.-]{16,}"
            rb"|xox[abcdeprs]-[A-Za-z0-9-]{8,}|xapp-[0-9]-[A-Za-z0-9-]{8,}"  # Slack
            rb"|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{16,}|GOCSPX-[A-Za-z0-9_-]{20,}"  # Google
            rb"|ABSK[A-Za-z0-9+/]{40,}={0,2}|AGE-SECRET-KEY-1[A-Z0-9]{40,}"  # Bedrock, age
            rb"|hf_[A-Za-z0-9]{24,}|gsk_[A-Za-z0-9]{32,}|xai-[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{32,}"
            rb"|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}"  # Stripe
            rb"|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
            rb"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"  # JSON web tokens
        ),
        0,
        None,
    ),
    (compile_bytes(rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,}"), 0, _is_access_key),
    (compile_bytes(_BEFORE + rb"(sk-[A-Za-z0-9_-]{18,})"), 1, _has_digit),
    (compile_bytes(rb"(?i)\bbearer(?:\s|%20|\+)+([A-Za-z0-9._~+/=-]{8,})"), 1, _is_bearer),
    (compile_bytes(rb"(?i)\bbasic(?:\s|%20|\+)+([A-Za-z0-9+/]{6,}={0,2})"), 1, _is_user_and_password),
    (compile_bytes(rb"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"'\\<>]*:([^\s/@\"'\\<>]+)@"), 1, None),
)
_BEGIN: Final = compile_bytes(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END: Final = compile_bytes(rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_TEXT: Final = compile_bytes(rb"(?:[A-Za-z0-9+/=\s:,.-]|\\+[nrt/])*")
# What is left of a key that was cut off.
_KEY_LINES: Final = compile_bytes(rb"(?:[A-Za-z0-9+/=\s]|\\+[nrt/])*")
_LONGEST_KEY: Final = 16 * 1024
_PARAMETER: Final = compile_bytes(rb"[?&;]([A-Za-z0-9_.%-]+)=([^&\s\"'\\<>#;]{3,})")


def find_values(text: bytes) -> Iterator[Span]:
    """The places of credentials that are known by their looks."""
    for pattern, group, judge in _FORMATS:
        for found in pattern.finditer(text):
            start, end = found.span(group)
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
