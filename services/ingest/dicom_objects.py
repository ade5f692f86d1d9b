"""A DICOM object as it comes over the network: which are taken, and the file that it makes."""

from __future__ import annotations

import io
import logging
import re
import struct
from dataclasses import dataclass

from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from precordia.errors import UnreadableFile
from precordia.source import Source

log = logging.getLogger(__name__)

ECG_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.9.1.1": "12-lead ECG",
    "1.2.840.10008.5.1.4.1.1.9.1.2": "general ECG",
    "1.2.840.10008.5.1.4.1.1.9.1.3": "ambulatory ECG",
    "1.2.840.10008.5.1.4.1.1.9.1.4": "general 32-bit ECG",
}
"""Storage SOP classes that are taken, DICOM PS3.4 B.5."""

TRANSFER_SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
]

# Fixed, and no matter of the network library's version: the same object always makes the same file.
_IMPLEMENTATION = "2.25.165287031905921365823457920465871035412"
_IMPLEMENTATION_NAME = "PRECORDIA"

_UID = re.compile(r"[0-9][0-9.]{0,63}")


@dataclass(frozen=True)
class SentObject:
    """A data set with what the request says about it."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data: bytes

    def to_source(self) -> Source:
        """The object as a DICOM file (PS3.10), named after its instance.

        Raises:
            UnreadableFile: the instance has no UID.
        """
        if not _UID.fullmatch(self.sop_instance):
            raise UnreadableFile("The SOP Instance UID is none; send the object with its UID.", format="dicom")
        elements = b"".join(
            (
                struct.pack("<HH2sHI", 2, 1, b"OB", 0, 2) + b"\x00\x01",
                _element(0x0002, b"UI", self.sop_class),
                _element(0x0003, b"UI", self.sop_instance),
                _element(0x0010, b"UI", self.transfer_syntax),
                _element(0x0012, b"UI", _IMPLEMENTATION),
                _element(0x0013, b"SH", _IMPLEMENTATION_NAME),
            )
        )
        length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(elements))
        return Source(f"{self.sop_instance}.dcm", b"\x00" * 128 + b"DICM" + length + elements + self.data)

    def matches_its_class(self, source: Source) -> bool:
        """Whether the data set is of the class announced, and holds a waveform. A broken one does not."""
        try:
            dataset = dcmread(io.BytesIO(source.content), specific_tags=["SOPClassUID", "WaveformSequence"])
            return str(dataset.get("SOPClassUID", "")) == self.sop_class and "WaveformSequence" in dataset
        except Exception as error:  # a broken data set can fail the parser in any way
            log.info("a data set that was sent cannot be parsed: %s", type(error).__name__)
            return False


def _element(number: int, kind: bytes, text: str) -> bytes:
    """An element of group 0002 in explicit VR little endian, padded to an even length."""
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\x00" if kind == b"UI" else b" "
    return struct.pack("<HH2sH", 2, number, kind, len(value)) + value
