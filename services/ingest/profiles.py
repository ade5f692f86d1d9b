"""Profiles: what is known about all files of one kind, kept under a name."""

from __future__ import annotations

import json

from sqlalchemy import Engine, delete, func, insert, select

from precordia.catalog import checked_name
from precordia.errors import FailedPrecondition, InvalidArgument, NotFound
from precordia.record import Hints
from precordia.storage.database import read_only
from precordia.stored import ImportProfile
from services.ingest.facts import as_utc
from services.ingest.membership import now
from services.ingest.tables import profiles

MAX_PROFILES = 1000


class Profiles:
    """Hints by name."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = read_only(engine)

    def save(self, name: str, hints: Hints) -> ImportProfile:
        """Keep hints under a name; a profile of this name is replaced.

        Raises:
            InvalidArgument: the name cannot be one, or the hints say nothing.
            FailedPrecondition: there are too many.
        """
        checked_name(name, field="name")
        if not hints.to_json():
            raise InvalidArgument("A profile says something about its files; give a hint.", field="hints")
        at = now()
        row = {"name": name, "hints": json.dumps(hints.to_json(), sort_keys=True), "updated_at": at}
        with self._engine.begin() as connection:
            connection.execute(delete(profiles).where(profiles.c.name == name))
            if (connection.scalar(select(func.count()).select_from(profiles)) or 0) >= MAX_PROFILES:
                raise FailedPrecondition(f"There are {MAX_PROFILES} profiles; delete one first.")
            connection.execute(insert(profiles), [row])
        return ImportProfile(name, hints, at)

    def all(self) -> list[ImportProfile]:
        """Every profile, by name."""
        with self._reader.begin() as connection:
            rows = connection.execute(select(profiles).order_by(profiles.c.name)).all()
        return [ImportProfile(row.name, Hints.from_json(json.loads(row.hints)), as_utc(row.updated_at)) for row in rows]

    def delete(self, name: str) -> None:
        """Forget a profile; recordings that were read with it keep their hints.

        Raises:
            NotFound: there is none of this name.
        """
        with self._engine.begin() as connection:
            if not connection.execute(delete(profiles).where(profiles.c.name == name)).rowcount:
                raise _none(name)

    def fill(self, name: str, hints: Hints) -> Hints:
        """Hints, with a profile's where they say nothing. Without a name, as they are.

        Raises:
            NotFound: there is no profile of this name.
        """
        if not name:
            return hints
        with self._reader.begin() as connection:
            said = connection.scalar(select(profiles.c.hints).where(profiles.c.name == name))
        if said is None:
            raise _none(name)
        return Hints.from_json({**json.loads(said), **hints.to_json()})


def _none(name: str) -> NotFound:
    return NotFound("There is no profile of this name; save one with `import --save-profile`.", name=name[:128])
