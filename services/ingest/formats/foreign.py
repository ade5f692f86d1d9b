"""Files that people take for ECG files and that hold none: prints, pictures, documents, packed files.

A kind is named only where the file's first bytes state it. Asked where no waveform reader knows the
bytes: a DICOM file, for one, may begin with another format's mark.
"""

from __future__ import annotations

import io
import zipfile

from precordia.source import Source

_EXPORT = "export the waveform, not the print"
_TABLE = "save the sheet that holds the waveform as CSV"

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", f"a PDF; {_EXPORT}"),
    (b"\x89PNG\r\n\x1a\n", f"a PNG picture; {_EXPORT}"),
    (b"GIF87a", f"a GIF picture; {_EXPORT}"),
    (b"GIF89a", f"a GIF picture; {_EXPORT}"),
    (b"{\\rtf1", f"a text document (RTF); {_EXPORT}"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it first"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS: tuple[tuple[str, str], ...] = (
    ("WordDocument", f"a Word document; {_EXPORT}"),
    ("Workbook", f"an Excel workbook; {_TABLE}"),
    ("PowerPoint Document", f"a PowerPoint presentation; {_EXPORT}"),
)
_OFFICE_PARTS: tuple[tuple[str, str], ...] = (
    ("word/document.xml", f"a Word document; {_EXPORT}"),
    ("xl/workbook.xml", f"an Excel workbook; {_TABLE}"),
    ("ppt/presentation.xml", f"a PowerPoint presentation; {_EXPORT}"),
)


def foreign_kind(source: Source) -> str | None:
    """What a file without a waveform is and what to do instead, to be put after "The file is"; None = not known."""
    content = source.content
    for beginning, kind in _BEGINNINGS:
        if content.startswith(beginning):
            return kind
    if content.startswith(b"\xff\xd8\xff") and content[6:10] in (b"JFIF", b"Exif"):
        return f"a JPEG picture; {_EXPORT}"
    if content.startswith(_OLE):
        return next((kind for name, kind in _OLE_STREAMS if name.encode("utf-16-le") in content), None)
    return _office_kind(content) if content.startswith(b"PK\x03\x04") else None


def _office_kind(content: bytes) -> str | None:
    """The document that a ZIP file is, by its list of members; nothing is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError):
        return None  # the reader of archives says that it is broken
    if "[Content_Types].xml" not in names:
        return None
    return next((kind for name, kind in _OFFICE_PARTS if name in names), None)
