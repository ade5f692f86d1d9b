"""A label table read into rows: what it says of which file, patient and fold. Nothing is matched here.

Two layouts are known. `exchangeai`: file_name, label, ICD-10, where several rows of one file are
several labels. `table`: one row a record with 0/1 columns ("group:label", or a bare label), other
numbers as numeric targets, and optional columns for patient and fold.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

_IDS = ("recording_id", "ecg_id", "record_id", "record", "source_record", "file_name", "filename", "file", "id")
_PATIENTS = ("patient_id", "patient", "patient_key", "subject_id")
_FOLDS = ("strat_fold", "fold")
_FILE, _LABEL, _ICD = ("file_name", "filename"), ("label",), ("icd-10", "icd10", "icd_10")
_FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


@dataclass(frozen=True)
class LabelRow:
    """What the table says of one record; a group that is not named is unknown."""

    key: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numeric: Mapping[str, float] = field(default_factory=dict)
    patient: str = ""
    fold: str = ""


@dataclass(frozen=True)
class LabelTable:
    """A whole table.

    Attributes:
        columns: labels by group, in column order.
        has_patients, has_folds: whether the table speaks of them at all.
    """

    rows: tuple[LabelRow, ...]
    columns: Mapping[str, tuple[str, ...]]
    has_patients: bool = False
    has_folds: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnNames:
    """Names of columns where they are not the usual ones."""

    id: str = ""
    patient: str = ""
    fold: str = ""


def read_label_table(
    content: bytes, scheme: LabelScheme = LabelScheme.AUTO, names: ColumnNames | None = None
) -> LabelTable:
    """Read a table of a known layout.

    Args:
        content: CSV, separated by comma, semicolon or tab; UTF-8.
        scheme: its layout; AUTO recognises it by its columns.
        names: columns that are not called as usual.

    Raises:
        InvalidLabels: the table cannot be used; the message says what it lacks.
        TooLarge: beyond 64 MiB.
    """
    header, rows = _cells(content)
    scheme = _recognised(header) if scheme is LabelScheme.AUTO else scheme
    readers: dict[LabelScheme, Callable[[Sequence[str], list[list[str]], ColumnNames], LabelTable]] = {
        LabelScheme.EXCHANGEAI: _read_exchangeai,
        LabelScheme.TABLE: _read_one_hot,
    }
    if scheme not in readers:
        known = ", ".join(known.value for known in readers)
        raise InvalidLabels(f"Tables of scheme '{scheme.value}' are not read here; these are: {known}.")
    return readers[scheme](header, rows, names or ColumnNames())


def _cells(content: bytes) -> tuple[list[str], list[list[str]]]:
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


def _recognised(header: Sequence[str]) -> LabelScheme:
    if _find(header, _FILE) is not None and _find(header, _LABEL) is not None:
        return LabelScheme.EXCHANGEAI
    if _find(header, ("scp_codes",)) is not None:
        return LabelScheme.PTBXL
    if _find(header, ("dx", "dx (snomed)")) is not None:
        return LabelScheme.CHALLENGE
    return LabelScheme.TABLE


def _find(header: Sequence[str], usual: Sequence[str], given: str = "") -> int | None:
    """Index of a column: the one that was named, or the first of the usual ones that is there."""
    if given:
        if given not in header:
            raise InvalidLabels(f"The label table has no column '{given}'.")
        return list(header).index(given)
    lower = [name.lower() for name in header]
    return next((lower.index(name) for name in usual if name in lower), None)


def _read_exchangeai(header: Sequence[str], rows: list[list[str]], names: ColumnNames) -> LabelTable:
    file, label, icd = _find(header, _FILE, names.id), _find(header, _LABEL), _find(header, _ICD)
    if file is None or label is None:
        raise InvalidLabels("Scheme exchangeai has the columns file_name, label and, where known, ICD-10.")
    patient, fold = _find(header, _PATIENTS, names.patient), _find(header, _FOLDS, names.fold)
    labels: dict[str, dict[str, None]] = {}
    facts: dict[str, tuple[str, str]] = {}
    codes: dict[str, set[str]] = {}
    for row in rows:
        of_file = labels.setdefault(row[file], {})
        if row[label]:
            of_file[row[label]] = None
            codes.setdefault(row[label], set()).update([row[icd]] if icd is not None and row[icd] else [])
        facts[row[file]] = (_cell(row, patient), _cell(row, fold))
    found = tuple(LabelRow(key, {"": tuple(named)}, {}, *facts[key]) for key, named in labels.items())
    return LabelTable(found, {"": tuple(codes)}, patient is not None, fold is not None, _code_remarks(codes))


def _code_remarks(codes: Mapping[str, set[str]]) -> tuple[str, ...]:
    stated = [f"{label} = {', '.join(sorted(known))}" for label, known in codes.items() if known]
    unclear = sum(len(known) > 1 for known in codes.values())
    remarks = [f"ICD-10 codes: {'; '.join(stated[:50])}."] if stated else []
    return (*remarks, *([f"{unclear} labels have more than one ICD-10 code."] if unclear else []))


def _cell(row: Sequence[str], column: int | None) -> str:
    return "" if column is None else row[column]


def _read_one_hot(header: Sequence[str], rows: list[list[str]], names: ColumnNames) -> LabelTable:
    key = _find(header, _IDS, names.id)
    if key is None:
        raise InvalidLabels(f"No column names the record; call it one of {', '.join(_IDS)}, or say which it is.")
    patient, fold = _find(header, _PATIENTS, names.patient), _find(header, _FOLDS, names.fold)
    _refuse_repeated(row[key] for row in rows)
    # Further columns that identify the record or the patient are never labels.
    apart = {key, patient, fold} | {i for i, name in enumerate(header) if name.lower() in (*_IDS, *_PATIENTS)}
    columns = _sorted_columns(header, rows, [i for i in range(len(header)) if i not in apart and header[i]])
    if not columns.flags and not columns.numbers:
        raise InvalidLabels("No column of the label table holds 0 and 1, or numbers.")
    found = tuple(
        LabelRow(row[key], columns.labels(row), columns.numeric(row), _cell(row, patient), _cell(row, fold))
        for row in rows
    )
    return LabelTable(found, columns.groups(), patient is not None, fold is not None, columns.remarks())


def _refuse_repeated(keys: Iterable[str]) -> None:
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
            remarks.append(f"Neither 0/1 nor numbers, and left out: {', '.join(self.ignored)}.")
        return tuple(remarks)


def _sorted_columns(header: Sequence[str], rows: list[list[str]], candidates: Sequence[int]) -> _Columns:
    flags, numbers, ignored = [], [], []
    for index in candidates:
        cells = {row[index].lower() for row in rows} - {""}
        if cells and cells <= _FLAGS.keys():
            group, colon, label = header[index].partition(":")
            flags.append((index, group, label) if colon else (index, "", header[index]))
        elif cells and all(map(_is_number, cells)):
            numbers.append((index, header[index]))
        else:
            ignored.append(header[index])
    return _Columns(tuple(flags), tuple(numbers), tuple(ignored))


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
