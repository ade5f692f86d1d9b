"""An encoder without its last layer becomes a base: served under a name that says so, and fine-tuned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file, save

from cli.weights import untrained_head_hint
from precordia.catalog import ModelRef
from precordia.errors import InvalidModel
from precordia.leads import STANDARD_LEADS
from precordia.manifest import Manifest, Task
from precordia.models.ecg_fm import EcgFm, EcgFmConfig
from precordia.models.networks import ECG_FM, Grid
from precordia.models.untrained_head import UNTRAINED_HEAD
from precordia.operation import OperationState
from precordia.training import Method
from services.trainer.weights import published
from tests.precordia.models import published_layouts as layouts
from tests.services.trainer.conftest import Neighbours
from tests.services.trainer.test_fine_tuning import from_base, same
from tests.services.trainer.test_service import finished, training
from tests.services.trainer.weights.test_weights_import import XCEPTION, own_weights

NARROW: dict[str, Any] = {"channels": 32, "width": 64, "layers": 2, "hidden": 128}
SMALL = replace(ECG_FM, build=lambda leads, outputs, _: EcgFm(EcgFmConfig(leads, outputs, heads=4, **NARROW)))
"""ECG-FM with fewer and narrower layers; its tensors bear the same names."""


def pretrained() -> dict[str, torch.Tensor]:
    """As the published file has them, what only pretraining needed included."""
    kept = {"mask_emb": torch.ones(64), "final_proj.weight": torch.ones(8, 64), "final_proj.bias": torch.ones(8)}
    return layouts.tensors(layouts.ecg_fm_encoder(**NARROW)) | kept


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "network", {"ECG-FM": SMALL}.__getitem__)


@pytest.mark.usefixtures("small")
def test_the_command_needs_no_labels_for_a_pretrained_encoder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"model": pretrained()}, tmp_path / "encoder.pt")
    assert published.main(["ECG-FM", str(tmp_path / "encoder.pt"), "--output", str(tmp_path / "made")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["outputs"] == 1
    assert 0 < said["parity"] <= 1e-5
    manifest = Manifest.parse((tmp_path / "made" / "manifest.json").read_bytes())
    assert (manifest.outputs, manifest.origin["head"]) == ((UNTRAINED_HEAD,), "untrained")
    assert (manifest.input.rate_hz, manifest.input.duration_s) == (500, 5)
    assert [step.name for step in manifest.steps] == ["resample", "crop_or_pad", "z_score"]
    kept = load_file(tmp_path / "made" / "weights.safetensors")
    assert kept["layers.1.norm.weight"].equal(pretrained()["encoder.layers.1.final_layer_norm.weight"])
    torch.manual_seed(0)
    assert kept["head.weight"].equal(SMALL.build(12, 1, 0.0).get_parameter("head.weight"))  # the same each time


@pytest.mark.usefixtures("small")
def test_labels_for_an_encoder_are_refused_since_no_output_would_mean_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_to = tmp_path / "encoder.pt"
    torch.save(pretrained(), save_to)
    (tmp_path / "labels.txt").write_text("AF\nMI\n")
    asked = ["ECG-FM", str(save_to), "--output", str(tmp_path / "made"), "--labels", str(tmp_path / "labels.txt")]
    assert published.main(asked) == 1
    assert "Leave the labels out" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_what_is_no_encoder_of_the_network_is_refused(tmp_path: Path) -> None:
    lacking = {key: value for key, value in pretrained().items() if "layers.1.fc1" not in key}
    contract = published.contract(SMALL, leads=("I",), labels=(), grid=Grid(50, 4), head=False)
    twelve = replace(contract, input=replace(contract.input, leads=STANDARD_LEADS))
    with pytest.raises(InvalidModel, match="2 tensors are missing"):
        published.convert(SMALL, lacking, twelve, tmp_path / "made")
    with pytest.raises(InvalidModel, match="1 have another shape"):  # twelve leads in the file
        published.convert(SMALL, pretrained(), contract, tmp_path / "made")
    assert not (tmp_path / "made").exists()


async def test_an_encoder_is_imported_without_labels_and_fine_tuned(tmp_path: Path, neighbours: Neighbours) -> None:
    encoder = {key: value for key, value in own_weights().items() if not key.startswith("head.")}
    unlabelled = replace(XCEPTION, labels=(), task=Task.REGRESSION)
    async with training(tmp_path, neighbours) as precordia:
        base, _ = await precordia.trainer.import_weights("encoder", save(encoder), unlabelled, "encoder.safetensors")
        with pytest.raises(InvalidModel, match="Leave the labels out"):
            await precordia.trainer.import_weights("labelled", save(encoder), XCEPTION, "encoder.safetensors")
        done = await finished(precordia, await precordia.trainer.train("tuned", from_base(Method.HEAD, base="encoder")))
        assert done.state is OperationState.SUCCEEDED, done.error_message
        tuned, files = await precordia.registry.fetch(ModelRef("tuned"), ["weights.safetensors"])
    assert base.manifest.outputs == (UNTRAINED_HEAD,)
    assert "encoder:1 is a base for fine-tuning (precordia train --base encoder" in untrained_head_hint(base)
    assert base.manifest.task is Task.MULTILABEL  # a task without outputs that mean something is none
    assert tuned.manifest.output_names == ("FAST", "WIDE")
    assert tuned.lineage.base_model == "encoder:1"
    assert same(load(files["weights.safetensors"]), encoder) == set(encoder)
