"""Files that people name: folders and patterns opened up, headers grouped with the files they need."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from precordia.errors import NotFound, TooLarge, UnreadableFile
from precordia.source import Source

MAX_SOURCE_BYTES = 1 << 30
"""A source is held in memory on its way; what is larger is refused before it is read."""

_HEADER = ".hea"
_MAX_HEADER_BYTES = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """One source on disk: the file, and the companions that its header names."""

    path: Path
    companions: tuple[Path, ...] = field(default=())

    def read(self) -> Source:
        """The bytes.

        Raises:
            NotFound, UnreadableFile: the file, or a companion, is not there or cannot be opened.
            TooLarge: together they are above MAX_SOURCE_BYTES.
        """
        if not self.path.exists():
            raise NotFound("There is no such file.")
        if self.path.is_char_device() or self.path.is_block_device():  # they have no end
            raise UnreadableFile("It is a device, and no file.", format="file")
        try:
            sizes = [file.stat().st_size for file in (self.path, *self.companions)]
            if sum(sizes) > MAX_SOURCE_BYTES:
                raise TooLarge(
                    f"A source is at most {MAX_SOURCE_BYTES >> 20} MiB with its companions.", limit=MAX_SOURCE_BYTES
                )
            companions = {companion.name: companion.read_bytes() for companion in self.companions}
            return Source(self.path.name, self.path.read_bytes(), companions)
        except OSError as error:
            raise UnreadableFile(f"The file cannot be read: {error.strerror}.", format="file") from None


@dataclass(frozen=True)
class Found:
    """What people's paths mean: sources, and the annotations that lie beside headers in folders."""

    sources: tuple[SourceFile, ...]
    left_out: tuple[Path, ...]


def sources_from_paths(paths: Iterable[str | Path]) -> list[SourceFile]:
    """The sources that `find_sources` finds."""
    return list(find_sources(paths).sources)


def find_sources(paths: Iterable[str | Path]) -> Found:
    """Sources in the order named; folders are walked, patterns expanded, each source once.

    A `.hea` header takes along the files that it names. A file that a header beside it names is no source of its
    own: naming it means its header. In folders hidden files are passed over, and so are files of a header's name that
    it does not name, which are annotations (`100.atr` beside `100.hea`); those are told. A path that is not there is
    listed all the same, so that reading it says so.
    """
    found: dict[Path, SourceFile] = {}
    left_out: dict[Path, None] = {}
    taken: set[Path] = set()
    for path in paths:
        for file in _expanded(path):
            source = _source_of(file)
            if source.path == file != Path(path).expanduser() and _is_annotation(file):
                left_out[file] = None
            elif source.path not in found:
                found[source.path] = source
                taken.update(source.companions)
    sources = tuple(source for path, source in found.items() if path not in taken)
    return Found(sources, tuple(file for file in left_out if file not in taken))


def _expanded(path: str | Path) -> Sequence[Path]:
    plain = Path(path).expanduser()
    if plain.is_dir():
        return sorted(file for file in plain.rglob("*") if file.is_file() and not _hidden(file.relative_to(plain)))
    if plain.exists() or not glob.has_magic(str(path)):
        return [plain]
    matches = sorted(Path(match) for match in glob.glob(str(plain), recursive=True))
    return [file for match in matches for file in _expanded(match)] or [plain]


def _is_annotation(file: Path) -> bool:
    header = file.with_suffix(_HEADER)
    return header != file and header.is_file()


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _source_of(file: Path) -> SourceFile:
    if file.suffix.lower() == _HEADER:
        return SourceFile(file, _companions(file))
    for header in _headers_beside(file):
        companions = _companions(header)
        if file in companions:
            return SourceFile(header, companions)
    return SourceFile(file)


def _headers_beside(file: Path) -> Iterator[Path]:
    """Headers that may name this file: of its own stem, and of the record that its segment belongs to."""
    stems = {file.stem, file.stem.split("_")[0], file.stem.rstrip("dm")}
    for stem in sorted(stems, key=len, reverse=True):
        header = file.with_name(stem + _HEADER)
        if stem and header.is_file():
            yield header


def _companions(header: Path) -> tuple[Path, ...]:
    """Files that a header names, and those that its segments' headers name, that lie beside it."""
    found: dict[Path, None] = {}
    for name in _named_in(header):
        companion = header.with_name(name)
        if companion == header or companion in found or not companion.is_file():
            continue
        found[companion] = None
        if companion.suffix.lower() == _HEADER:
            found.update(dict.fromkeys(_segment_files(companion)))
    return tuple(found)


def _segment_files(segment: Path) -> list[Path]:
    files = [segment.with_name(name) for name in _named_in(segment)]
    return [file for file in files if file.is_file() and file != segment]


def _named_in(header: Path) -> list[str]:
    """Plain file names in a WFDB header: signal files, or the headers of segments where the record has segments."""
    try:
        with header.open("rb") as file:
            text = file.read(_MAX_HEADER_BYTES).decode("latin-1")
    except OSError:
        return []
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return []
    segmented = "/" in lines[0][0]
    names = [words[0] + _HEADER if segmented and words[0] != "~" else words[0] for words in lines[1:]]
    return [name for name in names if name != "~" and Path(name).name == name]
