"""The whole command line against the four real services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from cli.app import app
from precordia.leads import STANDARD_LEADS

Say = Callable[..., tuple[int, dict[str, Any]]]


def _run(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and document of one command; narration must stay off stdout."""
    answer = CliRunner().invoke(app, [*arguments, "--json"])
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return answer.exit_code, json.loads(answer.stdout)


@pytest.fixture(scope="module")
def precordia(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Say]:
    """The command, with services running on a home of their own."""
    home = tmp_path_factory.mktemp("home")
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("PRECORDIA_") and name != "PRECORDIA_TESTDATA"]:
        del os.environ[name]
    os.environ["PRECORDIA_HOME"] = str(home)
    try:
        started = subprocess.run(
            [sys.executable, "-m", "cli", "up", "--ports", "0", "--detach", "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert started.returncode == 0, started.stderr
        document = json.loads(started.stdout)
        assert {one["service"] for one in document["services"]} == {"ingest", "inference", "trainer", "registry"}
        yield _run
    finally:
        document = _run("down")[1]
        os.environ.clear()
        os.environ.update(before)
    assert sorted(document["stopped"]) == ["inference", "ingest", "registry", "trainer"]
    assert os.listdir(home / "run") == ["up.lock"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve synthetic 12-lead ECGs in millivolts as bare tables, and their labels."""
    folder = tmp_path_factory.mktemp("study")
    random = np.random.default_rng(3)
    rows = ["file_name,label,ICD-10"]
    for number in range(12):
        beat = np.exp(-(((np.arange(1000) % 100) - 50) ** 2) / 20)
        table = beat[:, None] * random.uniform(0.5, 1.5, 12) + random.normal(0, 0.01, (1000, 12))
        lines = [",".join(STANDARD_LEADS), *(",".join(f"{value:.4f}" for value in row) for row in table)]
        (folder / f"ecg{number}.csv").write_text("\n".join(lines) + "\n")
        rows.append(f"ecg{number}.csv,{'NORM' if number % 2 else 'MI'},")
    (folder.parent / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_all_four_services_answer(precordia: Say) -> None:
    status, document = precordia("status")
    assert status == 0
    assert {one["service"]: one["state"] for one in document["services"]} == dict.fromkeys(
        ("ingest", "inference", "trainer", "registry"), "serving"
    )


def test_a_second_up_on_the_same_home_is_refused(precordia: Say) -> None:
    status, document = precordia("up", "--ports", "0", "--detach")
    assert status == 1
    assert document["error"]["reason"] == "ALREADY_EXISTS"


def test_a_dicom_file_is_imported_listed_shown_and_exported(precordia: Say, dicom_ecg: Path, tmp_path: Path) -> None:
    status, document = precordia("import", str(dicom_ecg))
    (one,) = document["imported"]
    assert (status, document["refused"]) == (0, [])
    assert (one["source"], one["format"], one["rate_hz"], one["samples"]) == (str(dicom_ecg), "dicom", 1000.0, 10000)
    assert tuple(one["leads"]) == STANDARD_LEADS

    again = precordia("import", str(dicom_ecg))[1]["imported"][0]
    assert (again["recording"], again["created"]) == (one["recording"], False)

    listed = precordia("recordings")[1]["recordings"]
    assert one["recording"] in [entry["recording"] for entry in listed]
    shown = precordia("show", one["recording"])[1]
    assert (shown["sha256"], len(shown["channels"])) == (one["sha256"], 12)

    target = tmp_path / "ecg.npz"
    status, document = precordia("export", one["recording"], "--format", "npz", "-o", str(target))
    assert (status, document["exported"][0]["path"]) == (0, str(target))
    with np.load(target) as file:
        x, rate_hz, leads = file["x"], float(file["rate_hz"]), [str(lead) for lead in file["leads"]]
    assert (x.shape, x.dtype, rate_hz, leads) == ((12, 10000), np.float32, 1000.0, list(STANDARD_LEADS))
    microvolts = pydicom.dcmread(dicom_ecg).waveform_array(0).T
    np.testing.assert_allclose(x, microvolts / 1000, rtol=0, atol=1e-6)


def test_a_recording_goes_out_in_every_format_and_wfdb_into_a_folder(
    precordia: Say, dicom_ecg: Path, tmp_path: Path
) -> None:
    recording = precordia("import", str(dicom_ecg))[1]["imported"][0]["recording"]
    written = []
    for file_format in ("npz", "csv", "json", "wfdb", "edf", "dicom", "fhir"):
        status, document = precordia("export", recording, "--format", file_format, "-o", f"{tmp_path}/out/")
        assert (status, document["refused"]) == (0, [])
        written += [Path(one["path"]).suffix for one in document["exported"]]
    assert written == [".npz", ".csv", ".json", ".hea", ".dat", ".edf", ".dcm", ".json"]
    refused = CliRunner().invoke(app, ["export", recording, "--format", "wfdb", "-o", f"{tmp_path}/ecg.hea"])
    assert refused.exit_code == 2
    assert "folder" in refused.stderr
    again = precordia("import", f"{tmp_path}/out/{recording}.dcm")[1]["imported"][0]
    assert (again["samples"], again["rate_hz"]) == (10000, 1000.0)


def test_identity_goes_on_the_way_in_and_on_the_way_out(precordia: Say, dicom_ecg: Path, tmp_path: Path) -> None:
    one = precordia("import", str(dicom_ecg), "--deidentify")[1]["imported"][0]
    (remark,) = [warning for warning in one["warnings"] if warning["code"] == "deidentified"]
    assert "PatientName" in remark["message"]
    target = tmp_path / "ecg.dcm"
    options = ("--format", "dicom", "--deidentify", "--view", "filtered", "-o", str(target))
    document = precordia("export", one["recording"], *options)[1]
    assert [warning["code"] for warning in document["exported"][0]["warnings"]] == ["rounded"] * 12 + ["deidentified"]
    assert pydicom.dcmread(target).PatientID not in ("", pydicom.dcmread(dicom_ecg).PatientID)


def test_a_split_goes_out_as_arrays(precordia: Say, study: Path, tmp_path: Path) -> None:
    labels = str(study.parent / "labels.csv")
    facts = ("--rate", "100", "--unit", "mV", "--dataset", "arrays", "--labels", labels)
    assert precordia("import", str(study), *facts)[0] == 0
    assert precordia("datasets", "snapshot", "arrays", "--split", "train=75%", "--split", "test=25%")[0] == 0
    status, document = precordia("datasets", "export", "arrays:train", "-o", str(tmp_path))
    assert (status, [Path(one["path"]).name for one in document["exported"]]) == (
        0,
        ["arrays-train.npz", "arrays-train-labels.csv"],
    )
    with np.load(tmp_path / "arrays-train.npz") as file:
        assert file["x"].shape == (9, 12, 1000)
        assert sorted(file["labels"].tolist()) == ["MI", "NORM"]


def test_files_that_cannot_be_read_are_refused_one_by_one(precordia: Say, study: Path, tmp_path: Path) -> None:
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)))
    bare = next(study.glob("*.csv"))
    status, document = precordia("import", str(tmp_path / "noise.bin"), str(bare), str(tmp_path / "absent.csv"))
    assert status == 1
    assert document["imported"] == []
    assert [(Path(one["source"]).name, one["reason"]) for one in document["refused"]] == [
        ("noise.bin", "UNKNOWN_FORMAT"),
        (bare.name, "MISSING_FIELD"),
        ("absent.csv", "NOT_FOUND"),
    ]


def test_paths_without_an_ecg_are_said_and_end_with_status_1(precordia: Say, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.csv").write_bytes(b"")
    paths = [str(tmp_path / name) for name in ("zero.csv", "*.dcm", "empty")]
    for mode, product in (("--report=" + str(tmp_path / "report.csv"), "imported"), ("--preview", "previews")):
        status, document = precordia("import", *paths, mode)
        assert status == 1
        assert document[product] == []
        assert [(one["source"], one["reason"], one["message"].split(";")[0]) for one in document["refused"]] == [
            (paths[0], "UNKNOWN_FORMAT", "The file is empty (0 bytes)"),
            (paths[1], "NOT_FOUND", "No file matches this pattern."),
            (paths[2], "NOT_FOUND", "There is no file to read in this folder"),
        ]


def test_a_file_becomes_a_prediction_and_is_kept(precordia: Say, dicom_ecg: Path) -> None:
    status, document = precordia("predict", str(dicom_ecg))
    assert (status, document["refused"]) == (0, [])
    (one,) = document["predictions"]
    assert (one["source"], one["model"], one["version"]) == (str(dicom_ecg), "precordia-superclasses", 1)
    assert set(one["scores"]) == {"NORM", "MI", "STTC", "CD", "HYP"}
    assert all(0 <= score <= 1 for score in one["scores"].values())
    by_id = precordia("predict", one["recording"])[1]["predictions"][0]
    assert (by_id["scores"], by_id["source"]) == (one["scores"], dicom_ecg.name)


def test_a_file_that_is_not_to_be_kept_leaves_nothing(precordia: Say, study: Path) -> None:
    before = precordia("recordings")[1]["recordings"]
    status, document = precordia("predict", str(study / "ecg0.csv"), "--no-keep", "--rate", "100", "--unit", "mV")
    assert (status, len(document["predictions"])) == (0, 1)
    assert precordia("recordings")[1]["recordings"] == before


def test_what_cannot_be_scored_is_refused_and_the_rest_answered(precordia: Say, dicom_ecg: Path) -> None:
    status, document = precordia("predict", "rec-none", str(dicom_ecg))
    assert (status, len(document["predictions"])) == (1, 1)
    assert (document["refused"][0]["source"], document["refused"][0]["reason"]) == ("rec-none", "RECORDING_NOT_FOUND")


def test_a_model_that_is_not_there_is_said(precordia: Say, dicom_ecg: Path) -> None:
    status, document = precordia("predict", str(dicom_ecg), "--model", "nobody")
    assert (status, document["error"]["reason"]) == (1, "MODEL_NOT_FOUND")


def test_a_study_is_labelled_frozen_scored_and_evaluated(precordia: Say, study: Path) -> None:
    hints = ("--rate", "100", "--unit", "mV")
    labels = str(study.parent / "labels.csv")
    status, document = precordia("import", str(study), *hints, "--dataset", "study", "--labels", labels)
    assert (status, len(document["imported"])) == (0, 12)
    assert (document["labels"]["matched"], document["labels"]["unmatched_rows"]) == (12, [])

    status, document = precordia("datasets", "snapshot", "study", "--split", "train=50%", "--split", "test=50%")
    assert status == 0
    assert {one["split"]: one["records"] for one in document["snapshot"]["splits"]} == {"train": 6, "test": 6}
    (dataset,) = precordia("datasets", "study")[1]["datasets"]
    assert (dataset["records"], dataset["labelled"], len(dataset["snapshots"])) == (12, 12, 1)
    assert dataset["label_groups"][0]["labels"] == {"MI": 6, "NORM": 6}

    status, document = precordia("predict", "--dataset", "study:test")
    assert (status, len(document["predictions"])) == (0, 6)
    assert {one["source"] for one in document["predictions"]} <= {f"ecg{n}.csv" for n in range(12)}

    page = study.parent / "evaluation.html"
    asked = ("--dataset", "study", "--model", "precordia-superclasses", "--report", str(page))
    status, document = precordia("evaluate", *asked)
    assert status == 0
    (evaluation,) = document["evaluations"]
    assert (evaluation["model"], evaluation["n"]) == ("precordia-superclasses", 12)
    assert 0 <= evaluation["per_class"]["NORM"]["auroc"] <= 1
    assert f"{evaluation['per_class']['NORM']['auroc']:.3f}" in page.read_text(encoding="utf-8")

    kinds = [one["kind"] for one in precordia("jobs")[1]["jobs"]]
    assert kinds[:2] == ["evaluate", "predict_dataset"]

    assert precordia("datasets", "delete", "study")[0] == 0
    assert precordia("datasets", "study")[1]["error"]["reason"] == "DATASET_NOT_FOUND"


def test_a_model_goes_out_comes_in_and_gets_an_alias(precordia: Say, tmp_path: Path) -> None:
    file = tmp_path / "theirs.onnx"
    status, document = precordia("models", "export", "precordia-superclasses@shipped", "-o", str(file))
    assert (status, document["exported"][0]["bytes"]) == (0, file.stat().st_size)
    archive = tmp_path / "theirs.zip"
    assert precordia("models", "export", "precordia-superclasses@shipped", "-o", str(archive))[0] == 0
    with zipfile.ZipFile(archive) as packed:
        assert packed.read("model.onnx") == file.read_bytes()
        assert {"README.txt", "manifest.json", "operating_points.json", "weights.safetensors"} <= set(packed.namelist())
    status, document = precordia("models", "import", str(file), "--name", "theirs")
    assert status == 0
    assert document["models"][0]["outputs"] == ["NORM", "MI", "STTC", "CD", "HYP"]
    assert precordia("models", "alias", "theirs", "prod", "1")[1]["models"][0]["aliases"] == ["prod"]
    assert precordia("models", "delete", "theirs:1")[1]["error"]["reason"] == "IN_USE"
    assert precordia("models", "alias", "theirs", "prod", "--delete")[0] == 0
    assert precordia("models", "delete", "theirs:1")[0] == 0
    listed = precordia("models")[1]
    names = [one["model"] for one in listed["models"]]
    assert "precordia-superclasses" in names
    assert "theirs" not in names
    assert {"InceptionTime", "XceptionTime"} <= {one["network"] for one in listed["networks"]}


def test_training_without_a_dataset_is_refused(precordia: Say) -> None:
    status, document = precordia("train", "--dataset", "nothing", "--name", "mine")
    assert (status, document["error"]["reason"]) == (1, "DATASET_NOT_FOUND")


def test_labelled_ecgs_become_a_model_with_a_report_and_a_card(precordia: Say, study: Path, tmp_path: Path) -> None:
    hints = ("--rate", "100", "--unit", "mV")
    labels = str(study.parent / "labels.csv")
    assert precordia("import", str(study), *hints, "--dataset", "ward", "--labels", labels)[0] == 0
    assert precordia("datasets", "snapshot", "ward", "--split", "train=75%", "--split", "test=25%")[0] == 0
    small = ("--rate", "50", "--duration", "4", "--epochs", "2", "--batch-size", "2", "--threads", "1")
    recipe = ("--augmentation", "off", "--optimizer", "sgd", "--set", "dropout=0", "--validation", "test")
    asked = ("train", "--dataset", "ward:train", "--test", "test", "--name", "ward-1", *small, *recipe)
    answer = CliRunner().invoke(app, [*asked, "--follow", "--json"])
    job = json.loads(answer.stdout)
    assert (answer.exit_code, job["state"], job["result"]["model"]) == (0, "succeeded", "ward-1"), answer.stderr
    assert "epoch 2/2" in answer.stderr
    assert job["request"]["spec"]["method"] == "scratch"

    (model,) = precordia("models", "ward-1")[1]["models"]
    assert (model["origin"], sorted(model["outputs"])) == ("trained", ["MI", "NORM"])
    assert (model["lineage"]["dataset"], model["lineage"]["job"]) == ("ward", job["job"])
    card = CliRunner().invoke(app, ["models", "ward-1"]).stdout
    assert "trained here from scratch as InceptionTime, on dataset ward" in card
    page = tmp_path / "report.html"
    status, document = precordia("models", "report", "ward-1:1", "-o", str(page))
    assert (status, document["report"]) == (0, {"path": str(page), "bytes": page.stat().st_size})
    assert "ward-1" in page.read_text("utf-8")

    again = CliRunner().invoke(app, ["jobs", job["job"], "--follow"])
    assert (again.exit_code, "ward-1 version 1 is trained and kept." in again.stdout) == (0, True)
    assert "precordia predict ecg.dcm --model ward-1" in again.stdout
    shown = CliRunner().invoke(app, ["jobs", "--kind", "train"]).stdout
    assert "2/2 epochs" in shown
    one = precordia("predict", str(study / "ecg0.csv"), *hints, "--model", "ward-1")[1]["predictions"][0]
    assert set(one["scores"]) == {"MI", "NORM"}


def test_a_model_without_a_report_says_why(precordia: Say, tmp_path: Path) -> None:
    file = str(tmp_path / "bare.onnx")
    assert precordia("models", "export", "precordia-superclasses@shipped", "-o", file)[0] == 0
    assert precordia("models", "import", file, "--name", "bare")[0] == 0
    status, document = precordia("models", "report", "bare")
    assert (status, document["error"]["reason"]) == (1, "ARTIFACT_NOT_FOUND")
    assert "trained here" in document["error"]["message"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (("--set", "horoscope=1"), "INVALID_TRAINING_SPEC"),
        (("--recipe", "magic"), "INVALID_TRAINING_SPEC"),
        (("--labels", "LVH"), "INVALID_TRAINING_SPEC"),
        (("--base", "nobody"), "NETWORK_NOT_FOUND"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_it_begins(
    precordia: Say, wrong: tuple[str, str], reason: str
) -> None:
    before = len(precordia("jobs")[1]["jobs"])
    status, document = precordia("train", "--dataset", "ward:train", "--name", "m", *wrong)
    assert (status, document["error"]["reason"]) == (1, reason)
    assert len(precordia("jobs")[1]["jobs"]) == before


def test_a_job_is_called_off_and_says_so(precordia: Say) -> None:
    asked = ("train", "--dataset", "ward:train", "--name", "long", "--epochs", "5000", "--batch-size", "2")
    status, job = precordia(*asked)
    assert status == 0
    assert precordia("jobs", job["job"], "--cancel")[0] == 0
    ended = precordia("jobs", job["job"], "--follow")[1]["jobs"][0]
    assert ended["state"] == "cancelled"


def test_a_job_that_is_not_there_is_said(precordia: Say) -> None:
    assert precordia("jobs", "nothing")[1]["error"]["reason"] == "OPERATION_NOT_FOUND"


def test_without_json_people_get_tables(precordia: Say, dicom_ecg: Path) -> None:
    answer = CliRunner().invoke(app, ["predict", str(dicom_ecg)])
    assert "precordia-superclasses:1" in answer.stdout
    assert "NORM" in answer.stdout
    assert "{" not in answer.stdout


def test_a_version_is_tried_beside_the_one_in_service(precordia: Say, dicom_ecg: Path, tmp_path: Path) -> None:
    for version, shipped in enumerate(("precordia-superclasses", "precordia-superclasses-xception"), start=1):
        bundle = str(tmp_path / f"{shipped}.onnx")
        assert precordia("models", "export", f"{shipped}@shipped", "-o", bundle)[0] == 0
        assert precordia("models", "import", bundle, "--name", "trial")[1]["models"][0]["version"] == version
    assert precordia("models", "alias", "trial", "champion", "1")[0] == 0

    def answering() -> int:
        status, document = precordia("predict", str(dicom_ecg), "--model", "trial@champion")
        assert status == 0
        version: int = document["predictions"][0]["version"]
        return version

    assert answering() == 1
    status, document = precordia("traffic", "trial@champion", "--candidate", "2", "--canary", "100")
    (rule,) = document["traffic"]
    assert (status, rule["model"], rule["canary_percent"]) == (0, "trial@champion", 100)
    deadline = time.monotonic() + 240
    while answering() != 2:  # until the candidate is loaded, the version in service answers
        assert time.monotonic() < deadline
    (seen,) = precordia("traffic")[1]["traffic"]
    assert (seen["canary"]["answered"], seen["canary"]["failed"]) == (1, 0)
    while not (compared := precordia("traffic")[1]["traffic"][0]["by_canary"])["compared"]:
        assert time.monotonic() < deadline  # a copy of the version in service scores the same ECG in idle time
    assert (compared["compared"], compared["skipped"], compared["current"]["answered"]) == (1, 0, 1)
    assert all(0 <= output["max_absolute"] <= 1 for output in compared["outputs"])
    assert max(output["max_absolute"] for output in compared["outputs"]) > 0  # they are two networks
    said = CliRunner().invoke(app, ["traffic"]).output
    rows = [line.split()[:3] for line in said.splitlines()]
    assert all(["trial@champion", "canary", output["name"]] in rows for output in compared["outputs"])
    assert f"{compared['disagreements']} of 1 ECGs scored by both versions are decided differently" in said
    assert precordia("traffic", "trial@champion", "--stop") == (0, {"traffic": []})
    assert answering() == 1
    assert precordia("traffic", "trial@champion", "--candidate", "9", "--shadow", "10")[1]["error"]["reason"]


@pytest.mark.parametrize(
    "words",
    [
        ["trial@champion", "--canary", "5"],
        ["--candidate", "2", "--canary", "5"],
        ["trial@champion", "--candidate", "2"],
        ["trial:1", "--candidate", "2", "--shadow", "5"],
        ["--stop"],
        ["trial", "--stop", "--shadow", "5"],
    ],
)
def test_a_rule_that_is_not_whole_is_wrong_usage(words: list[str]) -> None:
    answer = CliRunner().invoke(app, ["traffic", *words])
    assert answer.exit_code == 2, answer.output
