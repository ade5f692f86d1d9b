"""What stands below the scores."""

from __future__ import annotations

from precordia.record import Remark
from tui.widgets.opinion import said


def test_a_warning_is_said_once_for_all_its_leads_and_bad_signal_first() -> None:
    remarks = [
        Remark("lead_derived", "Computed from other limb leads.", "III"),
        Remark("lead_derived", "Computed from other limb leads.", "aVR"),
        Remark("quality_flat", "A flat line.", "V2"),
        Remark("padded", "Shorter than 10 s."),
    ]
    lines = said(remarks)
    assert [line.plain for line in lines] == [
        "V2: A flat line.",
        "III aVR: Computed from other limb leads.",
        "Shorter than 10 s.",
    ]
    assert [line.style for line in lines] == ["bold italic", "dim italic", "dim italic"]
