"""Credentials in traces, differences and snapshots: masked where something is written down, as in captures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from ruleproxy.captures.masking import Masker
from ruleproxy.captures.redaction import mask_headers, mask_target
from ruleproxy.captures.secret_names import is_secret_header, is_secret_name, is_secret_parameter
from ruleproxy.captures.spans import mask
from ruleproxy.language.diagnostics import Diagnostic
from ruleproxy.language.reporting import render_all

_masker: Final = Masker()
_KEY: Final = r"(?:\.([A-Za-z_]\w*)|\[\"([^\"]+)\"\])"
_STEP: Final = re.compile(rf"\.(headers|query){_KEY}|{_KEY}")
# A key in brackets is no literal.
_LITERAL: Final = re.compile(r"\[\"[^\"]*\"\]|\"((?:[^\"\\]|\\.)+)\"|\[\[(.+?)\]\]", re.DOTALL)
# How a secret of the rules is shown (`messages/secrets`), mostly behind the scheme of an authorization.
_SHOWN: Final = re.compile(r"(?:[A-Za-z]+ )?secret:[A-Z][A-Z0-9_]*")
# The same as the host of a URL, not as a user with a password.
_SHOWN_HOST: Final = re.compile(r"(?<=://)secret:[A-Z][A-Z0-9_]*(?![A-Za-z0-9_])(?![^/\s\"]*@)")
_CUT: Final = re.compile(r"(.*)(… \(\d+ characters\))", re.DOTALL)
_HALF: Final = re.compile(r"(?<![^\s\"'{}\[\],*])(?=[a-z_.:-]*[0-9A-Z])[^\s\"'{}\[\],*]{1,47}\Z")
"""What was cut off may be half a key, too short to be known as one; longer ones are known, and keys are no words."""


def mask_header(name: str, value: str) -> str:
    """The value of a header, masked where it is a credential; the scheme of an authorization stays.

    A secret of the rules is shown by its name already, and that stays, too.
    """
    if _SHOWN.fullmatch(value):
        return value
    ((_, masked),) = mask_headers([(name.encode("latin-1"), value.encode("latin-1"))], _masker)
    return masked.decode("latin-1")


def mask_parameter(name: str, value: str) -> str:
    """The value of a query member, masked where it is a credential."""
    hidden = is_secret_parameter(name) and value and not _SHOWN.fullmatch(value)
    return mask_text(mask(value.encode()).decode() if hidden else value)


def mask_path(target: str) -> str:
    """A path with its query, the credentials in it masked."""
    return mask_target(target.encode("latin-1"), _masker).decode("latin-1")


def mask_text(text: str) -> str:
    """Any text, masked what has the looks of a credential; JSON stays JSON."""
    hosts = _SHOWN_HOST.findall(text)
    hidden = _SHOWN_HOST.sub("host.of.the.rules", text) if hosts else text
    masked = _masker.mask_text(hidden.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    for host in hosts:
        masked = masked.replace("host.of.the.rules", host, 1)
    cut = _CUT.fullmatch(masked)
    return masked if cut is None else _HALF.sub("", cut[1]) + cut[2]


def mask_member(name: str, value: str) -> str:
    """The value of a JSON member as it is shown: JSON text, or a string as it is."""
    if not is_secret_name(name) or value in ("null", "true", "false", "nil"):
        return mask_text(value)
    if value.startswith(("[", "{")):
        return mask_text(f'"{name}":{value}')[len(name) + 3 :]
    if value.startswith('"'):
        return json.dumps(mask(_CUT.sub(r"\1", value).strip('"').encode("utf-8", "surrogatepass")).decode())
    return mask(value.encode("utf-8", "surrogatepass")).decode() if value.strip() else value


def mask_at(pointer: str, value: str) -> str:
    """A value, as it is shown, at a JSON pointer: the members of a list of secrets are secrets."""
    names = [step for step in pointer.split("/") if not step.isdigit()]
    return mask_member(names[-1] if names else "", value)


def mask_listing(text: str) -> str:
    """Lines of source with their underlines: what is masked keeps its width."""
    return _masker.mask_in_place(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


def render_diagnostics(diagnostics: Iterable[Diagnostic], *, colour: bool = False) -> str:
    """What `render_all` says: a rule may have a key written out, a log or a terminal should not."""
    return mask_listing(render_all(diagnostics, colour=colour))


def mask_expression(expression: str) -> str:
    """The text of an expression: where it asks for a credential, what it compares it with is one."""
    if not reads_secret(expression):
        return mask_text(expression)
    return _LITERAL.sub(_mask_literal, expression)


def _mask_literal(found: re.Match[str]) -> str:
    content = found[1] or found[2]
    return found[0] if content is None else f'"{mask(content.encode()).decode()}"'


def mask_operand(expression: str, value: str) -> str:
    """The value of an expression, as it is shown."""
    if value == "nil" or not reads_secret(expression):
        return mask_text(value)
    plain = value.strip('"')
    shown = mask_header("authorization", plain)
    return value.replace(plain, shown) if plain else value


def reads_secret(expression: str) -> bool:
    """Whether the text of an expression names a header, a query member or a JSON member that holds a credential."""
    for kind, *names in _STEP.findall(expression):
        name = "".join(names)
        if is_secret_name(name) or (kind and (is_secret_header if kind == "headers" else is_secret_parameter)(name)):
            return True
    return False
