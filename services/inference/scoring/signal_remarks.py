"""What is to be said of an ECG beside its scores: how good its signal is, what its reader noticed, what was derived.

A stored recording was assessed when it was imported, on the source's own samples; that is what counts.
A signal without such a past is assessed here: about 1 ms for 12 leads of 10 s at 500 Hz, a third of it at
100 Hz, less than most models take. A score of a noisy ECG that says nothing of the noise costs more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from precordia.leads import LIMB_LEADS, STANDARD_LEADS
from precordia.prediction import PredictInput
from precordia.quality import Defect, Quality
from precordia.record import Remark, Signal, Unit
from precordia.signal.quality import assess_signal
from precordia.stored import StoredRecording

log = logging.getLogger(__name__)

NOT_ASSESSED = Remark("quality_not_assessed", "The quality of this signal could not be assessed.")

_QUALITY = "quality_"
_SAID_BY_OTHERS = f"{_QUALITY}{Defect.MISSING.value}"
"""Readers and conditioning say themselves what is missing, and where."""


@dataclass(frozen=True)
class Known:
    """What is said of an ECG before it is scored.

    Attributes:
        remarks: each once.
        assessed: whether its quality is among them, or was found to be good.
    """

    remarks: tuple[Remark, ...] = ()
    assessed: bool = False


@dataclass(frozen=True, eq=False)
class KnownInput(PredictInput):
    """A signal that was read from a recording, with what is said of that."""

    known: Known = Known()


def known_of(stored: StoredRecording) -> Known:
    """What ingest says of a recording: its quality first, then what its reader noticed."""
    found = _remarks(stored.quality) if stored.quality else ()
    remarks = dict.fromkeys([*found, *stored.remarks])
    worst_first = sorted(remarks, key=lambda remark: not remark.code.startswith(_QUALITY))
    return Known(tuple(worst_first), assessed=stored.quality is not None)


def quality_remarks(signal: Signal) -> tuple[Remark, ...]:
    """The findings of a signal that nobody has looked at before; or that it could not be assessed.

    The signal stays as it is. Whatever happens here costs no scores.
    """
    try:
        quality = assess_signal(signal)
    except Exception:  # whatever a strange signal breaks in there, the model's own checks decide on its scores
        log.exception("a signal's quality could not be assessed")
        return (NOT_ASSESSED,)
    return _remarks(quality) if quality.leads else (NOT_ASSESSED,)


def derived_remarks(signal: Signal, leads: Iterable[str]) -> tuple[Remark, ...]:
    """Which of a model's leads were computed before the signal came here, in the words of conditioning."""
    return tuple(
        Remark(
            "lead_derived", "Computed from other limb leads." if lead in LIMB_LEADS else "Computed, not recorded.", lead
        )
        for lead in leads
        if lead in signal.derived
    )


@cache
def warm() -> None:
    """Loads what assessing takes, once a process, so that no ECG waits for it."""
    wave = np.sin(2 * np.pi * 1.2 * np.arange(5000) / 500.0).astype(np.float32)
    quality_remarks(Signal(np.tile(wave, (12, 1)), STANDARD_LEADS, 500.0, Unit.MILLIVOLT))


def _remarks(quality: Quality) -> tuple[Remark, ...]:
    return tuple(remark for remark in quality.remarks() if remark.code != _SAID_BY_OTHERS)
