"""Training speed: our default loop against the loop of the older platform, same networks, same run.

The older loop, written here after its description (Bickmann et al., J Med Internet Res
2026;28:e81116): 1-D convolutions, eager, a Python list of arrays that each batch of 4 whole ECGs is
stacked from, AdamW. Ours is `services.trainer.learning.loop` with the default recipe: 2-D convolutions
channels last, batches of 32, excerpts of 5 s, augmentation, averaged weights. A third figure is our
loop on whole ECGs without augmentation: what the implementation alone gives. Each round runs all
three in processes of their own, one after the other, so that a busy machine meets them alike. Scores
of the two recipes on held-out records come from benchmarks/older_recipe.py.

    python benchmarks/training.py [--rounds 3] [--samples 256] [--threads 2] [--network XceptionTime]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

BARS = {"InceptionTime": 2.5, "XceptionTime": 1.5}
MOST_WAITING = 0.1  # share of an epoch that may be spent on loading data
RATE_HZ, SECONDS, LEADS, LABELS = 100, 10, 12, 5
KINDS = ("older", "default", "whole")


def main() -> None:
    """Run the rounds and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=256, help="ECGs an epoch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", choices=BARS, action="append", help="one or more; else both")
    parser.add_argument("--kind", choices=KINDS, help="measure one in this process and print it (used by the rounds)")
    options = parser.parse_args()
    names = options.network or list(BARS)
    if options.kind:
        print(json.dumps(measure(options.kind, names[0], options.samples, options.threads)))
        return
    for name in names:
        rounds = [{kind: in_process(kind, name, options) for kind in KINDS} for _ in range(options.rounds)]
        report(name, rounds, options)


def in_process(kind: str, name: str, options: argparse.Namespace) -> dict[str, float]:
    """Figures of one kind, measured in a fresh process; ours with the variables that the engine sets."""
    from services.trainer.local_engine import WORKER_VARIABLES

    command = [sys.executable, __file__, "--kind", kind, "--network", name, "--samples", str(options.samples)]
    environment = dict(os.environ) if kind == "older" else {**os.environ, **WORKER_VARIABLES}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [*command, "--threads", str(options.threads)], env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(kind: str, name: str, samples: int, threads: int) -> dict[str, float]:
    """Ms per ECG: forward, backward, optimizer step and making the batch; share of the time spent on data."""
    import torch

    torch.set_num_threads(threads)
    return older_loop(name, samples) if kind == "older" else our_loop(name, samples, whole=kind == "whole")


def older_loop(name: str, samples: int) -> dict[str, float]:
    """A list of arrays, batches of 4, 1-D convolutions, eager."""
    import numpy as np
    import torch

    generator = np.random.default_rng(0)
    ecgs = [generator.standard_normal((LEADS, RATE_HZ * SECONDS), dtype=np.float32) for _ in range(samples)]
    targets = [(generator.random(LABELS) < 0.3).astype(np.float32) for _ in range(samples)]
    network = one_dimensional(name).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    started = loading = 0.0
    for _ in range(2):  # the first warms up
        started, loading = time.perf_counter(), 0.0
        for rows in np.array_split(generator.permutation(samples), samples // 4):
            asked = time.perf_counter()
            x = torch.from_numpy(np.array([ecgs[row] for row in rows]))
            y = torch.from_numpy(np.array([targets[row] for row in rows]))
            loading += time.perf_counter() - asked
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    seconds = time.perf_counter() - started
    return {"ms": seconds / samples * 1000, "data": loading / seconds}


def one_dimensional(name: str):
    """The same network with 1-D layers; checked to compute the same."""
    import torch

    from precordia.models.networks import network

    torch.manual_seed(0)
    source = network(name).build(LEADS, LABELS, 0.0).eval()
    torch.manual_seed(0)
    made = flattened(network(name).build(LEADS, LABELS, 0.0)).eval()
    x = torch.randn(2, LEADS, 200)
    with torch.no_grad():
        torch.testing.assert_close(made(x), source(x), atol=1e-5, rtol=1e-5)
    return made


def flattened(module):
    """The module with each 2-D layer replaced by a 1-D twin; what lies between them are views."""
    from torch import nn

    class Flat(nn.Module):
        def __init__(self, twin: nn.Module) -> None:
            super().__init__()
            self.twin = twin

        def forward(self, x):
            return self.twin(x.squeeze(2)).unsqueeze(2)

    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            size, padding, groups = child.kernel_size[1], child.padding[1], child.groups
            twin = nn.Conv1d(child.in_channels, child.out_channels, size, padding=padding, groups=groups, bias=False)
            assert child.bias is None
            twin.weight.data.copy_(child.weight.data[:, :, 0])
            setattr(module, name, Flat(twin))
        elif isinstance(child, nn.BatchNorm2d):
            setattr(module, name, Flat(nn.BatchNorm1d(child.num_features)))
        elif isinstance(child, nn.MaxPool2d):
            setattr(module, name, Flat(nn.MaxPool1d(3, stride=1, padding=1)))
        else:
            setattr(module, name, flattened(child))
    return module


def our_loop(name: str, samples: int, *, whole: bool) -> dict[str, float]:
    """The trainer's own loop; whole = no excerpts, no augmentation."""
    import numpy as np

    from precordia.manifest import Task
    from precordia.models.networks import network
    from services.trainer.learning.checkpoints import Checkpoints
    from services.trainer.learning.loop import Loop, Run
    from services.trainer.learning.place import Place
    from services.trainer.planning.recipe import DEFAULT
    from services.trainer.records.examples import Examples

    nothing = {"crop_s": 0, "mixup": 0, "lead_dropout": 0, "scale": 0, "noise": 0, "wander": 0}
    recipe = DEFAULT.changed({"max_epochs": 2} | (nothing if whole else {}))
    generator = np.random.default_rng(0)
    ids = [str(number) for number in range(samples)]
    examples = Examples(
        x=generator.standard_normal((samples, LEADS, RATE_HZ * SECONDS), dtype=np.float32),
        record=np.arange(samples),
        y=(generator.random((samples, LABELS)) < 0.3).astype(np.float32),
        auxiliary=np.zeros((samples, 0), dtype=np.float32),
        patients=ids,
        recording_ids=ids,
    )
    run = Run(
        build=lambda: network(name).build(LEADS, LABELS, recipe.dropout),
        recipe=recipe,
        task=Task.MULTILABEL,
        labels=tuple("abcde"),
        train=examples,
        validation=examples.only(np.arange(2)),
        rate_hz=RATE_HZ,
        seed=0,
        digest="benchmark",
    )
    epochs: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:

        def report(kind: str, payload: object) -> None:
            if kind == "epoch" and isinstance(payload, dict):
                epochs.append(dict(payload))

        loop = Loop(run, place=Place(), checkpoints=Checkpoints(Path(folder)), report=report, should_stop=lambda: False)
        loop.train()
    seen = samples // recipe.batch_size * recipe.batch_size
    seconds, waited = epochs[-1]["seconds"], epochs[-1]["data_seconds"]
    return {"ms": seconds / seen * 1000, "data": waited / seconds}


def report(name: str, rounds: list[dict[str, dict[str, float]]], options: argparse.Namespace) -> None:
    """Print figures, spread and ratios."""
    import torch

    print(f"Training {name}, ms per ECG; {options.threads} threads, {options.samples} ECGs an epoch")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}"
    )
    for kind in KINDS:
        values = sorted(row[kind]["ms"] for row in rounds)
        share = median(row[kind]["data"] for row in rounds)
        spread = f"({values[0]:.2f} to {values[-1]:.2f}, {len(values)} rounds)"
        print(f"  {kind:8} {median(values):6.2f}  {spread}  waiting for data {share:.1%}")
    for kind in KINDS[1:]:
        ratio = median(row["older"]["ms"] / row[kind]["ms"] for row in rounds)
        bar = BARS[name]
        verdict = f"bar {bar}: {'met' if ratio >= bar else 'missed'}" if kind == "default" else "implementation alone"
        print(f"older / {kind}: {ratio:.2f} ({verdict})")
    waiting = median(row["default"]["data"] for row in rounds)
    print(f"data {waiting:.1%} of an epoch (bar {MOST_WAITING:.0%}: {'met' if waiting < MOST_WAITING else 'missed'})")


if __name__ == "__main__":
    main()
