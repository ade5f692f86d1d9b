"""Signal quality."""

from __future__ import annotations

from precordia.errors import InvalidArgument
from precordia.quality import Defect, Finding, Grade, LeadQuality, Quality
from precordia.v1 import types_pb2

_GRADES: dict[Grade, types_pb2.QualityGrade] = {
    Grade.GOOD: types_pb2.QUALITY_GRADE_GOOD,
    Grade.USABLE: types_pb2.QUALITY_GRADE_USABLE,
    Grade.POOR: types_pb2.QUALITY_GRADE_POOR,
    Grade.UNUSABLE: types_pb2.QUALITY_GRADE_UNUSABLE,
}
_GRADES_BACK = {number: grade for grade, number in _GRADES.items()}
_DEFECTS = {defect.value: defect for defect in Defect}


def grade_to_proto(grade: Grade | None) -> types_pb2.QualityGrade:
    """A grade; None is UNSPECIFIED."""
    return types_pb2.QUALITY_GRADE_UNSPECIFIED if grade is None else _GRADES[grade]


def grade_from_proto(number: types_pb2.QualityGrade, *, field: str = "quality") -> Grade:
    """A grade.

    Raises:
        InvalidArgument: it is UNSPECIFIED or not known here.
    """
    if number not in _GRADES_BACK:
        raise InvalidArgument(f"'{field}' is one of {', '.join(grade.value for grade in Grade)}.", field=field)
    return _GRADES_BACK[number]


def quality_to_proto(quality: Quality) -> types_pb2.Quality:
    """Grade, findings and measures."""
    return types_pb2.Quality(
        grade=_GRADES[quality.grade],
        findings=[_finding_to_proto(finding) for finding in quality.findings],
        leads=[_lead_to_proto(lead) for lead in quality.leads],
    )


def quality_from_proto(message: types_pb2.Quality) -> Quality:
    """Grade, findings and measures; findings of a kind not known here are left out.

    Raises:
        InvalidArgument: a grade is not known here.
    """
    return Quality(
        grade=grade_from_proto(message.grade),
        findings=tuple(_finding_from_proto(finding) for finding in message.findings if finding.defect in _DEFECTS),
        leads=tuple(_lead_from_proto(lead) for lead in message.leads),
    )


def _finding_to_proto(finding: Finding) -> types_pb2.QualityFinding:
    return types_pb2.QualityFinding(
        defect=finding.defect.value,
        grade=_GRADES[finding.grade],
        message=finding.message,
        lead=finding.lead,
        value=finding.value,
        limit=finding.limit,
    )


def _finding_from_proto(message: types_pb2.QualityFinding) -> Finding:
    return Finding(
        defect=_DEFECTS[message.defect],
        grade=grade_from_proto(message.grade),
        message=message.message,
        lead=message.lead,
        value=message.value,
        limit=message.limit,
    )


def _lead_to_proto(lead: LeadQuality) -> types_pb2.LeadQuality:
    return types_pb2.LeadQuality(
        lead=lead.lead,
        grade=_GRADES[lead.grade],
        missing_fraction=lead.missing_fraction,
        flat_fraction=lead.flat_fraction,
        clipped_fraction=lead.clipped_fraction,
        hum_uv=lead.hum_uv,
        hum_hz=lead.hum_hz,
        baseline_mv=lead.baseline_mv,
        noise_uv=lead.noise_uv,
    )


def _lead_from_proto(message: types_pb2.LeadQuality) -> LeadQuality:
    return LeadQuality(
        lead=message.lead,
        grade=grade_from_proto(message.grade),
        missing_fraction=message.missing_fraction,
        flat_fraction=message.flat_fraction,
        clipped_fraction=message.clipped_fraction,
        hum_uv=message.hum_uv if message.HasField("hum_uv") else None,
        hum_hz=message.hum_hz if message.HasField("hum_hz") else None,
        baseline_mv=message.baseline_mv if message.HasField("baseline_mv") else None,
        noise_uv=message.noise_uv if message.HasField("noise_uv") else None,
    )
