"""The signal of a kept recording as an answer carries it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from precordia.errors import PrecordiaError, TooLarge
from precordia.leads import STANDARD_LEADS, parse_leads
from precordia.record import MILLIVOLTS_PER, Recording, Signal, Unit

MAX_ANSWER_BYTES = 60 << 20
"""Most samples of one answer; longer recordings are streamed."""


def standard_signal(recording: Recording, leads: Sequence[str] = ()) -> Signal:
    """The leads asked for, all twelve where none is.

    Raises:
        UnknownLead: a name that is no standard lead.
        UnsupportedView: the recording has no standard lead, or they differ in rate or length.
        TooLarge: more than one answer holds.
    """
    wanted = parse_leads(leads) if leads else STANDARD_LEADS
    longest = max((channel.samples.size for channel in recording.ecg_channels), default=0)
    if longest * len(wanted) * 4 > MAX_ANSWER_BYTES:
        raise TooLarge(
            "The signal is too long for one answer; ask for fewer leads, or stream its native channels.",
            limit=MAX_ANSWER_BYTES,
        )
    return recording.signal(wanted)


AnsweredSignal: TypeAlias = tuple[Signal, float | None]
"""A signal, and the size of one count where it is the same for all leads."""


def within_one_answer(signals: Iterable[Callable[[], AnsweredSignal]]) -> list[AnsweredSignal | PrecordiaError]:
    """Signals until the answer is full; for each, what it is or why there is none."""
    answered: list[AnsweredSignal | PrecordiaError] = []
    left = MAX_ANSWER_BYTES
    for load in signals:
        try:
            signal, count = load()
            left -= signal.values.nbytes
            if left < 0:
                raise TooLarge("The signals of this file are too long for one answer.", limit=MAX_ANSWER_BYTES)
            answered.append((signal, count))
        except PrecordiaError as error:
            answered.append(error)
    return answered


def common_gain(recording: Recording) -> float | None:
    """Counts for each unit of the signal, where all leads are integers with one gain; else None.

    With it a signal can be sent or packed as integers. Whether that is exact is for the packing to check.
    """
    gains = set()
    for channel in recording.ecg_channels:
        if channel.gain is None or not float(channel.baseline).is_integer():
            return None
        per_unit = 1.0 if recording.unit is Unit.STANDARDISED else MILLIVOLTS_PER.get(Unit(channel.unit), 1.0)
        gains.add(channel.gain / per_unit)
    return gains.pop() if len(gains) == 1 else None


def count_size(recording: Recording, signal: Signal) -> float | None:
    """The signal's unit for each count, where every lead has the same; derived leads fall on half counts."""
    gain = common_gain(recording)
    return None if gain is None else 1.0 / (gain * 2 if signal.derived else gain)
