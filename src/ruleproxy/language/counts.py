"""Numbers of things as people write them."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """`1 byte`, `2 bytes`, `218 114 bytes`."""
    return f"{group(number)} {noun if number == 1 else noun + 's'}"


def group(number: int) -> str:
    """A number with spaces between its thousands."""
    return f"{number:,}".replace(",", " ")
