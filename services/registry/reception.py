"""Files of a model as they arrive: header, chunks, header, chunks, each checked and stored."""

from __future__ import annotations

import re
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from precordia.catalog import Artifact, checked_name
from precordia.errors import ChecksumMismatch, InvalidArgument, TooLarge
from precordia.storage.blobs import BlobStore, BlobWriter

MOST_FILES = 32
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Reception:
    """Takes files one after the other into the blob store; leaving the `with` block abandons what is unfinished.

    Files that were finished and are never recorded stay until the store is swept.

    Args:
        blobs: where they go.
        longest_bytes: of one file.
    """

    def __init__(self, blobs: BlobStore, *, longest_bytes: int) -> None:
        self._blobs = blobs
        self._longest_bytes = longest_bytes
        self._open = ExitStack()
        self._writer: BlobWriter | None = None
        self._announced: Artifact | None = None
        self._received: list[Artifact] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def begin(self, announced: Artifact) -> None:
        """The next file; the one before it is complete.

        Raises:
            InvalidArgument: its name, hash or number is unusable.
            TooLarge: it is longer than a file may be.
            ChecksumMismatch: the file before it is not what was announced.
        """
        self._complete()
        self._check(announced)
        self._announced = announced
        self._writer = self._open.enter_context(self._blobs.writer())

    def write(self, chunk: bytes) -> None:
        """More bytes of the current file."""
        if self._writer is None or self._announced is None:
            raise InvalidArgument("A file begins with its header: name, size and SHA-256.", field="artifact")
        if self._writer.size_bytes + len(chunk) > self._announced.size_bytes:
            raise ChecksumMismatch("More bytes came than were announced; send the file again.")
        self._writer.write(chunk)

    def finish(self) -> tuple[Artifact, ...]:
        """All files, complete and stored."""
        self._complete()
        return tuple(self._received)

    def _complete(self) -> None:
        if self._writer is None or self._announced is None:
            return
        if self._writer.size_bytes != self._announced.size_bytes:
            raise ChecksumMismatch("Fewer bytes came than were announced; send the file again.")
        self._writer.commit(self._announced.sha256)
        self._open.close()
        self._received.append(self._announced)
        self._writer = self._announced = None

    def _check(self, announced: Artifact) -> None:
        checked_name(announced.name, field="artifact.name")
        if not _SHA256.fullmatch(announced.sha256):
            raise InvalidArgument("A file's SHA-256 is 64 lower-case hexadecimal digits.", field="artifact.sha256")
        if announced.name in {artifact.name for artifact in self._received}:
            raise InvalidArgument("Two files of a model have the same name.", field="artifact.name")
        if len(self._received) >= MOST_FILES:
            raise TooLarge(f"A model has at most {MOST_FILES} files.", limit=MOST_FILES)
        if announced.size_bytes > self._longest_bytes:
            raise TooLarge(f"A file of a model has at most {self._longest_bytes} bytes.", limit=self._longest_bytes)
