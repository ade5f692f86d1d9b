from __future__ import annotations

import pytest

from precordia.dataset import LabelScheme
from precordia.errors import InvalidLabels, TooLarge
from services.ingest import label_table
from services.ingest.label_schemes import read_labels
from services.ingest.label_table import ColumnNames, LabelRow

ONE_HOT = b"ecg_id,patient_id,strat_fold,super:NORM,super:MI,sinus,ef,comment\n24,7,1,1,0,1,55.5,fine\n25,8,2,,0,0,,\n"


def test_a_one_hot_table_has_groups_bare_labels_and_numbers() -> None:
    table = read_labels(ONE_HOT)
    assert table.columns == {"super": ("NORM", "MI"), "": ("sinus",)}
    assert table.rows[0] == LabelRow("24", {"super": ("NORM",), "": ("sinus",)}, {"ef": 55.5}, "7", "1")
    assert table.remarks == (
        "Read as numeric targets: ef.",
        "Neither 0/1 nor a numeric target, and left out: comment.",
    )


def test_an_empty_cell_makes_its_group_unknown_not_absent() -> None:
    assert read_labels(ONE_HOT).rows[1] == LabelRow("25", {"": ()}, {}, "8", "2")


def test_several_rows_of_a_file_are_several_labels() -> None:
    table = read_labels(b"file_name,label,ICD-10\na.dcm,AFIB,I48\nb.dcm,NORM,\na.dcm,LBBB,I44.7\na.dcm,AFIB,I48\n")
    assert table.columns == {"": ("AFIB", "NORM", "LBBB")}
    assert [(row.key, row.labels) for row in table.rows] == [
        ("a.dcm", {"": ("AFIB", "LBBB")}),
        ("b.dcm", {"": ("NORM",)}),
    ]
    assert table.remarks == ("ICD-10 codes: AFIB = I48; LBBB = I44.7.",)


def test_separators_byte_order_mark_and_quotes_are_understood() -> None:
    content = '\ufefffile_name;label;ICD-10\r\n"a;1.dcm";NORM;\r\n'.encode()
    assert read_labels(content).rows[0].key == "a;1.dcm"


def test_columns_of_other_names_can_be_named() -> None:
    content = b"case,who,part,MI\nx,p,q,1\n"
    table = read_labels(content, LabelScheme.TABLE, ColumnNames("case", "who", "part"))
    assert table.rows == (LabelRow("x", {"": ("MI",)}, {}, "p", "q"),)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "at least one row"),
        (b"file_name,label\n", "at least one row"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"what,MI\nx,1\n", "No column names the record"),
        (b"ecg_id,comment\n1,good\n", "holds 0 and 1"),
        (b"ecg_id,MI\n1,1\n1,0\n", "Row 3 speaks of a record"),
        (b"ecg_id,MI\n1,1,0\n", "Row 2 has 3 cells"),
        (b"ecg_id,MI,MI\n1,1,0\n", "stands twice"),
        (b"ecg_id,scp_codes\n1,x\n", "Row 2: scp_codes is a dictionary of statements and likelihoods"),
        (b"ecg_id,Dx\n1,x\n", "Row 2: diagnoses are SNOMED CT codes"),
    ],
)
def test_tables_that_cannot_be_used_say_why(content: bytes, said: str) -> None:
    with pytest.raises(InvalidLabels, match=said):
        read_labels(content)


def test_a_named_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidLabels, match="no column 'who'"):
        read_labels(ONE_HOT, names=ColumnNames(patient="who"))


def test_a_scheme_that_is_asked_for_is_not_guessed() -> None:
    with pytest.raises(InvalidLabels, match="file_name, label"):
        read_labels(ONE_HOT, LabelScheme.EXCHANGEAI)


@pytest.mark.parametrize("content", [b"1\n" * 1_100_000, b"ecg_id,a\n" + b"1,1\n" * 30], ids=["rows", "cells"])
def test_a_table_beyond_its_bounds_is_refused_before_it_is_held(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_table, "_MAX_CELLS", 50 if len(content) < 1000 else 1 << 40)
    with pytest.raises(TooLarge, match="import it in parts"):
        read_labels(content)


@pytest.mark.parametrize("row", [b"24," + b"9" * 2000 + b",1", b"24,1"])
def test_a_row_of_another_shape_is_refused_by_its_number(row: bytes) -> None:
    with pytest.raises(InvalidLabels, match="Row 2 has"):
        read_labels(b"ecg_id,fold,a\n" + row + b"\n")


def test_a_column_whose_name_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidLabels, match="printable"):
        read_labels(b"ecg_id,a\0b\n24,1\n")
