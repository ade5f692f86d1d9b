"""FHIR R4: an Observation with one component of SampledData a lead; value = data x factor + origin.

Patient and device are contained resources; the patient is a pseudonym with a sex and nothing else.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import numpy as np

from precordia.leads import STANDARD_LEADS
from precordia.record import Channel, Recording, Sex
from services.ingest.sheet import Sheet
from services.ingest.writers.said import spell_steps
from services.ingest.writers.written import WrittenFile

FORMAT = "fhir"

_MDC = "urn:iso:std:iso:11073:10101"
_UCUM = "http://unitsofmeasure.org"
_LEAD_NUMBERS = {"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8}
_LEAD_NUMBERS |= {"III": 61, "aVR": 62, "aVL": 63, "aVF": 64}
_FIRST_LEAD = 131_328
"""MDC_ECG_ELEC_POTL; a lead's number is added (131329 = MDC_ECG_ELEC_POTL_I)."""


def write(sheet: Sheet) -> tuple[WrittenFile, ...]:
    """One Observation; integers stay integers, floats are written whole, `E` is a missing sample."""
    recording = sheet.recording
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "id": re.sub(r"[^A-Za-z0-9.-]", "-", sheet.name)[:64],
        "contained": [_patient(recording), _device(recording)],
        "status": "unknown",
        "category": [{"coding": [_coding("http://terminology.hl7.org/CodeSystem/observation-category", "procedure")]}],
        "code": {"coding": [_coding("http://loinc.org", "11524-6", "EKG study")]},
        "subject": {"reference": "#patient"},
        "device": {"reference": "#device"},
        **_effective(recording.acquired_at),
        **_note(sheet),
        "component": [_component(sheet, channel) for channel in sheet.channels],
    }
    content = json.dumps(observation, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return (WrittenFile(f"{sheet.name}.fhir.json", content.encode()),)


def _coding(system: str, code: str, display: str = "") -> dict[str, str]:
    return {"system": system, "code": code, **({"display": display} if display else {})}


def _patient(recording: Recording) -> dict[str, Any]:
    patient: dict[str, Any] = {"resourceType": "Patient", "id": "patient"}
    if recording.patient_key:
        patient["identifier"] = [{"system": "urn:precordia:pseudonym", "value": recording.patient_key}]
    patient["gender"] = {Sex.FEMALE: "female", Sex.MALE: "male", None: "unknown"}[recording.sex]
    return patient


def _device(recording: Recording) -> dict[str, Any]:
    device: dict[str, Any] = {"resourceType": "Device", "id": "device"}
    if recording.device.manufacturer:
        device["manufacturer"] = recording.device.manufacturer
    if recording.device.model:
        device["modelNumber"] = recording.device.model
    return device


def _effective(start: datetime | None) -> dict[str, str]:
    """A time with its zone; without a zone FHIR takes the day alone."""
    if start is None:
        return {}
    return {"effectiveDateTime": start.isoformat() if start.tzinfo else start.date().isoformat()}


def _note(sheet: Sheet) -> dict[str, Any]:
    lines = [f"Applied: {spell_steps(sheet.applied)}"] if sheet.applied else []
    if sheet.recording.age_years is not None:
        lines.append(f"Age: {sheet.recording.age_years:g} years")
    return {"note": [{"text": line} for line in lines]} if lines else {}


def _component(sheet: Sheet, channel: Channel) -> dict[str, Any]:
    factor, origin = (1.0, 0.0) if channel.gain is None else (1 / channel.gain, -channel.baseline / channel.gain)
    sampled: dict[str, Any] = {
        "origin": {"value": origin or 0.0, **_unit(channel.unit)},
        "period": 1000.0 / sheet.sample_rate_hz,
        "factor": factor,
        "dimensions": 1,
        "data": _data(channel),
    }
    return {"code": _lead(channel), "valueSampledData": sampled}


def _unit(unit: str) -> dict[str, str]:
    if unit in ("", "standardised"):
        return {"unit": unit or "1", "system": _UCUM, "code": "1"}
    return {"unit": unit, "system": _UCUM, "code": unit}


def _lead(channel: Channel) -> dict[str, Any]:
    if channel.label not in STANDARD_LEADS:
        return {"text": channel.label or "channel"}
    number = _FIRST_LEAD + _LEAD_NUMBERS[channel.label]
    return {"coding": [_coding(_MDC, str(number), f"MDC_ECG_ELEC_POTL_{channel.label.upper()}")], "text": channel.label}


def _data(channel: Channel) -> str:
    texts = channel.samples.astype("U32")
    texts[~np.isfinite(channel.physical())] = "E"
    return " ".join(texts.tolist())
