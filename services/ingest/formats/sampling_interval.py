"""Sampling rates that a file states as the time between two samples."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from precordia.errors import UnreadableFile
from services.ingest.formats.facts import MAX_RATE_HZ, checked_rate

SECONDS_PER = {
    "s": Decimal(1),
    "ms": Decimal("1e-3"),
    "us": Decimal("1e-6"),
    "\u00b5s": Decimal("1e-6"),
    "\u03bcs": Decimal("1e-6"),
    "ns": Decimal("1e-9"),
    "min": Decimal(60),
    "h": Decimal(3600),
}
"""By UCUM code."""

_DOUBLE = Decimal("1e-14")
"""Relative error of an interval that was computed and written as a double."""


def rate_from_interval(written: str | Decimal, unit: str) -> float:
    """Samples per second.

    An interval is often a whole rate's reciprocal, rounded to some digits (2.7778 ms for 360 Hz).
    Where one whole rate alone is written so, it is that rate.

    Raises:
        UnreadableFile: no positive number, or no unit of time.
    """
    seconds = SECONDS_PER.get(unit.strip())
    try:
        interval = Decimal(str(written).strip())
    except InvalidOperation:
        raise UnreadableFile("The file's sampling interval is no number.", field="sample_rate_hz") from None
    if seconds is None or not interval.is_finite() or interval <= 0:
        raise UnreadableFile("The file's sampling interval is no positive time.", field="sample_rate_hz")
    if interval * seconds < 1 / Decimal(MAX_RATE_HZ):
        raise UnreadableFile("The file's sampling interval is shorter than any ECG's.", field="sample_rate_hz")
    exact = 1 / (interval * seconds)
    nearest = exact.to_integral_value()
    alike = [rate for rate in (nearest - 1, nearest, nearest + 1) if _written_as(interval, rate * seconds)]
    as_double = abs(exact - nearest) <= nearest * _DOUBLE
    return checked_rate(float(nearest if as_double or alike == [nearest] else exact))


def _written_as(interval: Decimal, rate: Decimal) -> bool:
    """Whether a rate's reciprocal, rounded to as many digits, is the interval as written."""
    return rate > 0 and (1 / rate).quantize(interval) == interval
