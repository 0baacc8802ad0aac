"""The upstreams that were declared: the only places a request may go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Upstream:
    """A declared upstream.

    `origin` is `scheme://host[:port]` in lower case, without the scheme's own port; `base` comes before a client's
    path and has no slash at its end (empty: none). `sign` names how its requests are signed, unless a rule says it.
    """

    name: str
    origin: str
    base: str = ""
    sign: str | None = None

    @property
    def base_url(self) -> str:
        """Origin and base path."""
        return self.origin + self.base

    @classmethod
    def from_url(cls, name: str, url: str, *, sign: str | None = None) -> Upstream:
        """An upstream from its URL. Raises ValueError; the text never repeats what may be a credential."""
        if "?" in url or "#" in url:
            raise ValueError("the URL holds a query or a fragment, which no request keeps")
        origin, path, _ = split_url(url)
        return cls(name, origin, path.rstrip("/"), sign)


def split_url(url: str) -> tuple[str, str, str]:
    """Origin, path and query of a URL. Raises ValueError that says what is wrong, without repeating the URL."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or "#" in url or "%00" in url:
        raise ValueError("the URL holds a character that is not allowed in one")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("the URL does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("the URL holds a user name or password, which belong into a header")
    if not parts.hostname:
        raise ValueError("the URL names no host")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the URL's port is not a number up to 65535") from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")
    return origin, parts.path, parts.query
