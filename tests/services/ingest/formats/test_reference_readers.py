"""Every real file against the reference readers, and against the table of what each file lacks."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import wfdb

from precordia.errors import MissingField
from precordia.record import Hints, Recording, Unit
from precordia.source import Source
from precordia.steps import parse_step
from services.ingest.formats import read_source
from services.ingest.formats.wfdb_header import parse_header

HINTS = json.loads((Path(__file__).parents[1] / "hints.json").read_text(encoding="utf-8"))["files"]
FIELDS = {
    "--rate": {"sample_rate_hz"},
    "--unit": {"unit"},
    "--gain": {"unit"},
    "--leads": {"lead_names"},
    "--applied": set(),
}


def wfdb_source(header: Path) -> Source:
    """The record with every file that its header, or a segment's header, names."""
    names, files = [header.name], {}
    while names:
        name = names.pop()
        path = header.parent / name
        if name in files or not path.is_file():
            continue
        files[name] = path.read_bytes()
        if name.endswith(".hea"):
            parsed = parse_header(files[name])
            names += [line.file for line in parsed.signals] + [f"{segment.name}.hea" for segment in parsed.segments]
    return Source(header.name, files.pop(header.name), files)


def reference_signals(header: Path) -> tuple[list[Any], list[str]]:
    record = wfdb.rdrecord(str(header.with_suffix("")), smooth_frames=False)
    if isinstance(record, wfdb.MultiRecord):
        record = record.multi_to_single(physical=True)
    signals = record.e_p_signal if record.e_p_signal is not None else list(record.p_signal.T)
    return signals, record.sig_name


def test_every_wfdb_record_has_the_reference_packages_values(testdata: Path) -> None:
    headers = [
        path for path in sorted(testdata.rglob("*.hea")) if "_layout" not in path.name
    ]  # a layout has no samples
    for header in headers:
        (recording,) = read_source(wfdb_source(header))
        signals, names = reference_signals(header)
        assert [channel.source_label for channel in recording.channels] == names, header.name
        for channel, expected in zip(recording.channels, signals, strict=True):
            np.testing.assert_allclose(channel.physical(), expected, rtol=0, atol=1e-6, err_msg=header.name)
    assert len(headers) >= 200


def test_every_dicom_file_has_pydicoms_values(testdata: Path) -> None:
    files = sorted(testdata.rglob("*.dcm"))
    for path in files:
        (recording,) = read_source(Source(path.name, path.read_bytes()))
        expected = pydicom.dcmread(path).waveform_array(0)
        for index, channel in enumerate(recording.channels):
            np.testing.assert_allclose(channel.physical(), expected[:, index], rtol=0, atol=1e-3)  # uV
    assert files


def _hints(options: dict[str, str]) -> Hints:
    return Hints(
        sample_rate_hz=float(options["--rate"]) if "--rate" in options else None,
        unit=Unit(options["--unit"]) if "--unit" in options else None,
        gain_adu_per_mv=float(options["--gain"]) if "--gain" in options else None,
        lead_names=tuple(options["--leads"].split(",")) if "--leads" in options else (),
        applied=tuple(parse_step(step) for step in options.get("--applied", "").split(",") if step),
    )


def _listed(testdata: Path) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    for path in sorted(testdata.rglob("*")):
        name = path.relative_to(testdata).as_posix()
        entry = next((entry for entry in HINTS if fnmatch.fnmatch(name, entry["pattern"])), None)
        if entry is not None and path.is_file():
            found.append((path, entry))
    return found


def test_every_table_and_array_reads_with_its_listed_hints_and_is_refused_without(testdata: Path) -> None:
    listed = _listed(testdata)
    for path, entry in listed:
        source = Source(path.name, path.read_bytes())
        recordings = read_source(source, _hints(entry["options"]))
        assert recordings, path.name
        assert {recording.provenance.format for recording in recordings} == {entry["format"]}
        if entry["options"]:
            with pytest.raises(MissingField) as caught:
                read_source(source)
            expected = set().union(*(FIELDS[option] for option in entry["options"]))
            assert set(caught.value.details["fields"].split(",")) == expected, path.name
    assert len(listed) > 100


def _one(testdata: Path, name: str) -> tuple[Recording, ...]:
    path = testdata / name
    entry = next(entry for entry in HINTS if fnmatch.fnmatch(name, entry["pattern"]))
    return read_source(Source(path.name, path.read_bytes()), _hints(entry["options"]))


def test_the_many_records_file_reads_with_its_ids_scale_and_rate(testdata: Path) -> None:
    recordings = _one(testdata, "ptbxl-z/signals_100hz.npz")
    stored = np.load(testdata / "ptbxl-z/signals_100hz.npz")
    assert len(recordings) == 1281
    assert [recording.provenance.source_record for recording in recordings] == stored["ecg_id"].astype(str).tolist()
    for index in (0, 640, 1280):
        signal = recordings[index].signal()
        assert (signal.sample_rate_hz, signal.unit) == (100.0, Unit.STANDARDISED)
        assert [step.name for step in signal.applied] == ["band_pass", "z_score"]
        np.testing.assert_allclose(signal.values, stored["x"][index].T * 0.001, atol=1e-6)


def test_a_wfdb_record_and_its_bare_mat_file_hold_the_same_signal(testdata: Path) -> None:
    name = "cinc2021/PTB_PTBXL/HR00001"
    (bare,) = _one(testdata, f"{name}.mat")
    (record,) = read_source(wfdb_source(testdata / f"{name}.hea"))
    np.testing.assert_array_equal(bare.signal().values, record.signal().values)


def test_mat_files_hold_what_scipy_reads(testdata: Path) -> None:
    import scipy.io

    struct = scipy.io.loadmat(testdata / "cpsc2018-orig/A1980.mat")["ECG"][0, 0]
    (recording,) = _one(testdata, "cpsc2018-orig/A1980.mat")
    assert (recording.age_years, recording.sex is not None) == (float(struct["age"][0, 0]), True)
    for index, channel in enumerate(recording.channels):
        np.testing.assert_array_equal(channel.physical(), struct["data"][index])
    (example,) = _one(testdata, "formats/mat/example_recording.mat")
    signal = scipy.io.loadmat(testdata / "formats/mat/example_recording.mat")["signal"]
    assert [channel.label for channel in example.channels] == [
        "PPG",
        "ABP",
        "I",
        "III",
        "V1",
        "V2",
        "V4",
        "V5",
        "V6",
        "V3",
    ]
    for index, channel in enumerate(example.channels):
        assert (channel.unit, channel.sample_rate_hz) == ("uV", 250.0)
        np.testing.assert_array_equal(channel.physical(), signal[:, index])


def test_the_real_table_reads_in_counts_and_leaves_empty_leads_out(testdata: Path) -> None:
    (recording,) = _one(testdata, "formats/csv/0000050.ECG.csv")
    assert recording.leads == ("I", "II", "III", "aVR", "aVL", "aVF")
    assert recording.channels[0].samples[:5].tolist() == [-20, -30, -33, -28, -10]
    np.testing.assert_allclose(recording.channels[0].physical()[:2], [-0.1, -0.15])
    assert "einthoven" not in [remark.code for remark in recording.remarks]
