"""Filters and choices of label tables as people type them."""

from pathlib import Path

import pytest
import typer

from cli.filtering import parse_filter
from cli.labelling import parse_choices
from precordia.dataset import LabelChoices, RecordFilter
from precordia.quality import Grade
from precordia.record import Sex


@pytest.mark.parametrize(
    ("text", "ages"), [("", (None, None)), ("18-65", (18, 65)), ("18-", (18, None)), ("-0.5", (None, 0.5))]
)
def test_ages_are_a_span(text: str, ages: tuple[float | None, float | None]) -> None:
    assert parse_filter(text, None, None, [], []) == RecordFilter(*ages)


@pytest.mark.parametrize("text", ["18", "-", "a-b", "18-x"])
def test_ages_that_are_none_are_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="18-65"):
        parse_filter(text, None, None, [], [])


def test_everything_else_of_a_filter_is_taken_as_it_is() -> None:
    only = parse_filter("", Sex.FEMALE, Grade.USABLE, ["MI"], ["rhythm:AFIB"])
    assert only == RecordFilter(None, None, Sex.FEMALE, Grade.USABLE, ("MI",), ("rhythm:AFIB",))


def test_a_mapping_is_a_file_or_a_ready_ones_name(tmp_path: Path) -> None:
    own = tmp_path / "rhythms.csv"
    own.write_bytes(b"label,target\nSR,sinus\n")
    assert parse_choices("age, LVEF", None, 0, "table1") == LabelChoices(("age", "LVEF"), b"", 0, "table1")
    assert parse_choices("", own, 50, str(own)) == LabelChoices((), own.read_bytes(), 50, "rhythms", own.read_bytes())
