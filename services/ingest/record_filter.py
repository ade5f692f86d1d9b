"""Which records of a dataset a snapshot takes: by age, sex, signal quality and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from precordia.dataset import RecordFilter
from precordia.errors import InvalidArgument
from precordia.quality import Grade
from precordia.record import Sex
from precordia.stored import StoredRecording
from services.ingest.datasets import Columns, Member

EVERYTHING = RecordFilter()


def check_filter(only: RecordFilter, columns: Columns) -> None:
    """Refuse a filter that cannot be meant.

    Raises:
        InvalidArgument: ages that no one has, or a label that the dataset does not have.
    """
    least, most = only.least_age_years, only.most_age_years
    ages = [age for age in (least, most) if age is not None]
    if not all(0 <= age <= 150 for age in ages) or (least is not None and most is not None and least > most):
        raise InvalidArgument("Ages of a filter are 0 to 150 years, the lowest first.", field="only.age")
    known = {name for group, labels in columns.items() for label in labels for name in (label, f"{group}:{label}")}
    for label in (*only.labels, *only.without):
        if label not in known:
            raise InvalidArgument(f"The dataset has no label '{label[:64]}'.", field="only.labels")


def passes(only: RecordFilter, member: Member, stored: StoredRecording) -> bool:
    """Whether a record is taken. What is asked for and not known of it keeps it out."""
    return (
        _age_passes(only, stored.age_years)
        and (only.sex is None or stored.sex is only.sex)
        and _quality_passes(only.least_grade, stored)
        and _labels_pass(only, member.labels)
    )


def _age_passes(only: RecordFilter, age: float | None) -> bool:
    if only.least_age_years is None and only.most_age_years is None:
        return True
    if age is None:
        return False
    return (only.least_age_years is None or age >= only.least_age_years) and (
        only.most_age_years is None or age <= only.most_age_years
    )


def _quality_passes(least: Grade | None, stored: StoredRecording) -> bool:
    return least is None or (stored.quality is not None and stored.quality.grade.rank <= least.rank)


def _labels_pass(only: RecordFilter, groups: Mapping[str, Sequence[str]]) -> bool:
    if not only.labels and not only.without:
        return True
    named = {name for group, labels in groups.items() for label in labels for name in (label, f"{group}:{label}")}
    return (not only.labels or not named.isdisjoint(only.labels)) and named.isdisjoint(only.without)


def filter_to_json(only: RecordFilter) -> dict[str, Any]:
    """What is set of a filter."""
    said = {
        "least_age_years": only.least_age_years,
        "most_age_years": only.most_age_years,
        "sex": only.sex.value if only.sex else None,
        "least_grade": only.least_grade.value if only.least_grade else None,
        "labels": list(only.labels) or None,
        "without": list(only.without) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def filter_from_json(value: Mapping[str, Any]) -> RecordFilter:
    """The inverse of `filter_to_json`."""
    return RecordFilter(
        least_age_years=value.get("least_age_years"),
        most_age_years=value.get("most_age_years"),
        sex=Sex(value["sex"]) if "sex" in value else None,
        least_grade=Grade(value["least_grade"]) if "least_grade" in value else None,
        labels=tuple(value.get("labels", ())),
        without=tuple(value.get("without", ())),
    )
