"""Credentials are masked where something is written down, not where it is read."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"

_SECRET: Final = re.compile(
    r"(?i)(?:^|[-_])(?:authorization|api-?key|apikey|cookie|token|secret|password|signature|credential|security-token"
    r"|subscription-key|session-?key)s?$|^key$"
)
_NOT_SECRET: Final = frozenset({"max-tokens", "max_tokens", "budget_tokens", "signature"})
_NAMED: Final = re.compile(r"(?:headers|query)(?:\.([A-Za-z_]\w*)|\[\"([^\"]+)\"\])")


def is_secret(name: str) -> bool:
    """Whether a header or a query member of this name carries a credential."""
    return name.lower() not in _NOT_SECRET and _SECRET.search(name.lower()) is not None


def mask_value(value: str) -> str:
    """A credential as it may be written: the scheme of an authorization header stays."""
    scheme, space, rest = value.partition(" ")
    return f"{scheme} {MASK}" if space and rest and scheme.isalpha() else MASK


def mask_named(name: str, value: str) -> str:
    """The value of a header or a query member, masked where its name says that it is a credential."""
    return mask_value(value) if is_secret(name) else value


def reads_secret(expression: str) -> bool:
    """Whether the text of an expression names a header or a query member that carries a credential."""
    return any(is_secret(member or literal) for member, literal in _NAMED.findall(expression))
