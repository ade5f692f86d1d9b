"""Label vocabularies as data files: PTB-XL's statements, the PhysioNet Challenge's terms, ready mappings.

The files lie in `services/ingest/mappings`; each row names its source. SNOMED CT codes are the hub: a
statement of one dataset and a term of another mean the same where they have the same code.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from precordia.errors import InvalidLabels

_FOLDER = Path(__file__).parent / "mappings"
_MAX_BYTES = 4 << 20
_MAX_ROWS = 50_000


@dataclass(frozen=True)
class Statement:
    """An SCP-ECG statement of PTB-XL. `snomed` is empty where no code is known to mean it.

    Attributes:
        exact: the code means the same; else it is a wider term.
    """

    code: str
    superclass: str
    subclass: str
    form: bool
    rhythm: bool
    snomed: str = ""
    exact: bool = False


@dataclass(frozen=True)
class Term:
    """A diagnosis of the PhysioNet Challenge 2021. `scored_as` is empty where it is not scored."""

    snomed: str
    abbreviation: str
    name: str
    scored_as: str = ""


def read_rows(content: bytes, *, what: str) -> list[dict[str, str]]:
    """Rows of a small CSV by column name.

    Raises:
        InvalidLabels: it is no CSV in UTF-8, or it is too large.
    """
    if len(content) > _MAX_BYTES:
        raise InvalidLabels(f"{what} has {_MAX_BYTES} bytes at most.")
    try:
        text = content.decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="", delimiter=_delimiter(text))
        rows = [
            {(name or "").strip(): (cell or "").strip() for name, cell in row.items() if isinstance(cell, str | None)}
            for row in reader
        ]
    except (UnicodeDecodeError, csv.Error):
        raise InvalidLabels(f"{what} is no CSV in UTF-8.") from None
    if len(rows) > _MAX_ROWS:
        raise InvalidLabels(f"{what} has {_MAX_ROWS} rows at most.")
    return rows


def _delimiter(text: str) -> str:
    return max(",;\t", key=text.split("\n", 1)[0].count)


def read_statements(content: bytes) -> dict[str, Statement]:
    """PTB-XL's `scp_statements.csv`; SNOMED CT codes are added where they are known.

    Raises:
        InvalidLabels: it is not that table.
    """
    rows = read_rows(content, what="The table of statements")
    if not rows or not {"diagnostic_class", "diagnostic_subclass", "form", "rhythm"} <= rows[0].keys():
        raise InvalidLabels(
            "The table of statements needs the columns diagnostic_class, diagnostic_subclass, form and rhythm, "
            "as scp_statements.csv has them."
        )
    name = "" if "" in rows[0] else next(iter(rows[0]))
    known = ptbxl_statements()
    blank = Statement("", "", "", form=False, rhythm=False)
    return {
        row[name]: Statement(
            row[name],
            row["diagnostic_class"],
            row["diagnostic_subclass"],
            form=_is_set(row["form"]),
            rhythm=_is_set(row["rhythm"]),
            snomed=known.get(row[name], blank).snomed,
            exact=known.get(row[name], blank).exact,
        )
        for row in rows
        if row[name]
    }


def _is_set(cell: str) -> bool:
    return cell in ("1", "1.0")


@lru_cache(maxsize=1)
def ptbxl_statements() -> dict[str, Statement]:
    """The 71 statements of PTB-XL 1.0.3, in its order."""
    rows = read_rows((_FOLDER / "ptbxl.csv").read_bytes(), what="The table of statements")
    return {
        row["statement"]: Statement(
            row["statement"],
            row["superclass"],
            row["subclass"],
            form=_is_set(row["form"]),
            rhythm=_is_set(row["rhythm"]),
            snomed=row["snomed"],
            exact=row["match"] == "exact",
        )
        for row in rows
    }


@lru_cache(maxsize=1)
def challenge_terms() -> dict[str, Term]:
    """The terms of the Challenge 2021 by SNOMED CT code, the scored ones first."""
    rows = read_rows((_FOLDER / "challenge.csv").read_bytes(), what="The table of terms")
    return {row["snomed"]: Term(row["snomed"], row["abbreviation"], row["name"], row["scored_as"]) for row in rows}


def read_scored_terms(content: bytes) -> dict[str, Term]:
    """A table of scored diagnoses as the Challenge publishes it: Dx, SNOMEDCTCode, Abbreviation.

    Classes that the Challenge counts as equal stay equal.

    Raises:
        InvalidLabels: it has not these columns.
    """
    rows = read_rows(content, what="The table of scored diagnoses")
    if not rows or not {"Dx", "SNOMEDCTCode", "Abbreviation"} <= rows[0].keys():
        raise InvalidLabels("The table of scored diagnoses has the columns Dx, SNOMEDCTCode and Abbreviation.")
    known = challenge_terms()
    scored = {}
    for row in rows:
        code, short = row["SNOMEDCTCode"], row["Abbreviation"]
        before = known.get(code)
        scored[code] = Term(code, short, row["Dx"], before.scored_as if before and before.scored_as else short)
    return scored


def mapping_file(name: str) -> bytes | None:
    """The bytes of a ready mapping; None where there is none of this name."""
    return (_FOLDER / f"{name}.csv").read_bytes() if name in READY_MAPPINGS else None


READY_MAPPINGS = ("table1", "table2")
