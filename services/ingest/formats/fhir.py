"""FHIR Observations with sampled data (R4 and R5), alone or in a Bundle; JSON.

value = number x factor + origin. The time between samples is `period` in milliseconds (R4) or
`interval` with its unit (R5). `E`, `U` and `L` stand for samples that are in error, above or below
what the device can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from precordia.errors import UnreadableFile
from precordia.record import Device, Hints, Remark
from precordia.source import Source
from services.ingest.formats.facts import parse_sex, resolve_rate, stated_unit
from services.ingest.formats.fhir_json import entries, plain_text, read_json, real_number
from services.ingest.formats.fhir_samples import sampled_numbers
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.parsed import ParsedEcg
from services.ingest.formats.sampling_interval import rate_from_interval
from services.ingest.formats.statements import kept_statements
from services.ingest.formats.stored_leads import StoredLead, lead_set

FORMAT = "fhir"
VERSION = "1"

Json = Mapping[str, Any]

_MDC_SYSTEMS = ("urn:oid:2.16.840.1.113883.6.24", "urn:iso:std:iso:11073:10101")
_MDC_POTENTIAL = 2 * 65536 + 256
"""MDC_ECG_ELEC_POTL: with a lead's own number added, its code in partition 2."""
_RATE_TOLERANCE = 1e-4  # intervals are written with few digits


def sniff(source: Source) -> bool:
    """A JSON object with a resource type and sampled data."""
    content = source.content
    start = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"{") and b'"resourceType"' in content and b'"valueSampledData"' in content


def read(source: Source, hints: Hints, context: ReaderContext) -> tuple[ParsedEcg, ...]:
    """Every Observation with sampled data as a recording, or as several where its parts differ in rate."""
    root = read_json(source.content)
    resources = [root]
    if root.get("resourceType") == "Bundle":
        resources = [entry.get("resource", {}) for entry in entries(root, "entry")]
    parsed = [
        ecg
        for resource in resources
        if isinstance(resource, dict) and resource.get("resourceType") == "Observation"
        for ecg in _recordings(resource, hints, context)
    ]
    if not parsed:
        raise UnreadableFile("The FHIR file holds no Observation with sampled data.", format=FORMAT)
    return tuple(parsed)


def _recordings(resource: Json, hints: Hints, context: ReaderContext) -> list[ParsedEcg]:
    parts = [
        part for part in (resource, *entries(resource, "component")) if isinstance(part.get("valueSampledData"), dict)
    ]
    groups: dict[float | None, list[StoredLead]] = {}
    remarks: list[Remark] = []
    for part in parts:
        data = part["valueSampledData"]
        leads = groups.setdefault(_rate(data), [])
        leads += _leads(part, data, context.limits, remarks)
        context.limits.check_samples(len(leads), max(lead.numbers.size for lead in leads))
    made = [
        lead_set(leads, resolve_rate(rate, hints, tolerance=_RATE_TOLERANCE), hints) for rate, leads in groups.items()
    ]
    return [
        ParsedEcg(
            channels=leads.channels,
            source_record=plain_text(resource.get("id"))[:64] if len(groups) == 1 else "",
            applied=hints.applied,
            patient_key=context.patient_key(_subject(resource), ""),
            acquired_at=_start(resource),
            sex=parse_sex(plain_text(_contained(resource, "subject").get("gender"))),
            device=Device(statements=kept_statements(_interpretations(resource))),
            remarks=(*remarks, *leads.remarks),
        )
        for leads in made
    ]


def _leads(part: Json, data: Json, limits: Limits, remarks: list[Remark]) -> list[StoredLead]:
    """The leads of one SampledData: as many as its dimensions, sample by sample."""
    dimensions = real_number(data.get("dimensions"), 1)
    if not dimensions.is_integer() or not 0 < dimensions <= limits.max_channels:
        raise UnreadableFile("The FHIR file states a number of dimensions that is none.", format=FORMAT)
    numbers, missing, saturated = sampled_numbers(plain_text(data.get("data")), limits)
    count = int(dimensions)
    if numbers.size == 0 or numbers.size % count:
        raise UnreadableFile("The FHIR file's samples do not fill its dimensions.", format=FORMAT)
    label = _label(part) if count == 1 else ""
    if saturated:
        message = f"{saturated} samples are beyond what the device can tell; they are missing."
        remarks.append(Remark("saturated", message, label[:64]))
    origin = data.get("origin")
    origin = origin if isinstance(origin, dict) else {}
    return [
        StoredLead(
            label=label,
            numbers=numbers[place::count].copy(),
            step=real_number(data.get("factor"), 1),
            unit=_unit(origin),
            origin=real_number(origin.get("value"), 0),
            missing=None if missing is None else missing[place::count].copy(),
        )
        for place in range(count)
    ]


def _unit(origin: Json) -> str:
    """The UCUM code, or the words beside it where they alone mean a unit that a signal can have."""
    said = [plain_text(origin.get("code")), plain_text(origin.get("unit"))]
    return next((text for text in said if stated_unit(text)), said[0] or said[1])


def _rate(data: Json) -> float | None:
    """Samples per second, from R5's interval or R4's period."""
    if data.get("interval") is not None:
        return rate_from_interval(_decimal(data["interval"]), plain_text(data.get("intervalUnit")))
    if data.get("period") is not None:
        return rate_from_interval(_decimal(data["period"]), "ms")
    return None


def _decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise UnreadableFile("The FHIR file's sampling interval is no number.", field="sample_rate_hz")
    return Decimal(value)


def _label(part: Json) -> str:
    """The lead: by its MDC code, else by the words beside the code."""
    code = part.get("code")
    code = code if isinstance(code, dict) else {}
    codings = entries(code, "coding")
    for coding in codings:
        said = plain_text(coding.get("code"))
        if coding.get("system") in _MDC_SYSTEMS and said.isdecimal() and len(said) <= 6:
            number = int(said) - _MDC_POTENTIAL
            if 0 < number < 256:
                return f"MDC:2:{number}"
    words = [plain_text(coding.get(key)) for coding in codings for key in ("display", "code")]
    return next((word for word in (*words, plain_text(code.get("text"))) if word), "")


def _subject(resource: Json) -> str:
    """Whom the ECG is of, for the pseudonym alone."""
    subject = resource.get("subject")
    if not isinstance(subject, dict):
        return ""
    reference = plain_text(subject.get("reference"))
    identifier = subject.get("identifier")
    named = plain_text(identifier.get("value")) if isinstance(identifier, dict) else ""
    if named or not reference.startswith("#"):
        return named or reference
    inside = entries(_contained(resource, "subject"), "identifier")  # "#patient" itself would be everybody's
    return next((value for item in inside if (value := plain_text(item.get("value")))), "")


def _contained(resource: Json, role: str) -> Json:
    """The resource inside this one that it refers to in a role; empty where there is none."""
    found = resource.get(role)
    reference = plain_text(found.get("reference")) if isinstance(found, dict) else ""
    inside = entries(resource, "contained") if reference.startswith("#") else []
    return next((item for item in inside if f"#{plain_text(item.get('id'))}" == reference), {})


def _start(resource: Json) -> datetime | None:
    """When the ECG was taken."""
    period = resource.get("effectivePeriod")
    said = plain_text(resource.get("effectiveDateTime"))
    said = said or (plain_text(period.get("start")) if isinstance(period, dict) else "")
    try:
        return datetime.fromisoformat(said)
    except ValueError:
        return None


def _interpretations(resource: Json) -> Sequence[str]:
    said = entries(resource, "interpretation")
    return [
        plain_text(item.get("text"))
        or next((plain_text(coding.get("display")) for coding in entries(item, "coding")), "")
        for item in said
    ]
