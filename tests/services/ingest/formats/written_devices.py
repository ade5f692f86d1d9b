"""Files of devices and holter recorders, written after their descriptions and not by the readers' means."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.leads import STANDARD_LEADS
from precordia.source import Source

SCP_CODES = dict(zip(STANDARD_LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True))


def default_code(value: int) -> str:
    """Bits of one value by the standard's own Huffman table."""
    if value == 0:
        return "0"
    if -8 <= value <= 8:
        return "1" * abs(value) + "0" + ("1" if value < 0 else "0")
    if -128 <= value <= 127:
        return "1111111110" + f"{value & 0xFF:08b}"
    return "1111111111" + f"{value & 0xFFFF:016b}"


def packed(bits: str) -> bytes:
    """Bits in bytes, the first one highest; filled up with zeros to whole pairs of bytes."""
    bits += "0" * (-len(bits) % 16)
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


def differenced(row: Sequence[int], order: int) -> list[int]:
    """First or second differences; what comes before the first one stands as it is."""
    values = [int(value) for value in row]
    if order == 1:
        return [values[0]] + [values[n] - values[n - 1] for n in range(1, len(values))]
    if order == 2:
        return values[:2] + [values[n] - 2 * values[n - 1] + values[n - 2] for n in range(2, len(values))]
    return values


def coded(row: Sequence[int], order: int, *, huffman: bool = True) -> bytes:
    """One lead's bytes in sections 5 and 6."""
    values = differenced(row, order)
    return packed("".join(map(default_code, values))) if huffman else struct.pack(f"<{len(values)}h", *values)


def scp_section(number: int, body: bytes) -> bytes:
    """A section with its header, of even length."""
    body += bytes(len(body) % 2)
    head = struct.pack("<HIBB6s", number, 16 + len(body), 20, 20, b"SCPECG" if number == 0 else bytes(6))
    return struct.pack("<H", binascii.crc_hqx(head + body, 0xFFFF)) + head + body


def scp_leads(spans: Sequence[tuple[int, int, int]], *, beat_subtracted: bool = False) -> bytes:
    """Section 3 of (first, last, code)."""
    flags = (1 if beat_subtracted else 0) | 4 | (len(spans) << 3 & 0xF8)
    return struct.pack("<BB", len(spans), flags) + b"".join(struct.pack("<IIB", *span) for span in spans)


def scp_coded(
    leads: Sequence[bytes], *, nanovolts: int = 2500, interval_us: int = 2000, order: int = 2, flag: int = 0
) -> bytes:
    """Section 5 or 6."""
    head = struct.pack("<HHBB", nanovolts, interval_us, order, flag)
    return head + struct.pack(f"<{len(leads)}H", *map(len, leads)) + b"".join(leads)


def scp_tags(tags: Mapping[int, bytes]) -> bytes:
    """Section 1."""
    return b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in tags.items()) + b"\xff\0\0"


SCP_PATIENT = {
    0: b"Doe\0",
    2: b"4711\0",
    4: struct.pack("<HB", 61, 1),
    5: struct.pack("<HBB", 1963, 1, 2),
    8: b"\2",
    25: struct.pack("<HBB", 2024, 2, 29),
    26: bytes((12, 15, 30)),
    27: struct.pack("<H", 5),
    28: struct.pack("<H", 150),
    29: b"\2",
}


def scp_record(sections: Mapping[int, bytes]) -> Source:
    """A record of these sections; those that are not given have an empty pointer."""
    parts: list[bytes] = []
    pointers, at = b"", 6 + 16 + 120
    for number in range(1, 12):
        part = scp_section(number, sections[number]) if number in sections else b""
        pointers += struct.pack("<HII", number, len(part), at + 1 if part else 0)
        parts.append(part)
        at += len(part)
    first = scp_section(0, struct.pack("<HII", 0, 136, 7) + pointers)
    body = struct.pack("<I", at) + first + b"".join(parts)
    return Source("made.scp", struct.pack("<H", binascii.crc_hqx(body, 0xFFFF)) + body)


def scp_file(
    values: NDArray[Any], leads: Sequence[str] = STANDARD_LEADS, *, order: int = 2, huffman: bool = True, **facts: Any
) -> Source:
    """A plain record of (samples, leads) counts."""
    spans = [(1, len(values), SCP_CODES[lead]) for lead in leads]
    rows = [coded(column.tolist(), order, huffman=huffman) for column in values.T]
    sections = {1: scp_tags(SCP_PATIENT), 3: scp_leads(spans), 6: scp_coded(rows, order=order, **facts)}
    return scp_record({**sections, 2: struct.pack("<H", 19999)} if huffman else sections)


def ishne_file(
    values: NDArray[Any],
    specifications: Sequence[int] = (5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
    *,
    nanovolts: int = 2500,
    rate: int = 500,
    qualities: Sequence[int] = (0,) * 12,
) -> Source:
    """An ISHNE recording of (samples, leads) counts."""
    leads = len(specifications)
    padding = [-9] * (12 - leads)
    head = struct.pack("<iiiih", 0, len(values), 522, 522, 1)
    head += b"Jane".ljust(40, b"\0") + b"Doe".ljust(40, b"\0") + b"4711".ljust(20, b"\0")
    head += struct.pack("<HH3H3H3H3H", 2, 0, 2, 1, 1963, 29, 2, 2024, 1, 3, 2024, 12, 15, 30)
    head += struct.pack("<H12h", leads, *specifications, *padding)
    head += struct.pack("<12h12h", *qualities[:leads], *padding, *[nanovolts] * leads, *padding)
    head += struct.pack("<H40sH80s80s88s", 1, b"Recorder 3", rate, b"", b"", b"")
    return Source(
        "made.ecg",
        b"ISHNE1.0" + struct.pack("<H", binascii.crc_hqx(head, 0xFFFF)) + head + values.astype("<i2").tobytes(),
    )


def mfer_tag(tag: int, value: bytes, channel: int | None = None) -> bytes:
    """One definition with its length as BER has it."""
    size = len(value)
    length = bytes((size,)) if size < 128 else bytes((0x84,)) + struct.pack(">I", size)
    return bytes((tag,)) + (b"" if channel is None else bytes((channel,))) + length + value


def mfer_file(
    channels: Sequence[tuple[int, NDArray[Any], int, bytes]],
    *,
    little: bool = True,
    block_s: float = 1.0,
    extra: bytes = b"",
) -> Source:
    """A monitor's file of (lead code, samples, rate, sensitivity) in blocks of `block_s`."""
    order = "<" if little else ">"
    head = mfer_tag(0x40, b" MFR Monitoring Waveform".ljust(32)) + mfer_tag(0x01, bytes((1 if little else 0,)))
    head += mfer_tag(0x17, b"Maker^Model 5^0^9") + mfer_tag(0x82, b"4711\0") + mfer_tag(0x84, b"\2")
    head += mfer_tag(0x83, bytes((61,)) + bytes(6)) + mfer_tag(
        0x85, struct.pack(order + "H5BHH", 2024, 2, 29, 12, 15, 30, 0, 0)
    )
    sequences = min(int(samples.size / (rate * block_s)) for _, samples, rate, _ in channels)
    head += mfer_tag(0x06, struct.pack(order + "H", sequences)) + mfer_tag(0x05, bytes((len(channels),)))
    head += mfer_tag(0x12, struct.pack(order + "h", -32768)) + extra
    for place, (code, _, rate, sensitivity) in enumerate(channels):
        own = mfer_tag(0x09, struct.pack(order + "H", code)) + mfer_tag(0x0A, b"\0")
        own += mfer_tag(0x04, struct.pack(order + "I", int(rate * block_s))) + mfer_tag(
            0x0B, b"\0\0" + struct.pack(order + "H", rate)
        )
        head += mfer_tag(0x3F, own + (mfer_tag(0x0C, sensitivity) if sensitivity else b""), place)
    waveform = b""
    for sequence in range(sequences):
        for _, samples, rate, _ in channels:
            size = int(rate * block_s)
            waveform += samples[sequence * size : (sequence + 1) * size].astype(order + "i2").tobytes()
    return Source("made.mwf", head + mfer_tag(0x1E, waveform))


def contec_file(values: NDArray[Any]) -> Source:
    """A Contec file of (samples, 8) raw numbers."""
    head = b"0000007\0\0\0" + b"2024-02-29 12:15:30\0" + b"\0\0" + b"Doe".ljust(8, b"\0") + bytes((0, 61, 70))
    return Source("0000007.ECG", head + values.astype("<u2").tobytes() + bytes(37))


def edf_file(
    signals: Sequence[tuple[str, str, tuple[float, float], tuple[int, int], NDArray[Any]]],
    *,
    record_s: str = "1",
    reserved: str = "",
    patient: str = "4711 F 02-JAN-1963 Doe",
    notes: Sequence[bytes] | None = None,
    bdf: bool = False,
    records: int | None = None,
) -> Source:
    """An EDF or BDF file of (label, dimension, physical range, digital range, (records, samples) numbers).

    `notes` are the annotation bytes of each record.
    """
    columns: list[Any] = list(signals)
    if notes is not None:
        width = -(-max(map(len, notes)) // 6) * 6
        size = 3 if bdf else 2
        raw = np.frombuffer(b"".join(note.ljust(width, b"\0") for note in notes), np.uint8).reshape(len(notes), width)
        columns.append(("BDF Annotations" if bdf else "EDF Annotations", "", (-1, 1), (-32768, 32767), raw))
        counts = [data.shape[1] for *_, data in signals] + [width // size]
    else:
        counts = [data.shape[1] for *_, data in signals]
    head = (b"\xffBIOSEMI" if bdf else b"0       ") + patient.encode().ljust(80)
    head += b"Startdate 29-FEB-2024 X Nurse Recorder_9".ljust(80) + b"29.02.2412.15.30"
    total = len(columns[0][4]) if records is None else records
    head += str(256 * (len(columns) + 1)).encode().ljust(8) + reserved.encode().ljust(44)
    head += str(total).encode().ljust(8) + record_s.encode().ljust(8) + str(len(columns)).encode().ljust(4)
    texts: list[list[tuple[str, int]]] = [
        [
            (label, 16), ("", 80), (dimension, 8), (f"{physical[0]:g}", 8), (f"{physical[1]:g}", 8),
            (str(digital[0]), 8), (str(digital[1]), 8), ("HP:0.05Hz", 80), (str(count), 8), ("", 32),
        ]
        for (label, dimension, physical, digital, _), count in zip(columns, counts, strict=True)
    ]  # fmt: skip
    for column in zip(*texts, strict=True):
        head += b"".join(text.encode().ljust(width) for text, width in column)
    body = b""
    for record in range(len(columns[0][4])):
        for _, _, _, _, data in columns:
            body += data[record].tobytes() if data.dtype == np.uint8 else _digital(data[record], bdf=bdf)
    return Source("made.edf", head + body)


def _digital(row: NDArray[Any], *, bdf: bool) -> bytes:
    if not bdf:
        return row.astype("<i2").tobytes()
    return row.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
