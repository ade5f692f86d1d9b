"""The text of FHIR's sampled data: decimal numbers, and letters for samples that have none."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from precordia.record import Native
from services.ingest.formats.limits import Limits
from services.ingest.formats.sample_text import listed_numbers

_LETTER = re.compile(r"(?<!\S)[EUL](?!\S)")


def sampled_numbers(text: str, limits: Limits) -> tuple[Native, NDArray[np.bool_] | None, int]:
    """Numbers, which of them are missing (None: none is), and how many were above or below the device's range.

    Missing numbers are 0, so that whole numbers stay whole.

    Raises:
        UnreadableFile: something else stands among them.
    """
    if not _LETTER.search(text):
        return listed_numbers(text, limits), None, 0
    tokens = np.array(text.split())
    missing = np.isin(tokens, ("E", "U", "L"))
    saturated = int(np.isin(tokens, ("U", "L")).sum())
    return listed_numbers(_LETTER.sub("0", text), limits), missing, saturated
