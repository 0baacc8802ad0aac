"""The values of settings: from TOML, a variable or a flag to what the proxy works with."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ruleproxy.proxy.forward_proxies import DIRECT, parse_proxy

if TYPE_CHECKING:
    from ruleproxy.proxy.access_log import LogFormat


def parse_text(value: object) -> str:
    """Text that is not empty. Raises ValueError."""
    if not isinstance(value, str) or not value:
        raise ValueError("expected text")
    return value


def parse_path(value: object) -> Path:
    """A path. Raises ValueError."""
    return value if isinstance(value, Path) else Path(parse_text(value))


def parse_paths(value: object) -> tuple[Path, ...]:
    """A list of paths. Raises ValueError."""
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ValueError("expected a list of folders")
    return tuple(parse_path(item) for item in value)


def parse_listen(value: object) -> tuple[str, int]:
    """`HOST:PORT`. Raises ValueError."""
    text = parse_text(value)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or not host:
        raise ValueError(f"expected HOST:PORT, got {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def parse_base_path(value: object) -> str:
    """A path that begins with a slash and ends in none. Raises ValueError."""
    text = parse_text(value)
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or set(text) & set(" ?#"):
        raise ValueError(f"expected a path that begins with /, got {text!r}")
    return text.rstrip("/") or "/"


def parse_switch(value: object) -> bool:
    """True or false. Raises ValueError."""
    if isinstance(value, bool):
        return value
    choices = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, str) and value.lower() in choices:
        return choices[value.lower()]
    raise ValueError(f"expected true or false, got {value!r}")


def parse_log_format(value: object) -> LogFormat:
    """How log lines look. Raises ValueError."""
    if value in ("text", "json"):
        return value
    raise ValueError(f"expected text or json, got {value!r}")


def parse_size(value: object) -> int:
    """Bytes, at least one. Raises ValueError."""
    return _parse_whole(value, "number of bytes")


def parse_count(value: object) -> int:
    """How many, at least one. Raises ValueError."""
    return _parse_whole(value, "whole number")


def _parse_whole(value: object, what: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"expected a {what} above 0, got {value!r}")
    return value


def parse_share(value: object) -> float:
    """A part of a whole. Raises ValueError."""
    try:
        share = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError(f"expected a part above 0 and up to 1 (0.1: every tenth), got {value!r}")
    return share


def parse_seconds(value: object) -> float:
    """Seconds above 0. Raises ValueError."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise ValueError(f"expected a number of seconds above 0, got {value!r}")
    return seconds


def parse_patience(value: object) -> float:
    """Seconds above 0, or `none`: without end. Raises ValueError."""
    if value == "none":
        return math.inf
    try:
        return parse_seconds(value)
    except ValueError:
        raise ValueError(f"expected a number of seconds above 0, or none, got {value!r}") from None


def parse_file(value: object) -> Path:
    """A file that is there. Raises ValueError."""
    path = parse_path(value).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def parse_proxy_setting(value: object) -> str:
    """The URL of a proxy, or `none`. Raises ValueError that never repeats what may be a password."""
    if not isinstance(value, str) or not value:
        raise ValueError("expected the URL of a proxy, or none")
    if value != DIRECT:
        parse_proxy(value)
    return value


def parse_variable(value: object) -> str:
    """The name of a variable or of a secret. Raises ValueError."""
    text = parse_text(value)
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) is None:
        raise ValueError("expected the name of a variable: letters, digits and _")
    return text


def parse_signature(value: object) -> str:
    """How requests are signed. Raises ValueError."""
    if value != "aws":
        raise ValueError(f"expected aws, got {value!r}")
    return "aws"


def parse_command(value: object) -> tuple[str, ...]:
    """A command and its arguments: a list, or one text that is split as a shell does (nothing else of a shell is done).

    Raises ValueError.
    """
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"expected a command: {str(error).lower()}") from None
    if not isinstance(words, Sequence) or not words or not all(isinstance(word, str) for word in words) or not words[0]:
        raise ValueError("expected a command: a list of text, its program first")
    program = str(Path(words[0]).expanduser()) if words[0].startswith("~") else words[0]
    return (program, *words[1:])
