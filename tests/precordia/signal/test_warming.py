"""That a kernel was compiled ahead is seen by its source's content, as numba sees it, and not by dates."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from precordia.signal import warming

SOURCE = "import numba\n\n\n@numba.njit(cache=True)\ndef doubled(x):\n    return {factor} * x\n"


def kernel_of(path: Path) -> Any:
    """The kernel as a process that has not met it finds it."""
    spec = importlib.util.spec_from_file_location("a_kernel", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.doubled


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_a_compiled_kernel_is_seen_until_its_source_changes(tmp_path: Path) -> None:
    path = tmp_path / "a_kernel.py"
    path.write_text(SOURCE.format(factor=2))
    assert not warming._is_kept(kernel_of(path))
    assert kernel_of(path)(3) == 6
    assert warming._is_kept(kernel_of(path))
    os.utime(path)  # as a checkout or an installation leaves it
    for kept in tmp_path.rglob("*.nbi"):
        os.utime(kept, (0, 0))
    assert warming._is_kept(kernel_of(path))
    path.write_text(SOURCE.format(factor=20))
    assert not warming._is_kept(kernel_of(path))
