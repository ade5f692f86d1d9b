"""Splits as people type them: `train=1-6`, `test=7,9`, `train=80%`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import typer

from precordia.dataset import SplitRule

_SHARE = re.compile(r"^(\d+(?:\.\d+)?)%$")
_RANGE = re.compile(r"^(\d+)-(\d+)$")
_MAX_FOLDS = 1000


def parse_rules(texts: Sequence[str]) -> tuple[SplitRule, ...]:
    """Rules of splits.

    Raises:
        typer.BadParameter: one is not NAME=FOLDS or NAME=SHARE%, or the shares are above 100 %.
    """
    rules = tuple(_rule(text) for text in texts)
    if sum(rule.patient_fraction for rule in rules) > 1 + 1e-9:
        raise typer.BadParameter("The shares are together above 100 %.", param_hint="--split")
    return rules


def _rule(text: str) -> SplitRule:
    name, equals, rule = text.partition("=")
    if not (equals and name.strip() and rule.strip()):
        raise typer.BadParameter(
            "A split is NAME=FOLDS or NAME=SHARE%: train=1-6, test=7, train=80%.", param_hint="--split"
        )
    share = _SHARE.match(rule.strip())
    if share:
        fraction = float(share.group(1)) / 100
        if not 0 < fraction <= 1:
            raise typer.BadParameter("A share is above 0 % and at most 100 %.", param_hint="--split")
        return SplitRule(name.strip(), patient_fraction=fraction)
    return SplitRule(name.strip(), tuple(fold for part in rule.split(",") for fold in _folds(part.strip())))


def _folds(part: str) -> list[str]:
    if not part:
        raise typer.BadParameter("A fold has no name.", param_hint="--split")
    span = _RANGE.match(part)
    if span is None:
        return [part]
    first, last = int(span.group(1)), int(span.group(2))
    if last < first or last - first >= _MAX_FOLDS:
        raise typer.BadParameter("A range of folds runs upwards: 1-6.", param_hint="--split")
    return [str(fold) for fold in range(first, last + 1)]
