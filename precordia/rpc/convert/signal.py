"""Signals: a header and one block of little-endian numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from precordia.errors import InvalidArgument, MissingField
from precordia.leads import parse_leads
from precordia.record import Remark, Sex, Signal, Unit
from precordia.rpc.convert.steps import steps_from_proto, steps_to_proto
from precordia.v1 import types_pb2

MAX_RATE_HZ = 1e6
"""No electrocardiograph samples faster."""

_UNITS: dict[Unit, types_pb2.SignalUnit] = {
    Unit.MILLIVOLT: types_pb2.SIGNAL_UNIT_MILLIVOLT,
    Unit.MICROVOLT: types_pb2.SIGNAL_UNIT_MICROVOLT,
    Unit.STANDARDISED: types_pb2.SIGNAL_UNIT_STANDARDISED,
}
_UNITS_BACK = {number: unit for unit, number in _UNITS.items()}

_SEXES: dict[Sex, types_pb2.Sex] = {Sex.FEMALE: types_pb2.SEX_FEMALE, Sex.MALE: types_pb2.SEX_MALE}
_SEXES_BACK = {number: sex for sex, number in _SEXES.items()}

SAMPLE_TYPES: dict[str, types_pb2.SampleType] = {
    "float32": types_pb2.SAMPLE_TYPE_FLOAT32,
    "int16": types_pb2.SAMPLE_TYPE_INT16,
    "int32": types_pb2.SAMPLE_TYPE_INT32,
    "float64": types_pb2.SAMPLE_TYPE_FLOAT64,
}
_SAMPLE_TYPES_BACK = {number: name for name, number in SAMPLE_TYPES.items()}


def unit_to_proto(unit: Unit | None) -> types_pb2.SignalUnit:
    """The unit; None is UNSPECIFIED."""
    return types_pb2.SIGNAL_UNIT_UNSPECIFIED if unit is None else _UNITS[unit]


def unit_from_proto(number: types_pb2.SignalUnit) -> Unit | None:
    """The unit; None where it is UNSPECIFIED or not known here."""
    return _UNITS_BACK.get(number)


def sex_to_proto(sex: Sex | None) -> types_pb2.Sex:
    """The sex; None is UNSPECIFIED."""
    return types_pb2.SEX_UNSPECIFIED if sex is None else _SEXES[sex]


def sex_from_proto(number: types_pb2.Sex) -> Sex | None:
    """The sex; None where it is UNSPECIFIED or not known here."""
    return _SEXES_BACK.get(number)


def sample_type_to_proto(dtype: str) -> types_pb2.SampleType:
    """From "int16", "int32", "float32" or "float64"."""
    return SAMPLE_TYPES[dtype]


def sample_type_from_proto(number: types_pb2.SampleType, *, field: str = "sample_type") -> str:
    """The name of the number type.

    Raises:
        InvalidArgument: it is UNSPECIFIED or not known here.
    """
    if number not in _SAMPLE_TYPES_BACK:
        raise InvalidArgument(f"'{field}' is one of {', '.join(SAMPLE_TYPES)}.", field=field)
    return _SAMPLE_TYPES_BACK[number]


def remark_to_proto(remark: Remark) -> types_pb2.Warning:
    """A remark, which the wire calls a warning."""
    return types_pb2.Warning(code=remark.code, message=remark.message, lead=remark.lead)


def remark_from_proto(message: types_pb2.Warning) -> Remark:
    """A remark."""
    return Remark(message.code, message.message, message.lead)


def remarks_to_proto(remarks: Iterable[Remark]) -> list[types_pb2.Warning]:
    """Remarks in order."""
    return [remark_to_proto(remark) for remark in remarks]


def remarks_from_proto(messages: Iterable[types_pb2.Warning]) -> tuple[Remark, ...]:
    """Remarks in order."""
    return tuple(remark_from_proto(message) for message in messages)


def signal_to_proto(signal: Signal, *, int16_scale: float | None = None) -> types_pb2.Signal:
    """A signal as float32; as int16 where `int16_scale` (unit for each count) gives back every value exactly.

    Where one sample does not come back bit by bit, or is missing, float32 is sent instead.
    """
    message = types_pb2.Signal(
        lead_names=signal.leads,
        samples=signal.values.shape[1],
        sample_rate_hz=signal.sample_rate_hz,
        unit=unit_to_proto(signal.unit),
        applied=steps_to_proto(signal.applied),
        derived_leads=signal.derived,
    )
    counts = None if int16_scale is None else _exact_counts(signal.values, int16_scale)
    if counts is None or int16_scale is None:
        message.sample_type = types_pb2.SAMPLE_TYPE_FLOAT32
        message.data = np.ascontiguousarray(signal.values, "<f4").tobytes()
    else:
        message.sample_type = types_pb2.SAMPLE_TYPE_INT16
        message.scale = int16_scale
        message.data = counts.tobytes()
    return message


def signal_from_proto(message: types_pb2.Signal) -> Signal:
    """A signal, float32.

    Raises:
        InvalidArgument: the block does not fit its header; the field says which part.
        MissingField: it does not say its unit. A unit is never guessed.
        UnknownLead: a lead name is no standard lead, or stands twice.
        UnknownStep, InvalidManifest: a step it went through is not in the vocabulary.
    """
    unit = unit_from_proto(message.unit)
    if unit is None:
        raise MissingField("The signal does not say its unit: millivolt, microvolt or standardised.", field="unit")
    rate = message.sample_rate_hz
    if not 0 < rate <= MAX_RATE_HZ:  # NaN neither
        raise InvalidArgument(
            f"The signal's sample rate is above 0 and at most {MAX_RATE_HZ:.0f} Hz.", field="sample_rate_hz"
        )
    leads = parse_leads(tuple(message.lead_names))
    if not leads or message.samples == 0:
        raise InvalidArgument("The signal has no leads or no samples.", field="lead_names" if not leads else "samples")
    return Signal(
        values=_values(message, len(leads)),
        leads=leads,
        sample_rate_hz=rate,
        unit=unit,
        applied=steps_from_proto(message.applied),
        derived=tuple(message.derived_leads),
    )


def _values(message: types_pb2.Signal, leads: int) -> NDArray[np.float32]:
    dtype = np.dtype(sample_type_from_proto(message.sample_type)).newbyteorder("<")
    if len(message.data) != leads * message.samples * dtype.itemsize:
        raise InvalidArgument(
            f"'data' holds {len(message.data)} bytes; {leads} leads of {message.samples} samples of "
            f"{dtype.itemsize} bytes need {leads * message.samples * dtype.itemsize}.",
            field="data",
        )
    stored = np.frombuffer(message.data, dtype).reshape(leads, message.samples)
    if dtype.kind == "f":
        return _refusing_infinity(stored)
    if not message.HasField("scale") or not (math.isfinite(message.scale) and message.scale > 0):
        raise InvalidArgument("Integer samples need 'scale', the factor to the signal's unit.", field="scale")
    return (stored * np.float64(message.scale)).astype(np.float32)


def _refusing_infinity(stored: NDArray[np.floating]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused below
        values = stored.astype(np.float32)
    if np.isinf(values).any():
        raise InvalidArgument("A sample is infinite; a missing sample is NaN.", field="data")
    return values


def _exact_counts(values: NDArray[np.float32], scale: float) -> NDArray[np.int16] | None:
    if not np.isfinite(values).all():
        return None
    counts = np.rint(values.astype(np.float64) / scale)
    if counts.size and np.abs(counts).max() > np.iinfo(np.int16).max:
        return None
    if not np.array_equal((counts * scale).astype(np.float32), values):
        return None
    return np.ascontiguousarray(counts, "<i2")
