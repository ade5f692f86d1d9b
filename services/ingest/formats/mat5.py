"""MATLAB files of version 5 to 7 and of version 4, as plain arrays and texts.

Written after the published description of the format. Numeric, character, cell and struct arrays
are read; objects, function handles and sparse arrays are passed over. Elements are bounded by what
they say and by what is there, and nothing in them is ever run.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from precordia.errors import TooLarge, UnreadableFile
from services.ingest.formats.blocks import Numbers
from services.ingest.formats.limits import Limits
from services.ingest.formats.named_arrays import Named, Texts

_NUMBER = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15

_CELL, _STRUCT, _CHAR = 1, 2, 4
_CLASS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}

_MAX_DEPTH = 8
_MAX_ELEMENTS = 200_000
_V4_TYPES = ("f8", "f4", "i4", "i2", "u2", "u1")


@dataclass
class _Budget:
    """What may still be unpacked and looked at in this file."""

    limits: Limits
    elements: int = _MAX_ELEMENTS
    found: dict[str, Numbers | Texts] = field(default_factory=dict)

    def spend(self) -> None:
        self.elements -= 1
        if self.elements < 0:
            raise TooLarge("The MATLAB file has more elements than any ECG file.", limit=_MAX_ELEMENTS)


def is_version_5(content: bytes) -> bool:
    """The text header of 116 bytes and the byte order mark of versions 5 to 7."""
    return len(content) >= 128 and content[126:128] in (b"IM", b"MI") and content[124:126] in (b"\x00\x01", b"\x01\x00")


def is_version_4(content: bytes) -> bool:
    """A plausible first header of version 4: known type, a name that ends in NUL, data behind it."""
    if len(content) < 24:
        return False
    kind, rows, columns, imaginary, length = struct.unpack("<5i", content[:20])
    if not (kind in (0, 10, 20, 30, 40, 50) and rows > 0 and columns > 0 and imaginary == 0 and 1 < length <= 64):
        return False
    name = content[20 : 20 + length]
    if len(name) < length or name[-1] != 0 or not name[:-1].isascii() or not name[:-1].decode("ascii").isidentifier():
        return False
    return bool(len(content) - 20 - length >= rows * columns * np.dtype(_V4_TYPES[kind // 10]).itemsize)


def read_version_4(content: bytes, limits: Limits) -> Named:
    """All real, full matrices of a version 4 file."""
    named: dict[str, Numbers | Texts] = {}
    at = 0
    while len(content) - at >= 20:
        kind, rows, columns, imaginary, length = struct.unpack_from("<5i", content, at)
        if not (0 <= kind <= 52 and kind // 10 < len(_V4_TYPES) and min(rows, columns) >= 0 and 0 < length <= 256):
            raise _broken()
        limits.check_samples(1, rows * columns)
        dtype = np.dtype("<" + _V4_TYPES[kind // 10])
        begin = at + 20 + length
        end = begin + rows * columns * dtype.itemsize * (2 if imaginary else 1)
        if end > len(content):
            raise _broken()
        name = content[at + 20 : begin].split(b"\0")[0].decode("latin-1")
        if kind % 10 == 0 and not imaginary:
            named[name] = np.frombuffer(content, dtype, rows * columns, begin).reshape((rows, columns), order="F")
        at = end
    return named


def read_version_5(content: bytes, limits: Limits) -> Named:
    """All variables by path; a struct's fields are `struct.field`, a cell's entries `cell.0`."""
    order = "<" if content[126:128] == b"IM" else ">"
    budget = _Budget(limits)
    for kind, body in _elements(memoryview(content)[128:], order):
        budget.spend()
        if kind == _COMPRESSED:
            body = _unpacked(body, limits)
            for inner_kind, inner in _elements(body, order):
                if inner_kind == _MATRIX:
                    _matrix(inner, order, "", budget, 0)
        elif kind == _MATRIX:
            _matrix(body, order, "", budget, 0)
    return budget.found


def _unpacked(body: memoryview, limits: Limits) -> memoryview:
    allowed = int(min(limits.max_unpacked_bytes, max(1 << 20, len(body) * limits.max_unpacked_ratio)))
    try:
        plain = zlib.decompressobj().decompress(body, allowed + 1)
    except zlib.error as error:
        raise _broken() from error
    limits.check_unpacked(len(body), len(plain))
    if len(plain) > allowed:
        raise TooLarge("The MATLAB file unpacks beyond what is read.", limit=allowed)
    return memoryview(plain)


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and body of each element, padding skipped; small elements hold their body in the tag."""
    at = 0
    while len(data) - at >= 8:
        first, second = struct.unpack_from(order + "II", data, at)
        if first >> 16:
            kind, size, begin = first & 0xFFFF, first >> 16, at + 4
            end, following = begin + size, at + 8
            if size > 4:
                raise _broken()
        else:
            kind, size, begin = first, second, at + 8
            end = begin + size
            following = end if kind == _COMPRESSED else end + (-size % 8)
        if end > len(data):
            raise _broken()
        yield kind, data[begin:end]
        at = following


def _matrix(data: memoryview, order: str, path: str, budget: _Budget, depth: int) -> None:
    """One array: flags, dimensions, name, then what its class holds. Adds what it finds to the budget."""
    budget.spend()
    if depth > _MAX_DEPTH:
        raise _broken()
    parts = _elements(data, order)
    flags = _ints(next(parts, None), order)
    if not flags:
        return  # an empty array inside a cell or struct has no parts
    shape, name = tuple(_ints(next(parts, None), order)), _bytes(next(parts, None)).decode("latin-1").strip("\0")
    kind, imaginary = flags[0] & 0xFF, bool(flags[0] & 0x0800)
    own = f"{path}.{name}" if path and name else path or name
    if len(shape) < 2 or min(shape) < 0:
        raise _broken()
    if kind in _CLASS and not imaginary:
        budget.found[own] = _numeric(next(parts, None), order, kind, shape, budget.limits)
    elif kind == _CHAR:
        budget.found[own] = _characters(next(parts, None), order, shape)
    elif kind == _CELL:
        _cell(parts, order, own, budget, depth)
    elif kind == _STRUCT:
        _struct(parts, order, own, budget, depth)


def _numeric(
    part: tuple[int, memoryview] | None, order: str, kind: int, shape: tuple[int, ...], limits: Limits
) -> Numbers:
    """A real array. Stored numbers may be narrower than the class; they are widened to it."""
    if part is None or part[0] not in _NUMBER:
        raise _broken()
    stored = np.dtype(order + _NUMBER[part[0]])
    count = 1
    for size in shape:
        count *= size
    limits.check_samples(1, count)
    if len(part[1]) < count * stored.itemsize:
        raise _broken()
    flat = np.frombuffer(part[1], stored, count)
    wanted = np.dtype(_CLASS[kind])
    return flat.astype(wanted, copy=False).reshape(shape, order="F")


def _characters(part: tuple[int, memoryview] | None, order: str, shape: tuple[int, ...]) -> Texts:
    """A character array as its rows."""
    if part is None or part[0] not in _TEXT:
        raise _broken()
    code = _TEXT[part[0]]
    if code in ("utf-16", "utf-32"):
        code += "-le" if order == "<" else "-be"
    letters = bytes(part[1]).decode(code, "replace")
    rows, columns = shape[0], shape[1]
    if rows * columns > len(letters) or rows > 4096:
        return (letters,) if rows == 1 else ()
    return tuple("".join(letters[row + rows * column] for column in range(columns)).strip() for row in range(rows))


def _cell(parts: Iterator[tuple[int, memoryview]], order: str, path: str, budget: _Budget, depth: int) -> None:
    """A cell array; one of texts alone becomes one tuple of texts under the cell's own path."""
    entries = _Budget(budget.limits, budget.elements)
    for index, (kind, body) in enumerate(parts):
        if kind == _MATRIX:
            _matrix(body, order, f"{path}.{index}", entries, depth + 1)
    budget.elements = entries.elements
    values = list(entries.found.values())
    if values and all(isinstance(value, tuple) and len(value) == 1 for value in values):
        budget.found[path] = tuple(value[0] for value in values if isinstance(value, tuple))
    else:
        budget.found.update(entries.found)


def _struct(parts: Iterator[tuple[int, memoryview]], order: str, path: str, budget: _Budget, depth: int) -> None:
    """A struct array's first entry; an ECG file with several entries is not known."""
    length = _ints(next(parts, None), order)
    names = _bytes(next(parts, None))
    if len(length) != 1 or not 1 <= length[0] <= 256:
        raise _broken()
    fields = [names[at : at + length[0]].split(b"\0")[0].decode("latin-1") for at in range(0, len(names), length[0])]
    for name, (kind, body) in zip(fields, parts, strict=False):
        if kind == _MATRIX:
            _matrix(body, order, f"{path}.{name}", budget, depth + 1)


def _ints(part: tuple[int, memoryview] | None, order: str) -> list[int]:
    if part is None or len(part[1]) % 4:
        return []
    return list(struct.unpack(f"{order}{len(part[1]) // 4}i", part[1]))


def _bytes(part: tuple[int, memoryview] | None) -> bytes:
    return bytes(part[1]) if part is not None else b""


def _broken() -> UnreadableFile:
    return UnreadableFile("The MATLAB file is broken or cut short.", format="mat")
