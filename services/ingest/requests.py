"""Answers already given, by request id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from precordia.errors import RequestReused
from precordia.storage.database import read_only
from services.ingest.membership import now
from services.ingest.tables import requests


class RequestStore:
    """Answers already given, by request id, so that a repeated request gets the first one again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = read_only(engine)

    def answer(self, request_id: str, fingerprint: str) -> dict[str, Any] | None:
        """The answer given to this request before, if any.

        Raises:
            RequestReused: the id came with other content then.
        """
        if not request_id:
            return None
        with self._reader.begin() as connection:
            row = connection.execute(select(requests).where(requests.c.request_id == request_id)).mappings().first()
        if row is None:
            return None
        if row["fingerprint"] != fingerprint:
            raise RequestReused("This request_id was used with other content; make a new one for each request.")
        answer: dict[str, Any] = json.loads(row["answer"])
        return answer

    def keep(self, request_id: str, fingerprint: str, answer: Mapping[str, Any]) -> None:
        """Remember an answer. One that is there already stays."""
        if not request_id or self.answer(request_id, fingerprint) is not None:
            return
        row = {"request_id": request_id, "fingerprint": fingerprint, "answer": json.dumps(answer), "created_at": now()}
        # Someone else may give the same answer at the same moment; the first one stays.
        with suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(insert(requests), [row])


def fingerprint(*content: str) -> str:
    """A hash of what a request asks for."""
    return hashlib.sha256("\n".join(content).encode()).hexdigest()
