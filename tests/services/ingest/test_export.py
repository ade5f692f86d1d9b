from __future__ import annotations

import io

import numpy as np
import pytest

from precordia.errors import InvalidArgument, UnsupportedView
from precordia.record import Channel, Hints, Provenance, Recording, Unit
from precordia.source import Source
from services.ingest.export import export
from services.ingest.formats import read_source
from services.ingest.writers.written import WrittenFile
from tests.services.ingest.ecg_files import CONDITIONED, counts, many, wfdb


def exported(recording: Recording, file_format: str = "npz", rate_hz: float | None = None) -> list[WrittenFile]:
    return list(export("rec-1", recording, file_format=file_format, sample_rate_hz=rate_hz))


def arrays(file: WrittenFile) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(file.content), allow_pickle=False) as loaded:
        return dict(loaded)


def recording(*channels: Channel) -> Recording:
    return Recording(channels, Provenance("a", "0" * 64, "test", "1", "test"))


def test_npz_holds_millivolts_by_lead() -> None:
    (file,) = exported(read_source(wfdb(seed=2))[0])
    found = arrays(file)
    assert file.name == "rec-1.npz"
    assert found["x"].dtype == np.float32
    assert np.array_equal(found["x"], (counts(2).T / 200).astype(np.float32))
    assert found["rate_hz"] == 500.0
    assert found["leads"].tolist() == ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def test_microvolts_become_millivolts_missing_becomes_nan_and_other_channels_keep_their_label() -> None:
    micro = Channel("V1", np.array([1000.0, 250.0]), 100.0, "uV")
    gap = Channel("MLII", np.array([200, 7], np.int16), 100.0, "mV", 200.0, missing=np.array([False, True]))
    pressure = Channel("ABP", np.array([90.0, 91.0]), 100.0, "mmHg")
    found = arrays(exported(recording(pressure, gap, micro))[0])
    assert found["leads"].tolist() == ["V1", "ABP", "MLII"]
    assert found["units"].tolist() == ["mV", "mmHg", "mV"]
    assert np.array_equal(found["x"], np.array([[1, 0.25], [90, 91], [1, np.nan]], np.float32), equal_nan=True)


def test_limb_leads_that_follow_are_there_and_absent_ones_are_not() -> None:
    found = arrays(exported(read_source(wfdb(leads=("V1", "II", "I")))[0])[0])
    assert found["leads"].tolist() == ["I", "II", "III", "aVR", "aVL", "aVF", "V1"]
    one, two = counts(leads=3)[:, 2] / 200, counts(leads=3)[:, 1] / 200
    assert np.array_equal(found["x"][2], (two - one).astype(np.float32))


def test_standardised_signals_say_so() -> None:
    found = arrays(exported(read_source(many(1), CONDITIONED)[0])[0])
    assert set(found["units"].tolist()) == {"standardised"}


def test_channels_of_another_rate_come_in_a_file_of_their_own() -> None:
    lead = Channel("II", np.arange(10, dtype=np.int16), 500.0, "mV", 200.0)
    breath = Channel("RESP", np.arange(4, dtype=np.float32), 125.0, "Ohm")
    first, second = exported(recording(breath, lead))
    assert (first.name, second.name) == ("rec-1.npz", "rec-1-2-125hz.npz")
    assert (arrays(first)["leads"].tolist(), arrays(second)["leads"].tolist()) == (["II"], ["RESP"])


def test_csv_reads_back_as_the_same_samples() -> None:
    original = read_source(wfdb(seed=3))[0]
    (file,) = exported(original, "csv")
    again = read_source(Source(file.name, file.content), Hints())[0]
    assert again.leads == original.leads
    assert again.channels[0].sample_rate_hz == 500.0
    assert np.array_equal(again.signal().values, original.signal().values)


def test_csv_keeps_tiny_samples_and_leaves_missing_ones_empty() -> None:
    lead = Channel("II", np.array([1e-7, np.nan, -0.5], np.float32), 250.0, "mV")
    (file,) = exported(recording(lead), "csv")
    assert file.content == b"time [s],II [mV]\n0.0,1e-07\n0.004,\n0.008,-0.5\n"
    again = read_source(Source(file.name, file.content), Hints())[0]
    assert np.array_equal(again.channels[0].physical().astype(np.float32), lead.samples, equal_nan=True)


def test_resampling_keeps_a_slow_wave_and_its_gap() -> None:
    time = np.arange(1000) / 500
    wave = np.sin(2 * np.pi * 3 * time)
    missing = np.zeros(1000, np.bool_)
    missing[500:600] = True
    values = np.where(missing, np.nan, wave)
    found = arrays(exported(recording(Channel("II", values, 500.0, "mV")), rate_hz=100.0)[0])
    assert found["rate_hz"] == 100.0
    assert np.isnan(found["x"][0, 100:120]).all()
    assert not np.isnan(found["x"][0, :100]).any()
    known = np.r_[5:95, 125:195]
    assert np.abs(found["x"][0, known] - np.sin(2 * np.pi * 3 * known / 100)).max() < 0.03


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), 1e9])
def test_rates_that_cannot_be_are_refused(rate_hz: float) -> None:
    with pytest.raises(InvalidArgument):
        exported(read_source(wfdb())[0], rate_hz=rate_hz)


def test_formats_and_views_that_are_not_made_are_named() -> None:
    one = read_source(wfdb())[0]
    with pytest.raises(UnsupportedView, match="npz, csv"):
        exported(one, "xls")
    with pytest.raises(UnsupportedView, match="raw"):
        list(export("rec-1", one, file_format="npz", view="median"))


def test_a_unit_that_is_no_voltage_is_not_called_millivolt() -> None:
    unknown = recording(Channel("II", np.array([1.0, 2.0]), 100.0, "", None))
    assert arrays(exported(unknown)[0])["units"].tolist() == [""]
    assert Unit.MILLIVOLT.value not in arrays(exported(unknown)[0])["units"].tolist()
