from pathlib import Path

import pytest

from precordia.dataset import SplitCount
from precordia.errors import FailedPrecondition
from services.trainer.records import memory
from services.trainer.records.memory import available_bytes, check_memory, table_bytes
from tests.services.trainer import synthetic


def test_the_tables_grow_with_records_and_columns() -> None:
    records = synthetic.records(4)
    plan = synthetic.plan(records)  # 2 labels, and 2 learnt beside
    whole = synthetic.snapshot(records)
    for count in (0, 1000):
        counted = {"train": memory.Snapshot(**vars(whole) | {"splits": (SplitCount("", count, count),)})}
        assert table_bytes(plan, counted) == count * (4 * 4 * 3 + 64)


def test_what_the_machine_cannot_hold_is_refused_with_both_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 3 << 30)
    check_memory(3 << 30)
    with pytest.raises(FailedPrecondition, match=r"take 4\.0 GiB of memory, and 3\.0 GiB are available") as refused:
        check_memory(4 << 30)
    assert refused.value.details == {"needed_bytes": str(4 << 30), "available_bytes": str(3 << 30)}


def test_a_kernel_that_does_not_say_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_bytes(tmp_path / "none") is None
    (tmp_path / "meminfo").write_text("MemTotal:       100 kB\nMemAvailable:        7 kB\n")
    assert available_bytes(tmp_path / "meminfo") == 7 * 1024
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    check_memory(1 << 60)
