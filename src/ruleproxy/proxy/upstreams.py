"""The upstreams that were declared: the only places a request may go to."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Upstream:
    """`origin` is `scheme://host[:port]` in lower case, without the scheme's own port; `base_path` comes before
    a client's path and has no slash at its end (empty: none).
    """

    name: str
    origin: str
    base_path: bytes = b""


def parse_upstream(name: str, url: str) -> Upstream:
    """An upstream from its URL. Raises ValueError; the text never repeats what may be a credential."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("the URL holds a character that is not allowed in one")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("the URL does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("the URL holds a user name or password, which belong into a header")
    if not parts.hostname:
        raise ValueError("the URL names no host")
    if "?" in url or "#" in url:
        raise ValueError("the URL holds a query or a fragment, which no request keeps")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the URL's port is not a number up to 65535") from None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default_port = 80 if parts.scheme == "http" else 443
    origin = f"{parts.scheme}://{host}" + ("" if port is None or port == default_port else f":{port}")
    return Upstream(name, origin, parts.path.rstrip("/").encode("ascii"))
