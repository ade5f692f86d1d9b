"""Files that hold no waveform are refused as what they are, and nothing else is taken for them."""

from __future__ import annotations

import io
import zipfile

import pytest

from precordia.errors import InvalidInput, UnknownFormat, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Unit
from precordia.source import Source
from services.ingest.formats import preview_source, read_source
from tests.services.ingest.formats.written_files import dicom_file, ecg_counts, npz_file, waveform_group


def _zip(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return stream.getvalue()


def _ole(stream: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + stream.encode("utf-16-le")


PDF = b"%PDF-1.4\n1 0 obj\n<</Length 3>>\nendobj\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PDF, "a PDF; export the waveform, not the print"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF; export the waveform, not the print"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "a JPEG picture"),
        (b"\xff\xd8\xff\xe1\0\x10Exif\0", "a JPEG picture"),
        (b"GIF89a\1\0\1\0", "a GIF picture"),
        (b"{\\rtf1 5}", "a text document"),
        (_ole("WordDocument"), "a Word document"),
        (_ole("Workbook"), "an Excel workbook; save the sheet"),
        (_zip("[Content_Types].xml", "word/document.xml"), "a Word document"),
        (_zip("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook; save the sheet"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.dat", "a"])
def test_a_file_without_a_waveform_is_named(content: bytes, said: str, name: str) -> None:
    for read in (read_source, preview_source):
        with pytest.raises(UnknownFormat, match=f"^The file is {said}"):
            read(Source(name, content))


def test_hints_do_not_make_samples_of_a_print() -> None:
    hints = Hints(500, gain_adu_per_mv=200, lead_names=("I", "II"), delimiter=",")
    with pytest.raises(UnknownFormat, match="a PDF"):
        read_source(Source("a.dat", PDF), hints)


@pytest.mark.parametrize("name", ["a.csv", "a.dat", "a.dcm", "a.hea", "a.xml"])
def test_an_empty_file_is_refused_as_empty(name: str) -> None:
    for read in (read_source, preview_source):
        with pytest.raises(UnknownFormat, match=r"^The file is empty \(0 bytes\)"):
            read(Source(name, b""))


def test_a_zip_of_other_files_is_told_what_to_be_called() -> None:
    with pytest.raises(UnreadableFile, match=r"a ZIP archive without arrays .* end in \.zip"):
        read_source(Source("a.bin", _zip("a.csv")))


@pytest.mark.parametrize("content", [b"%PDF", b"PK\x03\x04 no archive", _ole("Other"), b"\xff\xd8\xff\xe0 samples"])
def test_what_the_bytes_do_not_state_is_not_guessed(content: bytes) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_source(Source("a", content))
    assert not refusal.value.message.startswith("The file is a ")


def test_an_ecg_that_bears_another_formats_mark_is_read() -> None:
    ecg = dicom_file([waveform_group(ecg_counts(100))])
    marked = Source("a.pdf", PDF.ljust(128, b" ") + ecg.content[128:])
    assert read_source(marked)[0].provenance.format == "dicom"
    arrays = npz_file(x=ecg_counts(100))
    hints = Hints(500, Unit.MICROVOLT, lead_names=STANDARD_LEADS)
    assert read_source(Source("a.docx", arrays.content), hints)[0].provenance.format == "npz"
