"""Files that people name: folders, patterns and archives opened up, headers grouped with the files they need."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from precordia.client.archives import Archive, is_archive, open_archive
from precordia.client.grouping import Disk, is_annotation, is_hidden, source_of
from precordia.errors import NotFound, PrecordiaError, TooLarge, UnreadableFile
from precordia.source import Source

MAX_SOURCE_BYTES = 1 << 30
"""A source is held in memory on its way; what is larger is refused before it is read."""


@dataclass(frozen=True)
class SourceFile:
    """One source: the file, and the companions that its header names.

    Attributes:
        path: of the file; in an archive, the archive's path and the member's name.
        companions: the same of its companions.
        archive: where it is a member of one.
        refusal: why it is not read at all.
    """

    path: Path
    companions: tuple[Path, ...] = field(default=())
    archive: Archive | None = field(default=None, compare=False, repr=False)
    refusal: PrecordiaError | None = None

    def read(self) -> Source:
        """The bytes.

        Raises:
            NotFound, UnreadableFile: the file, or a companion, is not there or cannot be opened.
            TooLarge: together they are above MAX_SOURCE_BYTES.
            UnsafeContent: a member of an archive that is not opened.
        """
        if self.refusal is not None:
            raise self.refusal
        names = [file.name for file in (self.path, *self.companions)]
        contents = self._from_disk() if self.archive is None else self._from_archive(self.archive)
        return Source(names[0], contents[0], dict(zip(names[1:], contents[1:], strict=True)))

    def _from_disk(self) -> list[bytes]:
        if not self.path.exists():
            raise NotFound("There is no such file.")
        if self.path.is_char_device() or self.path.is_block_device():  # they have no end
            raise UnreadableFile("It is a device, and no file.", format="file")
        files = (self.path, *self.companions)
        try:
            _check_size(sum(file.stat().st_size for file in files))
            return [file.read_bytes() for file in files]
        except OSError as error:
            raise UnreadableFile(f"The file cannot be read: {error.strerror}.", format="file") from None

    def _from_archive(self, archive: Archive) -> list[bytes]:
        names = [archive.name_of(file) for file in (self.path, *self.companions)]
        _check_size(sum(archive.members[name].size for name in names))
        return archive.read(names)


@dataclass(frozen=True)
class Found:
    """What people's paths mean: sources, and the annotations that lie beside headers in folders."""

    sources: tuple[SourceFile, ...]
    left_out: tuple[Path, ...]


def sources_from_paths(paths: Iterable[str | Path]) -> list[SourceFile]:
    """The sources that `find_sources` finds."""
    return list(find_sources(paths).sources)


def find_sources(paths: Iterable[str | Path]) -> Found:
    """Sources in the order named; folders are walked, patterns expanded, archives opened, each source once.

    A `.hea` header takes along the files that it names. A file that a header beside it names is no source of its
    own: naming it means its header. In folders and archives hidden files are passed over, and so are files of a
    header's name that it does not name, which are annotations (`100.atr` beside `100.hea`); those are told. A path
    that is not there, and a member of an archive that is not opened, are listed all the same, so that reading them
    says so.
    """
    found: dict[Path, SourceFile] = {}
    left_out: dict[Path, None] = {}
    taken: set[Path] = set()
    for path in paths:
        for file in _expanded(path):
            if is_archive(file) and file.is_file():
                inside, beside = _in_archive(file)
                found.update((source.path, source) for source in inside if source.path not in found)
                left_out.update(dict.fromkeys(beside))
                continue
            header, companions = source_of(Disk(), file)
            if header == file != Path(path).expanduser() and is_annotation(Disk(), file):
                left_out[file] = None
            elif header not in found:
                found[header] = SourceFile(header, companions)
                taken.update(companions)
    sources = tuple(source for path, source in found.items() if path not in taken)
    return Found(sources, tuple(file for file in left_out if file not in taken))


def _in_archive(path: Path) -> tuple[list[SourceFile], list[Path]]:
    """Sources in the order in which their last member comes, and annotations."""
    try:
        archive = open_archive(path)
    except PrecordiaError as error:
        return [SourceFile(path, refusal=error)], []
    position = {name: index for index, name in enumerate(archive.members)}
    found: dict[Path, tuple[int, SourceFile]] = {}
    left_out: list[Path] = []
    taken: set[Path] = set()
    for name, member in archive.members.items():
        file = archive.path_of(name)
        if member.refusal is not None:
            found[file] = position[name], SourceFile(file, refusal=member.refusal)
        elif not is_hidden(Path(name)):
            header, companions = source_of(archive, file)
            if header == file and is_annotation(archive, file):
                left_out.append(file)
            else:
                last = max(position[archive.name_of(part)] for part in (header, *companions))
                found[header] = last, SourceFile(header, companions, archive)
                taken.update(companions)
    kept = [entry for file, entry in found.items() if file not in taken]
    return [source for _, source in sorted(kept, key=lambda entry: entry[0])], [
        file for file in left_out if file not in taken
    ]


def _expanded(path: str | Path) -> Sequence[Path]:
    plain = Path(path).expanduser()
    if plain.is_dir():
        return sorted(file for file in plain.rglob("*") if file.is_file() and not is_hidden(file.relative_to(plain)))
    if plain.exists() or not glob.has_magic(str(path)):
        return [plain]
    matches = sorted(Path(match) for match in glob.glob(str(plain), recursive=True))
    return [file for match in matches for file in _expanded(match)] or [plain]


def _check_size(size: int) -> None:
    if size > MAX_SOURCE_BYTES:
        raise TooLarge(f"A source is at most {MAX_SOURCE_BYTES >> 20} MiB with its companions.", limit=MAX_SOURCE_BYTES)
