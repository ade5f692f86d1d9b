"""Puts a source together from the parts of a stream: a header for each file, then its chunks."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from precordia.errors import ChecksumMismatch, InvalidArgument, TooLarge
from precordia.source import Source

MAX_FILES = 256
MAX_CHUNK_BYTES = 1 << 20
_MAX_NAME = 255
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class FileHeader:
    """What the sender announces of one file.

    Raises:
        InvalidArgument: there is no file name or no checksum.
    """

    name: str
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", plain_name(self.name))
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidArgument("Announce each file with its hex SHA-256.", field="file.sha256")


def plain_name(name: str) -> str:
    """A file name without folders or control characters; a name says nothing about where a file lies.

    Raises:
        InvalidArgument: nothing is left.
    """
    plain = re.split(r"[/\\]", name)[-1]
    plain = "".join(character for character in plain if character.isprintable()).strip()
    if plain in ("", ".", ".."):
        raise InvalidArgument("A file has a name.", field="file.file_name")
    return plain[-_MAX_NAME:]


def check_announced(header: FileHeader, limit: int) -> None:
    """Refuse before the first byte what would be too large.

    Raises:
        TooLarge: more bytes than the limit are announced.
    """
    if header.size_bytes > limit:
        raise TooLarge(f"The file has {header.size_bytes} bytes; at most {limit} are taken.", limit=limit)


def check_chunk(chunk: bytes, received: int, announced: int) -> None:
    """Refuse a chunk that is too large, or that goes beyond what was announced.

    Raises:
        TooLarge: above 1 MiB.
        ChecksumMismatch: more bytes came than were announced.
    """
    if len(chunk) > MAX_CHUNK_BYTES:
        raise TooLarge(f"Send chunks of {MAX_CHUNK_BYTES} bytes at most.", limit=MAX_CHUNK_BYTES)
    if received + len(chunk) > announced:
        raise ChecksumMismatch("More bytes came than were announced; send the file again.")


class SourceAssembly:
    """The files of one source as they come in.

    Args:
        limit: largest number of bytes over all files.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._headers: list[FileHeader] = []
        self._contents: list[bytearray] = []

    def begin(self, header: FileHeader) -> None:
        """A further file; the source itself comes first.

        Raises:
            TooLarge: too many files, or too many bytes announced.
            ChecksumMismatch: the file before is not complete.
            InvalidArgument: the name came before.
        """
        self._check_complete()
        if len(self._headers) >= MAX_FILES:
            raise TooLarge(f"A source has {MAX_FILES} files at most.", limit=MAX_FILES)
        if any(known.name == header.name for known in self._headers):
            raise InvalidArgument("Two files of one source have the same name.", field="file.file_name")
        check_announced(header, self._limit - sum(known.size_bytes for known in self._headers))
        self._headers.append(header)
        self._contents.append(bytearray())

    def add(self, chunk: bytes) -> None:
        """Bytes of the file that was announced last.

        Raises:
            InvalidArgument: no file was announced.
            TooLarge, ChecksumMismatch: see `check_chunk`.
        """
        if not self._headers:
            raise InvalidArgument("Announce a file before its chunks.", field="file")
        check_chunk(chunk, len(self._contents[-1]), self._headers[-1].size_bytes)
        self._contents[-1] += chunk

    def finish(self) -> Source:
        """The source, its checksums verified.

        Raises:
            InvalidArgument: no file came.
            ChecksumMismatch: bytes are missing or wrong.
        """
        if not self._headers:
            raise InvalidArgument("The stream holds no file.", field="file")
        self._check_complete()
        contents = [bytes(content) for content in self._contents]
        for header, content in zip(self._headers, contents, strict=True):
            if hashlib.sha256(content).hexdigest() != header.sha256.lower():
                raise ChecksumMismatch("The bytes received are not the bytes announced; send the file again.")
        names = [header.name for header in self._headers]
        return Source(names[0], contents[0], dict(zip(names[1:], contents[1:], strict=True)))

    def _check_complete(self) -> None:
        if self._headers and len(self._contents[-1]) != self._headers[-1].size_bytes:
            raise ChecksumMismatch("Fewer bytes came than were announced; send the file again.")
