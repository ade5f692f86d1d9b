"""The dialect of a text table: delimiter, decimal mark, comments, title rows.

Told from the table's beginning, never from its name; a hint settles what it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from precordia.errors import InvalidArgument, UnknownFormat
from precordia.record import Hints

SAMPLE_BYTES = 1 << 14
_SAMPLE_LINES = 24
_SAMPLE_CELLS = 40
_TITLE_LINES = 4
_BODY_LINES = 6
_PRINTABLE = bytes(range(32, 256)) + b"\t\n\r\f\v"
_DELIMITERS = ("\t", ";", ",", "|", " ")
_NUMBER = {mark: rf"[-+]?(?:\d++(?:{mark}\d*+)?|{mark}\d++)(?:[eE][-+]?\d++)?" for mark in (r"\.", ",")}
"""Possessive, so that a row which is no such row is given up at once."""
_NUMBERS = {mark[-1]: re.compile(f"^{number}$") for mark, number in _NUMBER.items()}
_PLAIN_ROWS = {
    (delimiter, mark[-1]): re.compile(rf"{number}(?:{re.escape(delimiter)}{number})*")
    for delimiter in _DELIMITERS
    for mark, number in _NUMBER.items()
    if delimiter not in (" ", mark[-1])
}
"""Rows of nothing but numbers, as most rows are: told as a whole."""
_CLOCK = re.compile(r"^\[?(\d{4}-\d\d-\d\d[ T])?(\d+:)?\d+:\d+([.,]\d+)?\]?$")
MISSING_WORDS = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "--", "?", "inf", "-inf", "+inf"})


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: " " for any run of spaces and tabs.
        decimal_mark: "." or ",".
        comments: texts of the comment lines before the table, without their mark.
        titles: title rows, each a tuple of cells.
        body: byte offset of the first row of numbers.
        row_names: the first cell of each row is a word: rows are leads.
        columns: cells in a row.
        first_cell: the body's first cell, as written.
    """

    delimiter: str
    decimal_mark: str
    comments: tuple[str, ...]
    titles: tuple[tuple[str, ...], ...]
    body: int
    row_names: bool
    columns: int
    first_cell: str = ""


def split_row(line: str, delimiter: str) -> list[str]:
    """Cells of one line, quotes and blanks taken off; quoted delimiters count as text."""
    if delimiter == " ":
        return [cell.strip("\"'") for cell in line.split()]
    if '"' in line:
        quoted = re.split(rf'{re.escape(delimiter)}(?=(?:[^"]*"[^"]*")*[^"]*$)', line)
        return [cell.strip().strip("\"'").strip() for cell in quoted]
    if "'" not in line:
        return list(map(str.strip, line.split(delimiter)))
    return [cell.strip().strip("'").strip() for cell in line.split(delimiter)]


def looks_like_text(head: bytes) -> bool:
    """Whether a file's first bytes are text with digits in it, no markup and no JSON."""
    if head.lstrip()[:1] in (b"<", b"{"):
        return False
    control = head.translate(None, _PRINTABLE)
    return not control and any(digit in head for digit in b"0123456789")


def detect_dialect(text: bytes, hints: Hints) -> Dialect | None:
    """The dialect in which `text` is a table of numbers, or None where it is none in any.

    Raises:
        InvalidArgument: a hint is no delimiter or decimal mark.
    """
    lines = list(_lines(text[:SAMPLE_BYTES], whole=len(text) <= SAMPLE_BYTES))
    marked = b"#" in text[:SAMPLE_BYTES] or b"%" in text[:SAMPLE_BYTES]
    said = {offset for offset, line in lines if _is_comment(line)} if marked else set()
    rows = [(offset, line) for offset, line in lines if offset not in said and line and not line.isspace()]
    if not rows:
        return None
    comments = tuple(line.strip().lstrip("#%").strip() for offset, line in lines if offset in said)
    found = [
        dialect
        for delimiter, mark in _candidates(rows, hints)
        if (dialect := _as_table(rows, delimiter, mark, comments)) is not None
    ]
    if not found:
        return None
    named = len(hints.lead_names)
    best = max(found, key=lambda table: (table.columns == named, table.columns == named + 1, table.columns))
    return _measured(best, text)


def _measured(dialect: Dialect, text: bytes) -> Dialect:
    """The dialect with the columns of its first row counted to the row's end, wherever that is."""
    end = text.find(b"\n", dialect.body)
    line = text[dialect.body : end if end >= 0 else len(text)]
    columns = len(line.split()) if dialect.delimiter == " " else line.count(dialect.delimiter.encode()) + 1
    return replace(dialect, columns=columns)


def _is_comment(line: str) -> bool:
    return line.lstrip()[:1] in ("#", "%")


def _lines(sample: bytes, *, whole: bool) -> Iterator[tuple[int, str]]:
    """Offset and text of the first lines; the last one only if it is complete, or the only one."""
    at = 0
    for _ in range(_SAMPLE_LINES):
        end = sample.find(b"\n", at)
        if end < 0:
            if at < len(sample) and (whole or at == 0 or len(sample) - at > SAMPLE_BYTES // 4):
                yield at, sample[at:].decode("utf-8", "replace")
            return
        yield at, sample[at:end].decode("utf-8", "replace")
        at = end + 1


def _candidates(rows: Sequence[tuple[int, str]], hints: Hints) -> Iterator[tuple[str, str]]:
    if hints.delimiter and (len(hints.delimiter) != 1 or not hints.delimiter.isascii() or hints.delimiter.isalnum()):
        raise InvalidArgument("A delimiter is one character that is no letter or digit.", field="delimiter")
    if hints.decimal_mark not in ("", ".", ","):
        raise InvalidArgument("A decimal mark is '.' or ','.", field="decimal_mark")
    last = rows[-1][1]
    delimiters = [hints.delimiter] if hints.delimiter else [mark for mark in _DELIMITERS if mark in last] or [","]
    if "," in last and not hints.delimiter and "\t" not in delimiters and ";" not in delimiters:
        delimiters.append("\t")  # one column of numbers with decimal commas
    for delimiter in delimiters:
        for mark in hints.decimal_mark or ".,":
            if mark != delimiter:
                yield delimiter, mark


def _as_table(rows: Sequence[tuple[int, str]], delimiter: str, mark: str, comments: tuple[str, ...]) -> Dialect | None:
    """The table in this dialect: a few title rows at most, then rows of numbers of one width."""
    titles: list[tuple[str, ...]] = []
    body: list[list[str]] = []
    kinds: set[str] = set()
    if len(rows) > _TITLE_LINES and not _understood(rows[_TITLE_LINES][1], delimiter, mark)[1]:
        return None  # after all the titles that there may be, this row has to have numbers
    for _, line in rows[: _TITLE_LINES + _BODY_LINES]:
        cells, kind = _understood(line, delimiter, mark)
        if kind:
            body.append(cells)
            kinds.add(kind)
        elif body or len(titles) == _TITLE_LINES:
            return None
        else:
            titles.append(tuple(cells))
        if len(body) == _BODY_LINES:
            break
    if len(kinds) != 1 or len({len(cells) for cells in body}) != 1:
        return None
    start, first = rows[len(titles)][0], body[0]
    return Dialect(delimiter, mark, comments, tuple(titles), start, kinds == {"named"}, len(first), first[0])


def _understood(line: str, delimiter: str, mark: str) -> tuple[list[str], str]:
    """A line's first cells, and their kind."""
    cells, plain = split_row(_head(line, delimiter), delimiter), _PLAIN_ROWS.get((delimiter, mark))
    return cells, "numbers" if plain and plain.fullmatch(line.rstrip()) else _kind(cells, mark)


def _head(line: str, delimiter: str) -> str:
    """The first cells of a line, enough to tell what it is."""
    if len(line) < 16 * _SAMPLE_CELLS:
        return line
    parts = line.split(None if delimiter == " " else delimiter, _SAMPLE_CELLS)
    return delimiter.join(parts[:_SAMPLE_CELLS])


def _kind(row: Sequence[str], mark: str) -> str:
    """`numbers`, `named` (a word, then numbers), or empty for a row that is neither."""
    number = _NUMBERS[mark]
    numbers = [number.match(cell) is not None for cell in row]
    some = any(numbers)
    said = [known or cell.lower() in MISSING_WORDS for known, cell in zip(numbers, row, strict=True)] if some else []
    if some and (said[0] or _CLOCK.match(row[0])) and all(said[1:]):
        return "numbers"
    if len(row) > 2 and some and all(said[1:]):
        return "named"
    return ""


def not_a_table() -> UnknownFormat:
    """The error for text without a table of numbers in it."""
    return UnknownFormat("The file is text and holds no table of numbers; give --delimiter if it is written unusually.")
