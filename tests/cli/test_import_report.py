"""What an import says of files that are refused, and of paths without files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.import_report import ImportReport
from cli.importing import find_files, refusal_lines
from cli.output import Output
from precordia.client import FileVerdict
from precordia.errors import InvalidArgument, MissingField, NotFound, PrecordiaError, UnknownFormat


def _refused(index: int, error: PrecordiaError) -> FileVerdict:
    return FileVerdict(index, f"{index}.pdf", error=error)


def test_many_equal_refusals_are_one_line_with_three_names() -> None:
    refused = [(f"{number}.pdf", UnknownFormat("The file is a PDF.")) for number in range(5)]
    assert refusal_lines(refused) == ["5 files: The file is a PDF. They are 0.pdf, 1.pdf, 2.pdf and 2 more."]


def test_three_equal_refusals_are_three_lines() -> None:
    refused = [(name, UnknownFormat("No.")) for name in ("a", "b", "c")]
    assert refusal_lines(refused) == ["a: No.", "b: No.", "c: No."]


def test_another_reason_or_message_is_another_group() -> None:
    refused: list[tuple[str, PrecordiaError]] = [(f"{n}", UnknownFormat("No.")) for n in range(4)]
    refused += [("x", UnknownFormat("Never.")), ("y", InvalidArgument("No.", field="rate"))]
    assert refusal_lines(refused) == ["4 files: No. They are 0, 1, 2 and 1 more.", "x: Never.", "y: No."]


@pytest.mark.parametrize("as_json", [True, False])
def test_the_document_lists_every_refusal_that_people_see_grouped(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with ImportReport(Output(as_json)) as report:
        for index in (3, 0, 2, 1):
            report.add(_refused(index, UnknownFormat("The file is a PDF.")))
    assert [one["source"] for one in report.document()["refused"]] == ["0.pdf", "1.pdf", "2.pdf", "3.pdf"]
    assert report.document()["counts"] == {"imported": 0, "existing": 0, "refused": 4}
    said = capsys.readouterr().err
    assert said == "4 files: The file is a PDF. They are 0.pdf, 1.pdf, 2.pdf and 1 more.\n"


def test_a_refusal_that_is_taken_back_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    with ImportReport(Output(as_json=False)) as report:
        report.add(_refused(0, MissingField("The unit is missing.", field="unit")))
        report.forget(0)
    assert not report.refused
    assert capsys.readouterr().err == ""


def test_a_report_file_has_the_refusals_that_are_too_many_to_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.csv"
    with ImportReport(Output(as_json=False), path) as report:
        for index in range(30):
            report.add(_refused(index, UnknownFormat(f"Reason {index}.")))
    lines = capsys.readouterr().err.splitlines()
    assert (len(lines), lines[-1]) == (21, "Further refusals are in the report.")
    assert len(path.read_text().splitlines()) == 31


def _refusals(*paths: Path | str) -> dict[str, str]:
    files = find_files(Output(as_json=True), [str(path) for path in paths])
    return {file.path.name: file.refusal.message for file in files if file.refusal is not None}


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden").write_bytes(b"1")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.csv").write_bytes(b"1")
    assert _refusals(tmp_path / "full", tmp_path / "empty") == {
        "empty": "There is no file to read in this folder; hidden files and annotation files are passed over."
    }


def test_a_pattern_without_files_is_refused_as_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1")
    assert _refusals(tmp_path / "*.dcm", tmp_path / "*.csv") == {"*.dcm": "No file matches this pattern."}
    (only,) = find_files(Output(as_json=True), [str(tmp_path / "*.dcm")])
    with pytest.raises(NotFound, match="pattern"):
        only.read()
