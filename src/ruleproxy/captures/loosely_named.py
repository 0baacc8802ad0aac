"""Credentials whose name stands before them without a colon or an equals sign: options of commands, elements, cells
of tables, members of lists, parts of forms, sentences.

So close to prose, a value has to look like a credential; none has a quotation mark or a backslash in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ruleproxy.captures.named_values import looks_secret
from ruleproxy.captures.secret_names import is_secret_header, is_secret_name
from ruleproxy.captures.secret_values import compile_bytes
from ruleproxy.captures.spans import Span, span_of

_KIND: Final = rb"(?i:key|token|secret|passw|passphrase|pwd|credential|authorization)"
_NAME: Final = rb"([A-Za-z0-9_.-]*" + _KIND + rb"[A-Za-z0-9_.-]*)"
_VALUE: Final = rb"([^\s\"'\\,;<>&|(){}\[\]`]{4,})"
_CONTENT: Final = rb"([^\"'\\\r\n]{4,})"
_BREAK: Final = rb"(?:\r?\n|(?:\\+r)?\\+n)"
_MARK: Final = rb"\\*[\"']"

# Values that are quoted, or set apart otherwise: what may stand there is a value and no prose.
_SET_APART: Final[tuple[Any, ...]] = tuple(
    compile_bytes(pattern)
    for pattern in (
        # --api-key VALUE, -Password "VALUE", ["--token", "VALUE"]
        rb"(?:^|[\s\"'`(=,\[]|\\[nrt])--?" + _NAME + rb"(?:[ \t]+(?:" + _MARK + rb")?|" + _MARK + rb"\s*,\s*" + _MARK
        + rb")" + _VALUE,
        # <password>VALUE</password>
        rb"<" + _NAME + rb"(?:\s[^<>]{0,200})?>\s*([^<>\s\"'\\]{4,})\s*</",
        # The item of a mapping: os.environ["API_KEY"] = "VALUE"
        _NAME + _MARK + rb"\s*\]\s*[=!~]?==?\s*" + _MARK + _VALUE,
        # password: | in YAML
        _NAME + rb"(?:" + _MARK + rb")?:[ \t]*[|>][+-]?[ \t]*" + _BREAK + rb"[ \t]+" + _VALUE,
        # machine HOST login USER password VALUE
        rb"\blogin\s+\S+\s+(password)\s+" + _VALUE,
    )
)  # fmt: skip
# Values that stand where their like would be text, too.
_AMONG_TEXT: Final[tuple[Any, ...]] = tuple(
    compile_bytes(pattern)
    for pattern in (
        # Neighbours in a list or a call: setenv("API_KEY", "VALUE")
        _MARK + _NAME + _MARK + rb"\s*,\s*" + _MARK + _VALUE,
        # ENV API_KEY VALUE
        rb"\b([A-Z][A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PWD))[ \t]+(?:" + _MARK + rb")?" + _VALUE,
        # | password | VALUE |, the token is `VALUE`
        _NAME + rb"(?:\*\*|[`\"'_])?\s*(?:\||\bis\b|\bwas\b|->|=>)\s*(?:\*\*|[`'_])?" + _VALUE,
        # API key: VALUE
        rb"((?i:api|access|secret|private|signing|account|storage|auth|subscription|master|admin|bearer)[ ]"
        rb"(?i:key|token|secret))\s*(?::|=|\||\bis\b|\bwas\b|->)\s*(?:\*\*|[`'_])?" + _VALUE,
    )
)
# What says its value by its own name: a name of a form, or of a setting.
_OF_ANY_LOOK: Final[tuple[Any, ...]] = tuple(
    compile_bytes(pattern)
    for pattern in (
        # the part of a form
        rb"\bname=\\*\"?([A-Za-z0-9_.-]+)\\*\"?(?:;[^\r\n\\]*)?(?:" + _BREAK + rb"[A-Za-z][^\r\n\\]*)*" + _BREAK
        + _BREAK + _CONTENT,
        # <add key="ApiKey" value="VALUE"/>
        rb"\b(?:key|name)=\\*\"([A-Za-z0-9_.-]+)\\*\"\s+value=\\*\"" + _CONTENT,
    )
)  # fmt: skip
# A pair whose value comes first: {"value": "VALUE", "name": "API_KEY"}
_NAMED_AFTER: Final = compile_bytes(
    rb"\"[vV]alue\\*\"\s*:\s*\\*\""
    + _CONTENT
    + rb"\\*\"\s*,\s*\\*\"(?:name|key|Name|Key)\\*\"\s*:\s*\\*\"([A-Za-z0-9_.-]+)\\*\""
)
# curl -u USER:VALUE, mysql -pVALUE: short options that mean so in a few commands only.
_SHORT: Final = compile_bytes(
    rb"[ \t](?:-u[ =]?|--user[ =]|-U[ =]?|--proxy-user[ =])\\*[\"']?[^\s:\"'\\]*:([^\s\"'\\]{3,})"
    rb"|[ \t]-[paw] ?\\*[\"']?([^\s\"'\\-][^\s\"'\\]{3,})"
)
_FETCHES: Final = (b"curl", b"wget", b"http")
_LOGS_IN: Final = (b"sshpass", b"mysql", b"mariadb", b"docker login", b"podman login", b"redis-cli", b"ldapsearch")
_COMMAND: Final = 300
_SHORTEST: Final = 8


def find_loosely_named(text: bytes) -> Iterator[Span]:
    """The places of credentials that have their names before them, in whatever way."""
    for found in _find(_SET_APART, text):
        if looks_secret(found.group(2), found.group(1).decode("ascii")):
            yield span_of(text, *found.span(2))
    for found in _find(_AMONG_TEXT, text):
        value = found.group(2)
        if _is_random(value) and looks_secret(value, found.group(1).decode("ascii")):
            yield span_of(text, *found.span(2))
    for found in _find(_OF_ANY_LOOK, text):
        yield span_of(text, *found.span(2))
    for found in _NAMED_AFTER.finditer(text):
        if _is_secret(found.group(2).decode("ascii")):
            yield span_of(text, *found.span(1))
    for found in _SHORT.finditer(text):
        command = text[max(0, found.start() - _COMMAND) : found.start()].rpartition(b"\n")[2]
        if any(name in command for name in (_FETCHES if found.lastindex == 1 else _LOGS_IN)):
            yield span_of(text, *found.span(found.lastindex))


def _find(patterns: tuple[Any, ...], text: bytes) -> Iterator[Any]:
    for pattern in patterns:
        for found in pattern.finditer(text):
            if _is_secret(found.group(1).decode("ascii")):
                yield found


def _is_secret(name: str) -> bool:
    return is_secret_name(name) or is_secret_header(name)


def _is_random(value: bytes) -> bool:
    letters = any(character.isalpha() for character in value.decode("latin-1"))
    return letters and any(0x30 <= byte <= 0x39 for byte in value) and len(value) >= _SHORTEST
