"""A label table read into rows: what it says of which file, patient and fold. Nothing is matched here.

Two layouts are read here, others beside it; `label_schemes` puts all together. `exchangeai`: file_name,
label, ICD-10, where several rows of one file are several labels. `table`: one row a record with 0/1
columns ("group:label", or a bare label), other numbers as numeric targets, and optional columns for
patient and fold.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from precordia.dataset import LabelScheme
from precordia.errors import InvalidLabels, TooLarge

MAX_TABLE_BYTES = 64 << 20
_MAX_COLUMNS = 5000
_MAX_NAME = 256
_MAX_CELL = 1024
_MAX_ROWS = 1_000_000
_MAX_CELLS = 20_000_000
_MAX_KNOWN = 10_000

IDS = ("recording_id", "ecg_id", "record_id", "record", "source_record", "file_name", "filename", "file", "id")
PATIENTS = ("patient_id", "patient", "patient_key", "subject_id")
FOLDS = ("strat_fold", "fold")
_FILE, _LABEL, _ICD = ("file_name", "filename"), ("label",), ("icd-10", "icd10", "icd_10")
_SNOMED = re.compile(r"[0-9]{6,18}")
_ICD_CODE = re.compile(r"[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,4})?")
_FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


LabelCode = tuple[str, str]
"""A vocabulary ("label", "snomed", "icd10", "ptbxl", ...) and a code of it."""


@dataclass(frozen=True)
class LabelRow:
    """What the table says of one record; a group that is not named is unknown.

    `also` are further names of the record: the files that a table states beside its identifier.
    """

    key: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numeric: Mapping[str, float] = field(default_factory=dict)
    patient: str = ""
    fold: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelTable:
    """A whole table.

    Attributes:
        columns: labels by group, in column order.
        has_patients, has_folds: whether the table speaks of them at all.
        codes: what a label of a group can be mapped by; labels that are not named are never mapped.
        unmapped: labels that a mapping had no target for, and their numbers of records.
    """

    rows: tuple[LabelRow, ...]
    columns: Mapping[str, tuple[str, ...]]
    has_patients: bool = False
    has_folds: bool = False
    remarks: tuple[str, ...] = ()
    codes: Mapping[tuple[str, str], tuple[LabelCode, ...]] = field(default_factory=dict)
    unmapped: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class ColumnNames:
    """Names of columns where they are not the usual ones."""

    id: str = ""
    patient: str = ""
    fold: str = ""


def read_cells(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Column names and rows of a table, all of one length.

    Raises:
        InvalidLabels: it is no CSV in UTF-8, or rows and column names do not fit.
        TooLarge: beyond 64 MiB.
    """
    if len(content) > MAX_TABLE_BYTES:
        raise TooLarge(f"A label table has {MAX_TABLE_BYTES} bytes at most.", limit=MAX_TABLE_BYTES)
    delimiter = max(",;\t", key=content[: content.find(b"\n")].decode("latin-1").count)
    # Line by line: a table must not take many times its size before it is known to be one.
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    try:
        rows = (row for row in csv.reader(lines, delimiter=delimiter) if any(row))
        header = [name.strip() for name in next(rows, ())]
        _check_header(header)
        found = list(_checked_rows(len(header), rows))
    except UnicodeDecodeError:
        raise InvalidLabels("The label table is no UTF-8 text; save it as CSV in UTF-8.") from None
    except csv.Error:
        raise InvalidLabels("The label table is no readable CSV.") from None
    if not found:
        raise InvalidLabels("The label table needs a line of column names and at least one row.")
    return header, found


def _check_header(header: Sequence[str]) -> None:
    if len(header) > _MAX_COLUMNS:
        raise InvalidLabels(f"The label table has more than {_MAX_COLUMNS} columns.")
    if any(len(name) > _MAX_NAME or not name.isprintable() for name in header):
        raise InvalidLabels(f"A column's name has at most {_MAX_NAME} printable characters.")
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise InvalidLabels(f"Column '{twice}' stands twice in the label table.")


def _checked_rows(columns: int, rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """Rows with their cells stripped; equal cells are one string, because most of a table is 0 and 1."""
    known: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != columns:
            raise InvalidLabels(f"Row {number} has {len(row)} cells; the column names are {columns}.")
        if max(map(len, row)) > _MAX_CELL:
            raise InvalidLabels(f"Row {number} has a cell of more than {_MAX_CELL} characters.")
        if number > _MAX_ROWS or number * columns > _MAX_CELLS:
            raise TooLarge(
                f"A label table has {_MAX_ROWS} rows and {_MAX_CELLS} cells at most; import it in parts.",
                limit=_MAX_ROWS,
            )
        if len(known) > _MAX_KNOWN:
            known.clear()
        yield [known.setdefault(cell, cell) for cell in map(str.strip, row)]


def recognised(header: Sequence[str]) -> LabelScheme:
    """The scheme of a table by its columns."""
    if find_column(header, _FILE) is not None and find_column(header, _LABEL) is not None:
        return LabelScheme.EXCHANGEAI
    if find_column(header, ("scp_codes",)) is not None:
        return LabelScheme.PTBXL
    if find_column(header, ("dx", "dx (snomed)")) is not None:
        return LabelScheme.CHALLENGE
    return LabelScheme.TABLE


def find_column(header: Sequence[str], usual: Sequence[str], given: str = "") -> int | None:
    """Index of a column: the one that was named, or the first of the usual ones that is there.

    Raises:
        InvalidLabels: the named one is not there.
    """
    if given:
        if given not in header:
            raise InvalidLabels(f"The label table has no column '{given}'.")
        return list(header).index(given)
    lower = [name.lower() for name in header]
    return next((lower.index(name) for name in usual if name in lower), None)


def read_exchangeai(
    header: Sequence[str], rows: list[list[str]], names: ColumnNames, targets: Sequence[str] = ()
) -> LabelTable:
    """Rows of file_name, label and ICD-10; several rows of one file are several labels.

    Raises:
        InvalidLabels: a column is missing, or a target holds no numbers.
    """
    file, label, icd = find_column(header, _FILE, names.id), find_column(header, _LABEL), find_column(header, _ICD)
    if file is None or label is None:
        raise InvalidLabels("Scheme exchangeai has the columns file_name, label and, where known, ICD-10.")
    patient, fold = find_column(header, PATIENTS, names.patient), find_column(header, FOLDS, names.fold)
    numbers = number_columns(header, rows, targets)
    labels: dict[str, dict[str, None]] = {}
    facts: dict[str, tuple[str, str]] = {}
    numeric: dict[str, dict[str, float]] = {}
    codes: dict[str, set[str]] = {}
    for row in rows:
        of_file = labels.setdefault(row[file], {})
        if row[label]:
            of_file[row[label]] = None
            codes.setdefault(row[label], set()).update([row[icd]] if icd is not None and row[icd] else [])
        facts[row[file]] = (cell(row, patient), cell(row, fold))
        numeric.setdefault(row[file], {}).update({name: float(row[i]) for name, i in numbers.items() if row[i]})
    found = tuple(LabelRow(key, {"": tuple(named)}, numeric[key], *facts[key]) for key, named in labels.items())
    known = {("", name): (*_codes_of(name), *(("icd10", code) for code in sorted(of))) for name, of in codes.items()}
    return LabelTable(found, {"": tuple(codes)}, patient is not None, fold is not None, _code_remarks(codes), known)


def _codes_of(label: str) -> tuple[LabelCode, ...]:
    """What a label's own name can be mapped by: itself, and the code that it looks like."""
    found: list[LabelCode] = [("label", label)]
    found += [("snomed", label)] if _SNOMED.fullmatch(label) else []
    found += [("icd10", label)] if _ICD_CODE.fullmatch(label) else []
    return tuple(found)


def number_columns(header: Sequence[str], rows: Sequence[Sequence[str]], targets: Sequence[str]) -> dict[str, int]:
    """Index of each numeric target by its column's name.

    Raises:
        InvalidLabels: there is no such column, or it holds something else than numbers.
    """
    lower = [name.lower() for name in header]
    found = {}
    for target in targets:
        if target.lower() not in lower:
            raise InvalidLabels(f"The label table has no column '{target[:64]}' for a numeric target.")
        index = lower.index(target.lower())
        wrong = next((n for n, row in enumerate(rows, start=2) if row[index] and not _is_number(row[index])), None)
        if wrong is not None:
            raise InvalidLabels(f"Row {wrong}: column '{header[index]}' is a numeric target and holds no number.")
        found[header[index]] = index
    return found


def _code_remarks(codes: Mapping[str, set[str]]) -> tuple[str, ...]:
    stated = [f"{label} = {', '.join(sorted(known))}" for label, known in codes.items() if known]
    unclear = sum(len(known) > 1 for known in codes.values())
    remarks = [f"ICD-10 codes: {'; '.join(stated[:50])}."] if stated else []
    return (*remarks, *([f"{unclear} labels have more than one ICD-10 code."] if unclear else []))


def cell(row: Sequence[str], column: int | None) -> str:
    """A row's cell; empty where the table has not the column."""
    return "" if column is None else row[column]


def read_one_hot(
    header: Sequence[str], rows: list[list[str]], names: ColumnNames, targets: Sequence[str] = ()
) -> LabelTable:
    """One row a record with 0/1 columns and numbers.

    Args:
        header: column names.
        rows: cells.
        names: columns that are not called as usual.
        targets: columns that are numeric targets, and the only ones; empty = every column of numbers is one.

    Raises:
        InvalidLabels: no column names the record, a record stands twice, or nothing is said of any.
    """
    key = find_column(header, IDS, names.id)
    if key is None:
        raise InvalidLabels(f"No column names the record; call it one of {', '.join(IDS)}, or say which it is.")
    patient, fold = find_column(header, PATIENTS, names.patient), find_column(header, FOLDS, names.fold)
    refuse_repeated(row[key] for row in rows)
    # Further columns that identify the record or the patient are never labels.
    apart = {key, patient, fold} | {i for i, name in enumerate(header) if name.lower() in (*IDS, *PATIENTS)}
    wanted = number_columns(header, rows, targets)
    candidates = [i for i in range(len(header)) if i not in apart and header[i]]
    columns = _sorted_columns(header, rows, candidates, wanted if targets else None)
    if not columns.flags and not columns.numbers:
        raise InvalidLabels("No column of the label table holds 0 and 1, or numbers.")
    found = tuple(
        LabelRow(row[key], columns.labels(row), columns.numeric(row), cell(row, patient), cell(row, fold))
        for row in rows
    )
    known = {(group, label): _codes_of(label) for _, group, label in columns.flags}
    return LabelTable(found, columns.groups(), patient is not None, fold is not None, columns.remarks(), known)


def refuse_repeated(keys: Iterable[str]) -> None:
    """Raise InvalidLabels where two rows speak of one record."""
    seen: set[str] = set()
    for number, key in enumerate(keys, start=2):
        if key in seen:
            raise InvalidLabels(f"Row {number} speaks of a record that an earlier row speaks of.")
        seen.add(key)


@dataclass(frozen=True)
class _Columns:
    """Columns of a one-hot table by what they hold: index, group and label, or name."""

    flags: tuple[tuple[int, str, str], ...]
    numbers: tuple[tuple[int, str], ...]
    ignored: tuple[str, ...]

    def groups(self) -> dict[str, tuple[str, ...]]:
        groups: dict[str, list[str]] = {}
        for _, group, label in self.flags:
            groups.setdefault(group, []).append(label)
        return {group: tuple(labels) for group, labels in groups.items()}

    def labels(self, row: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Labels by group; a group with an empty cell is unknown for this record."""
        unknown = {group for index, group, _ in self.flags if row[index] == ""}
        known: dict[str, list[str]] = {group: [] for _, group, _ in self.flags if group not in unknown}
        for index, group, label in self.flags:
            if group in known and _FLAGS[row[index].lower()]:
                known[group].append(label)
        return {group: tuple(labels) for group, labels in known.items()}

    def numeric(self, row: Sequence[str]) -> dict[str, float]:
        return {name: float(row[index]) for index, name in self.numbers if row[index]}

    def remarks(self) -> tuple[str, ...]:
        remarks = []
        if self.numbers:
            remarks.append(f"Read as numeric targets: {', '.join(name for _, name in self.numbers)}.")
        if self.ignored:
            remarks.append(f"Neither 0/1 nor a numeric target, and left out: {', '.join(self.ignored)}.")
        return tuple(remarks)


def _sorted_columns(
    header: Sequence[str], rows: list[list[str]], candidates: Sequence[int], wanted: Mapping[str, int] | None
) -> _Columns:
    flags, numbers, ignored = [], [], []
    for index in candidates:
        if wanted is not None and header[index] in wanted:
            numbers.append((index, header[index]))
            continue
        cells = {row[index].lower() for row in rows} - {""}
        if cells and cells <= _FLAGS.keys():
            group, colon, label = header[index].partition(":")
            flags.append((index, group, label) if colon else (index, "", header[index]))
        elif wanted is None and cells and all(map(_is_number, cells)):
            numbers.append((index, header[index]))
        else:
            ignored.append(header[index])
    return _Columns(tuple(flags), tuple(numbers), tuple(ignored))


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
