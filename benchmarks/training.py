"""Training speed: our default loop against the loop of the older platform, same network, same run.

The older loop, written here after its description (Bickmann et al., J Med Internet Res
2026;28:e81116): InceptionTime with 1-D convolutions, eager, batches of 4 whole ECGs, AdamW. Ours is
`services.trainer.loop` with the default recipe: 2-D convolutions channels last, batches of 32,
excerpts of 5 s, augmentation, averaged weights. A third figure is our loop on whole ECGs without
augmentation: what the implementation alone gives. Each round runs all three in processes of their
own, one after the other, so that a busy machine meets them alike. Scores of the two recipes on
held-out records are in docs/models/precordia-superclasses/README.md.

    python benchmarks/training.py [--rounds 3] [--samples 256] [--threads 2]
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

BAR = 2.5
RATE_HZ, SECONDS, LEADS, LABELS = 100, 10, 12, 5
KINDS = ("older", "default", "whole")


def main() -> None:
    """Run the rounds and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=256, help="ECGs an epoch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kind", choices=KINDS, help="measure one in this process and print it (used by the rounds)")
    options = parser.parse_args()
    if options.kind:
        print(json.dumps(measure(options.kind, options.samples, options.threads)))
        return
    rounds = [{kind: in_process(kind, options) for kind in KINDS} for _ in range(options.rounds)]
    report(rounds, options)


def in_process(kind: str, options: argparse.Namespace) -> float:
    """Ms per ECG of one kind, measured in a fresh process; ours with the variables that the engine sets."""
    from services.trainer.local_engine import WORKER_VARIABLES

    command = [sys.executable, __file__, "--kind", kind, "--samples", str(options.samples)]
    environment = dict(os.environ) if kind == "older" else {**os.environ, **WORKER_VARIABLES}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [*command, "--threads", str(options.threads)], env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure(kind: str, samples: int, threads: int) -> float:
    """Ms per ECG: forward, backward, optimizer step and making the batch."""
    import torch

    torch.set_num_threads(threads)
    return older_loop(samples) if kind == "older" else our_loop(samples, whole=kind == "whole")


def older_loop(samples: int) -> float:
    """Batches of 4, 1-D convolutions, eager."""
    import numpy as np
    import torch

    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.standard_normal((samples, LEADS, RATE_HZ * SECONDS), dtype=np.float32))
    y = torch.from_numpy((generator.random((samples, LABELS)) < 0.3).astype(np.float32))
    network = one_dimensional().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    started = 0.0
    for epoch in range(2):  # the first warms up
        started = time.perf_counter()
        order = torch.randperm(samples, generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(4):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return (time.perf_counter() - started) / samples * 1000


def one_dimensional():
    """The same network with 1-D layers; checked to compute the same."""
    import torch
    from torch import nn

    from precordia.models.networks import network

    torch.manual_seed(0)
    source = network("InceptionTime").build(LEADS, LABELS, 0.0).eval()

    class OneDimensional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.twin = flattened(network("InceptionTime").build(LEADS, LABELS, 0.0))

        def forward(self, x):
            earlier, twin = x, self.twin
            for number, module in enumerate(twin.modules_in_order):
                narrow = module.bottleneck(x)
                parts = [branch(narrow) for branch in module.branches] + [module.pooled(module.pool(x))]
                x = torch.relu(module.norm(torch.cat(parts, dim=1)))
                if number % 3 == 2:
                    x = earlier = torch.relu(x + twin.shortcuts[number // 3](earlier))
            return twin.head(x.mean(dim=2))

    made = OneDimensional().eval()
    x = torch.randn(2, LEADS, 200)
    with torch.no_grad():
        torch.testing.assert_close(made(x), source(x), atol=1e-5, rtol=1e-5)
    return made


def flattened(module):
    """The module with each 2-D layer replaced by its 1-D twin."""
    from torch import nn

    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            size, padding = child.kernel_size[1], child.padding[1]
            twin = nn.Conv1d(child.in_channels, child.out_channels, size, padding=padding, bias=False)
            twin.weight.data.copy_(child.weight.data[:, :, 0])
            setattr(module, name, twin)
        elif isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.BatchNorm1d(child.num_features))
        elif isinstance(child, nn.MaxPool2d):
            setattr(module, name, nn.MaxPool1d(3, stride=1, padding=1))
        else:
            setattr(module, name, flattened(child))
    return module


def our_loop(samples: int, *, whole: bool) -> float:
    """The trainer's own loop; whole = no excerpts, no augmentation."""
    import numpy as np

    from precordia.manifest import Task
    from precordia.models.networks import network
    from services.trainer.checkpoints import Checkpoints
    from services.trainer.examples import Examples
    from services.trainer.loop import Loop, Run
    from services.trainer.place import Place
    from services.trainer.recipe import DEFAULT

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
        build=lambda: network("InceptionTime").build(LEADS, LABELS, recipe.dropout),
        recipe=recipe,
        task=Task.MULTILABEL,
        labels=tuple("abcde"),
        train=examples,
        validation=examples.only(np.arange(2)),
        rate_hz=RATE_HZ,
        seed=0,
        digest="benchmark",
    )
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def report(kind: str, payload: object) -> None:
            if kind == "epoch" and isinstance(payload, dict):
                seconds.append(payload["seconds"])

        loop = Loop(run, place=Place(), checkpoints=Checkpoints(Path(folder)), report=report, should_stop=lambda: False)
        loop.train()
    seen = samples // recipe.batch_size * recipe.batch_size
    return seconds[-1] / seen * 1000


def report(rounds: list[dict[str, float]], options: argparse.Namespace) -> None:
    """Print figures, spread and ratio."""
    import torch

    print(f"Training InceptionTime, ms per ECG; {options.threads} threads, {options.samples} ECGs an epoch")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}"
    )
    for kind in KINDS:
        values = sorted(row[kind] for row in rounds)
        print(f"  {kind:8} {median(values):6.2f}  ({values[0]:.2f} to {values[-1]:.2f}, {len(values)} rounds)")
    for kind in KINDS[1:]:
        ratio = median(row["older"] / row[kind] for row in rounds)
        verdict = f"bar {BAR}: {'met' if ratio >= BAR else 'missed'}" if kind == "default" else "implementation alone"
        print(f"older / {kind}: {ratio:.2f} ({verdict})")


if __name__ == "__main__":
    main()
