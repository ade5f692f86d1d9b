"""Texts of documents for people."""

from __future__ import annotations

from cli.forms import remarks_text
from precordia.record import Remark


def test_a_remark_about_several_leads_is_said_once_with_all_of_them() -> None:
    remarks = [
        Remark("missing", "1% of the samples are missing.", "V1"),
        Remark("einthoven", "I + III differs from II."),
        Remark("missing", "1% of the samples are missing.", "V2"),
    ]
    assert remarks_text(remarks) == "V1 V2: 1% of the samples are missing.; I + III differs from II."
