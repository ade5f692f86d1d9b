"""Filters of records."""

from __future__ import annotations

from precordia.dataset import RecordFilter
from precordia.rpc.convert.quality import grade_from_proto, grade_to_proto
from precordia.rpc.convert.signal import sex_from_proto, sex_to_proto
from precordia.v1 import ingest_pb2, types_pb2


def record_filter_to_proto(only: RecordFilter) -> ingest_pb2.RecordFilter:
    """Which records are taken; only what is set."""
    return ingest_pb2.RecordFilter(
        least_age_years=only.least_age_years,
        most_age_years=only.most_age_years,
        sex=sex_to_proto(only.sex),
        least_grade=grade_to_proto(only.least_grade),
        labels=only.labels,
        without=only.without,
    )


def record_filter_from_proto(message: ingest_pb2.RecordFilter) -> RecordFilter:
    """Which records are taken.

    Raises:
        InvalidArgument: a grade that is not known here.
    """
    stated = message.least_grade != types_pb2.QUALITY_GRADE_UNSPECIFIED
    return RecordFilter(
        least_age_years=message.least_age_years if message.HasField("least_age_years") else None,
        most_age_years=message.most_age_years if message.HasField("most_age_years") else None,
        sex=sex_from_proto(message.sex),
        least_grade=grade_from_proto(message.least_grade, field="only.least_grade") if stated else None,
        labels=tuple(message.labels),
        without=tuple(message.without),
    )
