"""Diagnoses of the PhysioNet Challenge: SNOMED CT codes, from the headers' `#Dx` or from a table.

Two label groups come of them: `scored`, the classes that the Challenge 2021 scores, equal ones as one
(CLBBB and LBBB, CRBBB and RBBB, PAC and SVPB, PVC and VPB), and `dx`, every diagnosis by its
abbreviation. A code that the Challenge does not name stays as the number that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from precordia.errors import InvalidLabels
from services.ingest.label_table import (
    FOLDS,
    IDS,
    PATIENTS,
    ColumnNames,
    LabelCode,
    LabelRow,
    LabelTable,
    cell,
    find_column,
    refuse_repeated,
)
from services.ingest.vocabularies import Term, challenge_terms, read_scored_terms

DIAGNOSES = ("dx", "dx (snomed)", "snomed", "snomedctcode", "codes")
_SCORED_COLUMN = "snomedctcode"
_IDS = ("recording", *IDS)
_CODE = re.compile(r"[0-9]{6,18}")
_BETWEEN = re.compile(r"[,;|\s]+")


def is_scored_table(header: Sequence[str]) -> bool:
    """Whether a table lists the scored diagnoses, instead of records."""
    return {"dx", _SCORED_COLUMN, "abbreviation"} <= {name.lower() for name in header}


def read_challenge(header: Sequence[str], rows: list[list[str]], names: ColumnNames) -> LabelTable:
    """A table of records and their codes.

    Raises:
        InvalidLabels: a column is missing, or a diagnosis is no SNOMED CT code.
    """
    key, column = find_column(header, _IDS, names.id), find_column(header, DIAGNOSES)
    if key is None or column is None:
        raise InvalidLabels("Scheme challenge has a column that names the record, and a column Dx of SNOMED CT codes.")
    patient, fold = find_column(header, PATIENTS, names.patient), find_column(header, FOLDS, names.fold)
    refuse_repeated(row[key] for row in rows)
    coded = [(row[key], _codes(row[column], number)) for number, row in enumerate(rows, start=2)]
    facts = [(cell(row, patient), cell(row, fold)) for row in rows]
    return _table(coded, facts, challenge_terms(), patient is not None, fold is not None)


def challenge_labels(recordings: Iterable[tuple[str, Sequence[str]]], scored: bytes = b"") -> LabelTable:
    """Labels that the headers of the recordings themselves name.

    Args:
        recordings: id of each, and the labels that its file says.
        scored: a table of scored diagnoses, as the Challenge publishes it; empty = that of 2021.

    Raises:
        InvalidLabels: no recording names a SNOMED CT code, or the table cannot be used.
    """
    terms = challenge_terms()
    if scored:
        plain = {code: Term(code, term.abbreviation, term.name) for code, term in terms.items()}
        terms = read_scored_terms(scored) | {c: t for c, t in plain.items() if c not in read_scored_terms(scored)}
    coded = [(name, tuple(label for label in labels if _CODE.fullmatch(label))) for name, labels in recordings]
    coded = [(name, codes) for name, codes in coded if codes]
    if not coded:
        raise InvalidLabels(
            "No recording of the dataset names a diagnosis (#Dx) in its own file; give a table of them."
        )
    return _table(coded, [("", "")] * len(coded), terms, False, False)


def _codes(text: str, number: int) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(part for part in _BETWEEN.split(text) if part))
    if not all(_CODE.fullmatch(code) for code in codes):
        raise InvalidLabels(f"Row {number}: diagnoses are SNOMED CT codes, separated by commas.")
    return codes


def _table(
    coded: Sequence[tuple[str, tuple[str, ...]]],
    facts: Sequence[tuple[str, str]],
    terms: Mapping[str, Term],
    has_patients: bool,
    has_folds: bool,
) -> LabelTable:
    occurring = dict.fromkeys(code for _, codes in coded for code in codes)
    ordered = [code for code in terms if code in occurring] + [code for code in occurring if code not in terms]
    scored = dict.fromkeys(term.scored_as for term in terms.values() if term.scored_as)
    rows = []
    for (key, codes), (patient, fold) in zip(coded, facts, strict=True):
        classes = {terms[code].scored_as for code in codes if code in terms}
        labels = {
            "scored": tuple(name for name in scored if name in classes),
            "dx": tuple(_name(code, terms) for code in codes),
        }
        rows.append(LabelRow(key, labels, {}, patient, fold))
    columns = {"scored": tuple(scored), "dx": tuple(_name(code, terms) for code in ordered)}
    known: dict[tuple[str, str], tuple[LabelCode, ...]] = {
        ("dx", _name(code, terms)): (("label", _name(code, terms)), ("snomed", code)) for code in occurring
    }
    return LabelTable(tuple(rows), columns, has_patients, has_folds, _remarks(occurring, terms), known)


def _name(code: str, terms: Mapping[str, Term]) -> str:
    return terms[code].abbreviation if code in terms else code


def _remarks(occurring: Mapping[str, None], terms: Mapping[str, Term]) -> tuple[str, ...]:
    unscored = [_name(code, terms) for code in occurring if code in terms and not terms[code].scored_as]
    strange = [code for code in occurring if code not in terms]
    remarks = []
    if unscored:
        remarks.append(f"Not scored, kept in group dx only: {', '.join(unscored[:50])}.")
    if strange:
        remarks.append(f"Codes that the Challenge does not name, kept as they are: {', '.join(strange[:50])}.")
    return tuple(remarks)
