"""A process that reads sources for another one, so that a reader that crashes takes nothing else along.

`python -m services.ingest.reading_worker FD`: the connection brings first the readers' context, then
sources with their hints; recordings or our errors go back. It ends when the connection does.
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from precordia.errors import PrecordiaError
from precordia.record import Hints, Recording
from precordia.source import Source
from services.ingest.formats import ReaderContext, read_source

Read = Callable[[Source, Hints, ReaderContext], tuple[Recording, ...]]


def serve(connection: Connection[Any, Any], read: Read = read_source) -> None:
    """Answer until the other side is gone."""
    with suppress(EOFError, OSError), connection:
        context: ReaderContext = connection.recv()
        while True:
            source, hints = connection.recv()
            connection.send(_answer(source, hints, context, read))


def _answer(source: Source, hints: Hints, context: ReaderContext, read: Read) -> tuple[Recording, ...] | PrecordiaError:
    try:
        return read(source, hints, context)
    except PrecordiaError as error:
        return error.with_traceback(None)


def main(read: Read = read_source) -> None:
    """Serve the connection whose file descriptor the command line names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is the service's business
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash must leave no patient's data on disk
    serve(Connection(int(sys.argv[1])), read)


if __name__ == "__main__":
    main()
