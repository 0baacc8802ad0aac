"""Whole answers as they are told apart before their format is looked at: an object, an error, or nothing of use."""

from __future__ import annotations

from typing import Literal

from ruleproxy.wire.json_levels import BadJsonError, open_object, read_string

Reason = Literal["empty", "html", "not_json", "error", "other_shape"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NotAMessageError(ValueError):
    """A body that was to be a whole message is none; `reason` says which kind of thing it is."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_whole(body: bytes, content: str) -> dict[str, bytes]:
    """The members of an answer, each as its JSON text; `content` is the one that no error has.

    Raises NotAMessageError for what is no object, and for an object that tells of an error.
    """
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
    if read_string(fields.get("type")) == "error" or ("error" in fields and content not in fields):
        raise NotAMessageError("error", "the body is an error object")
    return fields
