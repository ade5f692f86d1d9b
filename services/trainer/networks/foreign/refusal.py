"""One form for every refusal that an operator is to blame for."""

from __future__ import annotations

from precordia.errors import InvalidModel

_LONGEST_NAME = 100


def refused(operator: str, why: str) -> InvalidModel:
    """The error that names an operator; `why` goes on after the name and ends the sentence."""
    name = operator[:_LONGEST_NAME]
    return InvalidModel(f"The model cannot be a base for training: operator '{name}' {why}.", operator=name)
