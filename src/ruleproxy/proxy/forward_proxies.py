"""The proxies between here and the upstreams: from settings, or from the variables that every program reads.

`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case, with the semantics of `urllib.request`: the
lower-case name wins; `NO_PROXY` is a list of host names (which stand for what is below them, too), optionally with a
port, or `*`; networks (`10.0.0.0/8`) and `*.name` are understood besides. Upstreams on this machine's loopback are
reached directly whatever the environment says, as in Go: no proxy could reach them. A proxy in the settings is used
for whatever it was set for.
"""

from __future__ import annotations

import base64
import ipaddress
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

_PORTS: Final = {"http": 80, "https": 443}
DIRECT: Final = "none"
"""The setting that says: no proxy, whatever the environment says."""


class BadProxy(ValueError):
    """A proxy that cannot be used; the text never repeats its URL, which may hold a password."""


@dataclass(frozen=True, slots=True)
class ForwardProxy:
    """A proxy that speaks HTTP; `authorization` is the value of `Proxy-Authorization`."""

    host: str
    port: int
    secure: bool = False
    authorization: bytes | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """`host:port`, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ForwardProxies:
    """Which proxy leads to which origin. `always` is used for all; else `by_scheme` with what `exempt` leaves.

    `broken` are schemes whose variable names no usable proxy, each with what is wrong.
    """

    always: ForwardProxy | None = None
    by_scheme: Mapping[str, ForwardProxy] = field(default_factory=lambda: MappingProxyType({}))
    exempt: str = ""
    broken: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def find(self, scheme: str, host: str, port: int) -> ForwardProxy | None:
        """The proxy for an origin, None for a direct connection. Raises `BadProxy`."""
        if self.always is not None or not (self.by_scheme or self.broken) or _is_loopback(host):
            return self.always
        if self.exempt and _is_exempt(host, port, self.exempt):
            return None
        if scheme in self.broken:
            raise BadProxy(self.broken[scheme])
        return self.by_scheme.get(scheme)


NO_PROXIES: Final = ForwardProxies()


def read_proxies(setting: str | None, environment: Mapping[str, str]) -> ForwardProxies:
    """The proxies of a `proxy` setting: a URL, `none`, or None for those of the environment. Raises `BadProxy`."""
    if setting == DIRECT:
        return NO_PROXIES
    if setting is not None:
        return ForwardProxies(always=parse_proxy(setting))
    by_scheme: dict[str, ForwardProxy] = {}
    broken: dict[str, str] = {}
    for scheme in _PORTS:
        name, url = _find_variable(environment, f"{scheme}_proxy", "all_proxy")
        # A CGI server sets HTTP_PROXY from a client's `Proxy` header: https://httpoxy.org.
        if not url or (name == "HTTP_PROXY" and "REQUEST_METHOD" in environment):
            continue
        try:
            by_scheme[scheme] = parse_proxy(url if "://" in url else f"http://{url}")
        except BadProxy as error:
            broken[scheme] = f"{name}: {error}"
    _, exempt = _find_variable(environment, "no_proxy")
    return ForwardProxies(None, by_scheme, exempt, broken)


def parse_proxy(url: str) -> ForwardProxy:
    """A proxy from its URL, `http[s]://[user:password@]host[:port]`. Raises `BadProxy`."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise BadProxy("the URL of the proxy holds a character that is not allowed in one")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        scheme = parts.scheme if parts.scheme in ("socks", "socks4", "socks4a", "socks5", "socks5h") else "such"
        raise BadProxy(f"{scheme} proxies are not spoken here, only http:// and https://")
    try:
        port = parts.port
    except ValueError:
        raise BadProxy("the port of the proxy is not a number up to 65535") from None
    if not parts.hostname:
        raise BadProxy("the URL of the proxy names no host")
    authorization = None
    if parts.username is not None:
        pair = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
        authorization = b"Basic " + base64.b64encode(pair)
    return ForwardProxy(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "https", authorization)


def describe_refusal(status: int) -> str:
    """What a proxy means that answers with this status instead of doing what it was asked."""
    match status:
        case 407:
            return "it answered 407: it wants (other) credentials, http://USER:PASSWORD@HOST:PORT"
        case 403:
            return "it answered 403: it does not allow this destination"
        case 502 | 503 | 504:
            return f"it answered {status}: it could not reach it itself"
        case _:
            return f"it answered {status}"


def _find_variable(environment: Mapping[str, str], *names: str) -> tuple[str, str]:
    """The first variable that is there, in lower case before upper; an empty one says: none."""
    for name in names:
        for spelling in (name, name.upper()):
            if spelling in environment:
                return spelling, environment[spelling].strip()
    return "", ""


def _is_exempt(host: str, port: int, exempt: str) -> bool:
    address = _read_address(host)
    names = []
    for entry in exempt.split(","):
        entry = entry.strip()
        if entry == "*":
            return True
        network = _read_network(entry)
        if network is None:
            names.append(entry.removeprefix("*"))
        elif address is not None and address in network:
            return True
    return bool(urllib.request.proxy_bypass_environment(f"{host}:{port}", {"no": ",".join(names)}))  # type: ignore[attr-defined]


def _read_network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _read_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _read_address(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")
