"""Held-out scores of our defaults against the older platform's recipe, same networks, same records.

Records of ptbxl-z with exactly one of the five superclasses and that one NORM, STTC or CD; folds 1-5
to train, folds 6 and 7 to test; from scratch. Both sides get the same conditioned samples, leads and
network code, and keep their own habits:

- theirs, after Bickmann et al., J Med Internet Res 2026;28:e81116: a random stratified 80/20 split
  that does not look at patients, batches of 4, AdamW, a learning-rate range test on the validation
  part, ExponentialLR 0.9, at most 50 epochs, early stopping, and a checkpoint that is replaced when
  the validation loss is lower by 1 % and the weighted F1 higher by 2 %;
- ours: recipe "default", validation drawn by patient, weights of the last epoch, averaged.

Each run is a process of its own; a line of JSON a run goes to --results, and runs found there are
not done again. Last come mean and spread over the seeds.

    PRECORDIA_TESTDATA=... python benchmarks/older_recipe.py [--seeds 0 1 2] [--threads 2]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

NETWORKS = ("InceptionTime", "XceptionTime")
CLASSES = ("NORM", "STTC", "CD")
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
TRAIN_FOLDS, TEST_FOLDS = range(1, 6), range(6, 8)
RATE_HZ = 100.0

Array = NDArray[np.float32]


def main() -> None:
    """Run what is missing and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path("older_recipe.jsonl"))
    parser.add_argument("--run", nargs=3, metavar=("SIDE", "NETWORK", "SEED"), help="one run in this process")
    options = parser.parse_args()
    if "PRECORDIA_TESTDATA" not in os.environ:
        raise SystemExit("PRECORDIA_TESTDATA names no folder with ptbxl-z, so there is nothing to learn from.")
    if options.run:
        side, name, seed = options.run
        print(json.dumps(one_run(side, name, int(seed), options.threads)))
        return
    done = _done(options.results)
    for seed in options.seeds:
        for name in NETWORKS:
            for side in ("older", "ours"):
                if (side, name, seed) not in done:
                    done[side, name, seed] = _in_process(side, name, seed, options)
    compare(done, options.seeds)


def _done(path: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {(row["side"], row["network"], row["seed"]): row for row in rows}


def _in_process(side: str, name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    from services.trainer.local_engine import WORKER_VARIABLES

    root = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, __file__, "--run", side, name, str(seed), "--threads", str(options.threads)]
    environment = {**os.environ, **WORKER_VARIABLES, "PYTHONPATH": root}
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    row: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    with options.results.open("a") as opened:
        opened.write(json.dumps(row) + "\n")
    print(json.dumps(row), flush=True)
    return row


def compare(done: dict[tuple[str, str, int], dict[str, Any]], seeds: list[int]) -> None:
    """Mean and spread of each side, and whether ours is above."""
    for name in NETWORKS:
        for figure in ("f1_weighted", "auroc_macro"):
            values = {side: [done[side, name, seed][figure] for seed in seeds] for side in ("older", "ours")}
            said = "   ".join(
                f"{side} {mean(found):.4f} ± {stdev(found) if len(found) > 1 else 0:.4f}"
                for side, found in values.items()
            )
            above = mean(values["ours"]) > mean(values["older"])
            print(f"{name:14} {figure:12} {said}   {'above' if above else 'NOT above'}")


def one_run(side: str, name: str, seed: int, threads: int) -> dict[str, Any]:
    """Train once and score the test folds."""
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    started = time.monotonic()
    records = load()
    train_side = older if side == "older" else ours
    scores, epochs, rate = train_side(name, seed, records)
    found = figures(records["y_test"], scores)
    seconds = round(time.monotonic() - started)
    facts = {"side": side, "network": name, "seed": seed, "epochs": epochs, "learning_rate": rate, "seconds": seconds}
    return {**facts, "n_train": len(records["x"]), "n_test": len(records["x_test"]), **found}


def load() -> dict[str, Any]:
    """The records of one superclass, by part, and the further labels that our defaults learn beside."""
    folder = Path(os.environ["PRECORDIA_TESTDATA"]) / "ptbxl-z"
    with (folder / "labels.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    x = np.load(folder / "signals_100hz.npz")["x"].astype(np.float32).transpose(0, 2, 1) * np.float32(0.001)
    one = [sum(row[f"super_class:{label}"] == "1" for label in SUPERCLASSES) == 1 for row in rows]
    known = [any(row[f"super_class:{label}"] == "1" for label in CLASSES) for row in rows]
    fold = np.array([int(row["strat_fold"]) for row in rows])
    kept = np.array(one) & np.array(known)
    further = [column for column in rows[0] if column.split(":")[0] in ("sub_class", "rhythm", "form")]
    parts = {"": kept & np.isin(fold, TRAIN_FOLDS), "_test": kept & np.isin(fold, TEST_FOLDS)}
    found: dict[str, Any] = {}
    for suffix, mask in parts.items():
        index = np.flatnonzero(mask)
        found[f"x{suffix}"] = np.ascontiguousarray(x[index])
        found[f"y{suffix}"] = _columns(rows, index, [f"super_class:{label}" for label in CLASSES])
        found[f"further{suffix}"] = _columns(rows, index, further)
        found[f"patients{suffix}"] = [rows[row]["patient_id"] for row in index]
    return found


def _columns(rows: list[dict[str, str]], index: NDArray[np.int64], names: list[str]) -> Array:
    return np.array([[float(rows[row][name]) for name in names] for row in index], dtype=np.float32)


def figures(truth: Array, scores: NDArray[np.float64]) -> dict[str, float]:
    """Weighted F1 and macro AUROC, by scikit-learn."""
    from sklearn.metrics import f1_score, roc_auc_score

    called, true = scores.argmax(axis=1), truth.argmax(axis=1)
    return {
        "f1_weighted": float(f1_score(true, called, average="weighted")),
        "auroc_macro": float(roc_auc_score(truth, scores, average="macro")),
    }


def ours(name: str, seed: int, records: dict[str, Any]) -> tuple[NDArray[np.float64], int, float]:
    """Recipe "default" through the trainer's own loop."""
    import tempfile

    from precordia.manifest import Task
    from precordia.models.networks import network
    from services.trainer.learning.checkpoints import Checkpoints
    from services.trainer.learning.loop import Loop, Run
    from services.trainer.learning.place import Place
    from services.trainer.learning.scoring import predict_logits, scores_of
    from services.trainer.planning.recipe import DEFAULT
    from services.trainer.records.examples import Examples, draw_validation

    def examples(suffix: str) -> Examples:
        x = records[f"x{suffix}"]
        ids = [str(row) for row in range(len(x))]
        patients = records[f"patients{suffix}"]
        return Examples(x, np.arange(len(x)), records[f"y{suffix}"], records[f"further{suffix}"], patients, ids)

    whole, kind = examples(""), network(name)
    training, validation = draw_validation(whole.y, whole.patients, fraction=DEFAULT.validation_fraction, seed=seed)
    outputs = len(CLASSES) + whole.auxiliary.shape[1]
    run = Run(
        build=lambda: kind.build(12, outputs, DEFAULT.dropout),
        recipe=DEFAULT,
        task=Task.MULTICLASS,
        labels=CLASSES,
        train=whole.only(training),
        validation=whole.only(validation),
        rate_hz=RATE_HZ,
        seed=seed,
        digest="benchmark",
    )
    with tempfile.TemporaryDirectory() as folder:
        loop = Loop(
            run,
            place=Place(),
            checkpoints=Checkpoints(Path(folder)),
            report=lambda kind, payload: None,
            should_stop=lambda: False,
        )
        trained = loop.train()
    logits = predict_logits(trained.network, examples("_test"), len(CLASSES))
    return scores_of(Task.MULTICLASS, logits), len(trained.history), trained.learning_rate


MOST_EPOCHS, PATIENCE, BATCH, GAMMA = 50, 10, 4, 0.9


def older(name: str, seed: int, records: dict[str, Any]) -> tuple[NDArray[np.float64], int, float]:
    """The older platform's recipe."""
    import copy

    import torch
    from sklearn.model_selection import train_test_split

    from precordia.models.networks import network

    x, y = torch.from_numpy(records["x"]), torch.from_numpy(records["y"]).argmax(dim=1)
    train, held = train_test_split(np.arange(len(x)), test_size=0.2, stratify=y.numpy(), random_state=seed)
    torch.manual_seed(seed)
    model = network(name).build(12, len(CLASSES), 0.0).to(memory_format=torch.channels_last)
    rate = _range_test(model, x[held], y[held], seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, GAMMA)
    generator = np.random.default_rng(seed)
    kept, best_loss, best_f1 = copy.deepcopy(model.state_dict()), np.inf, 0.0
    losses: list[float] = []
    while len(losses) < MOST_EPOCHS and len(losses) - int(np.argmin(losses or [0])) <= PATIENCE:
        model.train()
        order = generator.permutation(train)
        for start in range(0, len(order) - 1, BATCH):
            _step(model, optimizer, x[order[start : start + BATCH]], y[order[start : start + BATCH]])
        schedule.step()
        loss, f1 = _validated(model, x[held], y[held])
        if loss < 0.99 * best_loss and f1 > 1.02 * best_f1:
            kept, best_loss, best_f1 = copy.deepcopy(model.state_dict()), loss, f1
        losses.append(loss)
    model.load_state_dict(kept)
    return _softmax(model, torch.from_numpy(records["x_test"])).double().numpy(), len(losses), rate


def _step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> float:
    import torch

    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def _range_test(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, seed: int) -> float:
    """The rate where the loss falls most steeply as the rate rises, on the part that the model is judged by."""
    import copy

    import torch

    trial, steps = copy.deepcopy(model), 100
    rates = np.geomspace(1e-6, 1.0, steps)
    optimizer = torch.optim.AdamW(trial.parameters(), lr=rates[0])
    generator, losses = np.random.default_rng(seed), []
    trial.train()
    for rate in rates:
        rows = generator.choice(len(x), BATCH, replace=False)
        optimizer.param_groups[0]["lr"] = float(rate)
        losses.append(_step(trial, optimizer, x[rows], y[rows]))
        if not losses[-1] < 10 * losses[0]:
            break
    smooth = np.convolve(np.pad(np.nan_to_num(losses, nan=1e3), 5, mode="edge"), np.ones(11) / 11, mode="valid")
    return float(rates[int(np.argmin(np.gradient(smooth)))])


def _validated(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    import torch
    from sklearn.metrics import f1_score

    scores = _softmax(model, x)
    loss = float(torch.nn.functional.nll_loss(scores.clamp_min(1e-12).log(), y))
    return loss, float(f1_score(y.numpy(), scores.argmax(dim=1).numpy(), average="weighted"))


def _softmax(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    import torch

    model.eval()
    with torch.no_grad():
        return torch.cat([torch.softmax(model(part), dim=1) for part in x.split(32)])


if __name__ == "__main__":
    main()
