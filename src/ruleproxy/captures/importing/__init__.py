"""Captures made of what other tools wrote: HAR files, `curl` command lines, raw HTTP requests."""

from __future__ import annotations

import codecs
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
    text = _without_mark(text)
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


def _without_mark(text: bytes) -> bytes:
    # What Windows writes: UTF-8 with a byte order mark, and UTF-16.
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return text.decode("utf-16").encode()
        except UnicodeError as error:
            raise CannotImport(f"not UTF-16, as its first two bytes say: {error}") from None
    return text.removeprefix(codecs.BOM_UTF8)


def _explain(text: bytes) -> str:
    if text.startswith(b"HTTP/"):
        return "an answer without the request before it"
    if b"schema.getpostman.com" in text[:4096] or b"__export_format" in text[:4096]:
        return "a collection of Postman or Insomnia: copy a request of it as cURL, or export a HAR"
    if text.lstrip().startswith((b"Invoke-WebRequest", b"$session", b"fetch(")):
        return "a command for PowerShell or a browser's console: copy it as cURL (bash)"
    if b'"request"' in text[:4096] and text.lstrip().startswith(b"{"):
        return "a capture already, or some other JSON: a HAR has its entries in /log/entries"
    if b"7:version;" in text[:200] or (b":version;" in text[:4096] and b"~" in text[:20]):
        return "mitmproxy's own format: mitmdump --no-server --rfile FILE --set hardump=FILE.har makes a HAR of it"
    return "no HAR, no command of curl and no HTTP request"
