"""Files staged for a later import: written as they come, kept for a while, gone when used or expired."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Engine, delete, insert, select, update

from precordia.errors import ChecksumMismatch, InvalidArgument, UploadNotFound
from precordia.source import Source
from precordia.storage.blobs import BlobStore, BlobWriter
from precordia.storage.database import read_only
from services.ingest.assembly import FileHeader, check_announced, check_chunk
from services.ingest.membership import now
from services.ingest.reclaim import Reclaimer
from services.ingest.tables import source_files, uploads

MAX_KNOWN = 1000
"""Files that one question may name."""

_EXPIRE_EVERY_S = 600.0
_IDS_A_QUERY = 500  # SQLite and PostgreSQL both limit the number of parameters


@dataclass(frozen=True)
class Upload:
    """A staged file."""

    upload_id: str
    sha256: str


class Uploads:
    """The staging area.

    Args:
        engine: where it is written what is staged.
        blobs: where the bytes lie.
        reclaimer: frees the bytes of what expired.
        max_bytes: of one file.
        keep_h: hours after which a file that no import took is dropped.
    """

    def __init__(
        self, engine: Engine, blobs: BlobStore, reclaimer: Reclaimer, *, max_bytes: int, keep_h: float
    ) -> None:
        self._engine = engine
        self._reader = read_only(engine)
        self._blobs = blobs
        self._reclaimer = reclaimer
        self._max_bytes = max_bytes
        self._keep = timedelta(hours=keep_h)
        self._expire_at = 0.0

    def begin(self, header: FileHeader) -> Staging:
        """A place for the chunks of one file.

        Raises:
            TooLarge: more is announced than is taken.
        """
        check_announced(header, self._max_bytes)
        if time.monotonic() >= self._expire_at:
            self.expire()
        return Staging(self, self._blobs.writer(), header)

    def record(self, writer: BlobWriter, header: FileHeader) -> Upload:
        """Make a complete file available under an id.

        Raises:
            ChecksumMismatch: its bytes are not those announced.
        """
        with self._reclaimer.writing():
            blob = writer.commit(header.sha256)
            row = _row(header.name, blob.sha256, blob.size_bytes, now() + self._keep)
            with self._engine.begin() as connection:
                connection.execute(insert(uploads), [row])
        return Upload(str(row["upload_id"]), blob.sha256)

    def stage_known(self, headers: Sequence[FileHeader]) -> list[str]:
        """Stage those files whose bytes are kept already, of a source or of another upload.

        Returns:
            An upload id for each file; empty where its bytes are not here.

        Raises:
            InvalidArgument: too many files are named.
        """
        if len(headers) > MAX_KNOWN:
            raise InvalidArgument(f"At most {MAX_KNOWN} files are asked about at once.", field="files")
        wanted = {header.sha256.lower() for header in headers}
        with self._reclaimer.writing():  # what is found here is not taken away before it is staged
            sizes = self._kept(list(wanted))
            rows = [_row(one.name, one.sha256.lower(), one.size_bytes, now() + self._keep) for one in headers]
            there = [row for row in rows if sizes.get(row["sha256"]) == row["size_bytes"]]
            if there:
                with self._engine.begin() as connection:
                    connection.execute(insert(uploads), there)
        known = {row["upload_id"] for row in there}
        return [row["upload_id"] if row["upload_id"] in known else "" for row in rows]

    def _kept(self, hashes: Sequence[str]) -> dict[str, int]:
        """Sizes of the files that are here, by hash."""
        sizes: dict[str, int] = {}
        with self._reader.begin() as connection:
            for start in range(0, len(hashes), _IDS_A_QUERY):
                some = hashes[start : start + _IDS_A_QUERY]
                for table in (source_files, uploads):
                    query = select(table.c.sha256, table.c.size_bytes).where(table.c.sha256.in_(some))
                    sizes.update((row.sha256, row.size_bytes) for row in connection.execute(query))
        return {sha256: size for sha256, size in sizes.items() if self._blobs.exists(sha256)}

    def source(self, name: str, upload_id: str, companions: Mapping[str, str]) -> Source:
        """A source made of staged files.

        Args:
            name: file name of the source itself.
            upload_id: its bytes.
            companions: upload id by file name.

        Raises:
            UploadNotFound: one of them is not there, or expired.
        """
        others = {companion: self._read(staged) for companion, staged in companions.items()}
        return Source(name, self._read(upload_id), others)

    def _read(self, upload_id: str) -> bytes:
        with self._reader.begin() as connection:
            sha256 = connection.scalar(select(uploads.c.sha256).where(uploads.c.upload_id == upload_id))
        if sha256 is None:
            raise UploadNotFound("No file is staged under this id; upload it again.", name=upload_id[:40])
        return self._blobs.read(str(sha256))

    def extend(self, upload_ids: Sequence[str], *, hours: float) -> None:
        """Keep files that an import will take, however long it may wait for its turn."""
        until = now() + timedelta(hours=hours)
        with self._engine.begin() as connection:
            for start in range(0, len(upload_ids), _IDS_A_QUERY):
                of_these = uploads.c.upload_id.in_(upload_ids[start : start + _IDS_A_QUERY])
                connection.execute(update(uploads).where(of_these).values(expires_at=until))

    def forget(self, upload_ids: Sequence[str]) -> None:
        """Drop files that were used; those that are gone already are no error."""
        for start in range(0, len(upload_ids), _IDS_A_QUERY):
            of_these = uploads.c.upload_id.in_(upload_ids[start : start + _IDS_A_QUERY])
            with self._engine.begin() as connection:
                freed = connection.execute(select(uploads.c.sha256).where(of_these)).scalars().all()
                connection.execute(delete(uploads).where(of_these))
            self._reclaimer.release(freed)

    def expire(self) -> int:
        """Drop files that no import took in time; returns how many went."""
        self._expire_at = time.monotonic() + _EXPIRE_EVERY_S
        with self._reader.begin() as connection:
            late = connection.execute(select(uploads.c.upload_id).where(uploads.c.expires_at < now())).scalars().all()
        self.forget(late)
        return len(late)


def _row(name: str, sha256: str, size_bytes: int, expires_at: datetime) -> dict[str, Any]:
    return {
        "upload_id": f"upl-{uuid.uuid4().hex}",
        "name": name,
        "sha256": sha256,
        "size_bytes": size_bytes,
        "expires_at": expires_at,
    }


class Staging:
    """One file on its way in. Leaving the `with` block without `finish` drops it."""

    def __init__(self, uploads: Uploads, writer: BlobWriter, header: FileHeader) -> None:
        self._uploads = uploads
        self._writer = writer
        self._header = header
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._writer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, chunk: bytes) -> None:
        """Further bytes.

        Raises:
            TooLarge, ChecksumMismatch: see `check_chunk`.
            StorageFull: no space is left.
        """
        check_chunk(chunk, self._writer.size_bytes, self._header.size_bytes)
        self._writer.write(chunk)

    def finish(self) -> Upload:
        """The file is complete.

        Raises:
            ChecksumMismatch: its bytes are not those announced.
        """
        if self._writer.size_bytes != self._header.size_bytes:
            raise ChecksumMismatch("Fewer bytes came than were announced; send the file again.")
        return self._uploads.record(self._writer, self._header)
