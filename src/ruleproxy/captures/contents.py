"""Bytes as members of a capture: as readable as they can be written without losing one."""

from __future__ import annotations

import base64
from typing import Any

import orjson


def find_json(data: bytes) -> Any:
    """The JSON value whose compact spelling is exactly these bytes. Raises ValueError where there is none.

    Compact: no spaces, characters beyond ASCII as they are, numbers as short as they can be.
    """
    value = orjson.loads(data)
    # The lists stand for the levels that the value gets in the file: there is a limit to nesting.
    try:
        compact = orjson.dumps([[[[value]]]])
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from None
    if compact != b"[[[[" + data + b"]]]]":
        raise ValueError("not spelled compactly")
    return value


def add_content(part: dict[str, Any], name: str, data: bytes, *, empty: bool = False) -> None:
    """Write bytes as a member of a part: as JSON under this name where that is exact, else as text or in base64."""
    if not data and not empty:
        return
    try:
        part[name] = find_json(data)
    except ValueError:
        add_text(part, f"{name}_text", f"{name}_base64", data)


def add_text(part: dict[str, Any], text_name: str, base64_name: str, data: bytes) -> None:
    """Write bytes as a member of a part: as text under the one name, in base64 under the other."""
    try:
        part[text_name] = data.decode()
    except UnicodeDecodeError:
        part[base64_name] = base64.b64encode(data).decode()
