"""What an annotated ECG says beside its sequences: subject, device, filters, measurements, statements.

Subjects' identifiers are read only to make the pseudonym; names, sites and investigators are not read.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element  # the type only; parsing is defusedxml's

from precordia.record import Device, Sex
from services.ingest.formats.facts import age_between, parse_age, parse_moment, parse_sex
from services.ingest.formats.statements import kept_statements
from services.ingest.formats.xml_document import text

MAX_MEASUREMENTS = 500

_SUBJECT = "componentOf/timepointEvent/componentOf/subjectAssignment/subject/trialSubject"
_REPORTED_AGE = ("21612-7", "30525-0")
"""LOINC: reported age, age."""
_FILTER = "MDC_ECG_CTL_VBL_ATTR_FILTER_"
_STATEMENT_CODES = ("MDC_ECG_INTERPRETATION", "MDC_ECG_RHY", "MDC_ECG_STATEMENT")


def patient_identifiers(root: Element) -> tuple[str, str]:
    """The subject's identifier and who gave it, for the pseudonym alone; both empty where there is none."""
    found = root.find(_SUBJECT + "/id")
    if found is None:
        return "", ""
    extension, issuer = found.get("extension", "").strip(), found.get("root", "").strip()
    return (extension, issuer) if extension else (issuer, "")


def sex(root: Element) -> Sex | None:
    """Sex, where it is one of two."""
    found = root.find(_SUBJECT + "/subjectDemographicPerson/administrativeGenderCode")
    return parse_sex(found.get("code", "")) if found is not None else None


def started_at(node: Element) -> datetime | None:
    """When a series, or the whole ECG, began."""
    for place in ("low", "center"):
        found = node.find(f"effectiveTime/{place}")
        start = parse_moment(found.get("value", "")) if found is not None else None
        if start is not None:
            return start
    return None


def age_years(root: Element, start: datetime | None) -> float | None:
    """Age as reported, else from the time of birth."""
    for item in root.findall("controlVariable/relatedObservation"):
        code, value = item.find("code"), item.find("value")
        if code is not None and value is not None and code.get("code") in _REPORTED_AGE:
            stated = parse_age(f"{value.get('value', '')} {value.get('unit', 'a')}")
            if stated is not None:
                return stated
    born = root.find(_SUBJECT + "/subjectDemographicPerson/birthTime")
    return age_between(parse_moment(born.get("value", "")) if born is not None else None, start)


def device(series: Element, beats: dict[str, tuple[float, ...]], beat_rate_hz: float | None) -> Device:
    """Maker, model, filters, measurements, statements and representative beats of a series."""
    measurements, statements = _annotations(series)
    if beats and beat_rate_hz:
        measurements["median_beat_rate_hz"] = f"{beat_rate_hz:g}"
    author = series.find("author/seriesAuthor")
    return Device(
        manufacturer=text(author, "manufacturerOrganization/name"),
        model=text(author, "manufacturedSeriesDevice/manufacturerModelName"),
        filters=_filters(series),
        measurements=measurements,
        statements=kept_statements(statements),
        median_beats=beats,
    )


def _filters(series: Element) -> dict[str, str]:
    """Filters by the last part of their code, with every value that is stated of them."""
    found: dict[str, str] = {}
    for outer in series.findall("controlVariable/controlVariable"):
        code = outer.find("code")
        if code is None or not code.get("code", "").startswith(_FILTER):
            continue
        said = [_quantity(value) for value in outer.findall("component/controlVariable/value")]
        found[code.get("code", "").removeprefix(_FILTER).lower()] = ", ".join(part for part in said if part)
    return found


def _quantity(value: Element) -> str:
    if value.get("value"):
        return f"{value.get('value', '')} {value.get('unit', '')}".strip()[:64]
    return text(value)[:64]


def _annotations(series: Element) -> tuple[dict[str, str], list[str]]:
    """Measurements and statements on the whole series and on its derived series; not those on single beats."""
    measurements: dict[str, str] = {}
    statements: list[str] = []
    sets = [
        *series.findall("subjectOf/annotationSet"),
        *series.findall("derivation/derivedSeries/subjectOf/annotationSet"),
    ]
    for annotation in (found for item in sets for found in item.findall("component/annotation")):
        for node in (annotation, *annotation.findall("component/annotation")):
            code, value = node.find("code"), node.find("value")
            if code is None or value is None:
                continue
            name = code.get("code", "")[:64]
            if name.startswith(_STATEMENT_CODES):
                statements.append(text(value) or value.get("displayName", "") or value.get("code", ""))
            elif value.get("value") and name and len(measurements) < MAX_MEASUREMENTS and _global(node):
                measurements.setdefault(name, _quantity(value))
    return measurements, statements


def _global(annotation: Element) -> bool:
    """Whether it speaks of all leads and the whole time."""
    return annotation.find("support") is None
