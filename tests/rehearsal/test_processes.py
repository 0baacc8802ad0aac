"""Captures tried in several processes: one order, every mishap named, the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ruleproxy.captures.source import Source
from ruleproxy.rehearsal.processes import CannotTry, try_all
from support.trying import Mishaps, attempt


def sources(*keys: str) -> Iterator[Source]:
    return (Source(key, Path(key), data=b"x" * 200_000) for key in keys)


def test_the_order_is_that_of_the_captures() -> None:
    """Also where an early one takes longest, and with texts larger than what a pipe holds."""
    keys = ["slow", *(f"{number}" for number in range(600))]
    assert list(try_all(Mishaps(), attempt, sources(*keys), 3)) == keys


def test_a_process_that_dies_is_an_error_that_names_the_capture() -> None:
    """However it dies; others take the captures that are left."""
    keys = ["a", "kill", "b", "exit", "c", "raise", "d", "kill"]
    assert list(try_all(Mishaps(), attempt, sources(*keys), 2)) == [
        "a",
        "kill: the process that tried it was ended by SIGKILL",
        "b",
        "exit: the process that tried it ended with exit code 7",
        "c",
        "raise: internal error: ValueError: by request",
        "d",
        "kill: the process that tried it was ended by SIGKILL",
    ]


def test_work_that_cannot_be_opened_ends_the_run() -> None:
    """Rules that changed in between, say."""
    with pytest.raises(CannotTry, match="nothing to be had"):
        list(try_all(Mishaps(opens=False), attempt, sources("a", "b"), 2))


def test_a_run_that_is_left_ends_its_processes() -> None:
    """Nobody waits for the others."""
    running = try_all(Mishaps(), attempt, sources(*"abcdef"), 2)
    assert next(running) == "a"
    running.close()  # type: ignore[attr-defined]


def test_few_captures_are_tried_here() -> None:
    """Without other processes; a mishap is named all the same."""
    assert list(try_all(Mishaps(), attempt, sources("a", "raise"))) == [
        "a",
        "raise: internal error: ValueError: by request",
    ]


def test_no_captures() -> None:
    """Nothing comes of nothing."""
    assert list(try_all(Mishaps(), attempt, sources(), 2)) == []
