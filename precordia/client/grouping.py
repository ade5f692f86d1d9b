"""Which files belong together: a WFDB header takes along the files that it names, wherever they lie.

The same rules hold for a folder and for the members of an archive; a `Tree` says what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

HEADER = ".hea"
MAX_HEADER_BYTES = 1 << 20


class Tree(Protocol):
    """Files by path, on disk or in an archive."""

    def holds(self, path: Path) -> bool:
        """Whether there is a file here."""

    def head(self, path: Path) -> bytes:
        """The first MAX_HEADER_BYTES of a file; empty where it cannot be read."""


class Disk:
    """The file system."""

    def holds(self, path: Path) -> bool:
        """Whether there is a file here."""
        return path.is_file()

    def head(self, path: Path) -> bytes:
        """The first bytes of a file; empty where it cannot be read."""
        try:
            with path.open("rb") as file:
                return file.read(MAX_HEADER_BYTES)
        except OSError:
            return b""


def source_of(tree: Tree, file: Path) -> tuple[Path, tuple[Path, ...]]:
    """The source that a file belongs to, and that source's companions.

    A file that a header beside it names is no source of its own: it means its header.
    """
    if file.suffix.lower() == HEADER:
        return file, _companions(tree, file)
    for header in _headers_beside(tree, file):
        companions = _companions(tree, header)
        if file in companions:
            return header, companions
    return file, ()


def is_annotation(tree: Tree, file: Path) -> bool:
    """Whether a header of the same name lies beside; a file that it does not name is then an annotation."""
    header = file.with_suffix(HEADER)
    return header != file and tree.holds(header)


def is_hidden(path: Path) -> bool:
    """Whether a part of a path begins with a dot, or is what one system adds to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _headers_beside(tree: Tree, file: Path) -> Iterator[Path]:
    """Headers that may name this file: of its own stem, and of the record that its segment belongs to."""
    stems = {file.stem, file.stem.split("_")[0], file.stem.rstrip("dm")}
    for stem in sorted(stems, key=len, reverse=True):
        header = file.with_name(stem + HEADER)
        if stem and tree.holds(header):
            yield header


def _companions(tree: Tree, header: Path) -> tuple[Path, ...]:
    """Files that a header names, and those that its segments' headers name, that lie beside it."""
    found: dict[Path, None] = {}
    for name in _named_in(tree, header):
        companion = header.with_name(name)
        if companion == header or companion in found or not tree.holds(companion):
            continue
        found[companion] = None
        if companion.suffix.lower() == HEADER:
            found.update(dict.fromkeys(_segment_files(tree, companion)))
    return tuple(found)


def _segment_files(tree: Tree, segment: Path) -> list[Path]:
    files = [segment.with_name(name) for name in _named_in(tree, segment)]
    return [file for file in files if file != segment and tree.holds(file)]


def _named_in(tree: Tree, header: Path) -> list[str]:
    """Plain file names in a WFDB header: signal files, or the headers of segments where the record has segments."""
    text = tree.head(header)[:MAX_HEADER_BYTES].decode("latin-1")
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return []
    segmented = "/" in lines[0][0]
    names = [words[0] + HEADER if segmented and words[0] != "~" else words[0] for words in lines[1:]]
    return [name for name in names if name != "~" and Path(name).name == name]
