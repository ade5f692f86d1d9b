"""What WFDB comments say about patient and diagnosis.

Comments are free text, in which anything can stand, names too. Only what is recognised is kept:
age, sex, coded diagnoses (`Dx`), and the lines that LUDB lists under `<diagnoses>`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from precordia.record import Sex
from services.ingest.formats.facts import parse_age, parse_sex

_PAIR = re.compile(r"^<?([A-Za-z]+)>?\s*:\s*(.*)$")
_MIT = re.compile(r"^(-?\d{1,3})\s+([MF])\b")


@dataclass(frozen=True)
class CommentFacts:
    """Recognised facts. `labels` are codes as written; `statements` are lines of findings."""

    age_years: float | None = None
    sex: Sex | None = None
    labels: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


def read_comments(comments: Sequence[str]) -> CommentFacts:
    """Facts in a header's comments, the mark `#` already taken away."""
    if not comments:
        return CommentFacts()
    said: dict[str, str] = {}
    statements: list[str] = []
    for line in comments:
        pair = _PAIR.match(line)
        if pair and pair[1].lower() not in said:
            said[pair[1].lower()] = pair[2].strip()
        if "diagnoses" in said and line and not (pair and pair[1].lower() in ("diagnoses", "age", "sex")):
            statements.append(line)
    mit = next(filter(None, map(_MIT.match, comments)), None)
    return CommentFacts(
        age_years=parse_age(said.get("age", mit[1] if mit else "")),
        sex=parse_sex(said.get("sex", mit[2] if mit else "")),
        labels=_codes(said.get("dx", "")),
        statements=tuple(statements),
    )


def _codes(text: str) -> tuple[str, ...]:
    codes = (code.strip() for code in text.split(","))
    return tuple(dict.fromkeys(code for code in codes if code and code.lower() != "unknown"))
