"""Training on the command line: settings, the live view, the summary, the model's card."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from cli.following import detachable
from cli.model_card import card_lines, origin_text
from cli.output import Output
from cli.settings import parse_settings
from cli.training_summary import figure_lines
from cli.training_view import TrainingView, sparkline
from cli.training_wish import TrainingWish, sibling, spec_of
from cli.weights import is_weights, weights_contract
from precordia.catalog import Artifact, Lineage, ModelRef, ModelVersion
from precordia.dataset import LabelGroup, Snapshot, SplitCount, SplitRef
from precordia.errors import ModelNotFound
from precordia.manifest import InputSpec, Manifest, Task
from precordia.manifest import Output as ModelOutput
from precordia.operation import OperationEvent
from precordia.steps import parse_step
from precordia.training import Method, NetworkInfo, TrainingSpec
from precordia.training_progress import TrainingFacts, TrainingProgress

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_settings_are_numbers_where_they_read_as_numbers_and_text_elsewhere() -> None:
    texts = ["mixup=0.2", "max-epochs=5", "keep=best_loss", 'networks=["A","B"]', "fast=true"]
    assert parse_settings(texts, {"optimizer": "sgd", "folds": None}) == {
        "optimizer": "sgd",
        "mixup": 0.2,
        "max_epochs": 5,
        "keep": "best_loss",
        "networks": ["A", "B"],
        "fast": True,
    }


@pytest.mark.parametrize("wrong", [["mixup"], ["=1"], ["mixup=NaN"], ["optimizer=adam"], ["a=1", "a=2"]])
def test_a_setting_that_makes_no_sense_is_wrong_usage(wrong: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        parse_settings(wrong, {"optimizer": "sgd"})


def test_a_sparkline_spans_its_values_and_means_neighbours_where_there_are_too_many() -> None:
    assert sparkline([0.0, 0.5, 1.0], 10) == "▁▅█"
    assert sparkline([0.0, 0.0, 1.0, 1.0], 2) == "▁█"
    assert sparkline([None, 1.0, 3.0], 10) == " ▁█"
    assert sparkline([None], 10) == ""
    assert sparkline([2.0, 2.0], 10) == "▁▁"


def shown(view: TrainingView) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(view.render())
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_the_live_view_shows_phase_progress_figures_and_the_best_epoch() -> None:
    view = TrainingView("job-1", TrainingFacts("mine", "InceptionTime", "scratch", "study:train", "default"))
    assert "waiting" in shown(view)
    events: list[tuple[str, dict[str, Any]]] = [("state", {"state": "running", "attempt": 1})]
    for number, loss in enumerate((0.5, 0.25, 0.375), start=1):
        figures = {"train_loss": 0.5, "validation_loss": loss, "auroc_macro": 0.75, "seconds": 2.0}
        events.append(("epoch", {"epoch": number, "epochs": 4, **figures}))
    for number, (kind, payload) in enumerate(events, start=1):
        view.progress = view.progress.after(OperationEvent(number, kind, payload, AT))
    text = shown(view)
    assert "Training mine   InceptionTime · scratch · study:train" in text
    assert "✓ fetch and condition   ● train   ○ evaluate and export" in text
    assert "epoch 3/4" in text
    assert "★ epoch 2" in text
    assert [line.split() for line in text.splitlines() if "validation loss" in line] == [
        ["validation", "loss", "0.3750", "0.2500", "█▁▅"]
    ]
    assert "ctrl+c leaves" in text
    view.away = True
    assert "does not answer; trying again" in shown(view)
    view.away = False
    view.progress = view.progress.after(OperationEvent(9, "state", {"state": "cancelled"}, AT))
    assert "✗ train" in shown(view)
    assert "called off after epoch 3" in shown(view)


def test_who_leaves_is_told_how_to_come_back_and_ends_with_the_status_of_an_interrupt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def left() -> None:
        async with detachable(Output(as_json=True), "job-1"):
            raise asyncio.CancelledError

    with pytest.raises(typer.Exit) as end:
        asyncio.run(left())
    said = capsys.readouterr().err
    assert end.value.exit_code == 130
    assert "precordia jobs job-1 --follow" in said
    assert "precordia jobs job-1 --cancel" in said


def test_the_summary_says_figures_with_intervals_and_who_was_measured() -> None:
    report = {
        "parts": {"test": {"records": 185, "patients": 180}},
        "test": {"auroc_macro": 0.9441, "auroc_macro_interval": [0.92, 0.96], "f1_weighted": 0.7, "f1_macro": None},
        "validation": {"auroc_macro": None},
    }
    assert figure_lines(report) == [
        "Held-out test (185 ECGs of 180 patients): "
        "macro AUROC 0.944 (95 % interval 0.920 to 0.960), weighted F1 0.700.",
        "Validation: not measurable.",
    ]


def test_intervals_come_from_the_whole_evaluation_where_a_report_has_it() -> None:
    whole = {"intervals": {"metrics": {"f1_weighted": [0.6, 0.8]}, "per_class": {}}}
    report = {
        "validated_on": "out_of_fold",
        "validation": {"n": 900, "patients": 850, "f1_weighted": 0.7},
        "evaluations": {"validation": whole},
    }
    assert figure_lines(report) == [
        "Out of fold (900 ECGs of 850 patients): weighted F1 0.700 (95 % interval 0.600 to 0.800)."
    ]


def test_estimated_values_have_a_line_each() -> None:
    outputs = {"qtc_ms": {"mae": 12.5, "rmse": None}, "age": {"mae": None}}
    report = {
        "test": {"n": 9, "patients": 8, "per_output": outputs},
        "evaluations": {"test": {"intervals": {"metrics": {}, "per_class": {"qtc_ms": {"mae": [10.0, 15.0]}}}}},
    }
    assert figure_lines(report) == [
        "Held-out test (9 ECGs of 8 patients), qtc_ms: mean absolute error 12.500 (95 % interval 10.000 to 15.000).",
        "Held-out test (9 ECGs of 8 patients), age: not measurable.",
    ]


def test_figures_of_the_validation_part_alone_are_called_flattering() -> None:
    lines = figure_lines({"validation": {"auroc_macro": 0.9}})
    assert lines[0] == "Validation: macro AUROC 0.900."
    assert "flatters" in lines[1]


class Neighbours:
    """A trainer that knows one network, an ingest that knows one snapshot, a registry that knows one model."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.trainer = self.ingest = self.registry = self
        self._snapshot = snapshot

    async def networks(self) -> list[NetworkInfo]:
        return [NetworkInfo("InceptionTime", "", 1, "")]

    async def get(self, ref: ModelRef) -> None:
        if ref.name != "mine":
            raise ModelNotFound("No such model.")

    async def snapshots(self, dataset: str) -> list[Snapshot]:
        return [self._snapshot] if dataset == self._snapshot.dataset else []


GROUPS = (LabelGroup("super_class", (("MI", 3),)), LabelGroup("rhythm", (("AFIB", 2), ("SR", 5))))
SNAPSHOT = Snapshot("snap-1", "study", "d", (SplitCount("train", 5, 5), SplitCount("test", 2, 2)), GROUPS)


def completed(wish: TrainingWish, **settings: Any) -> TrainingSpec:
    spec = TrainingSpec(train=wish.train, base=wish.base, **settings)
    pinned = SplitRef(wish.train.dataset, wish.train.split, "snap-1")
    neighbours: Any = Neighbours(SNAPSHOT)
    return asyncio.run(spec_of(neighbours, Output(as_json=True), wish, spec, pinned))


def test_a_network_starts_from_scratch_and_a_model_goes_on_in_all_layers(capsys: pytest.CaptureFixture[str]) -> None:
    train = SplitRef("study", "train")
    assert completed(TrainingWish(train, "InceptionTime")).method is Method.SCRATCH
    assert completed(TrainingWish(train, "auto")).method is Method.SCRATCH
    assert completed(TrainingWish(train, "mine:2")).method is Method.ALL
    assert "mine:2 is a model" in capsys.readouterr().err
    assert completed(TrainingWish(train, "mine", Method.HEAD)).method is Method.HEAD
    assert completed(TrainingWish(train, "inceptiontime")).method is Method.ALL
    assert "inceptiontime is a model" not in capsys.readouterr().err


def test_labels_choose_their_group(capsys: pytest.CaptureFixture[str]) -> None:
    wish = TrainingWish(SplitRef("study", "train"), "InceptionTime")
    assert completed(wish).label_group == "super_class"
    assert completed(wish, labels=("AFIB",)).label_group == "rhythm"
    assert "group rhythm; others are: super_class" in capsys.readouterr().err
    assert completed(wish, labels=("QTc",), task=Task.REGRESSION).label_group == ""


def test_a_split_dataset_that_is_taken_whole_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    completed(TrainingWish(SplitRef("study", "train"), "InceptionTime"))
    assert "all records" not in capsys.readouterr().err
    completed(TrainingWish(SplitRef("study"), "InceptionTime"))
    assert "--dataset study:train" in capsys.readouterr().err


def test_other_splits_are_of_the_same_snapshot_unless_they_name_a_dataset() -> None:
    pinned = SplitRef("study", "train", "snap-1")
    assert sibling(pinned, "test") == SplitRef("study", "test", "snap-1")
    assert sibling(pinned, "ward:test") == SplitRef("ward", "test")
    assert sibling(pinned, "") is None


def test_a_card_says_contract_operating_points_origin_and_figures() -> None:
    manifest = Manifest(
        InputSpec("ecg", ("I", "II"), 100.0, 10.0, optional_leads=("II",)),
        Task.MULTILABEL,
        (ModelOutput("MI"), ModelOutput("CD")),
        (parse_step("band-pass:0.5-40"),),
        label_group="super_class",
    )
    lineage = Lineage(
        "finetuned",
        base_model="base:1",
        dataset="study",
        snapshot_digest="abcdef0123456789",
        training_job="job-1",
        details_json='{"recipe": "fine_tune", "seed": 3, "test": {"auroc_macro": 0.91}}',
    )
    points = '{"thresholds": {"MI": 0.31}, "temperature": 1.7}'
    version = ModelVersion("mine", 2, "d1", manifest, (Artifact("model.onnx", "", 1_850_000),), lineage)
    card = "\n".join(card_lines(ModelVersion(**vars(version) | {"operating_points_json": points})))
    assert "2 leads (I II), 10 s at 100 Hz, mV; without II too" in card
    assert "band_pass (" in card
    assert "MI 0.31" in card
    assert "temperature    1.7" in card
    assert (
        "trained further here from base:1, on dataset study (snapshot abcdef012345), recipe fine_tune, seed 3" in card
    )
    assert "Held-out test: macro AUROC 0.910." in card
    assert "model.onnx 1.85 MB" in card
    assert origin_text(Lineage("imported")) == "imported"
    assert origin_text(Lineage("imported", details_json="[]")) == "imported"


def test_progress_of_a_job_that_nobody_began_is_waiting() -> None:
    assert "waiting" in shown(TrainingView("job", TrainingFacts("m", "b", "s", "d", "r")))
    assert TrainingProgress().share is None


def test_weights_need_their_network_and_say_what_their_outputs_mean(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("MI\n\n CD \n", "utf-8")
    contract = weights_contract("Net1D", file, Task.MULTILABEL, "I,II", 500.0, 10.0, "z-score")
    assert (contract.network, contract.labels, contract.leads) == ("Net1D", ("MI", "CD"), ("I", "II"))
    assert contract.conditioning == (parse_step("z-score"),)
    assert [is_weights(Path(name)) for name in ("a.pth", "a.PT", "a.safetensors", "a.onnx")] == [True] * 3 + [False]
    with pytest.raises(typer.BadParameter, match="--network NAME"):
        weights_contract("", None, None, None, None, None, None)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(typer.BadParameter):
        weights_contract("Net1D", file, None, None, None, None, None)
