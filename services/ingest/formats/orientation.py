"""Which axis of a block of numbers is time, and which are the leads."""

from __future__ import annotations

from precordia.errors import HintConflict, UnreadableFile

SAMPLES_BY_LEADS = "samples_by_leads"
LEADS_BY_SAMPLES = "leads_by_samples"

_TIME_AT_LEAST = 2


def orientation(first: int, second: int, channels: int | None) -> str:
    """The layout of a block of `first` x `second` numbers.

    Args:
        first: size of the outer axis.
        second: size of the inner axis.
        channels: number of channels where it is known (from names, or a hint); else the longer
            axis is time, if it is clearly longer.

    Raises:
        HintConflict: neither axis has as many entries as there are names.
        UnreadableFile: the shape fits both ways.
    """
    if channels is None:
        if max(first, second) < _TIME_AT_LEAST * min(first, second):
            raise UnreadableFile(
                f"A block of {first} x {second} numbers does not show which axis is time; give --leads."
            )
        return SAMPLES_BY_LEADS if first > second else LEADS_BY_SAMPLES
    if channels not in (first, second):
        raise HintConflict(
            f"{channels} leads are named, and the file holds {first} x {second} numbers.",
            field="lead_names",
            file_value=f"{first} x {second}",
            hint_value=channels,
        )
    if first == second:
        raise UnreadableFile(f"A block of {first} x {second} numbers does not show which axis is time.")
    return LEADS_BY_SAMPLES if channels == first else SAMPLES_BY_LEADS
