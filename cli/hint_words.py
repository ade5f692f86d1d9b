"""Hints in words: how a file is read, for people."""

from __future__ import annotations

from precordia.record import Hints
from precordia.steps import Step

_NO_COLUMN = -1
_CHARACTERS = {"\t": "tab", " ": "blanks"}


def hints_text(hints: Hints) -> str:
    """What hints say, in their order; empty where they say nothing."""
    said = (
        f"{hints.sample_rate_hz:g} Hz" if hints.sample_rate_hz is not None else "",
        f"unit {hints.unit.value}" if hints.unit else "",
        f"{hints.gain_adu_per_mv:g} counts per mV" if hints.gain_adu_per_mv is not None else "",
        f"leads {' '.join(hints.lead_names)}" if hints.lead_names else "",
        f"already applied {' and '.join(map(step_text, hints.applied))}" if hints.applied else "",
        f"delimiter {_quoted(hints.delimiter)}" if hints.delimiter else "",
        f"decimal mark {_quoted(hints.decimal_mark)}" if hints.decimal_mark else "",
        _time_text(hints.time_column),
        f"variable {_quoted(hints.variable)}" if hints.variable else "",
    )
    return ", ".join(filter(None, said))


def _time_text(column: int | None) -> str:
    """Columns are counted as the option --time-column counts them: from 0."""
    if column is None:
        return ""
    return "no time column" if column == _NO_COLUMN else f"time column {column} (from 0)"


def _quoted(text: str) -> str:
    return _CHARACTERS.get(text, f'"{text}"')


def step_text(step: Step) -> str:
    """A step with its parameters."""
    values = " ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in step.parameters.items()
    )
    return f"{step.name} ({values})" if values else step.name
