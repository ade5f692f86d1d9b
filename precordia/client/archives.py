"""ZIP and tar archives as sources: members are read from the archive itself, nothing is unpacked to disk.

Refused are members that are links or devices, that have absolute names or names with `..`, that are
encrypted, that are archives themselves, and bombs: what unpacks to far more than an ECG could.
"""

from __future__ import annotations

import stat
import tarfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from precordia.client.grouping import HEADER, MAX_HEADER_BYTES
from precordia.errors import PrecordiaError, TooLarge, UnreadableFile, UnsafeContent

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_MEMBERS = 1_000_000
MAX_MEMBER_BYTES = 1 << 30
MAX_RATIO = 200
"""Most that a member above 1 MiB may unpack to, in multiples of its packed size. No ECG packs better."""

_MIB = 1 << 20
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RuntimeError)


def is_archive(path: Path | PurePosixPath) -> bool:
    """Whether a file is an archive, by its name; NPZ files, which are ZIPs inside, are not."""
    return path.name.lower().endswith(SUFFIXES)


@dataclass(frozen=True)
class Member:
    """One file of an archive. `refusal` says why it is not read."""

    name: str
    size: int
    offset: int = 0
    refusal: PrecordiaError | None = None


@dataclass
class Archive(ABC):
    """Members by name, in the archive's order."""

    path: Path
    members: dict[str, Member] = field(default_factory=dict)
    _headers: dict[str, bytes] = field(default_factory=dict, repr=False)

    def holds(self, path: Path) -> bool:
        """Whether a member lies at this path (the archive's own path, then the member's name)."""
        member = self.members.get(self.name_of(path))
        return member is not None and member.refusal is None

    def head(self, path: Path) -> bytes:
        """A header's first bytes."""
        return self._headers.get(self.name_of(path), b"")

    def path_of(self, name: str) -> Path:
        """The path under which a member is shown."""
        return self.path / name

    def name_of(self, path: Path) -> str:
        """The inverse of `path_of`."""
        return PurePosixPath(*path.parts[len(self.path.parts) :]).as_posix()

    @abstractmethod
    def read(self, names: Sequence[str]) -> list[bytes]:
        """The bytes of members, in the order asked for; safe to call from several threads.

        Raises:
            UnreadableFile: the archive is damaged there.
        """

    def _take(self, name: str, size: int, offset: int, refusal: PrecordiaError | None, head: bytes = b"") -> None:
        if len(self.members) >= MAX_MEMBERS:
            raise TooLarge(f"An archive has {MAX_MEMBERS} members at most.", limit=MAX_MEMBERS)
        if name in self.members:
            refusal = UnsafeContent("The archive holds two members of this name; it is not clear which one is meant.")
        self.members[name] = Member(name, size, offset, refusal)
        if head:
            self._headers[name] = head


def open_archive(path: Path) -> Archive:
    """An archive with the list of its members.

    Raises:
        UnreadableFile: it is none, or damaged.
        UnsafeContent, TooLarge: it is a bomb.
    """
    try:
        if path.name.lower().endswith(".zip"):
            return ZipArchive(path)
        return TarArchive(path) if path.name.lower().endswith(".tar") else PackedTar(path)
    except PrecordiaError:
        raise
    except _DAMAGE as error:
        raise _damaged() from error


class ZipArchive(Archive):
    """A ZIP file. Its directory is read once; members are read at will."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._zip = zipfile.ZipFile(path)
        packed = 0
        for info in self._zip.infolist():
            packed += info.compress_size
            if not info.is_dir():
                self._add(info)
        if packed > path.stat().st_size:
            raise UnsafeContent("Members of the archive overlap, which only a bomb's do.")

    def _add(self, info: zipfile.ZipInfo) -> None:
        refusal = _refused_name(info.filename) or _refused_size(info.file_size, info.compress_size)
        if stat.S_ISLNK(info.external_attr >> 16):
            refusal = _link()
        if info.flag_bits & 0x1:
            refusal = UnsafeContent("The member is encrypted; unpack the archive first.")
        wanted = refusal is None and info.filename.lower().endswith(HEADER) and info.file_size <= MAX_HEADER_BYTES
        head = self._member(info.filename, info.file_size) if wanted else b""
        self._take(info.filename, info.file_size, 0, refusal, head)

    def read(self, names: Sequence[str]) -> list[bytes]:
        """The bytes of members."""
        return [self._member(name, self.members[name].size) for name in names]

    def _member(self, name: str, size: int) -> bytes:
        try:
            with self._zip.open(name) as file:
                return file.read(size)
        except (*_DAMAGE, NotImplementedError) as error:
            raise _damaged() from error


class TarArchive(Archive):
    """A tar file that is not compressed: members are read where they lie."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with tarfile.open(path, mode="r:") as tar:
            for info in tar:
                if not info.isdir():
                    self._add(tar, info)
                _forget(tar)

    def _add(self, tar: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        refusal = _refused_entry(info)
        head = _header_of(tar, info) if refusal is None else b""
        self._take(info.name, info.size, info.offset_data, refusal, head)

    def read(self, names: Sequence[str]) -> list[bytes]:
        """The bytes of members."""
        try:
            with self.path.open("rb") as file:
                return [_at(file, self.members[name]) for name in names]
        except OSError as error:
            raise _damaged() from error


class PackedTar(Archive):
    """A compressed tar file: read from front to back, once for the list and once for the members.

    Sources are asked for in the order in which their last member comes. Members that come earlier
    than their source's last one are held until it is asked for.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._stream: Iterator[tuple[str, bytes]] | None = None
        self._held: dict[str, bytes] = {}
        self._unread: set[str] = set()
        allowed = max(64 * _MIB, path.stat().st_size * MAX_RATIO)
        unpacked = 0
        with tarfile.open(path, mode="r|*") as tar:
            for position, info in enumerate(tar):
                unpacked += info.size
                if unpacked > allowed:
                    raise UnsafeContent("The archive unpacks to far more than ECGs could; it is not opened.")
                if not info.isdir():
                    self._add(tar, info, position)
                _forget(tar)

    def _add(self, tar: tarfile.TarFile, info: tarfile.TarInfo, position: int) -> None:
        refusal = _refused_entry(info)
        head = _header_of(tar, info) if refusal is None else b""
        self._take(info.name, info.size, position, refusal, head)
        if refusal is None:
            self._unread.add(info.name)

    def read(self, names: Sequence[str]) -> list[bytes]:
        """The bytes of members."""
        with self._lock:
            self._unread.update(names)
            if not self._advance(set(names)):
                self._stream = None  # asked for again, or out of order: once more from the front
                self._held.clear()
                if not self._advance(set(names)):
                    raise _damaged()
            self._unread.difference_update(names)
            return [self._held.pop(name) for name in names]

    def _advance(self, names: set[str]) -> bool:
        if self._stream is None:
            self._stream = self._contents()
        missing = names - self._held.keys()
        while missing:
            name, content = next(self._stream, ("", b""))
            if not name:
                return False
            if name in self._unread:
                self._held[name] = content
                missing.discard(name)
            if sum(map(len, self._held.values())) > MAX_MEMBER_BYTES:
                raise TooLarge("Files that belong together lie too far apart in the archive; unpack it first.")
        return True

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        try:
            with tarfile.open(self.path, mode="r|*") as tar:
                for position, info in enumerate(tar):
                    member = self.members.get(info.name)
                    if member is not None and member.refusal is None and member.offset == position:
                        yield info.name, _content(tar, info)
                    _forget(tar)
        except _DAMAGE as error:
            raise _damaged() from error


def _forget(tar: tarfile.TarFile) -> None:
    """Let go of the list of members so far; there may be a million, and each is looked at once."""
    tar.members = []  # type: ignore[attr-defined]  # documented by name only in tarfile's own source


def _header_of(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    wanted = info.name.lower().endswith(HEADER) and info.size <= MAX_HEADER_BYTES
    return _content(tar, info) if wanted else b""


def _at(file: IO[bytes], member: Member) -> bytes:
    file.seek(member.offset)
    content = file.read(member.size)
    if len(content) != member.size:
        raise _damaged()
    return content


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file: IO[bytes] | None = tar.extractfile(info)
    content = b"" if file is None else file.read()
    if len(content) != info.size:
        raise _damaged()
    return content


def _refused_entry(info: tarfile.TarInfo) -> PrecordiaError | None:
    if info.issym() or info.islnk():
        return _link()
    if not info.isreg() or info.issparse():
        return UnsafeContent("The member is no plain file.")
    return _refused_name(info.name) or _refused_size(info.size, info.size)


def _refused_name(name: str) -> PrecordiaError | None:
    parts = name.replace("\\", "/").split("/")
    if not name or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\x00" in name:
        return UnsafeContent("The member's name leads out of the archive; it is not read.")
    if PurePosixPath(name).as_posix() != name or "\\" in name:
        return UnsafeContent("The member's name is spelled in a way that other names could mean as well.")
    if is_archive(PurePosixPath(name)):
        return UnsafeContent("An archive within an archive is not opened; unpack the outer one first.")
    return None


def _refused_size(size: int, packed: int) -> PrecordiaError | None:
    if size > MAX_MEMBER_BYTES:
        return TooLarge(f"A member is {MAX_MEMBER_BYTES // _MIB} MiB at most.", limit=MAX_MEMBER_BYTES)
    if size > _MIB and size > packed * MAX_RATIO:
        return UnsafeContent("The member unpacks to far more than an ECG could; it is not opened.")
    return None


def _link() -> PrecordiaError:
    return UnsafeContent("The member is a link; links in archives are not followed.")


def _damaged() -> UnreadableFile:
    return UnreadableFile("The archive is damaged, cut short, or no archive of its kind.", format="archive")
