"""Bytes kept under their SHA-256, in a folder or on any store that fsspec knows."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem

from precordia.errors import ChecksumMismatch, InternalError, InvalidArgument, NotFound, StorageFull

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = "unfinished"  # folder of what is being written; no content hash looks like it
_ABANDONED_AFTER_S = 3600


@dataclass(frozen=True)
class Blob:
    """What was stored: lower-case hex SHA-256 and size."""

    sha256: str
    size_bytes: int


class BlobStore:
    """Content-addressed bytes: written whole or not at all, never changed, the same bytes once.

    Args:
        url_or_folder: a folder, or a URL such as s3://bucket/prefix.
    """

    def __init__(self, url_or_folder: str | os.PathLike[str]) -> None:
        filesystem, root = fsspec.core.url_to_fs(os.fspath(url_or_folder))
        self._filesystem: Any = filesystem
        self._root = root.rstrip("/")
        self._local = isinstance(filesystem, LocalFileSystem)
        if self._local:
            Path(self._root, _UNFINISHED).mkdir(parents=True, exist_ok=True)

    def writer(self) -> BlobWriter:
        """A place to write one blob into; see BlobWriter."""
        return BlobWriter(self)

    def put(self, data: bytes) -> Blob:
        """Store bytes that are in memory; those that are stored already are not written again."""
        sha256 = hashlib.sha256(data).hexdigest()
        if self._local and self._renew(self._path(sha256)):
            return Blob(sha256, len(data))
        with self.writer() as writer:
            writer.write(data)
            return writer.commit()

    def read(self, sha256: str) -> bytes:
        """All bytes of one blob, verified.

        Raises:
            NotFound: nothing is stored under this hash.
            InternalError: what is stored is damaged.
        """
        return b"".join(self.chunks(sha256))

    def chunks(self, sha256: str, size: int = 1 << 20) -> Iterator[bytes]:
        """The bytes of one blob, `size` at a time; a damaged blob raises InternalError at its end."""
        digest = hashlib.sha256()
        with self._open(sha256) as file:
            while chunk := file.read(size):
                digest.update(chunk)
                yield chunk
        if digest.hexdigest() != sha256:
            raise InternalError("Stored content is damaged; restore it from a backup.")

    def exists(self, sha256: str) -> bool:
        """Whether this content is stored."""
        return bool(self._filesystem.exists(self._path(sha256)))

    def delete(self, sha256: str) -> None:
        """Remove one blob; one that is not there is no error."""
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self._path(sha256))

    def local_path(self, sha256: str) -> Path | None:
        """Where the blob lies on this host, for readers that map files; None on a remote store.

        Raises:
            NotFound: nothing is stored under this hash.
        """
        if not self._local:
            return None
        path = Path(self._path(sha256))
        if not path.is_file():
            raise _not_stored()
        return path

    def sweep(self, keep: Callable[[str], bool]) -> int:
        """Remove what nobody wants: blobs for which `keep` says no, and writes that never ended.

        Only what is older than an hour goes, so that a blob whose owner is about to record it stays.
        Returns how many went.
        """
        removed = 0
        before = time.time() - _ABANDONED_AFTER_S
        for path, modified in self._files():
            name = path.rsplit("/", 1)[1]
            orphan = not (_SHA256.fullmatch(name) and keep(name))
            if orphan and modified < before:
                self._filesystem.rm_file(path)
                removed += 1
        return removed

    def _files(self) -> Iterator[tuple[str, float]]:
        if not self._filesystem.exists(self._root):
            return
        for path, facts in list(self._filesystem.find(self._root, detail=True).items()):
            yield path, _modified_s(facts)

    def _path(self, sha256: str) -> str:
        if not _SHA256.fullmatch(sha256):
            raise InvalidArgument("A content hash is 64 lower-case hexadecimal digits.", field="sha256")
        return f"{self._root}/{sha256[:2]}/{sha256}"

    def _open(self, sha256: str) -> Any:
        try:
            return self._filesystem.open(self._path(sha256), "rb")
        except FileNotFoundError:
            raise _not_stored() from None

    def _unfinished_path(self) -> Path:
        """Beside the blobs where they are local, so that a rename finishes the write."""
        folder = Path(self._root, _UNFINISHED) if self._local else Path(tempfile.gettempdir())
        return folder / f"precordia-{uuid.uuid4().hex}"

    def _renew(self, target: str) -> bool:
        """Whether the same bytes lie there; they are young again then, so that no sweep takes them now."""
        try:
            os.utime(target)
        except FileNotFoundError:
            return False
        return True

    def _keep(self, unfinished: Path, sha256: str) -> None:
        target = self._path(sha256)
        if not self._local:
            self._filesystem.put_file(str(unfinished), target)
            return
        if self._renew(target):
            return
        folder = Path(target).parent
        folder.mkdir(exist_ok=True)
        os.replace(unfinished, target)
        _sync_folder(folder)


class BlobWriter:
    """One blob being written. Leaving the `with` block without commit() abandons it."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._path = store._unfinished_path()
        self._digest = hashlib.sha256()
        self._size = 0
        self._file: BinaryIO

    def __enter__(self) -> Self:
        with _full_storage_is_typed():
            descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk fails here once more, after it was told
            self._file.close()
        self._path.unlink(missing_ok=True)

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""
        return self._size

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            StorageFull: no space is left.
        """
        with _full_storage_is_typed():
            self._file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def commit(self, expected_sha256: str = "") -> Blob:
        """Make the bytes durable and visible under their hash.

        Raises:
            ChecksumMismatch: the bytes do not have the hash that was announced.
            StorageFull: no space is left.
        """
        sha256 = self._digest.hexdigest()
        if expected_sha256 and expected_sha256.lower() != sha256:
            raise ChecksumMismatch("The bytes received are not the bytes announced; send them again.")
        with _full_storage_is_typed():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._store._keep(self._path, sha256)
        return Blob(sha256=sha256, size_bytes=self._size)


@contextlib.contextmanager
def _full_storage_is_typed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("No space is left for stored content; free some and try again.") from error
        raise


def _not_stored() -> NotFound:
    return NotFound("This content is not stored here.")


def _modified_s(facts: dict[str, Any]) -> float:
    """When a file was last written; now where the store does not say, so that it is kept."""
    for key in ("mtime", "LastModified", "created", "modified"):
        value = facts.get(key)
        if value is not None:
            return float(value) if isinstance(value, int | float) else float(value.timestamp())
    return time.time()


def _sync_folder(folder: Path) -> None:
    """A rename is durable once its folder is."""
    for path in (folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
