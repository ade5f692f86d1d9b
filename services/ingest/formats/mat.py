"""MATLAB files of all versions: matrices and structs with a signal and its facts."""

from __future__ import annotations

from precordia.errors import UnreadableFile
from precordia.record import Hints
from precordia.source import Source
from services.ingest.formats.hdf5_arrays import is_hdf5, is_matlab, read_hdf5
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.mat5 import is_version_4, is_version_5, read_version_4, read_version_5
from services.ingest.formats.named_arrays import Named, read_named
from services.ingest.formats.parsed import ParsedEcg

FORMAT = "mat"
VERSION = "2"


def sniff(source: Source) -> bool:
    """The headers of versions 4, 5 to 7, and 7.3."""
    content = source.content
    return is_matlab(content) or is_version_5(content) or (not is_hdf5(content) and is_version_4(content))


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """All recordings among the file's variables."""
    return read_named(mat_arrays(source, context.limits), hints, context.limits)


def mat_arrays(source: Source, limits: Limits) -> Named:
    """The variables of the file. Version 7.3 is HDF5 behind a block of text."""
    content = source.content
    if is_matlab(content):
        named = read_hdf5(content, limits)
    else:
        named = read_version_5(content, limits) if is_version_5(content) else read_version_4(content, limits)
    if not named:
        raise UnreadableFile("The MATLAB file holds no variable.", format=FORMAT)
    return named
