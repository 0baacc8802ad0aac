"""Work for processes that try captures: some captures end the process that has them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from ruleproxy.captures.source import Source
from ruleproxy.rehearsal.processes import CannotTry


@dataclass(frozen=True, slots=True)
class Mishaps:
    """An entry is the key of its capture. Keys: `exit`, `kill`, `raise` do that, `slow` takes a while."""

    opens: bool = True

    def open(self) -> Callable[[Source], str]:
        """Try it."""
        if not self.opens:
            raise CannotTry("nothing to be had")
        return attempt

    def finish(self, attempt: Callable[[Source], str]) -> str:
        """Say that it is over."""
        return "over"

    def name_problem(self, source: Source, problem: str) -> str:
        """The entry of what went wrong."""
        return f"{source.key}: {problem}"


def attempt(source: Source) -> str:
    """What its key says."""
    match source.key:
        case "exit":
            os._exit(7)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raise":
            raise ValueError("by request")
        case "slow":
            time.sleep(0.3)
    return source.key
