"""Facts about a recording, without its samples."""

import numpy as np

from precordia.record import Channel, Hints, Provenance, Recording, Sex, Unit
from precordia.stored import describe


def _recording(*channels: Channel) -> Recording:
    provenance = Provenance("a.hea", "ab", "wfdb", "3", "wfdb", 2, "rec", Hints(sample_rate_hz=360.0), ("trimmed",))
    return Recording(channels, provenance, age_years=61.0, sex=Sex.FEMALE, patient_key="k", labels=("AF",))


def test_facts_are_those_of_the_recording() -> None:
    samples = np.zeros(100, np.int16)
    missing = np.arange(100) < 10
    recording = _recording(
        Channel("II", samples, 360.0, "mV", 200.0, 1024.0, missing, "Lead II"),
        Channel("ABP", samples.astype(np.float32), 125.0, "mmHg"),
    )
    stored = describe(recording, recording_id="r1", supersedes="r0")
    assert (stored.recording_id, stored.supersedes, stored.format) == ("r1", "r0", "wfdb")
    assert (stored.source_index, stored.source_record, stored.transforms) == (2, "rec", ("trimmed",))
    assert (stored.leads, stored.sample_rate_hz, stored.samples) == (("II",), 360.0, 100)
    assert stored.unit is Unit.MILLIVOLT
    assert (stored.age_years, stored.sex, stored.labels) == (61.0, Sex.FEMALE, ("AF",))
    first, second = stored.channels
    assert (first.dtype, first.gain, first.baseline, first.source_label) == ("int16", 200.0, 1024.0, "Lead II")
    assert (first.missing_fraction, first.standard_lead) == (0.1, True)
    assert (second.dtype, second.gain, second.unit, second.standard_lead) == ("float32", None, "mmHg", False)


def test_rate_and_length_are_zero_where_leads_differ() -> None:
    stored = describe(
        _recording(Channel("I", np.zeros(10, np.int16), 500.0, "mV"), Channel("II", np.zeros(5, np.int16), 250.0, "mV"))
    )
    assert (stored.sample_rate_hz, stored.samples) == (0.0, 0)


def test_without_standard_leads_the_other_channels_give_rate_and_length() -> None:
    stored = describe(_recording(Channel("MLII", np.zeros(10, np.int16), 360.0, "mV")))
    assert (stored.leads, stored.sample_rate_hz, stored.samples, stored.unit) == ((), 360.0, 10, None)
