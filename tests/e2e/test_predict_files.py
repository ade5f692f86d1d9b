"""`precordia predict FILE --json` over every file that holds a 12-lead ECG."""

from __future__ import annotations

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import wfdb

from precordia.leads import STANDARD_LEADS, match_lead
from tests.e2e.conftest import Answer, Cli

OUTPUTS = {"NORM", "MI", "STTC", "CD", "HYP"}
FIELDS = {
    "--rate": "sample_rate_hz",
    "--unit": "unit",
    "--gain": "unit",
    "--leads": "lead_names",
    "--applied": "applied",
}
HINTS = json.loads((Path(__file__).parents[1] / "services" / "ingest" / "hints.json").read_text())["files"]


def _assert_scored(answer: Answer, files: list[Path]) -> None:
    assert answer.status == 0, answer.document["refused"] or answer.narration
    assert answer.document["refused"] == []
    assert {prediction["source"] for prediction in answer.document["predictions"]} == {str(file) for file in files}
    for prediction in answer.document["predictions"]:
        assert set(prediction["scores"]) == OUTPUTS
        assert all(0 <= score <= 1 for score in prediction["scores"].values())


def _twelve_leads(header: Path) -> bool:
    """Independently of our reader: what wfdb says the signals are called."""
    names = getattr(wfdb.rdheader(str(header.with_suffix(""))), "sig_name", None) or []
    return {match.lead for name in names if (match := match_lead(name))} >= set(STANDARD_LEADS)


def test_the_dicom_ecg_of_the_pydicom_package_is_scored(cli: Cli, dicom_ecg: Path) -> None:
    answer = cli("predict", str(dicom_ecg), "--json")
    _assert_scored(answer, [dicom_ecg])
    (prediction,) = answer.document["predictions"]
    assert max(prediction["scores"], key=prediction["scores"].get) == "NORM"


def test_every_dicom_file_is_scored(cli: Cli, testdata: Path) -> None:
    files = sorted(testdata.rglob("*.dcm"))
    assert files
    _assert_scored(cli("predict", *map(str, files), "--json"), files)


def test_every_12_lead_wfdb_record_is_scored(cli: Cli, testdata: Path) -> None:
    files = [header for header in sorted(testdata.rglob("*.hea")) if _twelve_leads(header)]
    assert len(files) >= 161  # 60 of the Challenge, 100 of LUDB, s0010_re
    _assert_scored(cli("predict", *map(str, files), "--json"), files)


def test_records_with_fewer_leads_are_refused_by_the_leads_they_lack(cli: Cli, testdata: Path) -> None:
    answer = cli("predict", str(testdata / "mitdb" / "100.hea"), "--json")
    assert answer.status == 1
    (refused,) = answer.document["refused"]
    assert refused["reason"] == "MISSING_LEAD"
    assert "V6" in refused["message"]


def _tabular(testdata: Path) -> list[tuple[dict[str, object], list[Path]]]:
    taken: set[Path] = set()
    groups = []
    for row in HINTS:
        files = [
            path
            for path in sorted(testdata.rglob("*"))
            if path.is_file() and path not in taken and fnmatch(str(path.relative_to(testdata)), row["pattern"])
        ]
        taken.update(files)
        groups.append((row, files))
    return groups


@pytest.mark.parametrize("row", range(len(HINTS)), ids=[row["pattern"] for row in HINTS])
def test_with_its_hints_a_tabular_file_is_scored_and_without_refused_by_what_it_lacks(
    cli: Cli, testdata: Path, tmp_path: Path, row: int
) -> None:
    hints, files = _tabular(testdata)[row]
    assert files, "the pattern matches nothing"
    options = [word for pair in hints["options"].items() for word in pair]
    # Away from the header that lies beside some of them: the bare file is what is asked about.
    chosen = [shutil.copy(file, tmp_path) for file in files[:6]]
    bare = cli("predict", *chosen, "--no-keep", "--json")
    if options:
        assert bare.status == 1
        assert {refused["source"] for refused in bare.document["refused"]} == set(chosen)
        assert {refused["reason"] for refused in bare.document["refused"]} == {"MISSING_FIELD"}
        assert {refused["field"] for refused in bare.document["refused"]} <= {
            FIELDS[option] for option in hints["options"]
        }
    hinted = cli("predict", *chosen, *options, "--no-keep", "--json")
    if hints.get("leads") == "fewer than twelve":
        assert {refused["reason"] for refused in hinted.document["refused"]} <= {"MISSING_LEAD", "UNSUPPORTED_VIEW"}
        assert len(hinted.document["refused"]) == len(chosen)
    else:
        _assert_scored(hinted, [Path(file) for file in chosen])


def test_an_exported_recording_has_the_samples_of_the_file(cli: Cli, dicom_ecg: Path, tmp_path: Path) -> None:
    import pydicom

    imported = cli("import", str(dicom_ecg), "--json").document["imported"]
    target = tmp_path / "ecg.npz"
    assert cli("export", imported[0]["recording"], "--format", "npz", "-o", str(target), "--json").status == 0
    with np.load(target) as exported:
        ours, rate_hz, leads = exported["x"], float(exported["rate_hz"]), [str(lead) for lead in exported["leads"]]
    theirs = pydicom.dcmread(dicom_ecg).waveform_array(0).T / 1000  # the file's unit is the microvolt
    assert rate_hz == 1000.0
    assert leads == list(STANDARD_LEADS)
    np.testing.assert_allclose(ours, theirs, rtol=2**-24, atol=1e-6)
