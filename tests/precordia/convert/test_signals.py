"""Blocks of samples: exact on the way back, and refused where they do not fit their header."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from precordia.errors import InvalidArgument, MissingField, PrecordiaError, UnknownLead, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Channel, Provenance, Recording, Signal, Unit
from precordia.rpc.convert.native import ArrivingRecording, channel_chunks_to_proto
from precordia.rpc.convert.signal import signal_from_proto, signal_to_proto
from precordia.steps import Step
from precordia.stored import StoredRecording, describe
from precordia.v1 import ingest_pb2, types_pb2


def _signal(values: np.ndarray, unit: Unit = Unit.MILLIVOLT) -> Signal:
    return Signal(values, STANDARD_LEADS[: len(values)], 500.0, unit, (Step("z_score"),), ("aVR",))


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 40)), elements=st.floats(-50, 50, width=32)))
@settings(max_examples=40)
def test_floats_come_back_bit_by_bit(values: np.ndarray) -> None:
    back = signal_from_proto(signal_to_proto(_signal(values)))
    np.testing.assert_array_equal(back.values, values)
    assert (back.leads, back.sample_rate_hz, back.derived) == (STANDARD_LEADS[: len(values)], 500.0, ("aVR",))
    assert back.applied == (Step("z_score"),)


@pytest.mark.parametrize("unit", list(Unit))
def test_the_unit_comes_back(unit: Unit) -> None:
    assert signal_from_proto(signal_to_proto(_signal(np.ones((2, 3), np.float32), unit))).unit is unit


def test_missing_samples_come_back_as_nan_and_are_never_sent_as_integers() -> None:
    values = np.array([[0.005, np.nan]], np.float32)
    message = signal_to_proto(_signal(values), int16_scale=0.005)
    assert message.sample_type == types_pb2.SAMPLE_TYPE_FLOAT32
    np.testing.assert_array_equal(signal_from_proto(message).values, values)


@given(hnp.arrays(np.int16, (3, 20), elements=st.integers(-32767, 32767)), st.sampled_from([0.005, 0.001, 0.00488]))
@settings(max_examples=40)
def test_counts_travel_as_int16_in_half_the_bytes_and_come_back_exactly(counts: np.ndarray, scale: float) -> None:
    values = (counts * scale).astype(np.float32)
    message = signal_to_proto(_signal(values), int16_scale=scale)
    assert message.sample_type == types_pb2.SAMPLE_TYPE_INT16
    assert len(message.data) == 3 * 20 * 2
    np.testing.assert_array_equal(signal_from_proto(message).values, values)


def test_values_that_are_no_counts_travel_as_floats_unchanged() -> None:
    values = np.array([[0.0011, 300.0]], np.float32)
    message = signal_to_proto(_signal(values), int16_scale=0.005)
    assert message.sample_type == types_pb2.SAMPLE_TYPE_FLOAT32
    np.testing.assert_array_equal(signal_from_proto(message).values, values)


def _message() -> types_pb2.Signal:
    return signal_to_proto(_signal(np.zeros((2, 4), np.float32)))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"data": b"123"}, "data"),
        ({"samples": 5}, "data"),
        ({"samples": 0}, "samples"),
        ({"samples": 1 << 62}, "data"),
        ({"sample_rate_hz": 0.0}, "sample_rate_hz"),
        ({"sample_rate_hz": float("inf")}, "sample_rate_hz"),
        ({"sample_type": types_pb2.SAMPLE_TYPE_UNSPECIFIED}, "sample_type"),
        ({"sample_type": types_pb2.SAMPLE_TYPE_INT16, "samples": 8}, "scale"),
        ({"data": np.full(8, np.inf, "<f4").tobytes()}, "data"),
    ],
)
def test_a_block_that_does_not_fit_its_header_names_the_field(change: dict[str, object], field: str) -> None:
    message = _message()
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(InvalidArgument) as refused:
        signal_from_proto(message)
    assert refused.value.field == field


def test_a_signal_that_does_not_say_its_unit_is_refused() -> None:
    message = _message()
    message.unit = types_pb2.SIGNAL_UNIT_UNSPECIFIED
    with pytest.raises(MissingField) as refused:
        signal_from_proto(message)
    assert refused.value.field == "unit"


@pytest.mark.parametrize("leads", [["I", "I"], ["I", "MLII"]])
def test_leads_that_are_not_standard_or_stand_twice_are_refused(leads: list[str]) -> None:
    message = _message()
    message.lead_names[:] = leads
    with pytest.raises(UnknownLead):
        signal_from_proto(message)


@given(st.binary(max_size=200))
@settings(max_examples=150)
def test_random_bytes_are_a_signal_or_a_typed_refusal(data: bytes) -> None:
    message = types_pb2.Signal()
    try:
        message.ParseFromString(data)
    except Exception:  # the wire format itself refused
        return
    try:
        signal_from_proto(message)
    except PrecordiaError:
        return


def _recording() -> Recording:
    random = np.random.default_rng(5)
    missing = random.random(300_000) < 0.1
    floats = random.normal(size=1000).astype(np.float64)
    floats[3] = np.nan
    return Recording(
        (
            Channel("I", random.integers(-9, 9, 300_000).astype(np.int16), 500.0, "mV", 200.0, 7.0, missing, "LEAD I"),
            Channel("MLII", random.integers(-9, 9, 10).astype(np.int32), 250.0, "uV", 1.5),
            Channel("RESP", floats, 62.5, "l"),
            Channel("II", random.normal(size=7).astype(np.float32), 500.0, "mV", derived=True),
        ),
        Provenance("a.hea", "00", "wfdb", "1", "wfdb"),
    )


def arrived(stored: StoredRecording, chunks: Iterable[ingest_pb2.ChannelChunk]) -> Recording:
    """What a stream of these chunks makes."""
    arriving = ArrivingRecording(stored)
    for chunk in chunks:
        arriving.add(chunk)
    return arriving.recording()


def test_the_native_signal_comes_back_exactly_with_its_masks() -> None:
    sent = _recording()
    chunks = list(channel_chunks_to_proto(sent.channels))
    assert max(chunk.ByteSize() for chunk in chunks) < 1 << 20
    back = arrived(describe(sent), chunks)
    assert back.provenance == sent.provenance
    for one, two in zip(sent.channels, back.channels, strict=True):
        assert one.samples.dtype == two.samples.dtype
        np.testing.assert_array_equal(one.samples, two.samples)
        np.testing.assert_array_equal(one.physical(), two.physical())
        assert (one.label, one.unit, one.gain, one.derived) == (two.label, two.unit, two.gain, two.derived)


def test_a_stream_with_a_hole_is_refused() -> None:
    sent = _recording()
    chunks = list(channel_chunks_to_proto(sent.channels))
    with pytest.raises(UnreadableFile):
        arrived(describe(sent), chunks[1:])
    with pytest.raises(UnreadableFile):
        arrived(describe(sent), chunks[:-1])


def test_a_stream_with_a_channel_too_many_is_refused() -> None:
    sent = _recording()
    with pytest.raises(UnreadableFile):
        arrived(describe(replace(sent, channels=sent.channels[:2])), channel_chunks_to_proto(sent.channels))
