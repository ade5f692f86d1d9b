"""Weights as their authors keep them become models over the wire, and nothing of them is executed."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from precordia.catalog import Artifact, ModelRef
from precordia.dataset import SplitRef
from precordia.errors import (
    ChecksumMismatch,
    InvalidArgument,
    InvalidModel,
    NetworkNotFound,
    TooLarge,
)
from precordia.manifest import Task
from precordia.models.networks import AGE_AND_SEX, XCEPTION_TIME
from precordia.rpc.convert.training import weights_contract_from_proto, weights_contract_to_proto
from precordia.steps import Step
from precordia.training import Method, TrainingSpec, WeightsContract
from services.trainer.job.folder import JobFolder
from services.trainer.planning.bases import pin_base
from services.trainer.trainer import WeightsUpload
from services.trainer.weights.upload import ORDER, WeightsOrder, contract_to_json
from services.trainer.weights.worker import convert
from tests.precordia.models import published_layouts as layouts
from tests.services.trainer.conftest import Neighbours
from tests.services.trainer.test_service import training

SMALL_INPUT = {"sample_rate_hz": 50.0, "duration_s": 4.0}
XCEPTION = WeightsContract(
    "xceptiontime", ("A", "B"), leads=("I", "V1"), conditioning=(Step("z_score"),), **SMALL_INPUT
)


def pth(value: Any) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


def own_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(4)
    return XCEPTION_TIME.build(2, 2, 0.0).state_dict()


async def test_weights_become_models_that_can_be_started_from(tmp_path: Path, neighbours: Neighbours) -> None:
    weights = own_weights()
    authors = pth({"state_dict": layouts.tensors(layouts.dsail_snu(outputs=3))})
    async with training(tmp_path, neighbours) as precordia:
        mine, created = await precordia.trainer.import_weights(
            "mine", save(weights), XCEPTION, "mine.safetensors", aliases=["best"]
        )
        theirs, _ = await precordia.trainer.import_weights(
            "theirs", authors, WeightsContract("DSAIL-SNU", ("AF", "LBBB", "PVC"), **SMALL_INPUT), "theirs.pth"
        )
        again = await precordia.trainer.import_weights("mine", pth(weights), XCEPTION, "mine.pt")
        _, files = await precordia.registry.fetch(ModelRef("mine", alias="best"), ["weights.safetensors"])
        spec = TrainingSpec(SplitRef("made"), "theirs", Method.ALL)
        base = await pin_base(precordia, spec)
    assert created
    assert (again[0].version, again[1]) == (1, False)  # another file, the same weights
    kept = load(files["weights.safetensors"])
    assert all(kept[key].equal(value) for key, value in weights.items())
    assert mine.manifest.input.leads == ("I", "V1")
    assert mine.manifest.output_names == ("A", "B")
    assert mine.lineage.origin == "imported"
    assert (theirs.manifest.co_inputs, theirs.manifest.output_names) == (AGE_AND_SEX, ("AF", "LBBB", "PVC"))
    assert base is not None
    assert (base.network, set(base.files)) == ("DSAIL-SNU", {"weights.safetensors"})
    assert list((tmp_path / "trainer" / "uploads").iterdir()) == []


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("contract", "content", "name", "words"),
    [
        (XCEPTION, pickle.dumps(Evil(), protocol=2), "weights.pt", "cannot be read|never loaded"),
        (XCEPTION, b"no weights", "weights.safetensors", "cannot be read"),
        (XCEPTION, save({"a": torch.zeros(2)}), "weights.safetensors", "not the weights of XceptionTime"),
        (
            WeightsContract("XceptionTime"),
            save(own_weights()),
            "weights.safetensors",
            r"give their labels: .*--labels FILE",
        ),
        (replace(XCEPTION, labels=("A",)), save(own_weights()), "weights.safetensors", "2 outputs, and 1 labels"),
        (
            replace(XCEPTION, conditioning=()),
            save(own_weights()),
            "weights.safetensors",
            r"give the steps .*--conditioning band-pass",
        ),
    ],
    ids=["pickle", "damaged", "another network's", "no labels", "too few labels", "no conditioning"],
)
def test_what_are_not_the_weights_is_refused_in_words(
    tmp_path: Path, contract: WeightsContract, content: bytes, name: str, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    JobFolder(tmp_path).write(ORDER, {"file": name, "contract": contract_to_json(contract)})
    with pytest.raises(InvalidModel, match=words):
        convert(tmp_path)
    assert not (tmp_path / "outputs").exists()


async def test_a_refusal_crosses_the_wire_and_leaves_nothing(
    tmp_path: Path, neighbours: Neighbours, capfd: pytest.CaptureFixture[str]
) -> None:
    async with training(tmp_path, neighbours) as precordia:
        with pytest.raises(InvalidModel, match="never loaded"):
            await precordia.trainer.import_weights("m", pth({"state_dict": Evil()}), XCEPTION, "w.pth")
        with pytest.raises(NetworkNotFound, match="No network"):
            await precordia.trainer.import_weights("m", b"", WeightsContract("ResNet", ("A",)), "w.pth")
        with pytest.raises(InvalidArgument, match="ends in"):
            await precordia.trainer.import_weights("m", b"", XCEPTION, "w.pkl")
        assert await precordia.registry.models() == []
    assert "executed" not in capfd.readouterr().out
    assert list((tmp_path / "trainer" / "uploads").iterdir()) == []


def order(content: bytes) -> WeightsOrder:
    file = Artifact("w.pth", hashlib.sha256(content).hexdigest(), len(content))
    return WeightsOrder("m", XCEPTION, file)


async def test_an_upload_is_bounded_and_checked(tmp_path: Path) -> None:
    with WeightsUpload(tmp_path, 100) as upload, pytest.raises(TooLarge):
        upload.take(order(bytes(101)))
    with WeightsUpload(tmp_path, 100) as upload:
        with pytest.raises(InvalidArgument, match="header"):
            upload.take(b"early")
        upload.take(order(b"four"))
        with pytest.raises(InvalidArgument, match="twice"):
            upload.take(order(b"four"))
        with pytest.raises(ChecksumMismatch, match="More bytes"):
            upload.take(b"five!")
    with WeightsUpload(tmp_path, 100) as upload:
        upload.take(order(b"four"))
        upload.take(b"fou")
        with pytest.raises(ChecksumMismatch, match="damaged"):
            await upload.convert()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_service_left_is_removed_a_day_later(tmp_path: Path) -> None:
    old, new = tmp_path / "weights-old", tmp_path / "weights-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "weights.pth").write_bytes(b"half")
    os.utime(old, (0, 0))
    with WeightsUpload(tmp_path, 100):
        assert not old.exists()
        assert new.exists()


def test_a_contract_of_weights_comes_back() -> None:
    for contract in (XCEPTION, WeightsContract("Net1D"), WeightsContract("Net1D", ("qtc_ms",), Task.REGRESSION)):
        assert weights_contract_from_proto(weights_contract_to_proto(contract)) == contract
    with pytest.raises(InvalidArgument, match="name it"):
        weights_contract_from_proto(weights_contract_to_proto(WeightsContract("")))
