"""An HTTP/1.1 answer from its bytes: RFC 9112, read strictly and without I/O.

An own reader because a connection may go back into the pool only if the answer ended *exactly* where the bytes
did: the ready-made ones either hide what follows the end of a message or begin to read it as the next one.

    reader = ResponseReader(method)
    body = reader.feed(data)       # pieces of the body, decoded from chunks; `head` is set once it is complete
    body = reader.end()            # the connection ended; raises Truncated where the framing says otherwise

`complete` says that the answer has ended; `excess` that bytes came after that end.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ruleproxy.messages.message import Headers

HEAD_LIMIT = 256 * 1024
"""The most bytes of a status line with its headers, of interim answers together, and of a line of trailers."""

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
# RFC 9110 5.5. Other control bytes would be refused by whoever writes the header again.
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_LENGTH = re.compile(rb"[0-9]{1,19}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_CHUNK_LINE_LIMIT = 4096
# What has to come before more of the head, or of a trailer, is to be looked at; where else, what waits is short.
_ENDS = {"head": _END_OF_HEAD, "trailers": re.compile(rb"\r\n")}
_LONGEST_END = 3


class BadResponse(Exception):
    """The bytes are not an HTTP/1.1 answer; the text says why."""


class Truncated(BadResponse):
    """The connection ended before the answer did."""


class ResponseHead(NamedTuple):
    """Status and headers as they came, without those of interim (1xx) answers."""

    status: int
    headers: Headers


class ResponseReader:
    """Reads one answer to a request with `method`."""

    __slots__ = (
        "_interim",
        "_method",
        "_remaining",
        "_state",
        "_tail",
        "_waiting",
        "_waiting_size",
        "excess",
        "head",
        "persistent",
    )

    def __init__(self, method: str) -> None:
        self.head: ResponseHead | None = None
        self.persistent = False
        """Whether the upstream means to keep the connection, as far as the head and the framing tell."""
        self.excess = False
        self._method = method
        # "head", "length", "until close", "complete", and of chunks "size", "chunk", "chunk end", "trailers"
        self._state: str = "head"
        # The bytes of what is not complete, as they came, how many they are, and the last few of them.
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._tail = b""
        self._remaining = 0
        self._interim = 0

    @property
    def untouched(self) -> bool:
        """Whether not a byte has come."""
        return self._state == "head" and not self._waiting and not self._interim

    @property
    def complete(self) -> bool:
        """Whether the answer has ended."""
        return self._state == "complete"

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; the body's bytes among them. Raises BadResponse."""
        pieces: list[bytes] = []
        if self._state == "length":
            return self._take_length(data, pieces)
        if self._state == "until close":
            pieces.append(data)
            return pieces
        if self._waiting:
            if not self._may_go_on(data):
                self._wait(data)
                return pieces
            data = self._take_waiting() + data
        while data:
            state = self._state
            if state == "head":
                end = _END_OF_HEAD.search(data)
                if end is None:
                    if len(data) > HEAD_LIMIT:
                        raise BadResponse(f"the head is longer than {HEAD_LIMIT} bytes")
                    self._wait(data)
                    return pieces
                if end.start() > HEAD_LIMIT:
                    raise BadResponse(f"the head is longer than {HEAD_LIMIT} bytes")
                if self._read_head(data[: end.start()]):
                    # RFC 9110 15.2: any number of them may come, and some gateways send one a second while they wait.
                    self._interim += end.end()
                    if self._interim > HEAD_LIMIT:
                        raise BadResponse("the upstream sends interim answers without end")
                data = data[end.end() :]
            elif state == "length":
                return self._take_length(data, pieces)
            elif state == "until close":
                pieces.append(data)
                return pieces
            elif state == "complete":
                self.excess = True
                return pieces
            else:
                self._take_chunked(data, pieces)
                if self._state != "complete":
                    return pieces
                data = self._take_waiting()
        return pieces

    def _may_go_on(self, data: bytes) -> bool:
        """Whether these bytes may complete what waits, or make it too long: looked for in what came last alone."""
        end = _ENDS.get(self._state)
        too_long = self._waiting_size + len(data) > HEAD_LIMIT
        return end is None or too_long or end.search(self._tail + data) is not None

    def _wait(self, data: bytes) -> None:
        if data:
            self._waiting.append(data)
            self._waiting_size += len(data)
            self._tail = (self._tail + data[-_LONGEST_END:])[-_LONGEST_END:]

    def _take_waiting(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_size = 0
        self._tail = b""
        return data

    def end(self) -> None:
        """Take the end of the connection. Raises Truncated."""
        if self._state == "until close":
            self._state = "complete"
        elif self._state == "head":
            raise Truncated("the connection ended " + ("within the head" if self._waiting else "before an answer"))
        elif self._state != "complete":
            raise Truncated("the connection ended within the body")

    def _take_length(self, data: bytes, pieces: list[bytes]) -> list[bytes]:
        size = len(data)
        if size < self._remaining:
            self._remaining -= size
            pieces.append(data)
        else:
            if size > self._remaining:
                self.excess = True
                data = data[: self._remaining]
            if data:
                pieces.append(data)
            self._state = "complete"
        return pieces

    def _take_chunked(self, data: bytes, pieces: list[bytes]) -> None:
        position, size = 0, len(data)
        state = self._state
        while True:
            if state == "size":
                match = _CHUNK_SIZE.match(data, position)
                if match is None:
                    rest = size - position
                    if rest > _CHUNK_LINE_LIMIT or data.find(b"\n", position) >= 0:
                        raise BadResponse("a chunk begins with a line that is no chunk size")
                    break
                position = match.end()
                self._remaining = int(match[1], 16)
                state = "chunk" if self._remaining else "trailers"
            elif state == "chunk":
                if position >= size:
                    break
                piece = data[position : position + self._remaining]
                pieces.append(piece)
                position += len(piece)
                self._remaining -= len(piece)
                if self._remaining:
                    break
                state = "chunk end"
            elif state == "chunk end":
                if size - position < 2:
                    break
                if data[position : position + 2] != b"\r\n":
                    raise BadResponse("a chunk is longer than its size says")
                position += 2
                state = "size"
            else:
                line_end = data.find(b"\r\n", position)
                if line_end < 0:
                    if size - position > HEAD_LIMIT:
                        raise BadResponse(f"the trailers are longer than {HEAD_LIMIT} bytes")
                    break
                # Trailers are read and dropped: what they say can no longer reach the client's head.
                ended = line_end == position
                position = line_end + 2
                if ended:
                    state = "complete"
                    break
        self._state = state
        self._wait(data[position:])

    def _read_head(self, text: bytes) -> bool:
        """Take a head; true where it is that of an interim answer."""
        lines = text.split(b"\n")
        status_line = _STATUS_LINE.fullmatch(lines[0].removesuffix(b"\r"))
        if status_line is None:
            raise BadResponse("the first line is no HTTP/1.1 status line")
        status = int(status_line[2])
        headers = _read_headers(lines)
        if status < 200:
            if status == 101:
                raise BadResponse("the upstream switched protocols unasked")
            return True
        self._begin_body(status, headers, is_1_1=status_line[1] == b"1.1")
        return False

    def _begin_body(self, status: int, headers: Headers, *, is_1_1: bool) -> None:
        encodings: list[bytes] = []
        lengths: set[bytes] = set()
        closes = False
        for name, value in headers:
            name = name.lower()
            if name == b"content-length":
                lengths.update(part.strip() for part in value.split(b","))
            elif name == b"transfer-encoding":
                encodings.append(value.lower())
            elif name == b"connection":
                closes = closes or b"close" in [part.strip().lower() for part in value.split(b",")]
        if len(lengths) > 1 or any(_LENGTH.fullmatch(length) is None for length in lengths):
            raise BadResponse("the content length is not one number")
        if encodings and encodings != [b"chunked"]:
            raise BadResponse("the transfer encoding is not chunked")
        if encodings and lengths:
            # RFC 9112 6.3: the encoding wins, the length is not passed on, and the connection ends with it.
            headers = [line for line in headers if line[0].lower() != b"content-length"]
            closes = True
        self.persistent = is_1_1 and not closes
        self.head = ResponseHead(status, headers)
        if self._method in ("HEAD", "CONNECT") or status in (204, 304):
            self._state = "complete"
        elif encodings:
            self._state = "size"
        elif lengths:
            self._remaining = int(lengths.pop())
            self._state = "length" if self._remaining else "complete"
        else:
            self.persistent = False
            self._state = "until close"


def _read_headers(lines: list[bytes]) -> Headers:
    headers: Headers = []
    for line in lines[1:]:
        if line[-1:] == b"\r":
            line = line[:-1]
        if line[:1] in (b" ", b"\t"):
            # RFC 9112 5.2: an obsolete fold is one space.
            if not headers:
                raise BadResponse("a header begins with a space")
            name, value = headers.pop()
            value = value + b" " + line.strip(b" \t")
        else:
            name, colon, value = line.partition(b":")
            if not colon or _NAME.fullmatch(name) is None:
                raise BadResponse("a header line has no valid name")
            value = value.strip(b" \t")
        if _VALUE.fullmatch(value) is None:
            raise BadResponse(f"the header {name.decode('ascii')} holds a control byte")
        headers.append((name, value))
    return headers
