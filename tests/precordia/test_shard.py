from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from precordia.errors import UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Sex, Signal, Unit
from precordia.shard import ShardRecord, decode_shard, encode_shard, exact_counts
from precordia.steps import Step

STEPS = (Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0}), Step("z_score"))


def record(values: np.ndarray, name: str = "rec-1", **facts: object) -> ShardRecord:
    leads = STANDARD_LEADS[: values.shape[0]]
    return ShardRecord(name, name[4:], Signal(values, leads, 100.0), **facts)  # type: ignore[arg-type]  # test facts


def test_counts_come_back_bit_by_bit_and_take_two_bytes_a_sample() -> None:
    counts = np.arange(-6000, 6000, dtype=np.int16).reshape(12, 1000)
    values = (counts / 1000.0).astype(np.float32)
    data = encode_shard([record(values, gain=1000.0)])
    assert len(data) < counts.nbytes + 2000
    assert np.array_equal(decode_shard(data).values(0), values)


def test_missing_counts_come_back_as_nan() -> None:
    values = np.array([[0.001, np.nan, -0.002]], dtype=np.float32)
    shard = decode_shard(encode_shard([record(values, gain=1000.0)]))
    assert np.array_equal(shard.values(0), values, equal_nan=True)


def test_half_counts_of_derived_leads_are_kept_exactly_as_integers() -> None:
    one, two = np.array([3, 5], dtype=np.float64) / 200, np.array([4, 9], dtype=np.float64) / 200
    values = np.stack([one, two, -(one + two) / 2]).astype(np.float32)
    data = encode_shard([record(values, gain=200.0)])
    assert np.array_equal(decode_shard(data).values(0), values)
    assert b'"gain": 400.0' in data


def test_floats_that_are_no_counts_stay_floats() -> None:
    values = np.array([[np.pi, np.e]], dtype=np.float32)
    assert exact_counts(values, 1000.0) is None
    shard = decode_shard(encode_shard([record(values, gain=1000.0)]))
    assert np.array_equal(shard.values(0), values)


def test_the_sentinel_itself_is_never_taken_for_a_count() -> None:
    values = np.array([[-32.768, 0.0]], dtype=np.float32)
    assert exact_counts(values, 1000.0) is None


def test_targets_tell_absent_from_unknown() -> None:
    values = np.zeros((1, 2), dtype=np.float32)
    shard = decode_shard(
        encode_shard(
            [
                record(values, "rec-1", targets={"super": ("NORM",), "rhythm": ()}),
                record(values, "rec-2", targets={"super": ("MI", "CD")}),
            ]
        )
    )
    assert shard.groups == {"super": ["NORM", "MI", "CD"], "rhythm": []}
    assert shard.targets("super").tolist() == [[1, 0, 0], [0, 1, 1]]
    assert shard.targets("super", ["CD", "HYP", "NORM"]).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert shard.known("rhythm").tolist() == [True, False]
    assert shard.known("absent").tolist() == [False, False]
    assert shard.labels("super") == [("NORM",), ("MI", "CD")]


def test_facts_and_signals_come_back() -> None:
    values = np.array([[0.25, -0.5]], dtype=np.float32)
    signal = Signal(values, ("V1",), 250.5, Unit.STANDARDISED, STEPS, ())
    packed = ShardRecord("rec-9", "24", signal, {}, {"ef": 55.0}, "pät", "7", 61.5, Sex.FEMALE)
    shard = decode_shard(encode_shard([packed]))
    back = shard.signal(0)
    assert (back.leads, back.sample_rate_hz, back.unit, back.applied) == (
        ("V1",),
        250.5,
        Unit.STANDARDISED,
        STEPS,
    )
    assert (shard.recording_ids, shard.source_records, shard.patients) == (["rec-9"], ["24"], ["pät"])
    assert (shard.folds, shard.ages, shard.sexes) == (["7"], [61.5], [Sex.FEMALE])
    assert shard.numeric("ef").tolist() == [55.0]
    assert np.isnan(shard.numeric("absent")).all()
    assert shard.numeric_names == ("ef",)


def test_dense_is_one_block_even_where_packing_differs() -> None:
    counts = record(np.array([[0.001, 0.002]], dtype=np.float32), gain=1000.0)
    floats = record(np.array([[np.pi, 1.0]], dtype=np.float32))
    shard = decode_shard(encode_shard([counts, floats]))
    assert shard.dense is not None
    assert np.array_equal(shard.dense[:, 0], np.array([[0.001, 0.002], [np.pi, 1.0]], dtype=np.float32))


def test_dense_is_none_where_lengths_differ() -> None:
    shard = decode_shard(encode_shard([record(np.zeros((1, n), dtype=np.float32)) for n in (2, 3)]))
    assert shard.dense is None
    assert [shard.values(i).shape for i in range(2)] == [(1, 2), (1, 3)]


def test_equal_records_give_equal_bytes_and_an_empty_shard_is_one() -> None:
    values = np.ones((2, 3), dtype=np.float32)
    assert encode_shard([record(values)]) == encode_shard([record(values.copy())])
    assert len(decode_shard(encode_shard([]))) == 0


finite = st.floats(width=32, allow_infinity=False)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(hnp.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(0, 20)), elements=finite), max_size=5),
    st.sampled_from([None, 1.0, 200.0, 1000.0, 4880.0]),
)
def test_any_samples_come_back_unchanged(blocks: list[np.ndarray], gain: float | None) -> None:
    shard = decode_shard(encode_shard([record(block, gain=gain) for block in blocks]))
    for i, block in enumerate(blocks):
        assert np.array_equal(shard.values(i), block, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.int16, (2, 30)), st.sampled_from([200.0, 204.8, 1000.0]))
def test_counts_over_any_gain_survive(counts: np.ndarray, gain: float) -> None:
    values = (counts / gain).astype(np.float32)
    assert np.array_equal(decode_shard(encode_shard([record(values, gain=gain)])).values(0), values)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_a_typed_error_or_harmless(data: st.DataObject) -> None:
    good = bytearray(encode_shard([record(np.ones((2, 4), dtype=np.float32), targets={"g": ("a",)})] * 2))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    with contextlib.suppress(UnreadableFile):  # the one error that damage may give
        shard = decode_shard(good[:cut])
        [shard.values(i) for i in range(len(shard))]
        shard.targets("g")


def test_a_cut_shard_says_so() -> None:
    data = encode_shard([record(np.ones((2, 4), dtype=np.float32))])
    with pytest.raises(UnreadableFile, match="damaged"):
        decode_shard(data[:-1])
    with pytest.raises(UnreadableFile, match="no shard"):
        decode_shard(b"PK\x03\x04" + bytes(100))
