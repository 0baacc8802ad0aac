"""HAR files, as browsers, mitmproxy and other tools write them (http://www.softwareishard.com/blog/har-12-spec/).

A HAR has bodies without their content coding and as text; what the bytes were is told by the sizes beside them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from ruleproxy.captures.assembling import KeptBody, assemble_response
from ruleproxy.captures.capture import Capture, CapturedFailure, CapturedRequest, CapturedResponse
from ruleproxy.captures.fields import describe
from ruleproxy.captures.importing.found import (
    Broken,
    CannotImport,
    Found,
    Imported,
    LeftOut,
    encode_header,
    split_target,
    with_host,
)
from ruleproxy.messages.message import Headers
from ruleproxy.wire.headers import strip_hop_by_hop

_ENTRIES: Final = re.compile(r'"entries"\s*:\s*\[\s*')
_SEPARATOR: Final = re.compile(r"\s*,\s*")
_UNLIMITED: Final = 1 << 62
_NOT_OF_THE_WEB: Final = ("data:", "blob:", "about:", "file:", "chrome-extension:", "moz-extension:")


def looks_like_har(text: bytes) -> bool:
    """Whether a text is JSON with a `log` early on; whether it is a good HAR shows when it is read."""
    start = text.lstrip()[:4096]
    return start.startswith(b"{") and b'"log"' in start


def read_har(text: bytes, wanted: Callable[[str], bool]) -> Iterator[Found]:
    """The exchanges of a HAR whose URL is wanted, in its order. Raises CannotImport where it is none."""
    try:
        har = _parse(text)
    except RecursionError as error:
        raise CannotImport(f"not JSON: {error}") from None
    except ValueError as error:
        # A recording that broke off, mostly: what is whole of it can be used.
        whole = list(_parse_entries(text))
        if not whole:
            raise CannotImport(f"not JSON: {error}") from None
        yield from _read_entries(whole, wanted)
        yield Broken(f"/log/entries/{len(whole)}", f"not JSON from here on: {error}")
        return
    log = har.get("log") if isinstance(har, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise CannotImport("no HAR: there is no list /log/entries")
    yield from _read_entries(entries, wanted)


def _read_entries(entries: Iterable[Any], wanted: Callable[[str], bool]) -> Iterator[Found]:
    for number, entry in enumerate(entries):
        place = f"/log/entries/{number}"
        try:
            found = _read_entry(entry, place, wanted)
        except CannotImport as error:
            found = Broken(place, str(error))
        if found is not None:
            yield found


def _parse(text: bytes) -> Any:
    try:
        return orjson.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        # Tools write half surrogate pairs for bytes that are no text, and the standard library reads them.
        return json.loads(text.decode("utf-8-sig"))


def _parse_entries(text: bytes) -> Iterator[Any]:
    """The entries of a HAR that is no JSON as a whole, up to the first that is none itself."""
    plain = text.decode("utf-8", "surrogateescape")
    begin = _ENTRIES.search(plain)
    decoder = json.JSONDecoder()
    position = -1 if begin is None else begin.end()
    while position >= 0:
        try:
            entry, end = decoder.raw_decode(plain, position)
        except (ValueError, RecursionError):
            return
        yield entry
        separator = _SEPARATOR.match(plain, end)
        position = -1 if separator is None else separator.end()


def _read_entry(entry: Any, place: str, wanted: Callable[[str], bool]) -> Found | None:
    request = _take(entry, "request", dict)
    url = _take(request, "url", str)
    if not wanted(url):
        return None
    left_out = _leave_out(entry, request, url)
    if left_out is not None:
        return LeftOut(place, f"{url[:120]}: {left_out}")
    target = split_target(url)
    method = _take(request, "method", str)
    if not method.isascii() or not method.isprintable() or not method or " " in method:
        raise CannotImport(f"{method!r} is no method")
    headers = with_host(_read_headers(request), target.host)
    body, withheld = _read_request_body(request)
    coding = _coding(headers) if body else ""
    asked = CapturedRequest(method, target.path, headers, body, decoded=coding, withheld=withheld)
    response, failure = _read_response(entry)
    # Nothing says that rules stood in between: what was sent is what the client sent, and where to is worth keeping.
    sent = replace(asked, origin=target.origin)
    return Imported(place, Capture(asked, sent, response, failure, at=_read_time(entry)))


def _leave_out(entry: dict[str, Any], request: dict[str, Any], url: str) -> str | None:
    if "_webSocketMessages" in entry or entry.get("_resourceType") == "websocket" or url.startswith(("ws:", "wss:")):
        return "a web socket"
    if url.startswith(_NOT_OF_THE_WEB):
        return "no request of the web"
    response = entry.get("response")
    if isinstance(response, dict) and response.get("status") == 101:
        return "a web socket, or another protocol from there on"
    if entry.get("_fromCache"):
        return "from the browser's cache: nothing was sent"
    if request.get("method") == "CONNECT":
        return "a tunnel"
    return None


def _take(fields: Any, name: str, kind: type[Any]) -> Any:
    if not isinstance(fields, dict):
        raise CannotImport(f"expected an object, this is {describe(fields)}")
    value = fields.get(name)
    if not isinstance(value, kind):
        raise CannotImport(f"`{name}` is {'missing' if value is None else describe(value)}")
    return value


def _read_headers(part: dict[str, Any]) -> Headers:
    headers: Headers = []
    for pair in _take(part, "headers", list):
        name, value = _take(pair, "name", str), _take(pair, "value", str)
        # HTTP/2 says method and path in headers of their own; browsers join repeated lines by line breaks.
        if not name.startswith(":"):
            headers += (encode_header(name, line) for line in value.split("\n"))
    return strip_hop_by_hop(headers)


def _coding(headers: Headers) -> str:
    codings = [value.decode("latin-1").strip() for name, value in headers if name.lower() == b"content-encoding"]
    joined = ", ".join(coding for coding in codings if coding)
    return "" if joined.lower() == "identity" else joined


def _read_request_body(request: dict[str, Any]) -> tuple[bytes, str]:
    data = request.get("postData")
    size = request.get("bodySize")
    if not isinstance(data, dict | None):
        raise CannotImport(f"`postData` is {describe(data)}")
    if data is None:
        lost = isinstance(size, int) and size > 0
        return b"", f"the HAR says {size} bytes and does not have them" if lost else ""
    text = data.get("text")
    if isinstance(text, str) and (text or not data.get("params")):
        return _encode_text(text, data.get("encoding"), size, size_is_sure=False), ""
    params = data.get("params")
    if not isinstance(params, list):
        return b"", ""
    multipart = str(data.get("mimeType", "")).lower().startswith("multipart/")
    if multipart or any(isinstance(pair, dict) and pair.get("fileName") for pair in params):
        return b"", "a form in parts: the HAR does not have its bytes"
    return urlencode([(_take(pair, "name", str), str(pair.get("value", ""))) for pair in params]).encode(), ""


def _encode_text(text: str, encoding: Any, size: Any, *, size_is_sure: bool) -> bytes:
    if isinstance(encoding, str) and encoding.lower() == "base64":
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except binascii.Error as error:
            raise CannotImport(f"a body is no base64: {str(error).lower()}") from None
    if encoding not in (None, "", "utf-8"):
        raise CannotImport(f"a body has the unknown encoding {encoding!r}")
    # Bytes that are no UTF-8 stand as half surrogates; a half surrogate of the text's own cannot be told from one.
    whole = text.encode("utf-8", "surrogatepass" if _has_other_surrogates(text) else "surrogateescape")
    if len(whole) != size and size == len(text):
        # A tool that took the bytes for Latin-1 has one character a byte. Of requests, some count characters anyway.
        try:
            mistaken = text.encode("latin-1")
            if not size_is_sure:
                mistaken.decode()
        except UnicodeError:
            return whole
        return mistaken
    return whole


def _has_other_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" and not "\udc80" <= character <= "\udcff" for character in text)


def _read_response(entry: dict[str, Any]) -> tuple[CapturedResponse | None, CapturedFailure | None]:
    response = entry.get("response")
    if not isinstance(response, dict | None):
        raise CannotImport(f"`response` is {describe(response)}")
    if response is None:
        return None, None
    status = response.get("status")
    if isinstance(status, float) and status.is_integer():
        status = int(status)
    if status is not None and (isinstance(status, bool) or not isinstance(status, int)):
        raise CannotImport(f"`status` is {describe(status)}")
    if not status:
        # Browsers and proxies write so what never was answered.
        message = str(response.get("_error") or entry.get("_error") or "no answer was recorded")
        return None, CapturedFailure("reset", message)
    if not 100 <= status <= 999:
        raise CannotImport(f"{status} is no status")
    headers = _read_headers(response)
    content = response.get("content")
    content = content if isinstance(content, dict) else {}
    text, size = content.get("text"), content.get("size")
    if not isinstance(text, str):
        withheld = f"the HAR says {size} bytes and does not have them" if isinstance(size, int) and size > 0 else ""
        return CapturedResponse(status, headers, withheld=withheld), None
    body = KeptBody(_UNLIMITED)
    body.add(0, _encode_text(text, content.get("encoding"), size, size_is_sure=True))
    coding = _coding(headers) if body.size else ""
    plain = [line for line in headers if not coding or line[0].lower() != b"content-encoding"]
    return replace(assemble_response(status, plain, body), headers=headers, decoded=coding), None


def _read_time(entry: dict[str, Any]) -> str:
    try:
        at = datetime.fromisoformat(str(entry.get("startedDateTime")))
    except ValueError:
        return ""
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
