"""Filters of records as people type them."""

from __future__ import annotations

import typer

from cli.output import Output
from precordia.dataset import RecordFilter, Snapshot
from precordia.quality import Grade
from precordia.record import Sex


def parse_filter(
    ages: str, sex: Sex | None, quality: Grade | None, labels: list[str], without: list[str]
) -> RecordFilter:
    """A filter from options; ages are `18-65`, `18-` or `-65`.

    Raises:
        typer.BadParameter: the ages are none.
    """
    least, most = _ages(ages)
    return RecordFilter(least, most, sex, quality, tuple(labels), tuple(without))


def _ages(text: str) -> tuple[float | None, float | None]:
    if not text:
        return None, None
    first, dash, last = text.partition("-")
    try:
        least, most = (float(part) if part.strip() else None for part in (first, last))
    except ValueError:
        dash = ""
        least = most = None
    if not dash or (least is None and most is None):
        raise typer.BadParameter("Ages are written 18-65, 18- or -65.", param_hint="--age")
    return least, most


def say_filter(output: Output, snapshot: Snapshot) -> None:
    """What a snapshot took of its dataset, where that is not everything."""
    only = snapshot.only
    parts = []
    if only.least_age_years is not None or only.most_age_years is not None:
        ages = ("" if age is None else f"{age:g}" for age in (only.least_age_years, only.most_age_years))
        parts.append(f"age {'-'.join(ages)}")
    parts += [only.sex.value] if only.sex else []
    parts += [f"quality {only.least_grade.value} or better"] if only.least_grade else []
    parts += [f"with {' or '.join(only.labels)}"] if only.labels else []
    parts += [f"without {', '.join(only.without)}"] if only.without else []
    if parts:
        output.line(f"only {', '.join(parts)}: {snapshot.left_out} records of the dataset are left out")
