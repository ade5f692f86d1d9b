"""Every network through training and export, as a job takes it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from precordia.leads import STANDARD_LEADS
from precordia.manifest import Activation, InputSpec, Manifest, Output, Task
from precordia.models.ecg_fm import EcgFm, EcgFmConfig
from precordia.models.net1d import Net1D, Net1DConfig
from precordia.models.networks import AGE_AND_SEX, network
from precordia.models.xresnet1d import XResNet1d, XResNet1dConfig
from services.trainer.learning.checkpoints import Checkpoints
from services.trainer.learning.loop import Loop, Run, Trained
from services.trainer.learning.place import Place
from services.trainer.planning.recipe import DEFAULT
from services.trainer.publication.export import check_parity, finished_network, to_onnx
from services.trainer.records.examples import Examples
from tests.services.trainer.synthetic import LABELS, RATE_HZ, ecg

SAMPLES = 200
SMALL: dict[str, Any] = {
    "XceptionTime": lambda leads, outputs, dropout: network("XceptionTime").build(leads, outputs, dropout),
    "xresnet1d101": lambda leads, outputs, dropout: XResNet1d(
        XResNet1dConfig(leads, outputs, blocks=(2, 1, 2, 1), dropout=dropout)
    ),
    "DSAIL-SNU": lambda leads, outputs, dropout: network("DSAIL-SNU").build(leads, outputs, dropout),
    "Net1D": lambda leads, outputs, dropout: Net1D(
        Net1DConfig(leads, outputs, base=32, widths=(32, 48), blocks=(2, 1), dropout=dropout)
    ),
    "ECG-FM": lambda leads, outputs, dropout: EcgFm(
        EcgFmConfig(leads, outputs, channels=32, width=64, layers=2, heads=4, hidden=128, dropout=dropout)
    ),
}
"""The networks; the three deep ones with fewer or narrower layers."""


def examples(count: int, leads: int, beside: bool) -> Examples:
    generator = np.random.default_rng(count)
    kinds = [(number & 1, number >> 1 & 1) for number in range(count)]
    x = np.stack([ecg(fast=bool(fast), wide=bool(wide), generator=generator)[:leads] for fast, wide in kinds])
    ids = [str(number) for number in range(count)]
    people = [(None, None) if number % 3 else (20.0 + number, None) for number in range(count)]
    rows = np.array([AGE_AND_SEX.row(*person) for person in people], dtype=np.float32)
    empty = np.zeros((count, 0), dtype=np.float32)
    return Examples(x, np.arange(count), np.array(kinds, np.float32), empty, ids, ids, rows if beside else None)


def trained(name: str, leads: int, folder: Path) -> tuple[Trained, Run]:
    recipe = DEFAULT.changed({"max_epochs": 1, "batch_size": 8, "crop_s": 2.0, "averaging": 0.5})
    beside = name == "DSAIL-SNU"
    run = Run(
        build=lambda: SMALL[name](leads, 2, recipe.dropout),
        recipe=recipe,
        task=Task.MULTILABEL,
        labels=LABELS,
        train=examples(16, leads, beside),
        validation=examples(8, leads, beside),
        rate_hz=RATE_HZ,
        seed=3,
        digest="plan",
    )
    place, checkpoints = Place(), Checkpoints(folder)
    loop = Loop(run, place=place, checkpoints=checkpoints, report=lambda *_: None, should_stop=lambda: False)
    return loop.train(), run


def manifest(leads: int, beside: bool) -> Manifest:
    return Manifest(
        InputSpec("ecg", STANDARD_LEADS[:leads], RATE_HZ, 4.0),
        Task.MULTILABEL,
        tuple(map(Output, LABELS)),
        activation=Activation.SIGMOID,
        co_inputs=AGE_AND_SEX if beside else None,
    )


@pytest.mark.parametrize("leads", [12, 2])
@pytest.mark.parametrize("name", SMALL)
def test_trains_an_epoch_and_exports_what_it_computes(name: str, leads: int, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    done, run = trained(name, leads, tmp_path)
    start = run.build()
    moved = [key for key, value in done.network.named_parameters() if not torch.equal(value, start.get_parameter(key))]
    assert "head.weight" in moved
    assert np.isfinite([row["train_loss"] for row in done.history]).all()

    finished = finished_network(done.network, 2)
    model = to_onnx(finished, manifest(leads, name == "DSAIL-SNU"))
    sample = run.validation
    assert check_parity(finished, model, np.ascontiguousarray(sample.x), sample.beside) <= 1e-5


def test_age_and_sex_change_the_answer_and_travel_with_their_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    built = finished_network(network("DSAIL-SNU").build(12, 2, 0.0), 2)
    model = to_onnx(built, manifest(12, beside=True))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [(port.name, port.shape[1:]) for port in session.get_inputs()] == [("ecg", [12, 200]), ("age_and_sex", [5])]
    x = np.random.default_rng(0).standard_normal((2, 12, SAMPLES)).astype(np.float32)
    people = [
        np.tile(np.array(row, np.float32), (2, 1)) for row in (AGE_AND_SEX.row(30, None), AGE_AND_SEX.row(90, None))
    ]
    young, old = (session.run(None, {"ecg": x, "age_and_sex": person})[0] for person in people)
    weight = built.get_parameter("head.weight").detach().numpy()[:, 128]
    np.testing.assert_allclose(old - young, np.tile(0.6 * weight, (2, 1)), atol=1e-5)
