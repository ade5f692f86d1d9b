from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.inference.models.memory import _unchanged, resident_bytes

SMAPS = """\
7f0000000000-7f0000001000 r--p 00000000 fe:00 11   /lib/libllvmlite.so
Size:                  4 kB
Rss:                   4 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
7f0000001000-7f0000005000 r-xp 00001000 fe:00 11   /lib/libllvmlite.so
Rss:                  16 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
Swap:                  0 kB
7f0000005000-7f0000006000 r--p 00005000 fe:00 11   /lib/libllvmlite.so
Private_Dirty:         4 kB
Anonymous:             4 kB
Swap:                  0 kB
7f0000006000-7f0000007000 r--p 00006000 fe:00 11   /lib/libllvmlite.so
Private_Dirty:         0 kB
Anonymous:             0 kB
Swap:                 12 kB
7f0000007000-7f0000008000 rw-p 00007000 fe:00 11   /lib/libllvmlite.so
Private_Dirty:         0 kB
Anonymous:             0 kB
Swap:                  0 kB
7f0000008000-7f0000009000 r-xp 00000000 fe:00 12   /lib/libother.so
Private_Dirty:         0 kB
Anonymous:             0 kB
Swap:                  0 kB
7f0000009000-7f000000a000 r--p 00000000 00:00 0
Private_Dirty:         0 kB
Anonymous:             0 kB
Swap:                  0 kB
"""

PROGRAM = """
from precordia.signal.warming import compile_kernels
from services.inference.models.memory import give_back, resident_bytes
compile_kernels()
before = resident_bytes()
give_back()
between = resident_bytes()
compile_kernels()
print(before, between, resident_bytes())
"""


def test_only_mappings_that_can_be_read_again_from_the_file_are_let_go() -> None:
    assert list(_unchanged("libllvmlite.so", SMAPS)) == [(0x7F0000000000, 0x1000), (0x7F0000001000, 0x4000)]


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="mappings are told by Linux")
def test_compiled_kernels_run_on_after_the_compilers_pages_went() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    before, between, after = map(int, told.split())
    assert before - between > 20 * 2**20
    assert after - between < 20 * 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="sizes are told by Linux")
def test_resident_memory_is_what_the_system_says() -> None:
    said = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line).split()[1])
    assert abs(resident_bytes() - 1024 * said) < 4 * 2**20
