"""Huffman tables of SCP-ECG (section 2), and the numbers that they code.

Without section 2 samples are plain 16-bit numbers. A table's row codes one value, or introduces so
many bits of a number written out, or switches to another table. Its prefix stands in the file with
the first bit lowest.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnreadableFile
from services.ingest.formats._huffman_kernels import decode_codes
from services.ingest.formats.scp_sections import FORMAT, broken

_DEFAULT = 19999
_MAX_PREFIX, _MAX_BITS = 32, 48
_MAX_TABLES, _MAX_ROWS = 256, 65536


@dataclass(frozen=True, eq=False)
class HuffmanTables:
    """Rows of all tables, (prefix bits, all bits, stays, base value, prefix), and where each table begins."""

    rows: NDArray[np.int64]
    begins: NDArray[np.int64]


def _default_rows() -> list[tuple[int, int, int, int, int]]:
    """The standard's own table: 0, then 1, -1, 2, -2 to 8, -8, then 8 and 16 bits written out."""
    rows = [(1, 1, 1, 0, 0)]
    for size in range(1, 9):
        ones = (1 << size) - 1  # as many ones as the value, a zero, and the sign
        rows.append((size + 2, size + 2, 1, size, ones << 2))
        rows.append((size + 2, size + 2, 1, -size, ones << 2 | 1))
    rows.append((10, 18, 1, 0, 0b1111111110))
    rows.append((10, 26, 1, 0, 0b1111111111))
    return rows


DEFAULT_TABLE = HuffmanTables(np.array(_default_rows(), np.int64), np.array([0, 19], np.int64))


def read_tables(body: bytes) -> HuffmanTables | None:
    """Section 2: the default table, the record's own, or None where nothing is coded.

    Raises:
        UnreadableFile: a table does not fit itself.
    """
    if len(body) < 2:
        return None
    count = struct.unpack_from("<H", body)[0]
    if count == _DEFAULT:
        return DEFAULT_TABLE
    if not 1 <= count <= _MAX_TABLES:
        raise broken()
    rows: list[tuple[int, int, int, int, int]] = []
    begins, at = [0], 2
    for _ in range(count):
        if at + 2 > len(body):
            raise broken()
        size = struct.unpack_from("<H", body, at)[0]
        at += 2
        if not size or at + 9 * size > len(body) or len(rows) + size > _MAX_ROWS:
            raise broken()
        rows += [_row(*fields) for fields in struct.iter_unpack("<BBBhI", body[at : at + 9 * size])]
        at += 9 * size
        begins.append(len(rows))
    return HuffmanTables(np.array(rows, np.int64), np.array(begins, np.int64))


def _row(prefix_bits: int, all_bits: int, stays: int, base: int, code: int) -> tuple[int, int, int, int, int]:
    if not 1 <= prefix_bits <= min(_MAX_PREFIX, all_bits) or all_bits > _MAX_BITS or all_bits - prefix_bits > 32:
        raise UnreadableFile("The SCP-ECG file has a Huffman table with codes that cannot be.", format=FORMAT)
    prefix = int(f"{code & ((1 << prefix_bits) - 1):0{prefix_bits}b}"[::-1], 2)
    return prefix_bits, all_bits, stays, base, prefix


def decode(data: bytes, count: int, tables: HuffmanTables | None, *, whole: bool = True) -> NDArray[np.int32]:
    """So many numbers from a lead's bytes.

    Args:
        data: of one lead.
        count: numbers wanted.
        tables: None where they are not coded.
        whole: whether fewer numbers are an error; a reference beat's length is only known in milliseconds.

    Raises:
        UnreadableFile: the bytes hold fewer numbers, or bits that are no code.
    """
    if tables is None:
        held = min(count, len(data) // 2)
        values = np.frombuffer(data, "<i2", held).astype(np.int32)
    else:
        values = np.zeros(min(count, 8 * len(data)), np.int32)
        done = int(decode_codes(np.frombuffer(data, np.uint8), tables.rows, tables.begins, values))
        if done < 0:
            raise UnreadableFile("The SCP-ECG file has samples that its Huffman tables do not code.", format=FORMAT)
        values = values[:done]
    if whole and values.size < count:
        raise UnreadableFile("The SCP-ECG file has fewer samples than it says.", format=FORMAT)
    return values
