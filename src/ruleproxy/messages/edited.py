"""Messages while rules work on them. Every write goes through the journal, so that a failed rule can be undone."""

from __future__ import annotations

import re
from functools import partial
from typing import Final
from urllib.parse import quote, unquote

from ruleproxy.messages.addresses import has_unknown_host, host_of, split_address
from ruleproxy.messages.body import Body, Unpack
from ruleproxy.messages.headers import HeaderFields
from ruleproxy.messages.journal import Journal
from ruleproxy.messages.message import Request, Response
from ruleproxy.messages.query import QueryFields
from ruleproxy.messages.secrets import Secret, Written
from ruleproxy.messages.upstreams import Upstream
from ruleproxy.messages.values import EditRefused

_UNSAFE: Final = re.compile("[\x00-\x20\x7f#]|%00")
_UNWELCOME: Final = re.compile("[\x00-\x1f\x7f]|%00")
_METHOD: Final = re.compile("[A-Z][A-Z-]*")


Destination = tuple[str, str, str, str | None]
"""Where a request goes: an upstream's name, origin and base path, and the whole path where a rule wrote it."""


class EditedUpstream:
    """Where the request goes: one of the declared upstreams, and the path there if a rule wrote the whole URL."""

    __slots__ = ("_journal", "_secrets", "_sign", "base_path", "declared", "exact_path", "name", "origin", "timeout")

    def __init__(self, declared: tuple[Upstream, ...], journal: Journal, secrets: Written) -> None:
        first = declared[0]
        self.declared = declared
        self.name = first.name
        self.origin = first.origin
        self.base_path = first.base
        self.exact_path: str | None = None
        self.timeout: float | None = None
        self._sign: str | None = None
        self._journal = journal
        self._secrets = secrets

    @property
    def host(self) -> str:
        """The host name, without a port."""
        return host_of(self.origin)

    @property
    def base(self) -> str | Secret:
        """Origin and base path."""
        return self._secrets.wrap(self.origin + self.base_path)

    def become_base(self, url: str | Secret) -> bool:
        """Send to another base; path and query of the request are kept."""
        origin, path, query = self._declared_origin(url)
        if query:
            raise EditRefused("upstream.base has no query: the request's own is kept")
        return self._change("base", str(self.base), origin, path.rstrip("/"), None)

    def become_url(self, url: str | Secret, path: str) -> bool:
        """Send to exactly this URL; `path` is the one that would have been asked for. The query is the caller's."""
        origin, exact, _ = self._declared_origin(url)
        return self._change("url", self.origin + path, origin, self.base_path, exact or "/")

    def become_name(self, name: str | Secret) -> bool:
        """Send to a declared upstream."""
        for upstream in self.declared:
            if upstream.name == name:
                return self._change("name", self.name, upstream.origin, upstream.base, None, upstream.name)
        raise EditRefused(f"no upstream is named {name!r}: declared are {', '.join(u.name for u in self.declared)}")

    @property
    def sign(self) -> str | None:
        """How the request is signed after the last edit: as a rule says, else as the upstream's settings do."""
        return self._sign or next((u.sign for u in self.declared if u.name == self.name), None)

    def write_sign(self, how: str) -> bool:
        """Sign the request after the last edit."""
        if how != "aws":
            raise EditRefused(f'upstream.sign takes "aws", not {how!r}')
        if how == self.sign:
            return False
        self._journal.add(setattr, self, "_sign", self._sign)
        if self._journal.detailed:
            self._journal.describe("~", "upstream.sign", "none", how)
        self._sign = how
        return True

    def write_timeout(self, seconds: float) -> bool:
        """Give up on an upstream that is silent for this long."""
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise EditRefused("upstream.timeout takes a duration")
        if not 0 < seconds < 1e9:
            raise EditRefused(f"upstream.timeout is longer than 0, not {seconds:g}s")
        if seconds == self.timeout:
            return False
        self._journal.add(setattr, self, "timeout", self.timeout)
        if self._journal.detailed:
            self._journal.describe("~", "upstream.timeout", str(self.timeout or "default"), f"{seconds:g}s")
        self.timeout = seconds
        return True

    def _declared_origin(self, url: str | Secret) -> tuple[str, str, str]:
        try:
            parts = split_address(url)
        except ValueError as error:
            raise EditRefused(str(error)) from None
        known_origin = parts[0] == self.origin or any(parts[0] == upstream.origin for upstream in self.declared)
        if not known_origin and not has_unknown_host(url, parts[0]):
            known = ", ".join(upstream.origin for upstream in self.declared)
            shown = url if isinstance(url, Secret) else parts[0]
            raise EditRefused(f"{shown} is not a declared upstream (declared: {known})")
        self._secrets.add((url,))
        return parts

    def _change(
        self, what: str, before: str, origin: str, base: str, exact: str | None, name: str | None = None
    ) -> bool:
        same = [upstream.name for upstream in self.declared if upstream.origin == origin]
        name = name or (self.name if self.name in same else [*same, host_of(origin)][0])
        fresh = (name, origin, base, exact)
        if self.destination == fresh:
            return False
        self._journal.add(self.restore, *self.destination)
        self.restore(*fresh)
        if self._journal.detailed:
            after = {"base": str(self.base), "url": origin + (exact or ""), "name": name}[what]
            self._journal.describe("~", f"upstream.{what}", *map(self._secrets.mask, (before, after)))
        return True

    @property
    def destination(self) -> Destination:
        """Where the request goes, for `restore`."""
        return self.name, self.origin, self.base_path, self.exact_path

    def restore(self, name: str, origin: str, base: str, exact: str | None) -> None:
        """Go there (again), without a word in the journal."""
        self.name, self.origin, self.base_path, self.exact_path = name, origin, base, exact


class EditedRequest:
    """A request on its way through the rules; `raw_path` is percent-encoded text, without the proxy's base path.

    `unpack` undoes the content codings of its body, once somebody looks inside.
    """

    __slots__ = ("_journal", "_secrets", "body", "headers", "method", "query", "raw_path", "unpack", "upstream")

    def __init__(
        self, request: Request, declared: tuple[Upstream, ...], journal: Journal, unpack: Unpack | None = None
    ) -> None:
        self.unpack = unpack
        self.method = request.method
        self.raw_path = request.raw_path.decode("latin-1")
        self._secrets = Written()
        self.query = QueryFields(request.query, journal, self._secrets)
        self.headers = HeaderFields(request.headers, journal, outgoing=True)
        problem = encoded_problem(self.headers)
        if problem is None or unpack is None:
            self.body = Body(request.body, journal, problem)
        else:
            self.body = Body(request.body, journal, unpack=partial(unpack, request.headers))
        self.upstream = EditedUpstream(declared, journal, self._secrets)
        self._journal = journal

    @property
    def path(self) -> str:
        """The path decoded."""
        return unquote(self.raw_path)

    def write_path(self, path: str) -> bool:
        """Write the decoded path; it is encoded once."""
        if _UNWELCOME.search(path) is not None:
            raise EditRefused(f"{path[:80]!r} cannot be a path: it holds a control character or %00")
        return self.write_raw_path(quote(path, safe="/:@!$&'()*+,;=-._~"), "path")

    def write_raw_path(self, path: str, where: str = "raw_path") -> bool:
        """Write the path as it shall stand in the request line."""
        if not path.startswith("/") or _UNSAFE.search(path) is not None or "?" in path or not path.isascii():
            raise EditRefused(
                f"{path[:80]!r} cannot be a path: it begins with / and holds no space, ?, #, %00 or control"
            )
        return self._write("raw_path", where, path)

    def write_method(self, method: str) -> bool:
        """Write the method."""
        if _METHOD.fullmatch(method) is None:
            raise EditRefused(f"{method[:40]!r} is not a method")
        return self._write("method", "method", method)

    def _write(self, attribute: str, where: str, value: str) -> bool:
        before = getattr(self, attribute)
        if before == value:
            return False
        self._journal.add(setattr, self, attribute, before)
        if self._journal.detailed:
            self._journal.describe("~", where, before, value)
        setattr(self, attribute, value)
        return True

    def write_url(self, url: str | Secret) -> bool:
        """Send to exactly this URL; its query takes the place of the client's."""
        changed = self.upstream.become_url(url, self.outgoing_path)
        query = split_address(url)[2]
        if query.encode("latin-1") != self.query.text:
            self.query.become(query)
            changed = True
        return changed

    @property
    def outgoing_path(self) -> str:
        """The path that the upstream is asked for."""
        exact = self.upstream.exact_path
        return self.upstream.base_path + self.raw_path if exact is None else exact

    @property
    def url(self) -> str | Secret:
        """The whole URL that the upstream is asked for."""
        query = self.query.text.decode("latin-1")
        return self._secrets.wrap(self.upstream.origin + self.outgoing_path + (f"?{query}" if query else ""))


class EditedResponse:
    """An answer on its way through the rules; `streamed` says that it is a stream, which has no body to read."""

    __slots__ = ("_journal", "body", "headers", "status", "streamed")

    def __init__(self, response: Response, journal: Journal, *, streamed: bool = False) -> None:
        self.status = response.status
        self.headers = HeaderFields(response.headers, journal)
        self.body = Body(response.body, journal, encoded_problem(self.headers))
        self.streamed = streamed
        self._journal = journal

    def write_status(self, status: int) -> bool:
        """Write the status, 200 to 599."""
        if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
            raise EditRefused(f"{status!r} is not a status of a final answer (200 to 599)")
        if status == self.status:
            return False
        self._journal.add(setattr, self, "status", self.status)
        if self._journal.detailed:
            self._journal.describe("~", "status", str(self.status), str(status))
        self.status = status
        return True


def encoded_problem(headers: HeaderFields) -> str | None:
    """Why a body with these headers cannot be read as it is, if so."""
    encoding = headers.get("content-encoding")
    if isinstance(encoding, str) and encoding.strip().lower() not in ("", "identity"):
        return f"content-encoding {encoding}: not opened"
    return None
