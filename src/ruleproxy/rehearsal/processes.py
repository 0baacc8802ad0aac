"""Captures tried in as many processes as there are cores, their entries in order, in memory that does not grow.

Each process loads the rules for itself and has one capture at a time, so a process that dies takes one with it, and
that one is named. At most `_AHEAD` entries wait for one that takes long.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, Protocol, TypeVar

from ruleproxy.captures.source import Source

FEW: Final = 200
"""So few captures are done sooner than other processes are started."""
_AHEAD: Final = 256
_READY: Final = "ready"

Entry = TypeVar("Entry")
EntryOf = TypeVar("EntryOf", covariant=True)


class CannotTry(Exception):
    """Captures cannot be tried at all; the message says why."""


class Work(Protocol[EntryOf]):
    """What a process does: it is sent there whole, and opened there. Raises `CannotTry`."""

    def open(self) -> Callable[[Source], EntryOf]:
        """What gives the entry of a capture."""

    def finish(self, attempt: Callable[[Source], Any]) -> Any:
        """What is left to be told when a process has no capture any more."""

    def name_problem(self, source: Source, problem: str) -> EntryOf:
        """The entry of a capture that could not be tried."""


def try_all(
    work: Work[Entry],
    attempt: Callable[[Source], Entry],
    sources: Iterable[Source],
    processes: int | None = None,
    collect: Callable[[Any], None] | None = None,
) -> Iterator[Entry]:
    """The entry of each capture, in order: `attempt` makes those of a few captures here. Raises `CannotTry`.

    `collect` is given what other processes tell at their end.
    """
    left = iter(sources)
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        first = list(islice(left, FEW)) if processes > 1 else []
        left = chain(first, left)
        if len(first) < FEW:
            processes = 1
    if processes == 1:
        for source in left:
            yield try_one(work, attempt, source)
        return
    pool = _Pool(work, processes)
    try:
        yield from pool.run(left)
        if collect is not None:
            for told in pool.finish():
                collect(told)
    finally:
        pool.stop()


def try_one(work: Work[Entry], attempt: Callable[[Source], Entry], source: Source) -> Entry:
    """The entry of a capture, also where trying it fails unexpectedly."""
    try:
        return attempt(source)
    except Exception as error:  # noqa: BLE001 - one capture's mishap must not end the run
        return work.name_problem(source, f"internal error: {type(error).__name__}: {error}")


@dataclass(slots=True)
class _Worker(Generic[Entry]):
    process: BaseProcess
    connection: Connection
    ready: bool = False
    task: tuple[int, Source] | None = None


class _Pool(Generic[Entry]):
    def __init__(self, work: Work[Entry], processes: int) -> None:
        self._work = work
        self._workers = [self._start() for _ in range(processes)]

    def run(self, sources: Iterator[Source]) -> Iterator[Entry]:
        """The entries, in order."""
        tasks = enumerate(sources)
        done: dict[int, Entry] = {}
        following, exhausted = 0, False
        while True:
            while following in done:
                yield done.pop(following)
                following += 1
            for place, worker in enumerate(self._workers):
                if exhausted or worker.task is not None or not worker.ready or len(done) >= _AHEAD:
                    continue
                task = next(tasks, None)
                if task is None:
                    exhausted = True
                else:
                    self._give(place, task, done)
            if exhausted and not done and all(worker.task is None for worker in self._workers):
                return
            self._receive(done)

    def finish(self) -> Iterator[Any]:
        """What each process tells at its end, those that died aside."""
        for worker in self._workers:
            try:
                if not worker.ready:
                    worker.connection.recv()
                worker.connection.send(None)
                yield worker.connection.recv()
            except (EOFError, OSError):
                continue

    def stop(self) -> None:
        """End every process."""
        for worker in self._workers:
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.process.close()

    def _start(self) -> _Worker[Entry]:
        # A fresh interpreter: to fork one that has threads (of watchers, of a bar) is to inherit their locks.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _give(self, place: int, task: tuple[int, Source], done: dict[int, Entry]) -> None:
        worker = self._workers[place]
        worker.task = task
        try:
            worker.connection.send(task[1])
        except OSError:
            self._bury(place, done)

    def _receive(self, done: dict[int, Entry]) -> None:
        busy = {worker.connection: place for place, worker in enumerate(self._workers)
                if worker.task is not None or not worker.ready}  # fmt: skip
        for connection in wait(list(busy)):
            place = busy[connection]  # type: ignore[index]
            worker = self._workers[place]
            try:
                message: Any = worker.connection.recv()
            except (EOFError, OSError):
                self._bury(place, done)
                continue
            if isinstance(message, CannotTry):
                raise message
            if not worker.ready:
                worker.ready = True
            elif worker.task is not None:
                done[worker.task[0]] = message
                worker.task = None

    def _bury(self, place: int, done: dict[int, Entry]) -> None:
        """A process died: say so of the capture that it had, and start another one."""
        worker = self._workers[place]
        worker.process.join()
        how = _describe_end(worker.process.exitcode or 0)
        worker.connection.close()
        if worker.task is None:
            raise CannotTry(f"a process that tries captures {how} before it began")
        number, source = worker.task
        done[number] = self._work.name_problem(source, f"the process that tried it {how}")
        worker.process.close()
        self._workers[place] = self._start()


def _describe_end(code: int) -> str:
    if code < 0:
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"
    return f"ended with exit code {code}"


def _serve(connection: Connection, work: Work[Entry]) -> None:
    """The life of a process: a capture in, its entry out, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal: the first one sees to it
    try:
        attempt = work.open()
    except CannotTry as error:
        connection.send(error)
        return
    connection.send(_READY)
    while True:
        try:
            source = connection.recv()
        except EOFError:
            return
        connection.send(work.finish(attempt) if source is None else try_one(work, attempt, source))
