"""Text with its credentials masked: by their looks, by the names before them, by being known, also within base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from ruleproxy.captures.loosely_named import find_loosely_named
from ruleproxy.captures.named_values import find_named
from ruleproxy.captures.secret_values import compile_bytes, find_values
from ruleproxy.captures.spans import Span, merge, replace, replace_across, span_of
from ruleproxy.captures.spelling import Plain, undo_escapes

_SHORTEST_KNOWN: Final = 8
_DEPTH: Final = 2
_LONG_RUN: Final = 4096
# Base64, also of the URL alphabet, also in lines (written `\n` within JSON).
_RUN: Final = compile_bytes(rb"[A-Za-z0-9+/_-]{16,}(?:(?:\\r)?(?:\\n|\r?\n)[A-Za-z0-9+/_-]{4,})*={0,2}")
_BREAK: Final = compile_bytes(rb"(?:\\r)?\\n|\r?\n")
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")

Find = Callable[[bytes], list[Span]]


class Masker:
    """Masks credentials in text. `known` ones (8 bytes and longer) are masked wherever they stand."""

    def __init__(self, known: Iterable[bytes] = ()) -> None:
        self._known = tuple(sorted({secret for secret in known if len(secret) >= _SHORTEST_KNOWN}))
        self._bodies: dict[bytes, bytes] = {}
        self._undone: tuple[bytes, Plain | None] = b"", None

    def mask_text(self, text: bytes) -> bytes:
        """The text with masks. Valid JSON stays valid; everything else keeps its bytes."""
        for find in self._passes(_DEPTH):
            text = replace(text, find(text))
        return text

    def mask_body(self, body: bytes) -> bytes:
        """`mask_text` that remembers: the same body stands in several parts of an exchange."""
        masked = self._bodies.get(body)
        if masked is None:
            masked = self._bodies[body] = self.mask_text(body)
        return masked

    def mask_in_place(self, text: bytes) -> bytes:
        """The text with masks as wide as what they stand for."""
        for find in self._passes(_DEPTH):
            spans = find(text)
            widths = (span.end - span.start for span in spans)
            text = replace(
                text,
                [Span(s.start, s.end, s.replacement[:w].ljust(w, b"*")) for s, w in zip(spans, widths, strict=True)],
            )
        return text

    def mask_pieces(self, pieces: Sequence[bytes]) -> list[bytes]:
        """The pieces of one text with masks, also where a secret goes from one piece into the next."""
        masked = list(pieces)
        for find in self._passes(_DEPTH):
            if spans := find(b"".join(masked)):
                masked = replace_across(masked, spans)
        return masked

    def _passes(self, depth: int) -> tuple[Find, ...]:
        # Secrets as they are come first: what is base64 may only look so. Escapes come before: of a key that an escape
        # parts, the beginning looks like a key of its own.
        finds: tuple[Find, ...] = (partial(self._find_escaped, self._find_plain), self._find_plain)
        if depth:
            find_encoded = partial(self._find_encoded, depth=depth)
            finds += (partial(self._find_escaped, find_encoded), find_encoded)
        return finds

    def _find_plain(self, text: bytes) -> list[Span]:
        return merge(text, (*find_values(text), *find_named(text), *find_loosely_named(text), *self._find_known(text)))

    def _find_known(self, text: bytes) -> Iterator[Span]:
        for secret in self._known:
            position = text.find(secret)
            while position >= 0:
                yield span_of(text, position, position + len(secret))
                position = text.find(secret, position + len(secret))

    def _find_escaped(self, find: Find, text: bytes) -> list[Span]:
        if self._undone[0] != text:
            self._undone = text, undo_escapes(text)
        plain = self._undone[1]
        if plain is None:
            return []
        return [span for found in find(plain.text) if (span := plain.to_source(found)) is not None]

    def _find_encoded(self, text: bytes, depth: int) -> list[Span]:
        runs = [(found.start(), found.end()) for found in _RUN.finditer(text) if _may_be_encoded(found.group())]
        # Nearly always there is nothing, and one look at everything that was decoded says so.
        decoded = [content for start, end in runs for _, content in _decode(text[start:end])]
        if not decoded or not self._holds_secret(b"\n\n".join(decoded), depth):
            return []
        spans = (self._mask_run(text, start, end, depth) for start, end in runs)
        return [span for span in spans if span is not None]

    def _holds_secret(self, text: bytes, depth: int) -> bool:
        return any(find(text) for find in self._passes(depth - 1))

    def _mask_run(self, text: bytes, start: int, end: int, depth: int) -> Span | None:
        run = text[start:end]
        for offset, content in _decode(run):
            masked = content
            for find in self._passes(depth - 1):
                masked = replace(masked, find(masked))
            if masked != content:
                encoded = base64.b64encode(masked)
                if b"-" in run or b"_" in run:
                    encoded = encoded.translate(_TO_URL)
                if not run.endswith(b"="):
                    encoded = encoded.rstrip(b"=")
                return Span(start + offset, end, encoded)
        return None


def _may_be_encoded(run: bytes) -> bool:
    # Base64 of text has letters of both cases; paths and words do not.
    return not (run.islower() or run.isupper() or run.isdigit())


def _decode(run: bytes) -> Iterator[tuple[int, bytes]]:
    # Up to three characters before it may look like a part of it: the letter of an escape, `%0A`.
    for offset in range(4 if len(run) < _LONG_RUN else 2):
        characters = _BREAK.sub(b"", run[offset:]).rstrip(b"=").translate(_TO_STANDARD)
        if len(characters) % 4 == 1:
            characters = characters[:-1]
        try:
            yield offset, base64.b64decode(characters + b"=" * (-len(characters) % 4))
        except binascii.Error:  # pragma: no cover - every run of these characters can be decoded
            continue
