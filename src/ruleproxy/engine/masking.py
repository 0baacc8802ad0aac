"""Credentials in traces, differences and snapshots: masked where something is written down, as in captures."""

from __future__ import annotations

import re
from typing import Final

from ruleproxy.captures.masking import Masker
from ruleproxy.captures.redaction import mask_headers, mask_target
from ruleproxy.captures.secret_names import is_secret_header, is_secret_parameter
from ruleproxy.captures.spans import mask

_masker: Final = Masker()
_NAMED: Final = re.compile(r"\b(headers|query)(?:\.([A-Za-z_]\w*)|\[\"([^\"]+)\"\])")


def mask_header(name: str, value: str) -> str:
    """The value of a header, masked where it is a credential; the scheme of an authorization stays."""
    ((_, masked),) = mask_headers([(name.encode("latin-1"), value.encode("latin-1"))], _masker)
    return masked.decode("latin-1")


def mask_parameter(name: str, value: str) -> str:
    """The value of a query member, masked where it is a credential."""
    return mask_text(mask(value.encode()).decode() if is_secret_parameter(name) and value else value)


def mask_path(target: str) -> str:
    """A path with its query, the credentials in it masked."""
    return mask_target(target.encode("latin-1"), _masker).decode("latin-1")


def mask_text(text: str) -> str:
    """Any text, masked what has the looks of a credential; JSON stays JSON."""
    return _masker.mask_text(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def reads_secret(expression: str) -> bool:
    """Whether the text of an expression names a header or a query member that holds a credential."""
    return any(
        (is_secret_header if kind == "headers" else is_secret_parameter)(member or literal)
        for kind, member, literal in _NAMED.findall(expression)
    )
