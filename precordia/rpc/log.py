"""Log lines on stderr, as text or JSON, each with the request it belongs to."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
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
    for chatty in ("alembic", "asyncio", "fsspec", "numba", "grpc"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _context() -> dict[str, str]:
    request_id = current_request_id()
    return ({"request_id": request_id} if request_id else {}) | (_facts.get() or {})


class _TextFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)s {service} %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own spelling
        """The line, with its facts at the end."""
        line = super().formatMessage(record)
        facts = " ".join(f"{name}={value}" for name, value in _context().items())
        return f"{line} [{facts}]" if facts else line


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
