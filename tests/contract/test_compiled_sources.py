"""numba keeps compiled code by the content of the file that it stands in, and not of files whose functions it took in.

A file that does so notes what they were. Who changes one of them is told here to change the note, and with
it every machine compiles anew.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "precordia" / "signal", ROOT / "services" / "ingest" / "formats"]
TAKEN_IN = re.compile(r"^from [\w.]+\.(_\w+) import", re.MULTILINE)
NOTE = re.compile(r'^COMPILED_WITH = "([0-9a-f]{16})"$', re.MULTILINE)


def taken_in(path: Path) -> list[Path]:
    """Files beside this one whose functions become part of its own compiled code."""
    names = sorted(set(TAKEN_IN.findall(path.read_text())) - {"_light_imports"})
    return [path.with_name(f"{name}.py") for name in names]


def kernels() -> list[Path]:
    """Files with compiled functions that take in others."""
    found = [path for folder in FOLDERS for path in sorted(folder.glob("_*.py"))]
    return [path for path in found if "cache=True" in path.read_text() and taken_in(path)]


def test_there_are_such_files() -> None:
    assert {"_short_cell_kernels", "_section_kernels", "_median_kernels"} <= {path.stem for path in kernels()}


@pytest.mark.parametrize("path", kernels(), ids=lambda path: path.stem)
def test_a_file_notes_what_it_was_compiled_with(path: Path) -> None:
    digest = hashlib.sha256(b"".join(one.read_bytes() for one in taken_in(path))).hexdigest()[:16]
    noted = NOTE.search(path.read_text())
    names = ", ".join(one.name for one in taken_in(path))
    assert noted is not None, f'{path.name} takes in {names}: write COMPILED_WITH = "{digest}" there'
    assert noted[1] == digest, f'{names} changed: write COMPILED_WITH = "{digest}" in {path.name}'
