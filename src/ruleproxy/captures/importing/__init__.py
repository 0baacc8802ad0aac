"""Captures made of what other tools wrote: HAR files, `curl` command lines, raw HTTP requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ruleproxy.captures.importing.curl import looks_like_curl, read_curl
from ruleproxy.captures.importing.found import CannotImport, Found, Imported
from ruleproxy.captures.importing.har import looks_like_har, read_har
from ruleproxy.captures.importing.http_text import looks_like_http, read_http


def read_foreign(text: bytes, folder: Path, wanted: Callable[[str], bool]) -> Iterator[Found]:
    """What a file of any known format holds; `folder` is where a command's own files are looked for.

    `wanted` chooses by URL among many exchanges. Raises CannotImport where nothing of the file can be used.
    """
    if not text.strip():
        raise CannotImport("empty")
    if looks_like_har(text):
        yield from read_har(text, wanted)
        return
    if looks_like_http(text):
        yield Imported("", read_http(text))
        return
    decoded = text[:1_000_000].decode("utf-8-sig", "surrogateescape")
    if looks_like_curl(decoded):
        yield Imported("", read_curl(decoded, folder))
        return
    raise CannotImport(_explain(text))


def _explain(text: bytes) -> str:
    if b'"request"' in text[:4096] and text.lstrip().startswith(b"{"):
        return "a capture already, or some other JSON: a HAR has its entries in /log/entries"
    if b"7:version;" in text[:200] or (b":version;" in text[:4096] and b"~" in text[:20]):
        return "mitmproxy's own format: mitmdump --no-server --rfile FILE --set hardump=FILE.har makes a HAR of it"
    return "no HAR, no command of curl and no HTTP request"
