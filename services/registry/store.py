"""Model versions in a database: every change is one transaction, with its events in it.

Writers take one row (`model_journal`) first, so that changes happen one after the other and event
numbers become visible in their order: a watcher that has seen number n never misses n - 1.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from precordia.catalog import LATEST, Artifact, Lineage, ModelChange, ModelEvent, ModelRef, ModelVersion
from precordia.errors import AliasNotFound, InUse, ModelNotFound, RequestReused
from precordia.manifest import Manifest
from precordia.record import Remark
from precordia.storage.database import read_only
from services.registry.tables import (
    ALIASES,
    ARTIFACTS,
    EVENTS,
    JOURNAL,
    MODELS,
    OPERATING_POINTS,
    PUBLISH_REQUESTS,
    VERSIONS,
)


@dataclass(frozen=True)
class NewVersion:
    """A version to record: its files are already stored under their hashes, its operating points are checked."""

    name: str
    manifest: Manifest
    artifacts: tuple[Artifact, ...]
    lineage: Lineage
    aliases: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    request_id: str = ""
    operating_points_json: str = ""

    def digest(self) -> str:
        """Hex SHA-256 over the manifest's digest and the hashes of all files, by name."""
        files = sorted(f"{artifact.name} {artifact.sha256}" for artifact in self.artifacts)
        return hashlib.sha256("\n".join([self.manifest.digest(), *files]).encode()).hexdigest()

    def fingerprint(self) -> str:
        """Hex SHA-256 over all that a request asks for: the same request id must ask for the same."""
        asked: list[Any] = [self.name, self.digest(), sorted(self.aliases), vars(self.lineage)]
        if self.operating_points_json:  # without them, the fingerprint is as it ever was
            asked.append(self.operating_points_json)
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class ModelStore:
    """The registry's record of models."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._readers = _consistent(read_only(engine))

    def add(self, new: NewVersion) -> tuple[ModelVersion, bool]:
        """Record a version, or find the one with the same content under this name; move its aliases.

        Its operating points are there with it; one that had some before keeps those.

        Raises:
            RequestReused: the request id came before with other content.
        """
        with self._changing() as connection:
            earlier = _earlier_request(connection, new)
            if earlier is not None:
                return _version(connection, new.name, earlier[0]), earlier[1]
            number, created = _find_or_insert(connection, new)
            if new.operating_points_json and not _operating_points(connection, new.name, number)[0]:
                _set_operating_points(connection, new.name, number, 1, new.operating_points_json)
            for alias in new.aliases:
                _set_alias(connection, new.name, alias, number)
            _remember_request(connection, new, number, created)
            return _version(connection, new.name, number), created

    def find(self, name: str, digest: str) -> ModelVersion | None:
        """The version of this model with this content, if there is one."""
        with self._readers.connect() as connection:
            number = connection.scalar(_select_number(name).where(VERSIONS.c.digest == digest))
            return None if number is None else _version(connection, name, number)

    def find_digest(self, digest: str) -> ModelVersion | None:
        """A version of any model with this content."""
        query = sa.select(VERSIONS.c.name, VERSIONS.c.version).where(VERSIONS.c.digest == digest)
        with self._readers.connect() as connection:
            row = connection.execute(query.order_by(VERSIONS.c.created_us)).first()
            return None if row is None else _version(connection, row.name, row.version)

    def get(self, ref: ModelRef) -> ModelVersion:
        """The version that a reference means.

        Raises:
            ModelNotFound, AliasNotFound: there is none.
        """
        with self._readers.connect() as connection:
            return _version(connection, ref.name, _resolve(connection, ref))

    def models(self, *, limit: int, after: str = "") -> list[ModelVersion]:
        """The newest version of each model, by name, for names after `after`."""
        query = (
            sa.select(VERSIONS.c.name, sa.func.max(VERSIONS.c.version).label("newest"))
            .where(VERSIONS.c.name > after)
            .group_by(VERSIONS.c.name)
            .order_by(VERSIONS.c.name)
            .limit(limit)
        )
        with self._readers.connect() as connection:
            return [_version(connection, row.name, row.newest) for row in connection.execute(query).all()]

    def versions(self, name: str, *, limit: int, before: int = 0) -> list[ModelVersion]:
        """Versions of one model, newest first, those below `before` where it is given.

        Raises:
            ModelNotFound: no model has this name.
        """
        query = _select_number(name).order_by(VERSIONS.c.version.desc()).limit(limit)
        if before:
            query = query.where(VERSIONS.c.version < before)
        with self._readers.connect() as connection:
            numbers = connection.scalars(query).all()
            if not numbers and not before:
                raise _no_model(name)
            return [_version(connection, name, number) for number in numbers]

    def delete(self, name: str, version: int) -> None:
        """Forget a version.

        Raises:
            ModelNotFound: there is none.
            InUse: an alias points at it.
        """
        with self._changing() as connection:
            gone = _version(connection, name, version)
            if gone.aliases:
                raise InUse(
                    f"Alias '{gone.aliases[0]}' points at this version; move or delete the alias first.",
                    name=gone.aliases[0],
                )
            for table in (PUBLISH_REQUESTS, OPERATING_POINTS, ARTIFACTS, VERSIONS):
                connection.execute(sa.delete(table).where(table.c.name == name, table.c.version == version))
            _record(connection, ModelChange.VERSION_DELETED, name, version)

    def set_alias(self, name: str, alias: str, version: int) -> ModelVersion:
        """Point an alias at a version."""
        with self._changing() as connection:
            _version(connection, name, version)
            _set_alias(connection, name, alias, version)
            return _version(connection, name, version)

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias.

        Raises:
            ModelNotFound, AliasNotFound: there is none.
        """
        with self._changing() as connection:
            version = _resolve(connection, ModelRef(name, alias=alias))
            connection.execute(sa.delete(ALIASES).where(ALIASES.c.name == name, ALIASES.c.alias == alias))
            _record(connection, ModelChange.ALIAS_DELETED, name, version, alias)

    def set_operating_points(self, name: str, version: int, content: str) -> ModelVersion:
        """Keep a new revision of thresholds and calibration; the same again is no new one."""
        with self._changing() as connection:
            known = _version(connection, name, version)
            if known.operating_points_json == content:
                return known
            _set_operating_points(connection, name, version, known.operating_points_revision + 1, content)
            return _version(connection, name, version)

    def events(self, after: int, *, limit: int = 1000) -> list[ModelEvent]:
        """Changes numbered above `after`, in order."""
        query = sa.select(EVENTS).where(EVENTS.c.number > after).order_by(EVENTS.c.number).limit(limit)
        with self._readers.connect() as connection:
            return [
                ModelEvent(row.number, ModelChange(row.change), row.name, row.version, row.alias)
                for row in connection.execute(query)
            ]

    def known_names(self) -> frozenset[str]:
        """Names of all models that were ever published here, those without a version left included."""
        with self._readers.connect() as connection:
            return frozenset(connection.scalars(sa.select(MODELS.c.name)))

    def uses(self, sha256: str) -> bool:
        """Whether a version has a file with this content."""
        query = sa.select(ARTIFACTS.c.name).where(ARTIFACTS.c.sha256 == sha256).limit(1)
        with self._readers.connect() as connection:
            return connection.execute(query).first() is not None

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            connection.execute(sa.select(JOURNAL.c.last_number).where(JOURNAL.c.id == 1).with_for_update())
            yield connection


def _consistent(readers: Engine) -> Engine:
    """A version is read in several queries, which must see one state; SQLite's reads do."""
    if readers.dialect.name == "postgresql":
        return readers.execution_options(isolation_level="REPEATABLE READ")
    return readers


def _earlier_request(connection: Connection, new: NewVersion) -> tuple[int, bool] | None:
    if not new.request_id:
        return None
    query = sa.select(PUBLISH_REQUESTS).where(PUBLISH_REQUESTS.c.request_id == new.request_id)
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.fingerprint != new.fingerprint():
        raise RequestReused("This request_id was used before with other content; use a new one.")
    return row.version, row.created


def _remember_request(connection: Connection, new: NewVersion, version: int, created: bool) -> None:
    if new.request_id:
        connection.execute(
            sa.insert(PUBLISH_REQUESTS).values(
                request_id=new.request_id,
                fingerprint=new.fingerprint(),
                name=new.name,
                version=version,
                created=created,
            )
        )


def _find_or_insert(connection: Connection, new: NewVersion) -> tuple[int, bool]:
    known = connection.scalar(_select_number(new.name).where(VERSIONS.c.digest == new.digest()))
    if known is not None:
        return int(known), False
    number = _next_number(connection, new.name)
    connection.execute(sa.insert(VERSIONS).values(_version_row(new, number)))
    connection.execute(sa.insert(ARTIFACTS), _artifact_rows(new, number))
    _record(connection, ModelChange.VERSION_PUBLISHED, new.name, number)
    return number, True


def _next_number(connection: Connection, name: str) -> int:
    last = connection.scalar(sa.select(MODELS.c.last_version).where(MODELS.c.name == name))
    if last is None:
        connection.execute(sa.insert(MODELS).values(name=name, last_version=1))
        return 1
    connection.execute(sa.update(MODELS).where(MODELS.c.name == name).values(last_version=last + 1))
    return int(last) + 1


def _version_row(new: NewVersion, number: int) -> dict[str, Any]:
    return {
        "name": new.name,
        "version": number,
        "digest": new.digest(),
        "manifest": new.manifest.canonical(),
        "lineage": json.dumps(vars(new.lineage), sort_keys=True),
        "remarks": json.dumps([vars(remark) for remark in new.remarks]),
        "created_us": _now_us(),
    }


def _artifact_rows(new: NewVersion, number: int) -> Sequence[Mapping[str, Any]]:
    return [
        {
            "name": new.name,
            "version": number,
            "artifact": artifact.name,
            "position": position,
            "sha256": artifact.sha256,
            "size_bytes": artifact.size_bytes,
        }
        for position, artifact in enumerate(new.artifacts)
    ]


def _set_alias(connection: Connection, name: str, alias: str, version: int) -> None:
    here = (ALIASES.c.name == name, ALIASES.c.alias == alias)
    known = connection.scalar(sa.select(ALIASES.c.version).where(*here))
    if known == version:
        return
    if known is None:
        connection.execute(sa.insert(ALIASES).values(name=name, alias=alias, version=version))
    else:
        connection.execute(sa.update(ALIASES).where(*here).values(version=version))
    _record(connection, ModelChange.ALIAS_SET, name, version, alias)


def _set_operating_points(connection: Connection, name: str, version: int, revision: int, content: str) -> None:
    row = {"name": name, "version": version, "revision": revision, "content": content, "created_us": _now_us()}
    connection.execute(sa.insert(OPERATING_POINTS).values(row))
    _record(connection, ModelChange.OPERATING_POINTS_SET, name, version)


def _record(connection: Connection, change: ModelChange, name: str, version: int, alias: str = "") -> None:
    connection.execute(sa.update(JOURNAL).where(JOURNAL.c.id == 1).values(last_number=JOURNAL.c.last_number + 1))
    number = connection.scalar(sa.select(JOURNAL.c.last_number).where(JOURNAL.c.id == 1))
    connection.execute(
        sa.insert(EVENTS).values(
            number=number, change=change.value, name=name, version=version, alias=alias, created_us=_now_us()
        )
    )


def _resolve(connection: Connection, ref: ModelRef) -> int:
    if ref.version:
        return ref.version
    newest = _latest(connection, ref.name)
    if newest is None:
        raise _no_model(ref.name)
    if ref.alias in ("", LATEST):
        return newest
    query = sa.select(ALIASES.c.version).where(ALIASES.c.name == ref.name, ALIASES.c.alias == ref.alias)
    version = connection.scalar(query)
    if version is None:
        raise AliasNotFound("The model has no such alias; list its versions to see which it has.", name=ref.alias)
    return int(version)


def _latest(connection: Connection, name: str) -> int | None:
    """The highest version that is no smaller copy of another: who asks for a model by name alone gets its own scores.

    The highest of all where there are only such.
    """
    query = sa.select(VERSIONS.c.version, VERSIONS.c.lineage).where(VERSIONS.c.name == name)
    rows = connection.execute(query.order_by(VERSIONS.c.version.desc())).all()
    own = (int(row.version) for row in rows if json.loads(row.lineage)["origin"] != "quantized")
    return next(own, int(rows[0].version) if rows else None)


def _select_number(name: str) -> sa.Select[int]:
    return sa.select(VERSIONS.c.version).where(VERSIONS.c.name == name)


def _version(connection: Connection, name: str, version: int) -> ModelVersion:
    here = (VERSIONS.c.name == name, VERSIONS.c.version == version)
    row = connection.execute(sa.select(VERSIONS).where(*here)).first()
    if row is None:
        raise _no_model(name)
    revision, points = _operating_points(connection, name, version)
    return ModelVersion(
        name=name,
        version=version,
        digest=row.digest,
        manifest=Manifest.parse(row.manifest),
        artifacts=_artifacts(connection, name, version),
        lineage=Lineage(**json.loads(row.lineage)),
        aliases=_aliases(connection, name, version),
        created_at=datetime.fromtimestamp(row.created_us / 1e6, UTC),
        remarks=tuple(Remark(**remark) for remark in json.loads(row.remarks)),
        operating_points_revision=revision,
        operating_points_json=points,
    )


def _artifacts(connection: Connection, name: str, version: int) -> tuple[Artifact, ...]:
    query = sa.select(ARTIFACTS).where(ARTIFACTS.c.name == name, ARTIFACTS.c.version == version)
    rows = connection.execute(query.order_by(ARTIFACTS.c.position))
    return tuple(Artifact(row.artifact, row.sha256, row.size_bytes) for row in rows)


def _aliases(connection: Connection, name: str, version: int) -> tuple[str, ...]:
    query = sa.select(ALIASES.c.alias).where(ALIASES.c.name == name, ALIASES.c.version == version)
    return tuple(connection.scalars(query.order_by(ALIASES.c.alias)))


def _operating_points(connection: Connection, name: str, version: int) -> tuple[int, str]:
    table = OPERATING_POINTS.c
    query = sa.select(table.revision, table.content).where(table.name == name, table.version == version)
    row = connection.execute(query.order_by(table.revision.desc()).limit(1)).first()
    return (0, "") if row is None else (row.revision, row.content)


def _no_model(name: str) -> ModelNotFound:
    return ModelNotFound("No model has this name and version; list the models to see which there are.", name=name)


def _now_us() -> int:
    return time.time_ns() // 1000
