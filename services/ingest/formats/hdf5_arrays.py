"""HDF5 files - MATLAB 7.3 among them - as plain arrays and texts.

h5py reads; what it may touch is decided here. Only hard links are followed, so that no file leads to
another one; data that lie outside, or are put together from elsewhere, are refused. Sizes are
checked against what the file declares before anything is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from precordia.errors import TooLarge, UnreadableFile, UnsafeContent
from services.ingest.formats.limits import Limits
from services.ingest.formats.named_arrays import Named, Texts

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MATLAB = b"MATLAB 7.3"

_MAX_DEPTH = 8
_MAX_OBJECTS = 20_000
_MAX_TEXTS = 4096
_HIDDEN = "#"
"""MATLAB keeps what cells point to in `#refs#`; it is read through the cells."""


@dataclass
class _Budget:
    """What may still be looked at and read in this file."""

    limits: Limits
    packed: int
    objects: int = _MAX_OBJECTS
    unpacked: int = 0
    found: dict[str, np.ndarray[Any, np.dtype[np.generic]] | Texts] = field(default_factory=dict)

    def spend(self, nbytes: int = 0) -> None:
        self.objects -= 1
        self.unpacked += nbytes
        if self.objects < 0:
            raise TooLarge("The HDF5 file has more objects than any ECG file.", limit=_MAX_OBJECTS)
        self.limits.check_unpacked(self.packed, self.unpacked)


def is_hdf5(content: bytes) -> bool:
    """The signature, at the front or behind a user block of 512 bytes."""
    return content.startswith(SIGNATURE) or content[512:520] == SIGNATURE


def is_matlab(content: bytes) -> bool:
    """Whether the user block is MATLAB's."""
    return content.startswith(_MATLAB)


def read_hdf5(content: bytes, limits: Limits) -> Named:
    """All numeric arrays and texts by path, groups and structs as `group.name`.

    MATLAB's arrays come in MATLAB's order of axes, its characters as texts, its cells as `cell.0`.

    Raises:
        UnsafeContent: the file refers to other files.
        TooLarge: it declares more than the limits allow.
        UnreadableFile: it is broken, or holds nothing that could be read.
    """
    import h5py  # slow to load, and few imports meet such a file

    budget = _Budget(limits, len(content))
    try:
        with h5py.File.in_memory(content) as file:
            _group(file, "", budget, 0)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError) as error:
        raise UnreadableFile("The HDF5 file is broken or cut short.", format="hdf5") from error
    if not budget.found:
        raise UnreadableFile("The HDF5 file holds no array.", format="hdf5")
    return budget.found


def _group(group: h5py.Group, path: str, budget: _Budget, depth: int) -> None:
    import h5py

    if depth > _MAX_DEPTH:
        raise UnreadableFile("The HDF5 file is nested more deeply than any ECG file.", format="hdf5")
    for name in group:
        budget.spend()
        if name.startswith(_HIDDEN):
            continue
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UnsafeContent("The HDF5 file refers to other places, which are never opened.")
        _node(group[name], f"{path}.{name}" if path else name, budget, depth)


def _node(node: h5py.HLObject, path: str, budget: _Budget, depth: int) -> None:
    import h5py

    if isinstance(node, h5py.Group):
        if "MATLAB_sparse" in node.attrs:
            return
        _group(node, path, budget, depth + 1)
    elif isinstance(node, h5py.Dataset):
        _dataset(node, path, budget, depth)


def _dataset(dataset: h5py.Dataset, path: str, budget: _Budget, depth: int) -> None:
    if dataset.external is not None or dataset.is_virtual:
        raise UnsafeContent("The HDF5 file refers to other files, which are never opened.")
    if dataset.shape is None or dataset.attrs.get("MATLAB_empty"):
        return
    matlab = dataset.attrs.get("MATLAB_class")
    kind, size = dataset.dtype.kind, int(np.prod(dataset.shape, dtype=float))
    if kind == "O":
        _references_or_texts(dataset, path, size, budget, depth)
    elif kind == "S" and size <= _MAX_TEXTS:
        budget.spend(size * dataset.dtype.itemsize)
        budget.found[path] = tuple(value.decode("utf-8", "replace") for value in np.ravel(dataset[()]).tolist())
    elif kind in "iufb":
        budget.spend(_declared(dataset, size, budget.limits))
        values = np.asarray(dataset[()])
        budget.found[path] = _characters(values) if matlab == b"char" else values.T if matlab is not None else values


def _declared(dataset: h5py.Dataset, size: int, limits: Limits) -> int:
    """Bytes that reading takes: of the array, and of the largest piece that it is stored in."""
    limits.check_samples(1, size)
    chunk = int(np.prod(dataset.chunks, dtype=float)) if dataset.chunks else 0
    limits.check_samples(1, chunk)
    return (size + chunk) * int(dataset.dtype.itemsize)


def _characters(values: np.ndarray[Any, np.dtype[np.generic]]) -> Texts:
    """A character array as its rows; stored as 16-bit units, one column of text a row."""
    columns = np.atleast_2d(values)
    if columns.ndim != 2 or columns.size > _MAX_TEXTS * 16:
        return ()
    return tuple(row.astype("<u2").tobytes().decode("utf-16-le", "replace").strip() for row in columns.T)


def _references_or_texts(dataset: h5py.Dataset, path: str, size: int, budget: _Budget, depth: int) -> None:
    """Texts of variable length, or a cell array's references to what it holds."""
    import h5py

    if size > _MAX_TEXTS:
        return
    budget.spend(16 * size)
    if h5py.check_string_dtype(dataset.dtype) is not None:
        budget.found[path] = tuple(str(value) for value in np.ravel(dataset.asstr(errors="replace")[()]).tolist())
    elif h5py.check_ref_dtype(dataset.dtype) is h5py.Reference and depth <= _MAX_DEPTH:
        _cell(dataset, path, budget, depth)


def _cell(dataset: h5py.Dataset, path: str, budget: _Budget, depth: int) -> None:
    """A cell array; one of texts alone becomes one tuple of texts under the cell's own path."""
    entries = _Budget(budget.limits, budget.packed, budget.objects, budget.unpacked)
    for index, reference in enumerate(np.ravel(dataset[()].T).tolist()):
        entries.spend()
        if reference:
            _node(dataset.file[reference], f"{path}.{index}", entries, depth + 1)
    budget.objects, budget.unpacked = entries.objects, entries.unpacked
    values = list(entries.found.values())
    if values and all(isinstance(value, tuple) and len(value) == 1 for value in values):
        budget.found[path] = tuple(value[0] for value in values if isinstance(value, tuple))
    else:
        budget.found.update(entries.found)
