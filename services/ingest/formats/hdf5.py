"""HDF5 files with signals in plain datasets, such as those of the SPH and CODE-15% collections.

Such files seldom say rate, unit and lead order; what they do say, by names of datasets, is taken.
"""

from __future__ import annotations

from precordia.record import Hints
from precordia.source import Source
from services.ingest.formats.hdf5_arrays import is_hdf5, is_matlab, read_hdf5
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.named_arrays import Named, read_named
from services.ingest.formats.parsed import ParsedEcg

FORMAT = "hdf5"
VERSION = "1"


def sniff(source: Source) -> bool:
    """HDF5's signature, where the file is not MATLAB's."""
    return is_hdf5(source.content) and not is_matlab(source.content)


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """All recordings among the file's datasets."""
    return read_named(hdf5_arrays(source, context.limits), hints, context.limits)


def hdf5_arrays(source: Source, limits: Limits) -> Named:
    """The datasets of the file."""
    return read_hdf5(source.content, limits)
