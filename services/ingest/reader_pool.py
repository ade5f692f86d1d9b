"""Reads sources in processes of their own: on all cores, and safe from readers that crash or never end.

A worker that dies is replaced; the source that it was reading is refused as unreadable, and no other
one suffers. Workers are started when they are needed, and stop when nobody works with the pool.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from precordia.errors import PrecordiaError, UnreadableFile
from precordia.record import Hints, Recording
from precordia.source import Source
from services.ingest.formats import ReaderContext

log = logging.getLogger(__name__)

READ_S = 120.0
"""Longest that one source may take; readers need milliseconds for an ECG and seconds for a day of Holter."""

LINGER_S = 20.0

WORKER = "services.ingest.reading_worker"


class ReaderPool:
    """Worker processes that read.

    Args:
        context: limits and secret of the readers.
        size: most workers at a time.
        timeout_s: after which a worker is given up.
        linger_s: for how long idle workers are kept.
        module: what a worker runs.
    """

    def __init__(
        self,
        context: ReaderContext,
        size: int,
        *,
        timeout_s: float = READ_S,
        linger_s: float = LINGER_S,
        module: str = WORKER,
    ) -> None:
        self._context = context
        self._timeout_s = timeout_s
        self._module = module
        self._free = threading.Semaphore(size)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._users = 0
        self._rest: threading.Timer | None = None
        self._linger_s = linger_s

    @contextmanager
    def working(self) -> Iterator[None]:
        """Keeps workers between sources. They rest a while after the last block, as another one often follows."""
        with self._lock:
            self._users += 1
            if self._rest is not None:
                self._rest.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._rest = threading.Timer(self._linger_s, self.close)
                    self._rest.daemon = True
                    self._rest.start()

    def close(self) -> None:
        """Stop the workers that have nothing to do, unless somebody works with the pool again."""
        with self._lock:
            if self._users:
                return
            if self._rest is not None:
                self._rest.cancel()
            resting, self._idle = self._idle, []
        for worker in resting:
            worker.stop()

    def read(self, source: Source, hints: Hints) -> Sequence[Recording]:
        """All recordings in a source; several threads may call at once.

        Raises:
            UnreadableFile: the worker died of it, or took too long.
            PrecordiaError: as the readers say.
        """
        with self._free:
            worker = self._take()
            try:
                answer = worker.read(source, hints, self._timeout_s)
            except BaseException:
                worker.kill()
                raise
            self._give_back(worker)
        if isinstance(answer, PrecordiaError):
            raise answer
        return answer

    def _take(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Worker(self._module, self._context)

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            if self._users:
                self._idle.append(worker)
                return
        worker.stop()


class _Worker:
    """One process at the other end of a socket."""

    def __init__(self, module: str, context: ReaderContext) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [sys.executable, "-m", module, str(theirs.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
            self._connection: Connection[Any, Any] = Connection(ours.detach())
        with suppress(OSError):  # a worker that could not start shows when it is asked
            self._connection.send(context)

    def read(self, source: Source, hints: Hints, timeout_s: float) -> Sequence[Recording] | PrecordiaError:
        try:
            self._connection.send((source, hints))
            if not self._connection.poll(timeout_s):
                log.warning("a reader took too long and was ended")
                raise UnreadableFile(f"The file was not read within {timeout_s:g} s; it may be broken.", format="")
            answer: Sequence[Recording] | PrecordiaError = self._connection.recv()
        except (EOFError, OSError) as error:
            log.warning("a reader crashed with its file; another one takes its place")
            raise UnreadableFile("The reader crashed on this file; it is broken.", format="") from error
        return answer

    def stop(self) -> None:
        """Let it end by itself; it has nothing to do."""
        self._connection.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._connection.close()
        self._process.kill()
        self._process.wait()
