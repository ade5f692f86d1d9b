"""The text of FHIR's sampled data: decimal numbers, and letters for samples that have none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precordia.record import Native
from services.ingest.formats._sample_kernels import count_words, take_letters
from services.ingest.formats.limits import Limits
from services.ingest.formats.sample_text import parsed_numbers, text_bytes


def sampled_numbers(text: str, limits: Limits) -> tuple[Native, NDArray[np.bool_] | None, int]:
    """Numbers, which of them are missing (None: none is), and how many were above or below the device's range.

    Missing numbers are 0, so that whole numbers stay whole.

    Raises:
        UnreadableFile: something else stands among them.
    """
    raw = text_bytes(text).copy()
    missing = np.zeros(count_words(raw), np.bool_)
    taken, beyond = take_letters(raw, missing)
    return parsed_numbers(raw, limits), missing if taken else None, beyond
