"""Which facts a file lacks: all of them at once, not one refusal after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from precordia.errors import HintConflict, MissingField
from precordia.record import Hints, Unit

Answer = TypeVar("Answer")

_OPTIONS = {
    "sample_rate_hz": "sampling rate (--rate)",
    "unit": "unit (--unit or --gain)",
    "gain_adu_per_mv": "counts for each mV (--gain)",
    "lead_names": "names of the channels (--leads)",
}
"""Fields that a stand-in can take the place of for a moment; without any other a file has no shape."""


def read_with_gaps(read: Callable[[Hints], Answer], hints: Hints) -> tuple[Answer | None, tuple[str, ...]]:
    """What `read` gives with stand-ins for missing facts, and the fields that are missing.

    The answer is for looking at the file's layout only; None where it cannot be read even so.
    """
    missing: list[str] = []
    tried = hints
    while True:
        try:
            return read(tried), tuple(missing)
        except MissingField as error:
            if error.field in missing or error.field not in _OPTIONS:
                return None, tuple(dict.fromkeys((*missing, error.field)))
            missing.append(error.field)
            tried = _filled(tried, error)


def complete(error: MissingField, read: Callable[[Hints], object], hints: Hints) -> MissingField:
    """The error, with everything else that the file lacks named in it too.

    Details: field (the first missing), fields (all, comma-separated).
    """
    if "fields" in error.details:
        return error  # its reader knows all that is missing
    try:
        missing = read_with_gaps(read, hints)[1]
    except HintConflict:
        missing = (error.field,)
    others = [_OPTIONS[name] for name in missing if name != error.field and name in _OPTIONS]
    more = f" Missing too: {', '.join(others)}." if others else ""
    return MissingField(error.message + more, **{**error.details, "fields": ",".join(missing) or error.field})


def _filled(hints: Hints, error: MissingField) -> Hints:
    if error.field == "sample_rate_hz":
        return replace(hints, sample_rate_hz=1.0)
    if error.field == "unit":
        return replace(hints, unit=Unit.MILLIVOLT)
    if error.field == "gain_adu_per_mv":
        return replace(hints, gain_adu_per_mv=1.0)
    channels = int(error.details.get("channels", "0"))
    return replace(hints, lead_names=tuple(f"channel {place + 1}" for place in range(channels)))
