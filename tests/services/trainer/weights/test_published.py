import json
from pathlib import Path

import onnxruntime
import pytest
import torch

from precordia.errors import InvalidModel
from precordia.manifest import Manifest
from precordia.models import ecgfounder
from precordia.models.networks import NET1D, XCEPTION_TIME, Grid
from precordia.onnx_metadata import manifest_from_metadata
from precordia.steps import Step
from services.trainer.weights.published import contract, main
from tests.precordia.models import published_layouts as layouts


def test_a_published_checkpoint_becomes_a_model_with_its_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = layouts.tensors(layouts.dsail_snu(outputs=3))
    torch.save({"state_dict": state}, tmp_path / "weights.pth")
    (tmp_path / "labels.txt").write_text("AF\nLBBB\nPVC\n")
    arguments = ["dsail-snu", str(tmp_path / "weights.pth"), "--output", str(tmp_path / "made")]
    assert main([*arguments, "--labels", str(tmp_path / "labels.txt")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["network"], said["outputs"]) == ("DSAIL-SNU", 3)
    assert said["parity"] <= 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "made" / "model.onnx", providers=["CPUExecutionProvider"])
    found, _ = manifest_from_metadata(
        session.get_modelmeta().custom_metadata_map,
        input_name="ecg",
        input_shape=(None, 12, 1000),
        output_name="scores",
        output_count=3,
    )
    assert found == Manifest.parse((tmp_path / "made" / "manifest.json").read_bytes())
    assert found.output_names == ("AF", "LBBB", "PVC")
    assert found.co_inputs is not None


def test_labels_that_are_not_known_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(layouts.tensors(layouts.dsail_snu()), tmp_path / "weights.pth")
    assert main(["DSAIL-SNU", str(tmp_path / "weights.pth"), "--output", str(tmp_path / "made")]) == 1
    assert "give their labels" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_weights_of_another_network_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(layouts.tensors(layouts.dsail_snu()), tmp_path / "weights.pth")
    (tmp_path / "labels.txt").write_text("A\nB\n")
    arguments = ["XceptionTime", str(tmp_path / "weights.pth"), "--output", str(tmp_path / "made")]
    assert main([*arguments, "--labels", str(tmp_path / "labels.txt"), "--conditioning", "z-score"]) == 1
    assert "not the weights of XceptionTime" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_net1d_alone_means_ecgfounder() -> None:
    assert contract(NET1D, leads=("I",), labels=()) == ecgfounder.manifest(1)
    assert contract(NET1D, leads=("I", "II"), labels=("A", "B")).output_names == ("A", "B")


def test_weights_for_other_leads_than_published_are_no_ecgfounder() -> None:
    with pytest.raises(InvalidModel, match="lead I alone"):
        contract(NET1D, leads=("V1",), labels=())


def test_conditioning_that_nobody_published_is_asked_for_and_taken() -> None:
    with pytest.raises(InvalidModel, match="give the steps"):
        contract(XCEPTION_TIME, leads=("I",), labels=("A",))
    made = contract(XCEPTION_TIME, leads=("i",), labels=("A",), grid=Grid(200.0, 5.0), steps=(Step("z_score"),))
    assert (made.input.leads, made.input.samples, made.steps) == (("I",), 1000, (Step("z_score"),))
