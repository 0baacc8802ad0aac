"""The Anthropic Messages format as far as a proxy has to know it: a whole message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ruleproxy.wire.json_levels import BadJsonError, open_list, open_object, read_string

Reason = Literal["empty", "html", "not_json", "error", "other_shape"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NotAMessageError(ValueError):
    """A body that was to be a whole message is none; `reason` says which kind of thing it is."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class WholeMessage:
    """A message of the API, opened two levels deep; every value is the JSON text that the upstream wrote.

    `fields` are the members of the message, `content` included; `blocks` the members of each content block.
    """

    fields: dict[str, bytes]
    blocks: list[dict[str, bytes]]


def read_message(body: bytes) -> WholeMessage:
    """Read the body of a non-streaming answer. Raises NotAMessageError."""
    text = body.removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        raise NotAMessageError("empty", "the body is empty")
    if text.startswith(b"<"):
        raise NotAMessageError("html", "the body is markup, not JSON")
    try:
        text.decode()
        fields = open_object(text)
    except UnicodeDecodeError as error:
        raise NotAMessageError("not_json", f"the body is not UTF-8 at byte {error.start}") from error
    except BadJsonError as error:
        raise NotAMessageError("not_json", f"the body is not a JSON object: {error}") from error
    kind = read_string(fields.get("type"))
    if kind == "error" or ("error" in fields and "content" not in fields):
        raise NotAMessageError("error", "the body is an error object")
    if kind not in {"message", None}:
        raise NotAMessageError("other_shape", f"the body is a {kind!r}, not a message")
    return WholeMessage(fields, _read_blocks(fields))


def _read_blocks(fields: dict[str, bytes]) -> list[dict[str, bytes]]:
    if "content" not in fields:
        raise NotAMessageError("other_shape", "the body has no content")
    try:
        blocks = open_list(fields["content"])
    except BadJsonError as error:
        raise NotAMessageError("other_shape", "the content is not a list") from error
    opened = []
    for index, block in enumerate(blocks):
        try:
            members = open_object(block)
        except BadJsonError as error:
            raise NotAMessageError("other_shape", f"content.{index} is not an object") from error
        if read_string(members.get("type")) is None:
            raise NotAMessageError("other_shape", f"content.{index} has no type")
        opened.append(members)
    return opened
