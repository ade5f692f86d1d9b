"""Columns: a table on disk, one file of plain numbers or fixed-width bytes a column.

It is written while rows stream in and read back memory-mapped, so that neither end holds an object
a row. `columns.json` lists the columns with their checksums and is written last.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Name = tuple[str, ...]

_DIRECTORY = "columns.json"
_CHUNK_ROWS = 1 << 16
_CHUNK_BYTES = 1 << 20


class DamagedColumns(Exception):
    """The folder does not hold what its directory says; it can only be made again."""


@dataclass
class _Column:
    """A column being written: `rows` of `dtype` are in its file."""

    path: Path
    dtype: np.dtype[Any]
    rows: int = 0

    @property
    def fill(self) -> Any:
        """What stands where no value was given."""
        return np.nan if self.dtype.kind == "f" else np.zeros(1, self.dtype)[0]

    def append(self, values: NDArray[Any]) -> None:
        if values.dtype.kind == "S" and values.dtype.itemsize > self.dtype.itemsize:
            self._widen(values.dtype)
        with self.path.open("ab") as opened:
            opened.write(np.ascontiguousarray(values, dtype=self.dtype).data.cast("B") if values.size else b"")
        self.rows += len(values)

    def pad(self, rows: int) -> None:
        """Fill up to this many rows."""
        while self.rows < rows:
            self.append(np.full(min(rows - self.rows, _CHUNK_ROWS), self.fill, self.dtype))

    def _widen(self, dtype: np.dtype[Any]) -> None:
        """Rewrite the file with wider entries."""
        wider = self.path.with_suffix(".wider")
        with self.path.open("rb") as source, wider.open("wb") as target:
            while block := source.read(_CHUNK_ROWS * self.dtype.itemsize):
                target.write(np.frombuffer(block, self.dtype).astype(dtype).tobytes())
        wider.replace(self.path)
        self.dtype = dtype


class ColumnsWriter:
    """Writes a table into an empty folder, block of rows after block of rows."""

    def __init__(self, folder: Path) -> None:
        self.rows = 0
        self._folder = folder
        self._columns: dict[Name, _Column] = {}

    def append(self, rows: int, columns: Mapping[Name, NDArray[Any]]) -> None:
        """Add rows. A column that a block lacks has no value there: NaN, 0, False or no bytes.

        Raises:
            ValueError: a column is not as long as the block.
            OSError: it cannot be written.
        """
        for name, values in columns.items():
            if len(values) != rows:
                raise ValueError(f"column {name} has {len(values)} values for {rows} rows")
            column = self._columns.get(name)
            if column is None:
                path = self._folder / f"{len(self._columns):04}.column"
                path.touch()
                column = self._columns[name] = _Column(path, values.dtype.newbyteorder("<"))
            column.pad(self.rows)
            column.append(values)
        self.rows += rows

    def close(self, facts: Mapping[str, Any]) -> None:
        """Write the directory, with facts of the caller's; everything is durable when this returns."""
        listed = []
        for name, column in self._columns.items():
            column.pad(self.rows)
            listed.append([list(name), column.path.name, column.dtype.str, _checksum(column.path)])
            synced(column.path)
        directory = self._folder / _DIRECTORY
        directory.write_text(json.dumps({"rows": self.rows, "columns": listed, "facts": dict(facts)}))
        synced(directory)


class Columns:
    """A table that was written, every column memory-mapped.

    Raises:
        DamagedColumns: the folder does not hold what it should.
    """

    def __init__(self, folder: Path) -> None:
        try:
            said = json.loads((folder / _DIRECTORY).read_text())
            self.rows = int(said["rows"])
            self.facts: Mapping[str, Any] = dict(said["facts"])
            self._arrays = {
                tuple(map(str, name)): _sound(folder / str(file), np.dtype(str(dtype)), self.rows, checksum)
                for name, file, dtype, checksum in said["columns"]
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedColumns from error

    def __contains__(self, name: Name) -> bool:
        return name in self._arrays

    def under(self, *start: str) -> list[Name]:
        """Names of the columns that begin so, in the order in which they first came."""
        return [name for name in self._arrays if name[: len(start)] == start]

    def read(self, *name: str) -> NDArray[Any]:
        """A column, (rows,).

        Raises:
            KeyError: there is none of this name.
        """
        return self._arrays[name]


class Texts(Sequence[str]):
    """Strings of a table, made one at a time when they are asked for."""

    def __init__(self, encoded: NDArray[np.bytes_]) -> None:
        self.encoded = encoded

    def __len__(self) -> int:
        return len(self.encoded)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Texts: ...
    def __getitem__(self, index: int | slice) -> str | Texts:
        if isinstance(index, slice):
            return Texts(self.encoded[index])
        return bytes(self.encoded[index]).decode()

    def take(self, rows: NDArray[np.int64]) -> Texts:
        """Those of the given rows."""
        return Texts(self.encoded[rows])


def encoded(texts: Sequence[str]) -> NDArray[np.bytes_]:
    """Strings as fixed-width UTF-8."""
    return np.array([text.encode() for text in texts], dtype=np.bytes_)


def mapped(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """A file as an array, memory-mapped; an empty one, which no system maps, as an array of zero length."""
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)


def synced(path: Path) -> None:
    """Make a file durable."""
    with path.open("rb") as opened:
        os.fsync(opened.fileno())


def _sound(path: Path, dtype: np.dtype[Any], rows: int, checksum: int) -> NDArray[Any]:
    if path.stat().st_size != rows * dtype.itemsize or _checksum(path) != checksum:
        raise DamagedColumns
    return mapped(path, dtype, (rows,))


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as opened:
        while block := opened.read(_CHUNK_BYTES):
            value = zlib.crc32(block, value)
    return value
