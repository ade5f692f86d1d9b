"""NPY and NPZ files of numpy. Pickles in them are refused, never loaded."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from tokenize import TokenError

import numpy as np

from precordia.errors import TooLarge, UnreadableFile, UnsafeContent
from precordia.record import Hints
from precordia.source import Source
from services.ingest.formats.blocks import Numbers
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.named_arrays import Named, Texts, read_named
from services.ingest.formats.parsed import ParsedEcg

NPY, NPZ = "npy", "npz"
VERSION = "1"

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 16_384


def sniff_npy(source: Source) -> bool:
    """The magic of an NPY file."""
    return source.content.startswith(_MAGIC)


def sniff_npz(source: Source) -> bool:
    """A ZIP archive; whether its members are arrays shows when it is read."""
    return source.content.startswith(b"PK\x03\x04")


def read_npy(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """The array, as one recording, or as many as its first of three axes has entries."""
    return read_named(npy_arrays(source, context.limits), hints, context.limits)


def read_npz(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """All recordings in the archive's arrays."""
    return read_named(npz_arrays(source, context.limits), hints, context.limits)


def npy_arrays(source: Source, limits: Limits) -> Named:
    """The one array, under the name `signal`."""
    return {"signal": _array(source.content, limits)}


def npz_arrays(source: Source, limits: Limits) -> Named:
    """The archive's arrays by name; texts as tuples.

    Raises:
        UnsafeContent: a member is a pickle.
        TooLarge: it unpacks beyond the limits.
    """
    named: dict[str, Numbers | Texts] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(source.content)) as archive:
            for name, content in _members(archive, limits):
                if name.endswith(".npy"):
                    array = _array(content, limits)
                    path = name.removesuffix(".npy")
                    named[path] = _strings(array) if array.dtype.kind in "US" else array
    except (zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        raise UnreadableFile("The NPZ archive is broken or cut short.", format=NPZ) from error
    if not named:
        raise UnreadableFile(
            "The file is a ZIP archive without arrays (NPZ); if ECG files are in it, let its name end in .zip.",
            format=NPZ,
        )
    return named


def _members(archive: zipfile.ZipFile, limits: Limits) -> Iterator[tuple[str, bytes]]:
    """Members with their bytes, each unpacked no further than it declares and the limits allow."""
    entries = archive.infolist()
    limits.check_recordings(len(entries))
    limits.check_unpacked(sum(entry.compress_size for entry in entries), sum(entry.file_size for entry in entries))
    for entry in entries:
        limits.check_unpacked(entry.compress_size, entry.file_size)
        with archive.open(entry) as member:
            content = member.read(entry.file_size + 1)
        if len(content) > entry.file_size:
            raise TooLarge("A member of the archive unpacks to more than it declares.", limit=entry.file_size)
        yield entry.filename, content


def _array(content: bytes, limits: Limits) -> Numbers:
    """The array in NPY bytes, as a view of them where its order allows."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise UnreadableFile("The NPY file has a version that is not read.", format=NPY)
        shape, fortran, dtype = read_header(stream, max_header_size=_MAX_HEADER)
    except (ValueError, TypeError, SyntaxError, TokenError, MemoryError, RecursionError) as error:
        raise UnreadableFile("The NPY header is broken.", format=NPY) from error
    if dtype.hasobject:
        raise UnsafeContent("The file holds pickled Python objects, which can run code; they are never loaded.")
    if dtype.kind not in "biufUS" or dtype.itemsize == 0:
        raise UnreadableFile("The NPY array is of a kind that no signal has.", format=NPY)
    count = 1
    for size in shape:
        count *= size
    limits.check_samples(1, count)
    start = stream.tell()
    if count < 0 or len(content) - start < count * dtype.itemsize:
        raise UnreadableFile("The NPY file is shorter than its header says.", format=NPY)
    flat = np.frombuffer(content, dtype, count, start)
    return flat.reshape(shape, order="F" if fortran else "C")


def _strings(array: Numbers) -> Texts:
    return tuple(
        text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in array.ravel().tolist()
    )
