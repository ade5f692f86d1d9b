"""Files on their way to a service: a header with size and SHA-256, then chunks."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from precordia.errors import ChecksumMismatch

CHUNK_BYTES = 1 << 20

Content = bytes | Path


def digest_of(content: Content) -> tuple[int, str]:
    """Size and hex SHA-256; a file is read in pieces."""
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(content):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


async def measure(content: Content) -> tuple[int, str]:
    """`digest_of` without holding up the event loop."""
    return await asyncio.to_thread(digest_of, content)


async def chunks(content: Content) -> AsyncIterator[bytes]:
    """The content in chunks of at most 1 MiB."""
    pieces = _pieces(content)
    while True:
        piece = await asyncio.to_thread(next, pieces, None) if isinstance(content, Path) else next(pieces, None)
        if piece is None:
            return
        yield piece


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        for start in range(0, len(content), CHUNK_BYTES):
            yield content[start : start + CHUNK_BYTES]
        return
    with content.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece


class FileDownload:
    """One large file on its way to disk: chunks are written as they come, and the file takes its name once whole.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, folder: Path, name: str, sha256: str) -> None:
        self.path = folder / Path(name).name
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._unfinished = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}.part")
        folder.mkdir(parents=True, exist_ok=True)
        self._file = self._unfinished.open("wb")

    def add(self, chunk: bytes) -> None:
        """The next chunk."""
        self._file.write(chunk)
        self._digest.update(chunk)

    def finish(self) -> Path:
        """The whole file, under its name.

        Raises:
            ChecksumMismatch: it is not what was announced.
        """
        self._file.close()
        if self._digest.hexdigest() != self._sha256:
            self.abandon()
            raise ChecksumMismatch("A file arrived damaged: its SHA-256 is not the one announced. Fetch it again.")
        return self._unfinished.replace(self.path)

    def abandon(self) -> None:
        """Leave nothing behind of what came so far; a finished file stays."""
        self._file.close()
        self._unfinished.unlink(missing_ok=True)


class Download:
    """One file on its way here: collects chunks and checks them against the announced SHA-256."""

    def __init__(self, name: str, sha256: str) -> None:
        self.name = name
        self._sha256 = sha256
        self._pieces: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        """The next chunk."""
        self._pieces.append(chunk)

    def content(self) -> bytes:
        """The whole file.

        Raises:
            ChecksumMismatch: it is not what was announced.
        """
        content = b"".join(self._pieces)
        if self._sha256 and hashlib.sha256(content).hexdigest() != self._sha256:
            raise ChecksumMismatch("A file arrived damaged: its SHA-256 is not the one announced. Fetch it again.")
        return content
