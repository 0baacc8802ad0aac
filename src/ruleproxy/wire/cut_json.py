"""The input of a tool call whose message was cut off: what of it is complete, as the SDKs' stream helpers give it."""

from __future__ import annotations

import re

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+)', re.DOTALL)
_LITERALS = frozenset({"true", "false", "null"})
_CLOSED_BY = {"{": "}", "[": "]"}


def close_json(text: str) -> str:
    """The complete members of an object or list that was cut off, closed; `{}` where not even a brace came.

    A string or number at the end is left out (more of it may have been to come), and so is a key without its value.
    """
    closers: list[str] = []
    kept: int | None = None
    is_key = False
    at = 0
    while (found := _TOKEN.match(text, at)) is not None:
        at, part = found.end(), found[1]
        match part:
            case "{" | "[":
                closers.append(_CLOSED_BY[part])
                is_key = part == "{"
            case "}" | "]":
                if closers[-1:] != [part]:
                    break
                closers.pop()
                is_key = False
            case ",":
                kept = found.start(1)
                is_key = closers[-1:] == ["}"]
                continue
            case ":":
                is_key = False
                continue
            case _ if is_key or (part[0] != '"' and part not in _LITERALS):
                continue
        kept = at
    # Since the last that is kept nothing was opened or closed.
    return "{}" if kept is None else text[:kept] + "".join(reversed(closers))
