"""Faults seen in other tools, each as a test that it does not happen here."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from precordia.errors import HintConflict, MissingField, PrecordiaError
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Unit
from precordia.source import Source
from services.ingest.formats import read_source
from tests.services.ingest.formats.written_files import (
    dicom_file,
    ecg_counts,
    npy_file,
    npz_file,
    text_table,
    waveform_group,
    wfdb_record,
)

VALUES = ecg_counts(500)
ALL = Hints(sample_rate_hz=500, unit=Unit.MILLIVOLT, lead_names=STANDARD_LEADS)


def test_dicom_counts_are_not_taken_for_microvolts(dicom_ecg: Path) -> None:
    signal = read_source(Source("a.dcm", dicom_ecg.read_bytes()))[0].signal()
    made = read_source(dicom_file([waveform_group(VALUES)]))[0].signal()
    np.testing.assert_allclose(made.lead("II"), VALUES[:, 1] * 2.5 / 1000, rtol=1e-6)
    assert 0.5 < float(np.abs(signal.lead("II")).max()) < 3.0


def test_npy_and_npz_load_from_bytes_without_any_file() -> None:
    for source in (npy_file(VALUES / 1000), npz_file(x=VALUES / 1000)):
        np.testing.assert_allclose(read_source(source, ALL)[0].signal().values, VALUES.T / 1000, rtol=1e-6)


def test_samples_by_leads_are_transposed_and_not_reshaped() -> None:
    stored = np.arange(6000).reshape(500, 12)
    channel = read_source(npy_file(stored), ALL)[0].channels[1]
    assert channel.samples[:4].tolist() == [1, 13, 25, 37]


def test_leads_are_reordered_by_their_place_and_not_by_the_inverse() -> None:
    order = ("III", "I", "II")
    recording = read_source(wfdb_record(VALUES[:, [2, 0, 1]], order))[0]
    signal = recording.signal(("I", "II", "III"))
    np.testing.assert_allclose(signal.values, VALUES[:, :3].T / 200, rtol=1e-6)


def test_avr_avl_and_avf_keep_their_names_in_the_order_of_mimic() -> None:
    order = (*STANDARD_LEADS[:3], "aVR", "aVF", "aVL", *STANDARD_LEADS[6:])
    places = [STANDARD_LEADS.index(lead) for lead in order]
    signal = read_source(wfdb_record(VALUES[:, places], order))[0].signal()
    for lead in ("aVR", "aVL", "aVF"):
        np.testing.assert_allclose(signal.lead(lead), VALUES[:, STANDARD_LEADS.index(lead)] / 200, rtol=1e-6)


@pytest.mark.parametrize("seconds", [5, 8, 10, 30])
def test_a_recording_keeps_its_own_length(seconds: int) -> None:
    recording = read_source(wfdb_record(ecg_counts(500 * seconds)))[0]
    assert {channel.samples.size for channel in recording.channels} == {500 * seconds}
    assert recording.signal().duration_s == seconds


def test_sixty_microvolts_are_not_taken_for_sixty_millivolts() -> None:
    quiet = VALUES / np.abs(VALUES).max() * 60
    with pytest.raises(MissingField) as caught:
        read_source(npy_file(quiet), Hints(sample_rate_hz=500, lead_names=STANDARD_LEADS))
    assert caught.value.field == "unit"
    hints = Hints(sample_rate_hz=500, unit=Unit.MICROVOLT, lead_names=STANDARD_LEADS)
    assert float(np.abs(read_source(npy_file(quiet), hints)[0].signal().values).max()) == pytest.approx(0.06)


def test_one_leading_nan_makes_one_sample_missing_and_not_the_lead() -> None:
    values = VALUES / 1000
    values[0, 4] = np.nan
    lead = read_source(npy_file(values), ALL)[0].signal().lead("aVL")
    assert np.flatnonzero(np.isnan(lead)).tolist() == [0]


def test_fifteen_interleaved_channels_are_not_accepted_as_twelve() -> None:
    stream = io.BytesIO()
    np.save(stream, ecg_counts(500, 15))
    with pytest.raises(HintConflict):
        read_source(Source("a.npy", stream.getvalue()), ALL)


def test_an_import_of_rubbish_is_never_answered_with_ok() -> None:
    for content in (b"", b"ok", bytes(4096), b"<xml/>", b"%PDF-1.7 1 2 3", text_table(VALUES)[:7]):
        with pytest.raises(PrecordiaError):
            read_source(Source("ecg.csv", content), ALL)


def test_two_files_of_one_name_are_told_apart_and_one_file_of_two_names_is_not() -> None:
    first, second = npy_file(VALUES / 1000), npy_file(VALUES / 500)
    hashes = [read_source(source, ALL)[0].provenance.source_sha256 for source in (first, second)]
    assert first.name == second.name
    assert hashes[0] != hashes[1]
    renamed = Source("other.npy", first.content)
    assert read_source(renamed, ALL)[0].provenance.source_sha256 == hashes[0]
