"""How good an ECG's signal is, as values: measures by lead, findings, and one grade with its reasons.

`precordia.signal.quality` makes them. A measure that cannot be taken (mains hum in a signal of
100 Hz, microvolts in a signal without unit) is None: not measurable, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from precordia.record import Remark


class Grade(Enum):
    """Of a lead or of a whole recording, best first."""

    GOOD = "good"
    """Nothing was found."""
    USABLE = "usable"
    """Something was found that a reader sees through."""
    POOR = "poor"
    """What was found can change the reading: a lead lost, most leads disturbed, electrodes that look swapped."""
    UNUSABLE = "unusable"
    """Half of the leads or more are lost."""

    @property
    def rank(self) -> int:
        """0 for the best."""
        return _RANKS[self]


_RANKS = {grade: rank for rank, grade in enumerate(Grade)}


class Defect(Enum):
    """What can be wrong with a signal."""

    MISSING = "missing"
    FLAT_LINE = "flat_line"
    CLIPPING = "clipping"
    MAINS_HUM = "mains_hum"
    BASELINE_WANDER = "baseline_wander"
    NOISE = "noise"
    IMPLAUSIBLE_AMPLITUDE = "implausible_amplitude"
    LEADS_DISAGREE = "leads_disagree"
    ARMS_SWAPPED = "arms_swapped"
    ARM_AND_LEG_SWAPPED = "arm_and_leg_swapped"
    NEUTRAL_SWAPPED = "neutral_swapped"
    CHEST_ORDER = "chest_order"
    CALIBRATION_PULSE = "calibration_pulse"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        grade: what the lead, or the recording, is at best because of it.
        lead: empty where the whole recording is meant.
        value: what was measured; its unit stands in the message.
        limit: the threshold that it went beyond.
    """

    defect: Defect
    grade: Grade
    message: str
    lead: str = ""
    value: float = 0.0
    limit: float = 0.0

    def remark(self) -> Remark:
        """The finding as a warning."""
        return Remark(f"quality_{self.defect.value}", self.message, self.lead)


@dataclass(frozen=True)
class LeadQuality:
    """Measures of one lead.

    Attributes:
        missing_fraction, flat_fraction, clipped_fraction: of the samples, 0 to 1.
        hum_uv: amplitude of the mains hum, and `hum_hz` its frequency: 50 or 60.
        baseline_mv: peak to peak of what moves slower than a heart beat.
        noise_uv: root mean square of what is faster than a heart beat, where the heart rests; hum apart.
    """

    lead: str
    grade: Grade
    missing_fraction: float
    flat_fraction: float
    clipped_fraction: float
    hum_uv: float | None = None
    hum_hz: float | None = None
    baseline_mv: float | None = None
    noise_uv: float | None = None


@dataclass(frozen=True)
class Quality:
    """A recording's quality. `findings` are the reasons of the grade, the worst first."""

    grade: Grade
    findings: tuple[Finding, ...] = ()
    leads: tuple[LeadQuality, ...] = ()

    def remarks(self) -> tuple[Remark, ...]:
        """Warnings, one for each kind of finding; what several leads have is said once."""
        groups: dict[Defect, list[Finding]] = {}
        for finding in self.findings:
            groups.setdefault(finding.defect, []).append(finding)
        return tuple(_together(found) for found in groups.values())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; numbers that are not measurable are null."""
        return {
            "grade": self.grade.value,
            "findings": [_plain(asdict(finding)) for finding in self.findings],
            "leads": [_plain(asdict(lead)) for lead in self.leads],
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Quality:
        """The inverse of `to_json`."""
        return Quality(
            grade=Grade(value["grade"]),
            findings=tuple(
                Finding(**{**finding, "defect": Defect(finding["defect"]), "grade": Grade(finding["grade"])})
                for finding in value["findings"]
            ),
            leads=tuple(LeadQuality(**{**lead, "grade": Grade(lead["grade"])}) for lead in value["leads"]),
        )


def _together(found: list[Finding]) -> Remark:
    """Findings of one kind as one warning: the worst of them, and which other leads have it."""
    first = found[0].remark()
    others = [finding.lead for finding in found[1:]]
    return Remark(first.code, f"{first.message} Also in {', '.join(others)}.", first.lead) if others else first


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part.value if isinstance(part, Enum) else part for name, part in value.items()}
