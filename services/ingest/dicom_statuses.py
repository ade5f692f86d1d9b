"""What a C-STORE is answered with: the statuses of DICOM PS3.4 B.2.3 and PS3.7 annex C, by our errors."""

from __future__ import annotations

from enum import IntEnum

from precordia.errors import Overloaded, PrecordiaError, StorageFull, TooLarge, Unavailable


class StoreStatus(IntEnum):
    """Answers to a C-STORE request."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    """The fault is ours; the service's log has the cause."""
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    """Not an electrocardiogram."""
    OUT_OF_RESOURCES = 0xA700
    """Too large, no space, too busy, or about to stop: sending later, or less, may help."""
    DOES_NOT_MATCH_SOP_CLASS = 0xA900
    """The data set is of another class than announced, or holds no waveform."""
    CANNOT_UNDERSTAND = 0xC000
    """No ECG can be read from the data set."""


def status_of(error: PrecordiaError) -> StoreStatus:
    """The answer to an object that was not stored."""
    if isinstance(error, TooLarge | StorageFull | Overloaded | Unavailable):
        return StoreStatus.OUT_OF_RESOURCES
    if error.reason == "INTERNAL":
        return StoreStatus.PROCESSING_FAILURE
    return StoreStatus.CANNOT_UNDERSTAND
