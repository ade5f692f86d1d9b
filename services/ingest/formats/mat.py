"""MATLAB files up to version 7: matrices and structs with a signal and its facts."""

from __future__ import annotations

from precordia.errors import UnknownFormat, UnreadableFile
from precordia.record import Hints
from precordia.source import Source
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.mat5 import is_version_4, is_version_5, read_version_4, read_version_5
from services.ingest.formats.named_arrays import Named, read_named
from services.ingest.formats.parsed import ParsedEcg

FORMAT = "mat"
VERSION = "1"

_HDF5 = b"\x89HDF\r\n\x1a\n"


def sniff(source: Source) -> bool:
    """The headers of versions 4, 5 to 7, and 7.3."""
    content = source.content
    return content.startswith(b"MATLAB 7.3") or is_version_5(content) or is_version_4(content) or _is_hdf5(content)


def _is_hdf5(content: bytes) -> bool:
    return content.startswith(_HDF5) or content[512:520] == _HDF5


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """All recordings among the file's variables."""
    return read_named(mat_arrays(source, context.limits), hints, context.limits)


def mat_arrays(source: Source, limits: Limits) -> Named:
    """The variables of the file.

    Raises:
        UnknownFormat: version 7.3, which is HDF5.
    """
    content = source.content
    if content.startswith(b"MATLAB 7.3") or _is_hdf5(content):
        raise UnknownFormat("HDF5 and MATLAB 7.3 files are not read; save the signal as version 7 (save -v7) or NPZ.")
    named = read_version_5(content, limits) if is_version_5(content) else read_version_4(content, limits)
    if not named:
        raise UnreadableFile("The MATLAB file holds no variable.", format=FORMAT)
    return named
