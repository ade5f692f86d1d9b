"""2,000 distinct records through a real service, in memory that does not grow with their number."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.batch_import import whole_path
from precordia.client import sources_from_paths
from tests.precordia.client.generated import write_records

FILES = 2000
GROWTH_MIB = 60
"""Between the first half and the second: caches fill, nothing else."""


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_thousand_records_are_imported_in_flat_memory(tmp_path: Path) -> None:
    files = sources_from_paths([write_records(tmp_path / "files", FILES, samples=5000)])
    first, again = whole_path(tmp_path / "home", files)
    assert (first.imported, first.existing, first.refused) == (FILES, 0, 0)
    assert (again.imported, again.existing, again.refused) == (0, FILES, 0)
    half = len(first.resident_mib) // 2
    assert half >= 2, "memory was sampled too seldom to say anything"
    quarter = half // 2
    assert max(first.resident_mib[half:]) <= max(first.resident_mib[quarter:half]) + GROWTH_MIB
