"""Archives: read member by member, and what is not opened."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from precordia.client.files import SourceFile, find_sources, sources_from_paths
from precordia.errors import UnreadableFile, UnsafeContent

HEADER = b"100 2 360 10\n100.dat 212 200 11 1024 995 -22131 0 MLII\n"
FILES = {
    "study/100.dat": b"dat",
    "study/a.dcm": b"dicom bytes",
    "study/100.hea": HEADER,
    "study/100.atr": b"annotation",
    "other/100.dat": b"no companion of the study's header",
    "study/.hidden": b"no",
    "__MACOSX/study/a.dcm": b"no",
}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:" + (path.suffix[1:] if path.suffix != ".tar" else "")) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


KINDS: list[tuple[str, Callable[[Path, dict[str, bytes]], Path]]] = [
    ("a.zip", zipped),
    ("a.tar", tarred),
    ("a.tar.gz", tarred),
    ("a.tar.xz", tarred),
]


@pytest.fixture(params=KINDS, ids=[name for name, _ in KINDS])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    name, write = request.param
    return lambda files: write(tmp_path / name, files)


def test_members_are_grouped_and_read_without_being_unpacked(make: Callable[[dict[str, bytes]], Path]) -> None:
    path = make(FILES)
    before = set(os.listdir(path.parent))
    found = find_sources([path])
    read = {str(source.path.relative_to(path)): source.read() for source in found.sources}
    assert set(read) == {"study/100.hea", "study/a.dcm", "other/100.dat"}
    assert (read["study/100.hea"].name, read["study/100.hea"].content) == ("100.hea", HEADER)
    assert read["study/100.hea"].companions == {"100.dat": b"dat"}
    assert read["study/a.dcm"].content == b"dicom bytes"
    assert [file.name for file in found.left_out] == ["100.atr"]
    assert set(os.listdir(path.parent)) == before


def test_sources_are_read_in_any_order_and_again(make: Callable[[dict[str, bytes]], Path]) -> None:
    sources = sources_from_paths([make({f"{number}.csv": b"%d" % number for number in range(20)})])
    for source in [*reversed(sources), *sources]:
        assert source.read().content == source.path.stem.encode()


def test_an_archive_in_a_folder_is_opened_too(tmp_path: Path) -> None:
    zipped(tmp_path / "x.zip", {"a.dcm": b"a"})
    (tmp_path / "b.dcm").write_bytes(b"b")
    assert {source.read().content for source in sources_from_paths([tmp_path])} == {b"a", b"b"}


def refused(path: Path) -> dict[str, type[Exception]]:
    """What reading each source of an archive raises."""
    faults: dict[str, type[Exception]] = {}
    for source in sources_from_paths([path]):
        try:
            source.read()
        except (UnsafeContent, UnreadableFile) as error:
            faults[str(source.path)[len(str(path)) + 1 :]] = type(error)
    return faults


@pytest.mark.parametrize("name", ["../up.csv", "/etc/passwd", "a/../../b.csv", "inner.zip", "inner.tar.gz", "a//b.csv"])
def test_names_that_lead_out_and_nested_archives_are_refused(
    make: Callable[[dict[str, bytes]], Path], name: str
) -> None:
    path = make({name: b"x", "good.csv": b"1"})
    sources = sources_from_paths([path])
    assert len(sources) == 2
    assert list(refused(path).values()) == [UnsafeContent]


def test_links_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("soft.csv", tarfile.SYMTYPE), ("hard.csv", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    assert refused(tmp_path / "a.tar") == dict.fromkeys(("soft.csv", "hard.csv", "pipe"), UnsafeContent)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive_:
        info = zipfile.ZipInfo("soft.csv")
        info.external_attr = 0o120777 << 16
        archive_.writestr(info, "/etc/passwd")
    assert refused(tmp_path / "a.zip") == {"soft.csv": UnsafeContent}


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    assert refused(zipped(tmp_path / "a.zip", {"zeros.csv": bytes(8 << 20)})) == {"zeros.csv": UnsafeContent}
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        for number in range(5):
            entry = tarfile.TarInfo(f"{number}.csv")
            entry.size = 16 << 20
            archive.addfile(entry, io.BytesIO(bytes(16 << 20)))
    (only,) = sources_from_paths([tmp_path / "b.tar.gz"])
    with pytest.raises(UnsafeContent):
        only.read()


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for content in (b"first", b"second"):
            entry = tarfile.TarInfo("same.csv")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    assert refused(tmp_path / "a.tar.gz") == {"same.csv": UnsafeContent}


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_what_is_no_archive_or_a_broken_one_is_unreadable(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nothing of the kind" * 100)
    (only,) = sources_from_paths([tmp_path / name])
    assert only.path == tmp_path / name
    with pytest.raises(UnreadableFile):
        only.read()


def test_an_archive_that_is_cut_short_costs_only_what_is_missing(tmp_path: Path) -> None:
    whole = tarred(tmp_path / "a.tar", {f"{number}.csv": b"x" * 2000 for number in range(5)})
    sources: list[SourceFile] = sources_from_paths([whole])
    whole.write_bytes(whole.read_bytes()[:6000])
    assert sources[0].read().content == b"x" * 2000
    with pytest.raises(UnreadableFile):
        sources[4].read()
