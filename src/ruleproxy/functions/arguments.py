"""What functions expect of their arguments, and the words when it is something else."""

from __future__ import annotations

from ruleproxy.messages.nodes import ListNode
from ruleproxy.messages.places import kind_of
from ruleproxy.messages.values import EditRefused, Value


def text_of(function: str, value: Value) -> str:
    """A string argument, or the failure that names the function."""
    if not isinstance(value, str):
        raise EditRefused(f"{function} takes a string, this is {kind_of(value)}")
    return value


def whole_number(function: str, value: Value) -> int:
    """An argument that is a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise EditRefused(f"{function} takes a whole number, this is {kind_of(value)}")
    return value


def members(value: Value) -> list[Value]:
    """The members of a list; nothing for what is no list."""
    return list(value) if isinstance(value, ListNode | list) else []
