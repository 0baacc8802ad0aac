"""URLs that rules write, and the host in them, also where that is a secret without a value.

Rules are checked and tested where their secrets are not. There a secret's value is `secret:NAME`, which no URL can
have in its origin: here it can, and reads back as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from ruleproxy.messages.secrets import Secret, url_text
from ruleproxy.messages.upstreams import split_url

_NAME: Final = re.compile(r"secret:[A-Za-z_][A-Za-z0-9_]*")
"""No real origin has this: what follows a host's colon is a number."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def split_address(url: str | Secret) -> tuple[str, str, str]:
    """Origin, path and query, as `split_url` has them. Raises ValueError, and `EditRefused` as `url_text` does.

    A secret without a value may be the host, a part of it, or all up to the path.
    """
    text = url_text(url, "an upstream")
    if _NAME.search(text) is None:
        return split_url(text)
    hidden, show = _hide_names(text)
    scheme = "" if _SCHEME.match(hidden) else "https://"
    origin, path, query = split_url(scheme + hidden)
    return show(origin.removeprefix(scheme)), show(path), show(query)


def host_of(origin: str) -> str:
    """The host name of an origin, without a port; of one that is a secret by itself that."""
    hidden, show = _hide_names(origin)
    return show(urlsplit(hidden if "://" in hidden else f"//{hidden}").hostname or "")


def has_unknown_host(url: str | Secret, origin: str) -> bool:
    """Whether a secret without a value decides on the origin that a URL has."""
    unknown = {shown for text, shown in url.named if text == shown} if isinstance(url, Secret) else set()
    return not unknown.isdisjoint(_NAME.findall(origin))


def _hide_names(text: str) -> tuple[str, Callable[[str], str]]:
    """The text with a host's label for each name, and what puts the names back."""
    names: list[str] = list(dict.fromkeys(_NAME.findall(text)))
    labels = {f"secret-{number}-without-value": name for number, name in enumerate(names)}
    numbers = {name: label for label, name in labels.items()}

    def show(part: str) -> str:
        for label, name in labels.items():
            part = part.replace(label, name)
        return part

    return _NAME.sub(lambda found: numbers[found[0]], text), show
