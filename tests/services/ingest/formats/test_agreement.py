"""Real files: what is read is what independent readers find, and what another format of the same ECG holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from precordia.leads import STANDARD_LEADS
from precordia.record import MILLIVOLTS_PER, Recording, Unit
from precordia.source import Source
from services.ingest.formats import read_source
from tests.services.ingest.formats.independent_reader import independent_leads

MUSE = ("muse/example1.xml", "muse/example2.xml", "muse/egm-muse-sinus.redacted.xml")
PHILIPS = ("philips/129DYPRG.XML", "philips/3191723_ZZDEMOPTONLY_1-04_orig.xml")
AECG = "hl7-aecg/ecg_hl7.xml"


def read(testdata: Path, name: str) -> Recording:
    (recording,) = read_source(Source(Path(name).name, (testdata / "formats" / name).read_bytes()))
    return recording


def counts_apart(testdata: Path, name: str) -> dict[str, float]:
    """The largest difference from ecgdatakit, which gives millivolts, in counts, by lead."""
    other = {label.upper(): samples for label, samples in independent_leads(testdata / "formats" / name).items()}
    apart = {}
    for channel in read(testdata, name).channels:
        assert channel.gain is not None
        per_count_mv = MILLIVOLTS_PER[Unit(channel.unit)] / channel.gain
        known = other[channel.label.upper()][: channel.samples.size]
        apart[channel.label] = float(np.abs(channel.samples - known / per_count_mv).max())
    return apart


@pytest.mark.parametrize("name", [*MUSE, AECG])
def test_muse_and_aecg_files_agree_with_an_independent_reader_exactly(testdata: Path, name: str) -> None:
    apart = counts_apart(testdata, name)
    assert len(apart) == (12 if name == AECG else 8)
    assert max(apart.values()) < 1e-6


@pytest.mark.parametrize("name", PHILIPS)
def test_philips_files_agree_with_an_independent_reader_within_one_count(testdata: Path, name: str) -> None:
    """That reader rounds halves of rebuilt leads downwards; all others are equal."""
    apart = counts_apart(testdata, name)
    assert set(apart) == set(STANDARD_LEADS)
    assert max(apart.values()) < 1 + 1e-6
    assert max(apart[lead] for lead in ("I", "II", "III", *STANDARD_LEADS[6:])) < 1e-6


def test_muse_checksums_are_those_of_the_samples(testdata: Path) -> None:
    for name in MUSE:
        assert read(testdata, name).remarks == ()


def test_one_ecg_has_the_same_samples_in_scp_and_in_aecg(testdata: Path) -> None:
    scp, aecg = read(testdata, "scp/Example.scp"), read(testdata, AECG)
    assert scp.leads == aecg.leads == STANDARD_LEADS
    one, other = scp.signal(), aecg.signal()
    assert one.sample_rate_hz == other.sample_rate_hz == 500.0
    assert one.values.shape == other.values.shape == (12, 5000)
    for lead in STANDARD_LEADS:
        assert np.abs(one.lead(lead) - other.lead(lead)).max() == 0, lead
