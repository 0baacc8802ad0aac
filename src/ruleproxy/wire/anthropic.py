"""The Anthropic Messages format as far as a proxy has to know it: a whole message."""

from __future__ import annotations

from dataclasses import dataclass

from ruleproxy.wire.json_levels import BadJsonError, open_list, open_object, read_string
from ruleproxy.wire.whole import NotAMessageError, read_whole


@dataclass(frozen=True, slots=True)
class WholeMessage:
    """A message of the API, opened two levels deep; every value is the JSON text that the upstream wrote.

    `fields` are the members of the message, `content` included; `blocks` the members of each content block.
    """

    fields: dict[str, bytes]
    blocks: list[dict[str, bytes]]


def read_message(body: bytes) -> WholeMessage:
    """Read the body of a non-streaming answer. Raises NotAMessageError."""
    fields = read_whole(body, "content")
    kind = read_string(fields.get("type"))
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
