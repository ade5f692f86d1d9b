"""Log lines on stderr, as text or JSON, each with the request it belongs to."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from contextvars import Context, ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from precordia.rpc.request_id import current_request_id

_facts: ContextVar[dict[str, str] | None] = ContextVar("precordia_log_facts", default=None)


def bind_log(**facts: str) -> None:
    """Put facts (model, version, ...) on every later line of the present context. No identifiers of patients."""
    _facts.set({**(_facts.get() or {}), **facts})


def configure_logging(
    *, level: str, style: Literal["text", "json"], service: str, stream: TextIO | None = None
) -> None:
    """Send this process's log lines to `stream` (stderr)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonFormatter(service) if style == "json" else _TextFormatter(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # As the logging module's documentation advises: nobody is told of file and line, so they are not looked for.
    logging._srcfile = None
    for chatty in ("alembic", "asyncio", "fsspec", "numba", "grpc"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class SparingLog:
    """Writes what can come a thousand times a second once a second at most, and then how often it came.

    Used on the event loop alone.
    """

    def __init__(self, log: logging.Logger, what: str, *, every_s: float = 1.0) -> None:
        self._log = log
        self._what = what
        self._every_s = every_s
        self._unsaid: int | None = None

    def info(self, line: str, *values: object) -> None:
        """Writes the line, or counts it where one was written just now."""
        if self._unsaid is not None:
            self._unsaid += 1
            return
        self._log.info(line, *values)
        self._rest()

    def _rest(self) -> None:
        self._unsaid = 0
        # An empty context: what is said then is of no single call.
        asyncio.get_running_loop().call_later(self._every_s, self._tell, context=Context())

    def _tell(self) -> None:
        if self._unsaid:
            self._log.info("%s %d more such calls in %g s", self._what, self._unsaid, self._every_s)
            self._rest()
        else:
            self._unsaid = None


def _context() -> dict[str, str]:
    request_id = current_request_id()
    return ({"request_id": request_id} if request_id else {}) | (_facts.get() or {})


class _TextFormatter(logging.Formatter):
    """Written out rather than by format string: every call writes a line, and the second changes seldom."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service
        self._second = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """The line, with its facts at the end, and the traceback below it."""
        facts = " ".join([f"{name}={value}" for name, value in _context().items()])
        line = f"{self._time(record)} {record.levelname} {self._service} {record.name}: {record.getMessage()}"
        if facts:
            line = f"{line} [{facts}]"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line

    def _time(self, record: logging.LogRecord) -> str:
        second, text = self._second
        if second != int(record.created):
            second = int(record.created)
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = (second, text)
        return f"{text},{int(record.msecs):03d}"


class _JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object a line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            **_context(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
