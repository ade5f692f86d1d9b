"""How a file would be read is said in words, not as Python writes values."""

import pytest

from cli.hint_words import hints_text
from precordia.record import Hints, Unit
from precordia.steps import Step


def test_a_table_is_described_in_words() -> None:
    hints = Hints(500.0, Unit.MILLIVOLT, lead_names=("I", "II"), delimiter=",", decimal_mark=".", time_column=-1)
    assert hints_text(hints) == '500 Hz, unit mV, leads I II, delimiter ",", decimal mark ".", no time column'


@pytest.mark.parametrize(
    ("hints", "text"),
    [
        (Hints(), ""),
        (Hints(delimiter="\t", time_column=0), "delimiter tab, time column 0 (from 0)"),
        (Hints(delimiter=" "), "delimiter blanks"),
        (Hints(gain_adu_per_mv=204.8, variable="val"), '204.8 counts per mV, variable "val"'),
    ],
)
def test_only_what_is_known_is_said(hints: Hints, text: str) -> None:
    assert hints_text(hints) == text


def test_conditioning_is_named_with_its_parameters() -> None:
    text = hints_text(Hints(applied=(Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0}),)))
    assert text.startswith("already applied band_pass (")
    assert "low_hz 0.5" in text
    assert "{" not in text
