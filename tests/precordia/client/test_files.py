"""What people name, and the sources that it means."""

import subprocess
import sys
from pathlib import Path

import pytest

from precordia.client.files import SourceFile, find_sources, sources_from_paths
from precordia.errors import NotFound

HEADER = "100 2 360 10\n100.dat 212 200 11 1024 995 -22131 0 MLII\n100.dat 212 200 11 1024 1011 20052 0 V5\n# 69 M\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "100.hea").write_text(HEADER)
    (tmp_path / "100.dat").write_bytes(b"dat")
    (tmp_path / "a.dcm").write_bytes(b"dcm")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.csv").write_text("1,2")
    (tmp_path / "deep" / "JS1.hea").write_text("JS1 1 500 4\nJS1.mat 16+24 1000/mV 16 0 -254 21756 0 I\n")
    (tmp_path / "deep" / "JS1.mat").write_bytes(b"mat")
    (tmp_path / ".hidden").write_bytes(b"no")
    return tmp_path


def _names(sources: list[SourceFile]) -> list[tuple[str, ...]]:
    return [(source.path.name, *(companion.name for companion in source.companions)) for source in sources]


def test_a_folder_is_walked_and_companions_are_no_sources(folder: Path) -> None:
    assert _names(sources_from_paths([folder])) == [
        ("100.hea", "100.dat"),
        ("a.dcm",),
        ("JS1.hea", "JS1.mat"),
        ("b.csv",),
    ]


def test_naming_a_companion_means_its_header_once(folder: Path) -> None:
    named = [folder / "100.dat", folder / "100.hea", folder / "deep" / "JS1.mat"]
    assert _names(sources_from_paths(named)) == [("100.hea", "100.dat"), ("JS1.hea", "JS1.mat")]


def test_a_pattern_is_expanded(folder: Path) -> None:
    assert _names(sources_from_paths([str(folder / "**" / "*.csv")])) == [("b.csv",)]


def test_a_source_is_read_with_its_companions(folder: Path) -> None:
    source = sources_from_paths([folder / "100.hea"])[0].read()
    assert (source.name, source.content, dict(source.companions)) == ("100.hea", HEADER.encode(), {"100.dat": b"dat"})


def test_a_file_that_is_not_there_says_so_when_it_is_read(folder: Path) -> None:
    (missing,) = sources_from_paths([folder / "no.csv"])
    with pytest.raises(NotFound):
        missing.read()


def test_segments_and_their_signals_come_along(tmp_path: Path) -> None:
    (tmp_path / "v.hea").write_text("v/2 1 500 20\nv_1 10\n~ 5\nv_2 10\n")
    for number in (1, 2):
        (tmp_path / f"v_{number}.hea").write_text(f"v_{number} 1 500 10\nv_{number}.dat 16 200 16 0 0 0 0 I\n")
        (tmp_path / f"v_{number}.dat").write_bytes(b"x")
    assert _names(sources_from_paths([tmp_path])) == [("v.hea", "v_1.hea", "v_1.dat", "v_2.hea", "v_2.dat")]


def test_a_header_takes_no_file_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.dat").write_bytes(b"x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "e.hea").write_text(
        "e 1 500 1\n../secret.dat 16 200 16 0 0 0 0 I\n/etc/hosts 16 200 16 0 0 0 0 II\n"
    )
    assert _names(sources_from_paths([tmp_path / "in"])) == [("e.hea",)]


def test_a_plain_mat_beside_an_unrelated_header_stays_itself(tmp_path: Path) -> None:
    (tmp_path / "x.hea").write_text("x 1 500 1\ny.dat 16 200 16 0 0 0 0 I\n")
    (tmp_path / "x.mat").write_bytes(b"m")
    assert _names(sources_from_paths([tmp_path / "x.mat"])) == [("x.mat",)]


def test_annotations_in_a_folder_are_left_out_and_told(folder: Path) -> None:
    (folder / "100.atr").write_bytes(b"beats")
    (folder / "other.atr").write_bytes(b"of no header")
    found = find_sources([folder])
    assert found.left_out == (folder / "100.atr",)
    assert ("other.atr",) in _names(list(found.sources))


def test_an_annotation_that_is_named_itself_is_a_source(folder: Path) -> None:
    (folder / "100.atr").write_bytes(b"beats")
    found = find_sources([folder / "100.atr"])
    assert (_names(list(found.sources)), found.left_out) == ([("100.atr",)], ())


def test_a_device_is_refused_because_it_has_no_end() -> None:
    # In a process that may not grow: should the refusal be lost, the test fails and the machine lives.
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "from pathlib import Path\n"
        "from precordia.client.files import SourceFile\n"
        "from precordia.errors import UnreadableFile\n"
        "try: SourceFile(Path('/dev/zero')).read()\n"
        "except UnreadableFile as error: print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "device" in done.stdout, done.stderr
