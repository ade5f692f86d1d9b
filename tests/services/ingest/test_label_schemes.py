"""Tables of PTB-XL and of the Challenge, and mappings between vocabularies."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from precordia.dataset import LabelChoices, LabelScheme
from precordia.errors import InvalidLabels
from services.ingest.ingest import Ingest
from services.ingest.label_mapping import find_mapping
from services.ingest.label_ptbxl import parse_statements
from services.ingest.label_schemes import read_labels
from services.ingest.vocabularies import challenge_terms, ptbxl_statements
from tests.services.ingest.ecg_files import wfdb

PTBXL = (
    b"ecg_id,patient_id,age,sex,report,scp_codes,strat_fold,filename_lr\n"
    b"1,15709.0,56.0,1,\"sinus, normal\",\"{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}\",3,records100/00000/00001_lr\n"
    b"2,13243.0,300.0,0,x,\"{'CLBBB': 100.0, 'ISCAL': 35.0, 'AFIB': 0.0}\",2,records100/00000/00002_lr\n"
    b"3,20372.0,,1,x,\"{'NEWCODE': 50.0}\",5,records100/00000/00003_lr\n"
)


def test_statements_of_ptbxl_make_the_groups_that_its_authors_make() -> None:
    table = read_labels(PTBXL)
    first, second, third = table.rows
    assert (first.key, first.patient, first.fold) == ("1", "15709", "3")
    assert first.labels == {
        "super_class": ("NORM",),
        "sub_class": ("NORM",),
        "form": ("LVOLT",),
        "rhythm": ("SR",),
        "scp": ("NORM", "LVOLT", "SR"),
    }
    assert second.labels["super_class"] == ("CD", "STTC")
    assert second.labels["sub_class"] == ("CLBBB", "ISCA")
    assert third.labels["super_class"] == ()
    assert list(table.columns) == ["super_class", "sub_class", "form", "rhythm", "scp"]
    assert table.columns["super_class"] == ("NORM", "STTC", "CD")
    assert table.has_patients
    assert table.has_folds


def test_an_unknown_statement_is_kept_and_said() -> None:
    table = read_labels(PTBXL)
    assert table.rows[2].labels["scp"] == ("NEWCODE",)
    assert table.remarks == ("Not in the table of statements, kept in group scp only: NEWCODE.",)


def test_a_minimum_likelihood_leaves_out_what_is_stated_with_less_but_not_what_states_none() -> None:
    table = read_labels(PTBXL, choices=LabelChoices(minimum_likelihood=50))
    assert table.rows[1].labels["super_class"] == ("CD",)
    assert table.rows[1].labels["rhythm"] == ("AFIB",)
    assert table.remarks[0] == "Statements with a stated likelihood below 50 are left out."


def test_age_is_a_target_where_it_is_stated() -> None:
    table = read_labels(PTBXL, choices=LabelChoices(targets=("Age",)))
    assert [dict(row.numeric) for row in table.rows] == [{"age": 56.0}, {}, {}]  # 300 hides who is above 89


def test_a_table_of_statements_stands_instead_of_the_known_one() -> None:
    statements = (
        b",description,form,rhythm,diagnostic_class,diagnostic_subclass\nNEWCODE,new,,,MI,NMI\nSR,sinus,,1.0,,\n"
    )
    table = read_labels(PTBXL, choices=LabelChoices(statements=statements))
    assert table.rows[2].labels["super_class"] == ("MI",)
    assert table.rows[0].labels["super_class"] == ()
    assert table.rows[0].labels["rhythm"] == ("SR",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "__import__('os').system('true')",
        "['NORM']",
        "{'NORM': 'high'}",
        "{'NORM': -1}",
        "{'NORM': 101}",
        "{1: 2}",
        "{'N\\n': 1}",
        "{" * 400,
        str({f"c{i}": 1 for i in range(65)}),
    ],
)
def test_a_cell_of_statements_is_data_and_bounded(text: str) -> None:
    with pytest.raises(InvalidLabels, match="Row 7"):
        parse_statements(text, 7)


@pytest.mark.parametrize(
    ("content", "choices", "said"),
    [
        (b"scp_codes\n{}\n", LabelChoices(), "ecg_id and scp_codes"),
        (PTBXL, LabelChoices(statements=b"a,b\n1,2\n"), "scp_statements.csv"),
        (PTBXL, LabelChoices(statements=b"\xff\xfe"), "no CSV in UTF-8"),
        (PTBXL, LabelChoices(targets=("report",)), "Row 2: column 'report' is a numeric target"),
        (PTBXL, LabelChoices(targets=("LVEF",)), "no column 'LVEF'"),
        (PTBXL, LabelChoices(mapping="absent"), "these are: snomed, challenge, table1, table2"),
        (b"ecg_id,MI\n1,1\n", LabelChoices(minimum_likelihood=50), "belong to scheme ptbxl"),
        (b"record,Dx\na,426783006\na,426783006\n", LabelChoices(), "earlier row"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, choices: LabelChoices, said: str) -> None:
    with pytest.raises(InvalidLabels, match=said):
        read_labels(content, choices=choices)


def test_codes_of_the_challenge_become_classes_and_equal_ones_one() -> None:
    table = read_labels(
        b'Recording,Dx\nA1,"733534002,427172004"\nA2,164909002\nA3,"17338001|164873001"\nA4,999999999\n'
    )
    assert [row.labels["scored"] for row in table.rows] == [
        ("CLBBB|LBBB", "PVC|VPB"),
        ("CLBBB|LBBB",),
        ("PVC|VPB",),
        (),
    ]
    assert [row.labels["dx"] for row in table.rows] == [("CLBBB", "PVC"), ("LBBB",), ("VPB", "LVH"), ("999999999",)]
    assert len(table.columns["scored"]) == 26
    assert table.remarks == (
        "Not scored, kept in group dx only: LVH.",
        "Codes that the Challenge does not name, kept as they are: 999999999.",
    )


def test_labels_of_the_challenge_come_from_the_recordings_themselves() -> None:
    own = [("rec-1", ("59118001", "x")), ("rec-2", ()), ("rec-3", ("284470004", "63593006"))]
    table = read_labels(b"", LabelScheme.CHALLENGE, recordings=own)
    assert [(row.key, row.labels["scored"]) for row in table.rows] == [
        ("rec-1", ("CRBBB|RBBB",)),
        ("rec-3", ("PAC|SVPB",)),
    ]
    with pytest.raises(InvalidLabels, match="No recording of the dataset names a diagnosis"):
        read_labels(b"", LabelScheme.CHALLENGE, recordings=own[1:2])


def test_a_table_of_scored_diagnoses_says_what_is_scored() -> None:
    scored = b"Dx,SNOMEDCTCode,Abbreviation\nlvh,164873001,LVH\nlbbb,164909002,LBBB\n"
    table = read_labels(scored, recordings=[("rec-1", ("164873001", "733534002", "164889003"))])
    assert table.rows[0].labels["scored"] == ("LVH",)
    assert table.columns["scored"] == ("LVH", "CLBBB|LBBB")
    assert set(table.rows[0].labels["dx"]) == {"LVH", "CLBBB", "AF"}


def test_the_published_table_of_scored_diagnoses_is_the_one_that_is_known(testdata: Path) -> None:
    content = (testdata / "cinc2021" / "scored_diagnoses_2021.csv").read_bytes()
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    scored = {code: term for code, term in challenge_terms().items() if term.scored_as}
    assert {row["SNOMEDCTCode"]: row["Abbreviation"] for row in rows} == {c: t.abbreviation for c, t in scored.items()}
    equal = {row["SNOMEDCTCode"] for row in rows if "same diagnosis" in row["Notes"]}
    assert equal == {code for code, term in scored.items() if "|" in term.scored_as}
    assert len({term.scored_as for term in scored.values()}) == 26


def test_every_mapped_row_of_the_data_files_has_a_source_and_a_known_code() -> None:
    folder = Path(__file__).parents[3] / "services" / "ingest" / "mappings"
    tables = {path.stem: list(csv.DictReader(io.StringIO(path.read_text("utf-8")))) for path in folder.glob("*.csv")}
    assert {name: len(rows) for name, rows in tables.items()} == {
        "challenge": 133,
        "ptbxl": 71,
        "table1": 24,
        "table2": 19,
    }
    assert all(row["source"] for rows in tables.values() for row in rows)
    assert all(not row["snomed"] or row["snomed"] in challenge_terms() for row in tables["ptbxl"])
    assert len(challenge_terms()) == 133


def test_superclasses_of_the_statements_are_those_of_ptbxl() -> None:
    classes: dict[str, int] = {}
    for statement in ptbxl_statements().values():
        classes[statement.superclass] = classes.get(statement.superclass, 0) + 1
    assert classes == {"STTC": 13, "NORM": 1, "MI": 14, "HYP": 5, "CD": 11, "": 27}


def test_ptbxl_and_the_challenge_meet_in_the_classes_of_the_challenge() -> None:
    ptbxl = read_labels(PTBXL, choices=LabelChoices(mapping="challenge"))
    assert [set(row.labels["challenge"]) for row in ptbxl.rows] == [{"LQRSV", "NSR"}, {"AF", "CLBBB|LBBB"}, set()]
    assert ptbxl.unmapped == (("ISCAL", 1), ("NEWCODE", 1), ("NORM", 1))
    assert next(iter(ptbxl.columns)) == "challenge"


def test_table_1_matches_ptbxl_the_challenge_and_edms() -> None:
    chosen = LabelChoices(mapping="table1")
    ptbxl = read_labels(PTBXL, choices=chosen)
    assert ptbxl.rows[1].labels["table1"] == ("CD", "STTC", "CLBBB")
    challenge = read_labels(b'Record,Dx\na,"164909002,59931005"\nb,59118001\nc,164889003\n', choices=chosen)
    assert [row.labels["table1"] for row in challenge.rows] == [("CD", "STTC", "CLBBB"), ("CD", "CRBBB"), ()]
    assert challenge.unmapped == (("AF", 1),)
    edms = read_labels(b"file_name,label,ICD-10\na,LBBB,I44.7\nb,RBBB,I45.1\n", choices=chosen)
    assert [row.labels["table1"] for row in edms.rows] == [("CLBBB",), ("CRBBB",)]


def test_table_2_matches_codes_of_icd_10_and_all_below_them() -> None:
    table = read_labels(
        b"file_name,label,ICD-10\na,x,I21.0\nb,y,I21.1\nc,z,I44.7\nd,u,I517\ne,v,I11.9\nf,w,I48\n",
        choices=LabelChoices(mapping="table2"),
    )
    assert [row.labels["table2"] for row in table.rows] == [
        ("MI", "AMI"),
        ("MI", "IMI"),
        ("CD", "CLBBB"),
        ("HYP",),
        ("HYP",),
        (),
    ]
    assert table.unmapped == (("w", 1),)
    assert [row.labels[""] for row in table.rows] == [("x",), ("y",), ("z",), ("u",), ("v",), ("w",)]


def test_a_mapping_of_ones_own_is_a_table_of_labels_and_targets() -> None:
    mapping = b"label,target\nSR,sinus\nSTACH,sinus\nAFIB,fibrillation\n"
    table = read_labels(
        b"ecg_id,SR,STACH,AFIB,PACE\n1,1,0,0,0\n2,0,1,0,1\n3,0,0,1,0\n",
        choices=LabelChoices(mapping="rhythm", mapping_table=mapping),
    )
    assert [row.labels["rhythm"] for row in table.rows] == [("sinus",), ("sinus",), ("fibrillation",)]
    assert table.unmapped == (("PACE", 1),)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (b"a,b\n1,2\n", "columns 'label'"),
        (b"label,target\n,\n", "1 to 1000 targets"),
        (b"vocabulary,code,target\nloinc,1,2\n", "Row 2: a vocabulary is one of"),
        (b"label,target\na,\x07\n", "printable"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_why(mapping: bytes, said: str) -> None:
    with pytest.raises(InvalidLabels, match=said):
        find_mapping("own", mapping)


def test_snomed_is_the_hub_of_exact_matches_only() -> None:
    table = read_labels(PTBXL, choices=LabelChoices(mapping="snomed"))
    assert table.rows[1].labels["snomed"] == ("733534002", "164889003")
    assert dict(table.unmapped)["ISCAL"] == 1  # a wider term, any ischaemia, would say another thing


def test_numeric_targets_are_those_that_are_named() -> None:
    content = b"ecg_id,LVEF,QTc,flag,AFIB\n1,55,410,1,0\n2,,402.5,0,1\n"
    table = read_labels(content, choices=LabelChoices(targets=("LVEF", "flag")))
    assert [dict(row.numeric) for row in table.rows] == [{"LVEF": 55.0, "flag": 1.0}, {"flag": 0.0}]
    assert table.columns == {"": ("AFIB",)}
    assert table.remarks[1] == "Neither 0/1 nor a numeric target, and left out: QTc."


def test_records_of_ptbxl_are_found_by_the_file_that_the_table_names(ingest: Ingest) -> None:
    ingest.importer.import_source(wfdb("00001_lr", 1), dataset="ptbxl")
    ingest.importer.import_source(wfdb("00002_lr", 2), dataset="ptbxl")
    outcome = ingest.import_labels("ptbxl", PTBXL, LabelScheme.AUTO, None, LabelChoices(("age",), mapping="table1"))
    assert (outcome.matched_records, outcome.unmatched_rows) == (2, ("3",))
    assert dict(outcome.unmapped) == {"LVOLT": 1, "AFIB": 1, "NEWCODE": 1, "NORM": 1, "SR": 1}
    found = ingest.datasets.contents("ptbxl")[1]
    assert [(one.fold, dict(one.numeric)) for one in found] == [("3", {"age": 56.0}), ("2", {})]
    assert outcome.dataset.label_groups[0].name == "table1"
