"""PTB-XL's table `ptbxl_database.csv`: statements with likelihoods, patients, folds.

Four label groups come of it, as the dataset's authors make them: super_class and sub_class of the
diagnostic statements, form, and rhythm; and `scp`, all statements as they stand there. A statement
counts where it is named, as in the PTB-XL benchmark; a minimum likelihood leaves out those that are
stated with less. A likelihood of 0 means that none is stated (rhythm and form have none).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from precordia.dataset import LabelChoices
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
    number_columns,
    refuse_repeated,
)
from services.ingest.vocabularies import Statement, ptbxl_statements, read_statements

GROUPS = ("super_class", "sub_class", "form", "rhythm", "scp")
FILES = ("filename_hr", "filename_lr")
"""A record that was imported from its file has the file's name, and not the table's number."""
OLDEST_YEARS = 89.0
"""Ages above are stated as 300, so that nobody is found by age."""

_MAX_STATEMENTS = 64
_MAX_CODE = 32


@dataclass(frozen=True)
class _Reading:
    statements: Mapping[str, Statement]
    minimum: float

    def labels(self, stated: Mapping[str, float]) -> dict[str, tuple[str, ...]]:
        """Labels by group of one record's statements."""
        kept = [code for code, likelihood in stated.items() if likelihood <= 0 or likelihood >= self.minimum]
        found: dict[str, dict[str, None]] = {group: {} for group in GROUPS}
        for code in kept:
            for group, label in self.labels_of(code):
                found[group][label] = None
        return {group: tuple(labels) for group, labels in found.items()}

    def labels_of(self, code: str) -> list[tuple[str, str]]:
        """Groups and labels of one statement."""
        statement = self.statements.get(code)
        if statement is None:
            return [("scp", code)]
        pairs = [("super_class", statement.superclass), ("sub_class", statement.subclass)]
        pairs += [("form", code if statement.form else ""), ("rhythm", code if statement.rhythm else ""), ("scp", code)]
        return [(group, label) for group, label in pairs if label]

    def codes(self, code: str) -> tuple[LabelCode, ...]:
        """What a statement can be mapped by."""
        statement = self.statements.get(code)
        if statement is None:
            return (("label", code), ("ptbxl", code))
        known = [("label", code), ("ptbxl", code), ("ptbxl_superclass", statement.superclass)]
        known += [("ptbxl_subclass", statement.subclass)]
        # A wider term would make an inferior infarction any infarction: only exact codes take part.
        known += [("snomed", statement.snomed)] if statement.exact else []
        return tuple((vocabulary, value) for vocabulary, value in known if value)


def read_ptbxl(header: Sequence[str], rows: list[list[str]], names: ColumnNames, choices: LabelChoices) -> LabelTable:
    """The table as labels.

    Raises:
        InvalidLabels: a column is missing, or a cell of statements cannot be read.
    """
    key, column = find_column(header, IDS, names.id), find_column(header, ("scp_codes",))
    if key is None or column is None:
        raise InvalidLabels("Scheme ptbxl has the columns ecg_id and scp_codes, as ptbxl_database.csv has them.")
    patient, fold = find_column(header, PATIENTS, names.patient), find_column(header, FOLDS, names.fold)
    refuse_repeated(row[key] for row in rows)
    statements = read_statements(choices.statements) if choices.statements else ptbxl_statements()
    reading = _Reading(statements, choices.minimum_likelihood)
    targets = number_columns(header, rows, choices.targets)
    files = [index for index, name in enumerate(header) if name.lower() in FILES]
    found, occurring = [], dict[str, None]()
    for number, row in enumerate(rows, start=2):
        stated = parse_statements(row[column], number)
        occurring.update(dict.fromkeys(stated))
        numeric = {name: value for name, index in targets.items() if (value := _number(name, row[index])) is not None}
        also = tuple(row[index] for index in files if row[index])
        person, part = _id(cell(row, patient)), cell(row, fold)
        found.append(LabelRow(_id(row[key]), reading.labels(stated), numeric, person, part, also))
    return LabelTable(
        rows=tuple(found),
        columns=_columns(reading, occurring),
        has_patients=patient is not None,
        has_folds=fold is not None,
        remarks=_remarks(occurring, statements, choices.minimum_likelihood),
        codes={("scp", code): reading.codes(code) for code in occurring},
    )


def parse_statements(text: str, number: int) -> dict[str, float]:
    """Likelihood by statement from "{'NORM': 100.0, 'SR': 0.0}".

    Raises:
        InvalidLabels: it is no such thing; nothing is ever executed.
    """
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        value = None
    if not isinstance(value, dict) or len(value) > _MAX_STATEMENTS or not all(map(_is_pair, value.items())):
        raise InvalidLabels(f"Row {number}: scp_codes is a dictionary of statements and likelihoods from 0 to 100.")
    return {str(code): float(likelihood) for code, likelihood in value.items()}


def _is_pair(pair: tuple[object, object]) -> bool:
    code, likelihood = pair
    named = isinstance(code, str) and 0 < len(code) <= _MAX_CODE and code.isprintable()
    return named and isinstance(likelihood, int | float) and 0 <= likelihood <= 100


def _columns(reading: _Reading, occurring: Mapping[str, None]) -> dict[str, tuple[str, ...]]:
    """Labels that occur, in the order of the table of statements; unknown statements last."""
    ordered = [code for code in reading.statements if code in occurring]
    ordered += [code for code in occurring if code not in reading.statements]
    columns: dict[str, dict[str, None]] = {group: {} for group in GROUPS}
    for code in ordered:
        for group, label in reading.labels_of(code):
            columns[group][label] = None
    return {group: tuple(labels) for group, labels in columns.items() if labels}


def _id(text: str) -> str:
    """An identifier; pandas writes whole numbers as 24.0 where a cell of the column was empty."""
    return text.removesuffix(".0") if text.removesuffix(".0").isdecimal() else text


def _number(name: str, text: str) -> float | None:
    if not text:
        return None
    value = float(text)
    return None if name.lower() == "age" and value > OLDEST_YEARS else value


def _remarks(occurring: Mapping[str, None], known: Mapping[str, Statement], minimum: float) -> tuple[str, ...]:
    strange = [code for code in occurring if code not in known]
    remarks = []
    if minimum > 0 and math.isfinite(minimum):
        remarks.append(f"Statements with a stated likelihood below {minimum:g} are left out.")
    if strange:
        remarks.append(f"Not in the table of statements, kept in group scp only: {', '.join(strange[:50])}.")
    return tuple(remarks)
