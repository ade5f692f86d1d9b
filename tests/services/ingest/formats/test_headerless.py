"""Bare samples: read for who knows them, refused by what is missing, never chosen over another reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from precordia.errors import HintConflict, MissingField, UnknownFormat, UnreadableFile
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Unit
from precordia.source import Source
from services.ingest.formats import preview_source, read_source, sniff
from tests.services.ingest.formats.written_files import ecg_counts, npy_file, wfdb_record

VALUES = ecg_counts(400)
BARE = Source("ecg.dat", VALUES.astype("<i2").tobytes())
KNOWN = Hints(sample_rate_hz=500, gain_adu_per_mv=400, lead_names=STANDARD_LEADS)


def test_interleaved_counts_become_leads() -> None:
    (recording,) = read_source(BARE, KNOWN)
    assert (recording.provenance.format, recording.leads) == ("headerless", STANDARD_LEADS)
    for place, channel in enumerate(recording.channels):
        assert (channel.gain, channel.unit, channel.sample_rate_hz) == (400.0, "mV", 500.0)
        np.testing.assert_array_equal(channel.samples, VALUES[:, place])


def test_the_lead_order_given_is_the_files_order() -> None:
    order = ("aVR", "aVF", "aVL")
    (recording,) = read_source(Source("a.raw", VALUES[:, :3].tobytes()), Hints(500.0, None, 400.0, order))
    for place, lead in enumerate(order):
        np.testing.assert_allclose(recording.signal((lead,)).values[0], VALUES[:, place] / 400, rtol=1e-6)


@pytest.mark.parametrize(
    ("hints", "missing"),
    [
        (Hints(), "sample_rate_hz,gain_adu_per_mv,lead_names"),
        (Hints(sample_rate_hz=500), "gain_adu_per_mv,lead_names"),
        (Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS), "gain_adu_per_mv"),
        (Hints(gain_adu_per_mv=400, lead_names=STANDARD_LEADS), "sample_rate_hz"),
    ],
)
def test_what_is_not_given_is_named(hints: Hints, missing: str) -> None:
    with pytest.raises(MissingField) as caught:
        read_source(BARE, hints)
    assert caught.value.details["fields"] == missing
    assert caught.value.field == missing.split(",")[0]


def test_the_preview_names_what_is_missing() -> None:
    preview = preview_source(BARE)
    assert preview.format == "headerless"
    assert set(preview.missing_fields) == {"sample_rate_hz", "gain_adu_per_mv", "lead_names"}
    assert preview_source(BARE, KNOWN).missing_fields == ()


def test_it_is_chosen_for_no_file_that_another_reader_knows() -> None:
    assert sniff(BARE) is None
    named = Source("ecg.dat", npy_file(VALUES).content)
    assert read_source(named, Hints(500.0, Unit.MILLIVOLT, None, STANDARD_LEADS))[0].provenance.format == "npy"
    record = wfdb_record(VALUES)
    beside = Source("made.dat", record.companions["made.dat"], {"made.hea": record.content})
    assert read_source(beside)[0].provenance.format == "wfdb"


def test_an_unknown_file_of_another_name_stays_unknown_whatever_is_given() -> None:
    for name in ("scan.png", "ecg", "notes.doc"):
        with pytest.raises(UnknownFormat):
            read_source(Source(name, b"\xff\xfe\0\1" * 600), KNOWN)


def test_fifteen_channels_are_not_accepted_as_twelve() -> None:
    fifteen = np.concatenate([VALUES, ecg_counts(400, 3, seed=3)], axis=1)  # as many samples as 500 of twelve leads
    assert fifteen.size % 12 == 0
    with pytest.raises(HintConflict) as caught:
        read_source(Source("a.dat", fifteen.tobytes()), KNOWN)
    assert caught.value.field == "lead_names"
    with pytest.raises(HintConflict, match="number of leads"):
        read_source(Source("a.dat", fifteen[:399].tobytes()), KNOWN)


def test_missing_samples_are_missing_and_too_few_refused() -> None:
    damaged = VALUES.copy()
    damaged[3, 5] = -32768
    (recording,) = read_source(Source("a.dat", damaged.tobytes()), KNOWN)
    assert np.flatnonzero(np.isnan(recording.channels[5].physical())).tolist() == [3]
    with pytest.raises(UnreadableFile):
        read_source(Source("a.dat", VALUES[:1].tobytes()), KNOWN)


def test_real_samples_without_their_header_read_as_with_it(testdata: Path) -> None:
    folder = testdata / "ludb"
    header = next(path for path in sorted(folder.rglob("*.hea")))
    first, second = header.read_text(encoding="utf-8").splitlines()[:2]
    count, rate = int(first.split()[1]), float(first.split()[2])
    assert second.split()[1] == "16"
    data = header.with_suffix(".dat").read_bytes()
    (whole,) = read_source(Source(header.name, header.read_bytes(), {header.with_suffix(".dat").name: data}))
    gain = whole.channels[0].gain
    assert gain is not None
    (bare,) = read_source(
        Source("a.dat", data), Hints(rate, None, gain, tuple(channel.label for channel in whole.channels))
    )
    assert len(bare.channels) == count
    for own, other in zip(bare.channels, whole.channels, strict=True):
        np.testing.assert_array_equal(own.samples, other.samples)
