"""A reader that names the bytes its files begin with knows no file that begins with another."""

from __future__ import annotations

import pytest

from precordia.source import Source
from services.ingest.formats.reader import READERS, Reader

EDF_REST = b"       " + b" " * 176 + b"512".ljust(8) + b" " * 60 + b"1   "
BEGINNINGS = (
    b"<RestingECG/>",
    b"<restingecgdata/>",
    b"<AnnotatedECG/>",
    b"<CardiologyXML/>",
    b"<a:SchillerEDI/>",
    b"\xef\xbb\xbf <RestingECG/>",
    " <RestingECG/>".encode("utf-16"),
    b'{"resourceType": "Observation", "component": [{"valueSampledData": {}}]}',
    b"\x93NUMPY",
    b"PK\x03\x04",
    b"ISHNE1.0",
    b"ANN  1.0",
    b"@\x10MFR 12 lead ECG ",
    b"0" + EDF_REST,
    b"\xffBIOSEMI" + EDF_REST[7:],
)


@pytest.mark.parametrize("reader", [reader for reader in READERS if reader.first], ids=lambda reader: reader.name)
def test_no_other_first_byte_is_known(reader: Reader) -> None:
    for beginning in BEGINNINGS:
        for content in (beginning, beginning[1:]):
            for byte in sorted(set(range(256)) - set(reader.first)):
                assert not reader.sniff(Source("a", bytes([byte]) + content))
                assert not reader.sniff(Source("a", bytes([byte]) + content[1:]))


@pytest.mark.parametrize("reader", [reader for reader in READERS if reader.first], ids=lambda reader: reader.name)
def test_every_reader_that_names_its_first_bytes_is_met_here(reader: Reader) -> None:
    assert any(reader.sniff(Source("a", beginning)) for beginning in BEGINNINGS)
