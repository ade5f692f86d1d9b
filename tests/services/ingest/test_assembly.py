from __future__ import annotations

import hashlib

import pytest

from precordia.errors import ChecksumMismatch, InvalidArgument, TooLarge
from precordia.source import Source
from services.ingest.assembly import FileHeader, SourceAssembly, plain_name


def header(name: str, content: bytes) -> FileHeader:
    return FileHeader(name, len(content), hashlib.sha256(content).hexdigest())


def test_files_in_chunks_make_a_source_with_companions() -> None:
    assembly = SourceAssembly(100)
    assembly.begin(header("a.hea", b"header"))
    assembly.add(b"hea")
    assembly.add(b"der")
    assembly.begin(header("a.dat", b""))
    assert assembly.finish() == Source("a.hea", b"header", {"a.dat": b""})


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("ward/7/ecg.dcm", "ecg.dcm"),
        ("C:\\data\\ecg.dcm", "ecg.dcm"),
        ("a\nb\x00.csv", "ab.csv"),
        ("  e.csv ", "e.csv"),
    ],
)
def test_names_lose_folders_and_control_characters(given: str, plain: str) -> None:
    assert plain_name(given) == plain


@pytest.mark.parametrize("name", ["", "..", "folder/", "\x00"])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        plain_name(name)


def test_wrong_bytes_are_refused() -> None:
    assembly = SourceAssembly(100)
    assembly.begin(header("a", b"right"))
    assembly.add(b"wrong")
    with pytest.raises(ChecksumMismatch):
        assembly.finish()


def test_fewer_and_more_bytes_than_announced_are_refused() -> None:
    assembly = SourceAssembly(100)
    assembly.begin(header("a", b"12345"))
    assembly.add(b"123")
    with pytest.raises(ChecksumMismatch, match="Fewer"):
        assembly.finish()
    with pytest.raises(ChecksumMismatch, match="Fewer"):
        assembly.begin(header("b", b""))
    with pytest.raises(ChecksumMismatch, match="More"):
        assembly.add(b"456")


def test_what_is_too_large_is_refused_before_its_bytes_come() -> None:
    assembly = SourceAssembly(10)
    assembly.begin(header("a", b"123456"))
    assembly.add(b"123456")
    with pytest.raises(TooLarge):
        assembly.begin(header("b", b"12345"))
    with pytest.raises(TooLarge):
        assembly.add(bytes((1 << 20) + 1))


def test_chunks_files_and_names_out_of_order_are_refused() -> None:
    assembly = SourceAssembly(10)
    with pytest.raises(InvalidArgument, match="holds no file"):
        assembly.finish()
    with pytest.raises(InvalidArgument, match="before its chunks"):
        assembly.add(b"1")
    assembly.begin(header("a", b""))
    with pytest.raises(InvalidArgument, match="same name"):
        assembly.begin(header("x/a", b""))
    with pytest.raises(InvalidArgument, match="SHA-256"):
        FileHeader("a", 1, "")
