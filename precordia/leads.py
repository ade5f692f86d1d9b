"""The twelve standard leads: names, synonyms, codes, derivation and the check that they fit together.

Codes are those of DICOM PS3.16 CID 3001 (MDC and SCPECG schemes) and of ISO/IEEE 11073-10102.
Derivations follow Einthoven (III = II - I) and Goldberger (aVR = -(I + II) / 2, aVL = I - II / 2,
aVF = II - I / 2). Only limb leads follow from others; a chest lead is never derived.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from precordia.errors import UnknownLead

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LIMB_LEADS = STANDARD_LEADS[:6]
_STANDARD = frozenset(STANDARD_LEADS)

Samples = NDArray[np.float64]

# 11073-10102 numbers; the same digits end the SCPECG codes (5.6.3-9-n) and the MDC codes (2:n).
_NUMBERS = {1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6"}
_NUMBERS |= {61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}

_SYNONYMS = {lead.upper(): lead for lead in STANDARD_LEADS}
_SYNONYMS |= {"DI": "I", "D1": "I", "L1": "I", "DII": "II", "D2": "II", "L2": "II"}
_SYNONYMS |= {"DIII": "III", "D3": "III", "L3": "III", "VR": "aVR", "VL": "aVL", "VF": "aVF"}
_SYNONYMS |= {f"C{n}": f"V{n}" for n in range(1, 7)}

_PREFIX = re.compile(r"^(MDC[_ ]ECG[_ ](LEAD|ELEC[_ ]POTL)[_ ]|LEAD[ _:-]*|ECG[ _:-]*)", re.IGNORECASE)
_CODE = re.compile(r"^(?:SCPECG[: ])?5\.6\.3-9-(\d+)$|^(?:MDC[: ])?2:(\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class LeadMatch:
    """A standard lead, and whether the source stores it upside down (Cabrera's -aVR)."""

    lead: str
    inverted: bool = False


def match_lead(label: str) -> LeadMatch | None:
    """The standard lead that a source's label or code means, or None where it is another channel.

    Takes plain names in any case, `Lead II`, `DII`, `-aVR`, `MDC_ECG_LEAD_aVR`,
    `MDC_ECG_ELEC_POTL_V1`, SCPECG `5.6.3-9-62` and MDC `2:62`.
    """
    return _remembered(label) if len(label) <= _REMEMBERED_LENGTH else _matched(label)


def _matched(label: str) -> LeadMatch | None:
    text = label.replace("\0", "").strip()
    code = _CODE.match(text)
    if code:
        lead = _NUMBERS.get(int(code.group(1) or code.group(2)))
        return LeadMatch(lead) if lead else None
    inverted = text.startswith("-")
    name = _PREFIX.sub("", text.removeprefix("-").strip()).strip().rstrip("+").strip()
    lead = _SYNONYMS.get(name.upper())
    return LeadMatch(lead, inverted) if lead else None


_remembered = lru_cache(maxsize=4096)(_matched)
_REMEMBERED_LENGTH = 64
"""Every file names the same few leads; longer labels than any lead's are not worth the memory."""


def standard_lead(name: str) -> str:
    """The standard spelling of a lead name that a person gave.

    Raises:
        UnknownLead: it is no standard lead.
    """
    match = match_lead(name)
    if match is None or match.inverted:
        raise UnknownLead(f"'{name[:32]}' is no standard lead ({', '.join(STANDARD_LEADS)}).", lead=name[:32])
    return match.lead


def parse_leads(names: Sequence[str]) -> tuple[str, ...]:
    """Standard spellings of a list of leads, each at most once.

    Raises:
        UnknownLead: a name is no standard lead, or stands twice.
    """
    if len(set(names)) == len(names) and _STANDARD.issuperset(names):
        return tuple(names)
    leads = tuple(standard_lead(name) for name in names)
    for lead in leads:
        if leads.count(lead) > 1:
            raise UnknownLead(f"Lead {lead} is named twice.", lead=lead)
    return leads


def derive_limb_leads(present: Mapping[str, Samples]) -> dict[str, Samples]:
    """Limb leads that follow from the two of I, II, III that are present; those present stay out.

    Args:
        present: samples by lead, all of one length and one unit.

    Returns:
        Only what was derived; empty where fewer than two of I, II, III are there.
    """
    limb = {name: present[name] for name in ("I", "II", "III") if name in present}
    if len(limb) < 2:
        return {}
    one = limb["I"] if "I" in limb else limb["II"] - limb["III"]
    two = limb["II"] if "II" in limb else limb["I"] + limb["III"]
    complete = {
        "I": one,
        "II": two,
        "III": two - one,
        "aVR": -(one + two) / 2,
        "aVL": one - two / 2,
        "aVF": two - one / 2,
    }
    return {lead: samples for lead, samples in complete.items() if lead not in present}


@dataclass(frozen=True)
class EinthovenCheck:
    """How far I + III is from II, in the unit of the samples."""

    largest: float
    median: float
    worst_sample: int


def check_einthoven(one: Samples, two: Samples, three: Samples) -> EinthovenCheck | None:
    """Compare I + III with II sample by sample (Einthoven's law); None where no sample has all three."""
    residual = np.abs(one + three - two)
    known = np.flatnonzero(~np.isnan(residual))
    if known.size == 0:
        return None
    worst = int(known[np.argmax(residual[known])])
    return EinthovenCheck(float(residual[worst]), float(np.median(residual[known])), worst)
