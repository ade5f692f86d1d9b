"""Names, numbers and days that stand for a patient: keyed hashes, the same for the same patient every time.

Without the key nobody can tell whom a pseudonym means or by how much a date was moved; with it, all
ECGs of one patient keep their distances in time.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

_LEAST_DAYS, _MOST_DAYS = 60, 1500
OLDEST_YEARS = 90.0
"""Ages above 89 years become this: so few are that old that the age alone can tell who."""


@dataclass(frozen=True)
class Pseudonyms:
    """For one patient.

    Attributes:
        secret: the key.
        patient: what tells this patient from others: a patient key, else what tells the source.
        known: whether the patient is known, so that a second ECG will be given the same pseudonym.
    """

    secret: bytes = field(repr=False)
    patient: str = field(repr=False)
    known: bool = True

    def keyed(self, purpose: str, *parts: str) -> str:
        """Hex SHA-256 under the key; the same parts for another purpose give another."""
        return hmac.new(self.secret, "\0".join((purpose, *parts)).encode(), hashlib.sha256).hexdigest()

    @property
    def name(self) -> str:
        """The patient's pseudonym; empty where the patient is not known."""
        return self.keyed("pseudonym", self.patient)[:32] if self.known else ""

    @property
    def shift(self) -> timedelta:
        """By how much this patient's dates are moved: two months to four years back."""
        span = _MOST_DAYS - _LEAST_DAYS
        return timedelta(days=-(_LEAST_DAYS + int(self.keyed("days", self.patient)[:12], 16) % span))

    def moved(self, moment: datetime) -> datetime:
        """The time, moved; the clock and the zone stay."""
        return moment + self.shift

    def moved_day(self, day: date) -> date:
        """The day, moved."""
        return day + self.shift

    def uid(self, uid: str) -> str:
        """A DICOM UID in place of another; what referred to one thing refers to one thing again."""
        return f"2.25.{int(self.keyed('uid', uid)[:32], 16)}"

    def label(self, purpose: str, text: str) -> str:
        """A short name in place of another; empty stays empty."""
        return f"deid-{self.keyed(purpose, text)[:16]}" if text else ""


def capped_age(years: float | None) -> float | None:
    """The age, ages above 89 as one."""
    return years if years is None or years < OLDEST_YEARS else OLDEST_YEARS
